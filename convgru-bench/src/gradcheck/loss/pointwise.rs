//! The losses of elements.

use convgru_kernels::reference::Number;
use convgru_model::Tensor;
use convgru_model::gradcheck::draw::{self, Values};
use convgru_model::gradcheck::{Case, Subject};
use convgru_model::reference::Array;

use convgru_train::loss::{Criterion, Loss, LossConstants, Reduction, reference};
use convgru_train::metric::{Spread, SsimWindow};
use convgru_train::{Error, Result};

/// Constants other than the defaults, which are 1 and would hide a missing factor.
const CONSTANTS: LossConstants = LossConstants {
    delta: 0.7,
    beta: 0.3,
    pos_weight: 2.5,
    alpha: 1.5,
    ssim_window: SsimWindow::Uniform,
    crps_spread: Spread::Fair,
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for loss in Loss::ALL {
        let plain = Criterion::from(loss);
        cases.push(case(&format!("loss {}", loss.name()), plain, false));
        let other = Criterion { constants: CONSTANTS, reduction: Reduction::Sum, ..plain };
        cases.push(case(&format!("loss {}, sum, weights", loss.name()), other, true));
    }
    cases
}

fn case(name: &str, criterion: Criterion, weighted: bool) -> Case {
    let shape = (draw::steps(), draw::batch(), draw::image_size(), draw::seed());
    Case::new(name, shape, move |(steps, batch, [height, width], seed)| {
        Ok(LossOfFrames::new(criterion, weighted, &[steps, batch, 1, height, width], seed))
    })
}

/// A loss of predicted frames against fixed true frames.
struct LossOfFrames {
    criterion: Criterion,
    prediction: Tensor<f64>,
    target: Tensor<f64>,
    weight: Option<Tensor<f64>>,
}

impl LossOfFrames {
    fn new(criterion: Criterion, weighted: bool, shape: &[usize], seed: u64) -> Self {
        let mut values = Values::new(seed);
        let target = Tensor::from_fn(shape, |_| 0.5 + 0.5 * values.number());
        // The absolute error has a kink where prediction and target meet, and where the
        // others go from square to line differences are wrong.
        let distance = values.away_from_zero(shape);
        let bends = [criterion.constants.delta, criterion.constants.beta];
        let prediction = Tensor::from_fn(shape, |i| {
            let distance = 2.0 * distance.as_slice()[i];
            let near = bends.iter().any(|bend| (distance.abs() - bend).abs() < 0.05);
            target.as_slice()[i] + if near { 1.5 * distance } else { distance }
        });
        let weight = weighted.then(|| Tensor::from_fn(shape, |_| 1.0 + values.number()));
        Self { criterion, prediction, target, weight }
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
            Some(weight) => Ok(self.criterion.weighted(&inputs[0], &self.target, weight)?.0),
            None => self.criterion.value(&inputs[0], &self.target),
        }
    }

    fn add_gradients(&self, inputs: &[Tensor<f64>], gradients: &mut [Tensor<f64>]) -> Result<()> {
        let (_, gradient) = match &self.weight {
            Some(weight) => self.criterion.weighted(&inputs[0], &self.target, weight)?,
            None => self.criterion.value_and_gradient(&inputs[0], &self.target)?,
        };
        Ok(gradients[0].add_assign(&gradient)?)
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Option<N>> {
        let weight = self.weight.as_ref().map_or(&[][..], Tensor::as_slice);
        Ok(Some(reference(&self.criterion, inputs[0].as_slice(), self.target.as_slice(), weight)))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_loss_passes_many_draws() {
        let cases = super::cases();
        assert_eq!(cases.len(), 2 * convgru_train::loss::Loss::ALL.len());
        let report = crate::gradcheck::run(&cases, 40, 11);
        assert!(report.passed(), "{report}");
    }
}
