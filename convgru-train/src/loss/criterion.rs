//! A loss with its constants.

use convgru_model::{Scalar, Tensor};
use serde::{Deserialize, Serialize};

use super::reduce::Elements;
use super::{Loss, pointwise};
use crate::metric::{Spread, SsimWindow};
use crate::{Error, Result};

/// The constants of losses; each means nothing to the others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConstants {
    /// Huber: the difference from which the loss is a line; above 0.
    pub delta: f64,
    /// Smooth L1: the difference from which the loss is a line; not negative, L1 at 0.
    pub beta: f64,
    /// BCE with logits: factor of the positive class; above 0.
    pub pos_weight: f64,
    /// Gradient difference: the exponent of each difference; at least 1.
    pub alpha: f64,
    /// Structural similarity: the window.
    pub ssim_window: SsimWindow,
    /// CRPS: how the spread of an ensemble is estimated.
    pub crps_spread: Spread,
}

impl Default for LossConstants {
    fn default() -> Self {
        Self {
            delta: 1.0,
            beta: 1.0,
            pos_weight: 1.0,
            alpha: 1.0,
            ssim_window: SsimWindow::Gaussian,
            crps_spread: Spread::Ensemble,
        }
    }
}

impl LossConstants {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] with the name of the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        for (field, value, least) in [
            ("delta", self.delta, f64::MIN_POSITIVE),
            ("beta", self.beta, 0.0),
            ("pos_weight", self.pos_weight, f64::MIN_POSITIVE),
        ] {
            if !(value >= least && value.is_finite()) {
                let needed = if least > 0.0 { "a positive number" } else { "zero or a positive number" };
                let field = format!("training.loss_constants.{field}");
                return Err(Error::Config { field, reason: format!("{value} is not {needed}") });
            }
        }
        if !(self.alpha >= 1.0 && self.alpha.is_finite()) {
            return Err(Error::Config {
                field: "training.loss_constants.alpha".to_owned(),
                reason: format!("{} is no exponent from 1 on, where the loss has a derivative", self.alpha),
            });
        }
        Ok(())
    }
}

/// What becomes of the losses of elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

/// A loss, its constants and its reduction.
///
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::loss::{Criterion, Loss, LossConstants, Reduction};
///
/// let constants = LossConstants { delta: 0.5, ..LossConstants::default() };
/// let huber = Criterion { loss: Loss::Huber, constants, reduction: Reduction::Sum };
/// let prediction = Tensor::from_vec(&[2], vec![0.25f64, -2.0])?;
/// let (value, gradient) = huber.value_and_gradient(&prediction, &Tensor::zeros(&[2]))?;
/// assert_eq!(value, 0.5 * 0.25 * 0.25 + 0.5 * (2.0 - 0.25));
/// assert_eq!(gradient.as_slice(), [0.25, -0.5]);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Criterion {
    /// The loss of an element.
    pub loss: Loss,
    /// Its constants.
    pub constants: LossConstants,
    /// What becomes of the losses of elements.
    pub reduction: Reduction,
}

impl From<Loss> for Criterion {
    /// The mean, with the constants' defaults.
    fn from(loss: Loss) -> Self {
        Self { loss, constants: LossConstants::default(), reduction: Reduction::Mean }
    }
}

impl Criterion {
    /// The loss of a prediction.
    ///
    /// Differences and sums are formed in `f64` whatever `T` is. NaN and
    /// infinities in the prediction make the value NaN or infinite.
    ///
    /// # Shapes
    /// prediction, target: any, the same
    ///
    /// # Errors
    /// If the shapes differ, there are no elements or a constant is out of its range.
    pub fn value<T: Scalar>(&self, prediction: &Tensor<T>, target: &Tensor<T>) -> Result<f64> {
        let elements = self.elements(prediction, target, None)?;
        let LossConstants { delta, beta, pos_weight, .. } = self.constants;
        let sum = match self.loss {
            Loss::Mse => elements.sum(pointwise::squared),
            Loss::L1 => elements.sum(pointwise::absolute),
            Loss::Huber => elements.sum(|x, y| pointwise::huber(x, y, delta)),
            Loss::SmoothL1 => elements.sum(|x, y| pointwise::smooth_absolute(x, y, beta)),
            Loss::BceWithLogits => elements.sum(|x, y| pointwise::cross_entropy(x, y, pos_weight)),
        };
        Ok(self.reduced(sum, prediction.len()))
    }

    /// The loss of a prediction and its gradient with respect to the prediction.
    ///
    /// The value has the same bits as [`value`](Self::value), for any number of threads.
    ///
    /// # Shapes
    /// prediction, target: any, the same; gradient: the same
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn value_and_gradient<T: Scalar>(
        &self,
        prediction: &Tensor<T>,
        target: &Tensor<T>,
    ) -> Result<(f64, Tensor<T>)> {
        self.gradient_of(prediction, target, None)
    }

    /// As [`value_and_gradient`](Self::value_and_gradient), with a factor for the loss of
    /// each element, as the argument `weight` of
    /// `torch.nn.functional.binary_cross_entropy_with_logits`; a mean is still over all
    /// elements. Of weight 0 an element counts nothing, not even where it is no number.
    ///
    /// ```
    /// use convgru_model::Tensor;
    /// use convgru_train::loss::{Criterion, Loss};
    ///
    /// let prediction = Tensor::from_vec(&[2], vec![1.0f64, 3.0])?;
    /// let weight = Tensor::from_vec(&[2], vec![1.0, 0.0])?;
    /// let (value, gradient) =
    ///     Criterion::from(Loss::Mse).weighted(&prediction, &Tensor::zeros(&[2]), &weight)?;
    /// assert_eq!((value, gradient.as_slice()), (0.5, &[1.0, 0.0][..]));
    /// # Ok::<(), convgru_train::Error>(())
    /// ```
    ///
    /// # Shapes
    /// prediction, target, weight: any, the same; gradient: the same
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn weighted<T: Scalar>(
        &self,
        prediction: &Tensor<T>,
        target: &Tensor<T>,
        weight: &Tensor<T>,
    ) -> Result<(f64, Tensor<T>)> {
        self.gradient_of(prediction, target, Some(weight))
    }

    fn gradient_of<T: Scalar>(
        &self,
        prediction: &Tensor<T>,
        target: &Tensor<T>,
        weight: Option<&Tensor<T>>,
    ) -> Result<(f64, Tensor<T>)> {
        let elements = self.elements(prediction, target, weight)?;
        let LossConstants { delta, beta, pos_weight, .. } = self.constants;
        let mut gradient = Tensor::zeros(prediction.shape());
        let dx = gradient.as_mut_slice();
        let scale = self.reduced(1.0, prediction.len());
        let sum = match self.loss {
            Loss::Mse => elements.sum_and_gradient(dx, scale, pointwise::squared),
            Loss::L1 => elements.sum_and_gradient(dx, scale, pointwise::absolute),
            Loss::Huber => elements.sum_and_gradient(dx, scale, |x, y| pointwise::huber(x, y, delta)),
            Loss::SmoothL1 => {
                elements.sum_and_gradient(dx, scale, |x, y| pointwise::smooth_absolute(x, y, beta))
            }
            Loss::BceWithLogits => {
                elements.sum_and_gradient(dx, scale, |x, y| pointwise::cross_entropy(x, y, pos_weight))
            }
        };
        Ok((self.reduced(sum, prediction.len()), gradient))
    }

    fn reduced(&self, sum: f64, elements: usize) -> f64 {
        match self.reduction {
            Reduction::Mean => sum / elements as f64,
            Reduction::Sum => sum,
        }
    }

    fn elements<'a, T: Scalar>(
        &self,
        prediction: &'a Tensor<T>,
        target: &'a Tensor<T>,
        weight: Option<&'a Tensor<T>>,
    ) -> Result<Elements<'a, T>> {
        self.constants.validate()?;
        check(prediction, target, "the target's")?;
        if let Some(weight) = weight {
            check(prediction, weight, "the weight's")?;
        }
        let weight = weight.map_or(&[][..], Tensor::as_slice);
        Ok(Elements { x: prediction.as_slice(), y: target.as_slice(), weight })
    }
}

/// Fails unless the shapes agree and there are elements.
pub(super) fn check<T: Scalar>(prediction: &Tensor<T>, other: &Tensor<T>, whose: &str) -> Result<()> {
    if prediction.shape() != other.shape() {
        return Err(Error::Model(convgru_model::Error::ShapeMismatch {
            what: "the prediction of a loss".into(),
            expected: format!("{whose} {:?}", other.shape()),
            got: prediction.shape().to_vec(),
        }));
    }
    if prediction.is_empty() {
        return Err(Error::Data {
            what: "the prediction of a loss".into(),
            reason: format!("shape {:?} has no elements to take the mean of", prediction.shape()),
        });
    }
    Ok(())
}
