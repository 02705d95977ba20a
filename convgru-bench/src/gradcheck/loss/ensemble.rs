//! Losses of the members of an ensemble: scores, changes in time, clamped predictions.

use std::ops::RangeInclusive;

use convgru_kernels::reference::Number;
use convgru_model::gradcheck::draw::{self, Values};
use convgru_model::gradcheck::{Case, Subject};
use convgru_model::reference::Array;
use convgru_model::{PredictionGradient, Tensor};

use convgru_train::loss::{
    Clamp, LeadWeights, Loss, LossTerm, LossTerms, Objective, PredictedFrames, Truth, objective_reference,
};
use convgru_train::metric::Spread;
use convgru_train::{Error, Result};

pub(super) fn cases() -> Vec<Case> {
    let named = [
        ("", Spread::Ensemble),
        (", fair", Spread::Fair),
        (", almost fair", Spread::AlmostFair { alpha: 0.95 }),
        (", almost fair with another constant", Spread::AlmostFair { alpha: 0.3 }),
    ];
    let score = |(name, spread): (&str, Spread)| {
        case(&format!("loss crps of an ensemble{name}"), 2..=4, Loss::Crps { spread }.into())
    };
    let mut cases: Vec<Case> = named.map(score).into();
    let penalty = Objective::from(Loss::TemporalPenalty);
    cases.push(case("loss temporal-penalty of an ensemble", 1..=3, penalty.clone()));
    let clamp = Clamp::Range { low: -0.9, high: 1.1 };
    cases.push(case("loss temporal-penalty, clamped", 1..=3, Objective { clamp, ..penalty }));
    let terms = [
        (Loss::Crps { spread: Spread::AlmostFair { alpha: 0.6 } }, 1.5),
        (Loss::TemporalPenalty, 0.4),
        (Loss::Mse, 0.5),
    ];
    let terms = LossTerms(terms.map(|(loss, weight)| LossTerm { loss, weight }).into());
    let sum = Objective { terms, lead_weights: LeadWeights::Linear, clamp };
    cases.push(case("loss crps + temporal-penalty + mse of an ensemble, clamped", 2..=4, sum));
    cases
}

fn case(name: &str, members: RangeInclusive<usize>, objective: Objective) -> Case {
    let penalty = objective.terms.0.iter().any(|term| term.loss == Loss::TemporalPenalty);
    let steps = if penalty { 2usize..=4 } else { 1..=3 };
    let shape = (steps, members, 1usize..=2, draw::image_size(), draw::seed());
    Case::new(name, shape, move |(steps, members, channels, [height, width], seed)| {
        Ok(ScoreOfFrames::new(objective.clone(), members, [steps, 2, channels, height, width], seed))
    })
}

/// How near to a bound no prediction lies.
const NEAR: f64 = 0.02;

/// An objective of drawn members against fixed true frames, some of whose pixels are unknown.
struct ScoreOfFrames {
    objective: Objective,
    members: usize,
    prediction: Tensor<f64>,
    target: Tensor<f64>,
    valid: Tensor<f64>,
}

impl ScoreOfFrames {
    fn new(objective: Objective, members: usize, shape: [usize; 5], seed: u64) -> Self {
        let mut values = Values::new(seed);
        let sample: usize = shape[2..].iter().product();
        // The truth of the frames is the same at all lead times but for small numbers.
        let first = values.tensor(&shape[1..]);
        let target = Tensor::from_fn(&shape, |i| first.as_slice()[i % first.len()] + 0.02 * values.number());
        // The first pixel is known at all lead times.
        let valid =
            Tensor::from_fn(
                &shape,
                |i| {
                    if i % (shape[1] * sample) == 0 || values.coin() { 1.0 } else { 0.0 }
                },
            );
        // Losses have kinks where members meet each other, the truth, themselves at the lead time before or a bound: member k
        // lies at another distance than all others, on either side, and at another one at each lead time.
        let of_members = [shape[0], shape[1], members * shape[2], shape[3], shape[4]];
        let prediction = Tensor::from_fn(&of_members, |i| {
            let (item, k) = (i / (members * sample), i / sample % members);
            let odd = item / shape[1] % 2;
            let distance = 0.3 + 0.3 * k as f64 + 0.15 * odd as f64 + 0.02 * values.number();
            let x = target.as_slice()[item * sample + i % sample]
                + if values.coin() { distance } else { -distance };
            match objective.clamp {
                Clamp::Range { low, .. } if (x - low).abs() < NEAR => low - 2.0 * NEAR,
                Clamp::Range { high, .. } if (x - high).abs() < NEAR => high + 2.0 * NEAR,
                _ => x,
            }
        });
        Self { objective, members, prediction, target, valid }
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
