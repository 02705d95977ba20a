//! The score of an ensemble.

use convgru_kernels::reference::Number;
use convgru_model::gradcheck::draw::{self, Values};
use convgru_model::gradcheck::{Case, Subject};
use convgru_model::reference::Array;
use convgru_model::{PredictionGradient, Tensor};

use convgru_train::loss::{Loss, Objective, PredictedFrames, Truth, objective_reference};
use convgru_train::metric::Spread;
use convgru_train::{Error, Result};

pub(super) fn cases() -> Vec<Case> {
    let named = [("", Spread::Ensemble), (", fair", Spread::Fair)];
    named.map(|(name, spread)| case(&format!("loss crps of an ensemble{name}"), spread)).into()
}

fn case(name: &str, spread: Spread) -> Case {
    let shape = (draw::steps(), 2usize..=4, 1usize..=2, draw::image_size(), draw::seed());
    Case::new(name, shape, move |(steps, members, channels, [height, width], seed)| {
        Ok(ScoreOfFrames::new(spread, members, [steps, 2, channels, height, width], seed))
    })
}

/// The score of drawn members against fixed true frames, some of whose pixels are unknown.
struct ScoreOfFrames {
    objective: Objective,
    members: usize,
    prediction: Tensor<f64>,
    target: Tensor<f64>,
    valid: Tensor<f64>,
}

impl ScoreOfFrames {
    fn new(spread: Spread, members: usize, shape: [usize; 5], seed: u64) -> Self {
        let mut values = Values::new(seed);
        let target = values.tensor(&shape);
        let valid = Tensor::from_fn(&shape, |i| if i == 0 || values.coin() { 1.0 } else { 0.0 });
        let sample: usize = shape[2..].iter().product();
        // The score has kinks where members meet each other or the truth: member k lies at
        // another distance than all others, on either side.
        let of_members = [shape[0], shape[1], members * shape[2], shape[3], shape[4]];
        let prediction = Tensor::from_fn(&of_members, |i| {
            let (item, k) = (i / (members * sample), i / sample % members);
            let distance = 0.3 + 0.3 * k as f64 + 0.05 * values.number();
            target.as_slice()[item * sample + i % sample] + if values.coin() { distance } else { -distance }
        });
        Self { objective: Loss::Crps { spread }.into(), members, prediction, target, valid }
    }
}

impl ScoreOfFrames {
    fn truth(&self) -> Truth<'_, f64> {
        Truth { frames: &self.target, valid: Some(&self.valid) }
    }
}

impl Subject for ScoreOfFrames {
    type Error = Error;

    fn describe(&self) -> String {
        format!("{} members, truth {:?}", self.members, self.target.shape())
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        vec![("members".to_owned(), self.prediction.clone())]
    }

    fn loss(&self, inputs: &[Tensor<f64>]) -> Result<f64> {
        self.objective.value(&PredictedFrames { output: &inputs[0], logits: &inputs[0] }, &self.truth())
    }

    fn add_gradients(&self, inputs: &[Tensor<f64>], gradients: &mut [Tensor<f64>]) -> Result<()> {
        let forecast = PredictedFrames { output: &inputs[0], logits: &inputs[0] };
        let counts = self.objective.counts(&self.truth())?;
        let (_, gradient) = self.objective.value_and_gradient(&forecast, &self.truth(), &counts)?;
        let (PredictionGradient::Output(gradient) | PredictionGradient::Logits(gradient)) = gradient;
        Ok(gradients[0].add_assign(&gradient)?)
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Option<N>> {
        let shape = [0, 1, 2, 3, 4].map(|axis| self.target.shape()[axis]);
        let truth = [self.target.as_slice(), self.valid.as_slice()];
        let output = inputs[0].as_slice();
        Ok(Some(objective_reference(&self.objective, [output, output], truth, shape)))
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
