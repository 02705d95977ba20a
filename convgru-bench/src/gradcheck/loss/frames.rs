//! Objectives: every kind of loss, unknown pixels, weights of lead times, sums.

use convgru_kernels::reference::Number;
use convgru_model::gradcheck::draw::{self, Values};
use convgru_model::gradcheck::{Case, Subject};
use convgru_model::reference::Array;
use convgru_model::{PredictionGradient, Tensor};

use convgru_train::loss::{
    LeadWeights, Loss, LossTerm, LossTerms, Objective, PredictedFrames, RainWeights, Truth,
    objective_reference,
};
use convgru_train::metric::{Spread, SsimWindow};
use convgru_train::{Error, Result};

const BCE: Loss = Loss::BceWithLogits { pos_weight: 2.5 };
const STEEPNESS: Loss = Loss::GradientDifference { alpha: 1.5 };
/// Cases have the uniform window in every other draw.
const SSIM: Loss = Loss::Ssim { window: SsimWindow::Gaussian };

fn rain() -> RainWeights {
    RainWeights { thresholds: vec![0.2, 0.6], weights: vec![0.5, 1.0, 4.0] }
}

pub(super) fn cases() -> Vec<Case> {
    let balanced = || Loss::BalancedMse { rain: rain() };
    let alone = [
        Loss::Mse,
        Loss::L1,
        Loss::Huber { delta: 0.7 },
        Loss::SmoothL1 { beta: 0.3 },
        BCE,
        balanced(),
        Loss::BalancedMae { rain: rain() },
        STEEPNESS,
        Loss::Crps { spread: Spread::Ensemble },
    ];
    let mut cases = Vec::new();
    for loss in alone {
        cases.push(case(&format!("loss {} of known pixels", loss.name()), &[(loss, 0.7)], [4, 5]));
    }
    let gradients = [(STEEPNESS, 1.0), (balanced(), 0.5)];
    cases.push(case("loss gradient-difference + balanced-mse", &gradients, [4, 5]));
    cases.push(case("loss ssim of whole windows", &[(SSIM, 1.5)], [12, 13]));
    let mixed = [(BCE, 1.0), (SSIM, 0.5), (balanced(), 0.2)];
    cases.push(case("loss bce-with-logits + ssim + balanced-mse", &mixed, [12, 13]));
    cases
}

fn case(name: &str, terms: &[(Loss, f64)], largest: [usize; 2]) -> Case {
    let terms: Vec<_> =
        terms.iter().map(|(loss, weight)| LossTerm { loss: loss.clone(), weight: *weight }).collect();
    let windows = largest[0] > 7;
    // Frames in which a window of 7 or 11 pixels has few places, or a few pixels.
    let side = |largest: usize| if windows { largest - 1..=largest } else { 2..=largest };
    let shape = (1usize..=2, side(largest[0]), side(largest[1]), draw::seed());
    Case::new(name, shape, move |(steps, height, width, seed)| {
        let mut terms = LossTerms(terms.clone());
        for term in &mut terms.0 {
            if let Loss::Ssim { window } = &mut term.loss {
                *window = if seed % 2 == 0 { SsimWindow::Uniform } else { SsimWindow::Gaussian };
            }
        }
        let lead_weights = LeadWeights::List([0.5, 2.0][..steps].to_vec());
        let objective = Objective { lead_weights, ..terms.into() };
        let batch = if windows { 1 } else { 2 };
        Ok(ObjectiveOfFrames::new(objective, [steps, batch, 1, height, width], seed))
    })
}

/// An objective of drawn frames against fixed true frames, some of whose pixels are unknown.
struct ObjectiveOfFrames {
    objective: Objective,
    shape: [usize; 5],
    prediction: Tensor<f64>,
    target: Tensor<f64>,
    valid: Tensor<f64>,
}

impl ObjectiveOfFrames {
    fn new(objective: Objective, shape: [usize; 5], seed: u64) -> Self {
        let mut values = Values::new(seed);
        let (width, area) = (shape[4], shape[3] * shape[4]);
        let checkers = |i: usize| if (i % area / width + i % width).is_multiple_of(2) { 1.0 } else { -1.0 };
        let steep = objective.terms.0.iter().any(|term| matches!(term.loss, Loss::GradientDifference { .. }));
        let windows = objective.terms.0.iter().any(|term| matches!(term.loss, Loss::Ssim { .. }));
        let flat = values.coin();
        let target = Tensor::from_fn(&shape, |i| match steep {
            // Steps of the truth are smaller or larger than all steps of the prediction.
            true if flat => 0.3 * values.number(),
            true => 9.0 * checkers(i) + 0.3 * values.number(),
            false => 0.5 + 0.5 * values.number(),
        });
        // Off the kinks of the absolute values and the bends of the other losses.
        let distances = [0.12, 0.5, 1.3];
        let prediction = Tensor::from_fn(&shape, |i| {
            let distance = distances[i % 3] + 0.05 * values.number();
            let distance = if values.coin() { distance } else { -distance };
            match steep {
                true => 2.0 * checkers(i) + 0.3 * values.number(),
                false if windows => 2.0 * values.number(),
                false => target.as_slice()[i] + distance,
            }
        });
        // A few unknown pixels, far from most windows; the first pixels stay known.
        let valid = Tensor::from_fn(&shape, |i| {
            let unknown = if windows { i % area == area - 1 && values.coin() } else { i % 7 == 5 };
            if unknown { 0.0 } else { 1.0 }
        });
        Self { objective, shape, prediction, target, valid }
    }

    fn on_logits(&self) -> bool {
        self.objective.terms.on_logits()
    }

    fn output(&self, prediction: &Tensor<f64>) -> Tensor<f64> {
        match self.on_logits() {
            true => Tensor::from_fn(&self.shape, |i| Number::sigmoid(prediction.as_slice()[i])),
            false => prediction.clone(),
        }
    }
}

impl Subject for ObjectiveOfFrames {
    type Error = Error;

    fn describe(&self) -> String {
        format!("prediction {:?}", self.shape)
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        vec![("prediction".to_owned(), self.prediction.clone())]
    }

    fn loss(&self, inputs: &[Tensor<f64>]) -> Result<f64> {
        let forecast = PredictedFrames { output: &self.output(&inputs[0]), logits: &inputs[0] };
        self.objective.value(&forecast, &Truth { frames: &self.target, valid: Some(&self.valid) })
    }

    fn add_gradients(&self, inputs: &[Tensor<f64>], gradients: &mut [Tensor<f64>]) -> Result<()> {
        let forecast = PredictedFrames { output: &self.output(&inputs[0]), logits: &inputs[0] };
        let truth = Truth { frames: &self.target, valid: Some(&self.valid) };
        let counts = self.objective.counts(&truth)?;
        let (_, gradient) = self.objective.value_and_gradient(&forecast, &truth, &counts)?;
        let (PredictionGradient::Output(gradient) | PredictionGradient::Logits(gradient)) = gradient;
        Ok(gradients[0].add_assign(&gradient)?)
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Option<N>> {
        let logits = inputs[0].as_slice();
        let output: Vec<N> = match self.on_logits() {
            true => logits.iter().map(|logit| logit.sigmoid()).collect(),
            false => logits.to_vec(),
        };
        let truth = [self.target.as_slice(), self.valid.as_slice()];
        Ok(Some(objective_reference(&self.objective, [&output, logits], truth, self.shape)))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn objectives_pass_many_draws() {
        let report = crate::gradcheck::run(&super::cases(), 8, 3);
        assert!(report.passed(), "{report}");
    }
}
