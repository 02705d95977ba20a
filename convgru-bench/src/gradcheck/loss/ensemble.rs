//! The score of an ensemble.

use convgru_kernels::reference::Number;
use convgru_model::Tensor;
use convgru_model::gradcheck::draw::{self, Values};
use convgru_model::gradcheck::{Case, Subject};
use convgru_model::reference::Array;

use convgru_train::loss::{EnsembleScore, ensemble_reference};
use convgru_train::metric::Spread;
use convgru_train::{Error, Result};

pub(super) fn cases() -> Vec<Case> {
    let named = [("", Spread::Ensemble), (", fair", Spread::Fair)];
    named.map(|(name, spread)| case(&format!("loss crps of an ensemble{name}"), spread)).into()
}

fn case(name: &str, spread: Spread) -> Case {
    let shape = (draw::steps(), 2usize..=4, 1usize..=2, draw::image_size(), draw::seed());
    Case::new(name, shape, move |(steps, members, channels, [height, width], seed)| {
        let score = EnsembleScore { members, spread };
        Ok(ScoreOfFrames::new(score, [steps, 2, channels, height, width], seed))
    })
}

/// The score of drawn members against fixed true frames, some of whose pixels are unknown.
struct ScoreOfFrames {
    score: EnsembleScore,
    prediction: Tensor<f64>,
    target: Tensor<f64>,
    valid: Tensor<f64>,
}

impl ScoreOfFrames {
    fn new(score: EnsembleScore, shape: [usize; 5], seed: u64) -> Self {
        let mut values = Values::new(seed);
        let target = values.tensor(&shape);
        let valid = Tensor::from_fn(&shape, |i| if i == 0 || values.coin() { 1.0 } else { 0.0 });
        let sample: usize = shape[2..].iter().product();
        // The score has kinks where members meet each other or the truth: member k lies at
        // another distance than all others, on either side.
        let members = [shape[0], shape[1], score.members * shape[2], shape[3], shape[4]];
        let prediction = Tensor::from_fn(&members, |i| {
            let (item, k) = (i / (score.members * sample), i / sample % score.members);
            let distance = 0.3 + 0.3 * k as f64 + 0.05 * values.number();
            target.as_slice()[item * sample + i % sample] + if values.coin() { distance } else { -distance }
        });
        Self { score, prediction, target, valid }
    }
}

impl Subject for ScoreOfFrames {
    type Error = Error;

    fn describe(&self) -> String {
        format!("{} members, truth {:?}", self.score.members, self.target.shape())
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        vec![("members".to_owned(), self.prediction.clone())]
    }

    fn loss(&self, inputs: &[Tensor<f64>]) -> Result<f64> {
        Ok(self.score.value_and_gradient(&inputs[0], &self.target, Some(&self.valid))?.0)
    }

    fn add_gradients(&self, inputs: &[Tensor<f64>], gradients: &mut [Tensor<f64>]) -> Result<()> {
        let (_, gradient) = self.score.value_and_gradient(&inputs[0], &self.target, Some(&self.valid))?;
        Ok(gradients[0].add_assign(&gradient)?)
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Option<N>> {
        let items = self.target.shape()[0] * self.target.shape()[1];
        let (target, valid) = (self.target.as_slice(), self.valid.as_slice());
        Ok(Some(ensemble_reference(&self.score, inputs[0].as_slice(), target, valid, items)))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn scores_pass_many_draws() {
        let report = crate::gradcheck::run(&super::cases(), 20, 5);
        assert!(report.passed(), "{report}");
    }
}
