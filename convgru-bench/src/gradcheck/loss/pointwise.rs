//! The losses of elements.

use convgru_kernels::reference::Number;
use convgru_model::Tensor;
use convgru_model::gradcheck::draw::{self, Values};
use convgru_model::gradcheck::{Case, Subject};
use convgru_model::reference::Array;

use convgru_train::loss::{Loss, RainWeights, Reduction, reference};
use convgru_train::{Error, Result};

/// The losses of elements with constants other than the defaults, which are 1 and would hide a missing factor.
fn losses() -> [Loss; 7] {
    let rain = RainWeights { thresholds: vec![0.2, 0.6], weights: vec![0.5, 1.0, 4.0] };
    [
        Loss::Mse,
        Loss::L1,
        Loss::Huber { delta: 0.7 },
        Loss::SmoothL1 { beta: 0.3 },
        Loss::BceWithLogits { pos_weight: 2.5 },
        Loss::BalancedMse { rain: rain.clone() },
        Loss::BalancedMae { rain },
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for other in losses() {
        let name = other.name();
        cases.extend(Loss::named(name).map(|plain| case(&format!("loss {name}"), plain, false)));
        cases.push(case(&format!("loss {name}, sum, weights"), other, true));
    }
    cases
}

fn case(name: &str, loss: Loss, weighted: bool) -> Case {
    let shape = (draw::steps(), draw::batch(), draw::image_size(), draw::seed());
    Case::new(name, shape, move |(steps, batch, [height, width], seed)| {
        Ok(LossOfFrames::new(loss.clone(), weighted, &[steps, batch, 1, height, width], seed))
    })
}

/// A loss of predicted frames against fixed true frames.
struct LossOfFrames {
    loss: Loss,
    prediction: Tensor<f64>,
    target: Tensor<f64>,
    weight: Option<Tensor<f64>>,
}

impl LossOfFrames {
    fn new(loss: Loss, weighted: bool, shape: &[usize], seed: u64) -> Self {
        let mut values = Values::new(seed);
        let target = Tensor::from_fn(shape, |_| 0.5 + 0.5 * values.number());
        // The absolute error has a kink where prediction and target meet, and where the
        // others go from square to line differences are wrong.
        let distance = values.away_from_zero(shape);
        let bend = match loss {
            Loss::Huber { delta } => delta,
            Loss::SmoothL1 { beta } => beta,
            _ => 0.0,
        };
        let prediction = Tensor::from_fn(shape, |i| {
            let distance = 2.0 * distance.as_slice()[i];
            let near = (distance.abs() - bend).abs() < 0.05;
            target.as_slice()[i] + if near { 1.5 * distance } else { distance }
        });
        let weight = weighted.then(|| Tensor::from_fn(shape, |_| 1.0 + values.number()));
        Self { loss, prediction, target, weight }
    }

    fn reduction(&self) -> Reduction {
        if self.weight.is_some() { Reduction::Sum } else { Reduction::Mean }
    }
}

impl Subject for LossOfFrames {
    type Error = Error;

    fn describe(&self) -> String {
        format!("prediction {:?}", self.prediction.shape())
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        vec![("prediction".to_owned(), self.prediction.clone())]
    }

    fn loss(&self, inputs: &[Tensor<f64>]) -> Result<f64> {
        match &self.weight {
            None => self.loss.value(&inputs[0], &self.target),
            weight => Ok(self.loss.reduced(&inputs[0], &self.target, weight.as_ref(), Reduction::Sum)?.0),
        }
    }

    fn add_gradients(&self, inputs: &[Tensor<f64>], gradients: &mut [Tensor<f64>]) -> Result<()> {
        let weight = self.weight.as_ref();
        let (_, gradient) = self.loss.reduced(&inputs[0], &self.target, weight, self.reduction())?;
        Ok(gradients[0].add_assign(&gradient)?)
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Option<N>> {
        let weight = self.weight.as_ref().map_or(&[][..], Tensor::as_slice);
        Ok(Some(reference(
            &self.loss,
            self.reduction(),
            inputs[0].as_slice(),
            self.target.as_slice(),
            weight,
        )))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_loss_passes_many_draws() {
        let cases = super::cases();
        assert_eq!(cases.len(), 2 * super::losses().len());
        let report = crate::gradcheck::run(&cases, 40, 11);
        assert!(report.passed(), "{report}");
    }
}
