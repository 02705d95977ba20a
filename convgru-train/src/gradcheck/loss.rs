//! The losses.

use convgru_kernels::reference::Number;
use convgru_model::Tensor;
use convgru_model::gradcheck::draw::{self, Values};
use convgru_model::gradcheck::{Case, Subject};
use convgru_model::reference::Array;

use crate::loss::{Loss, reference};
use crate::{Error, Result};

pub(super) fn cases() -> Vec<Case> {
    let of_loss = |loss: Loss| {
        let shape = (draw::steps(), draw::batch(), draw::image_size(), draw::seed());
        Case::new(&format!("loss {}", loss.name()), shape, move |(steps, batch, [height, width], seed)| {
            Ok(LossOfFrames::new(loss, &[steps, batch, 1, height, width], seed))
        })
    };
    Loss::ALL.into_iter().map(of_loss).collect()
}

/// A loss of predicted frames against fixed true frames.
struct LossOfFrames {
    loss: Loss,
    prediction: Tensor<f64>,
    target: Tensor<f64>,
}

impl LossOfFrames {
    fn new(loss: Loss, shape: &[usize], seed: u64) -> Self {
        let mut values = Values::new(seed);
        let target = Tensor::from_fn(shape, |_| 0.5 + 0.5 * values.number());
        // The absolute error has a kink where prediction and target meet.
        let distance = values.away_from_zero(shape);
        let prediction = Tensor::from_fn(shape, |i| target.as_slice()[i] + 2.0 * distance.as_slice()[i]);
        Self { loss, prediction, target }
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
        self.loss.value(&inputs[0], &self.target)
    }

    fn add_gradients(&self, inputs: &[Tensor<f64>], gradients: &mut [Tensor<f64>]) -> Result<()> {
        let (_, gradient) = self.loss.value_and_gradient(&inputs[0], &self.target)?;
        Ok(gradients[0].add_assign(&gradient)?)
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Option<N>> {
        Ok(Some(reference(self.loss, inputs[0].as_slice(), self.target.as_slice())))
    }
}
