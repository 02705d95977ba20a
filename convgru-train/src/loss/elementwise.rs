//! Losses of elements, over tensors of any shape.

use convgru_model::{PredictionGradient, Scalar, Tensor};

use super::reduce::Elements;
use super::{Loss, Objective, PredictedFrames, Truth, pointwise};
use crate::{Error, Result};

/// What becomes of the losses of elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

impl Loss {
    /// The loss of a prediction.
    ///
    /// Differences and sums are formed in `f64` whatever `T` is. NaN and
    /// infinities in the prediction make the value NaN or infinite.
    ///
    /// # Shapes
    /// prediction, target: any, the same; of losses that look at frames `[T, N, C, H, W]`, of ensembles as in [`PredictedFrames`]
    ///
    /// # Errors
    /// If the shapes do not fit, there are no elements or a constant is out of its range.
    pub fn value<T: Scalar>(&self, prediction: &Tensor<T>, target: &Tensor<T>) -> Result<f64> {
        if !self.is_of_elements() {
            let forecast = PredictedFrames { output: prediction, logits: prediction };
            return Objective::from(self.clone()).value(&forecast, &Truth { frames: target, valid: None });
        }
        let sum = self.elements(prediction, target, None)?.sum_of(self, None);
        Ok(Reduction::Mean.of(sum, prediction.len()))
    }

    /// The loss of a prediction and its gradient with respect to the prediction.
    ///
    /// The value has the same bits as [`value`](Self::value), for any number of threads.
    ///
    /// # Shapes
    /// prediction, target: as in [`value`](Self::value); gradient: as the prediction
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn value_and_gradient<T: Scalar>(
        &self,
        prediction: &Tensor<T>,
        target: &Tensor<T>,
    ) -> Result<(f64, Tensor<T>)> {
        if self.is_of_elements() {
            return self.reduced(prediction, target, None, Reduction::Mean);
        }
        let (objective, truth) = (Objective::from(self.clone()), Truth { frames: target, valid: None });
        let forecast = PredictedFrames { output: prediction, logits: prediction };
        let counts = objective.counts(&truth)?;
        let (value, gradient) = objective.value_and_gradient(&forecast, &truth, &counts)?;
        let (PredictionGradient::Output(gradient) | PredictionGradient::Logits(gradient)) = gradient;
        Ok((value, gradient))
    }

    /// The mean or the sum of the losses of elements and its gradient, with a factor for each element where a weight is
    /// given, as the argument `weight` of `torch.nn.functional.binary_cross_entropy_with_logits`; a mean is still over all
    /// elements. Of weight 0 an element counts nothing, not even where it is no number.
    ///
    /// ```
    /// use convgru_model::Tensor;
    /// use convgru_train::loss::{Loss, Reduction};
    ///
    /// let prediction = Tensor::from_vec(&[2], vec![1.0f64, 3.0])?;
    /// let weight = Tensor::from_vec(&[2], vec![1.0, 0.0])?;
    /// let (value, gradient) =
    ///     Loss::Mse.reduced(&prediction, &Tensor::zeros(&[2]), Some(&weight), Reduction::Mean)?;
    /// assert_eq!((value, gradient.as_slice()), (0.5, &[1.0, 0.0][..]));
    /// # Ok::<(), convgru_train::Error>(())
    /// ```
    ///
    /// # Shapes
    /// prediction, target, weight: any, the same; gradient: the same
    ///
    /// # Errors
    /// As [`value`](Self::value), and [`Error::Data`] if the loss is not one of elements.
    pub fn reduced<T: Scalar>(
        &self,
        prediction: &Tensor<T>,
        target: &Tensor<T>,
        weight: Option<&Tensor<T>>,
        reduction: Reduction,
    ) -> Result<(f64, Tensor<T>)> {
        if !self.is_of_elements() {
            return Err(Error::Data {
                what: format!("the loss {}", self.name()),
                reason: "it is not one of elements, whose losses could be weighted and summed".to_owned(),
            });
        }
        let elements = self.elements(prediction, target, weight)?;
        let mut gradient = Tensor::zeros(prediction.shape());
        let scale = reduction.of(1.0, prediction.len());
        let sum = elements.sum_of(self, Some((gradient.as_mut_slice(), scale)));
        Ok((reduction.of(sum, prediction.len()), gradient))
    }

    /// Whether the loss is a sum over elements by themselves.
    fn is_of_elements(&self) -> bool {
        !matches!(
            self,
            Self::GradientDifference { .. } | Self::Ssim { .. } | Self::Crps { .. } | Self::TemporalPenalty
        )
    }

    fn elements<'a, T: Scalar>(
        &self,
        prediction: &'a Tensor<T>,
        target: &'a Tensor<T>,
        weight: Option<&'a Tensor<T>>,
    ) -> Result<Elements<'a, T>> {
        self.validate()?;
        check(prediction, target, "the target's")?;
        if let Some(weight) = weight {
            check(prediction, weight, "the weight's")?;
        }
        let weight = weight.map_or(&[][..], Tensor::as_slice);
        Ok(Elements { x: prediction.as_slice(), y: target.as_slice(), weight })
    }
}

impl Reduction {
    fn of(self, sum: f64, elements: usize) -> f64 {
        match self {
            Self::Mean => sum / elements as f64,
            Self::Sum => sum,
        }
    }
}

impl<T: Scalar> Elements<'_, T> {
    /// The sum of a loss over the elements; adds its derivatives with a factor where there is room for a gradient.
    ///
    /// # Panics
    /// Of losses that look at whole frames, which callers sum over planes.
    pub(super) fn sum_of(self, loss: &Loss, gradient: Option<(&mut [T], f64)>) -> f64 {
        let weighted = |weight: f64, (value, derivative): (f64, f64)| (weight * value, weight * derivative);
        match loss {
            Loss::Mse => self.reduce(gradient, pointwise::squared),
            &Loss::Huber { delta } => self.reduce(gradient, |x, y| pointwise::huber(x, y, delta)),
            &Loss::SmoothL1 { beta } => self.reduce(gradient, |x, y| pointwise::smooth_absolute(x, y, beta)),
            &Loss::BceWithLogits { pos_weight } => {
                self.reduce(gradient, |x, y| pointwise::cross_entropy(x, y, pos_weight))
            }
            Loss::BalancedMse { rain } => {
                self.reduce(gradient, |x, y| weighted(rain.of(y), pointwise::squared(x, y)))
            }
            Loss::BalancedMae { rain } => {
                self.reduce(gradient, |x, y| weighted(rain.of(y), pointwise::absolute(x, y)))
            }
            // Of one forecast the score of an ensemble is the absolute error.
            Loss::L1 | Loss::Crps { .. } => self.reduce(gradient, pointwise::absolute),
            Loss::GradientDifference { .. } | Loss::Ssim { .. } | Loss::TemporalPenalty => {
                unreachable!("{} is no sum over elements by themselves", loss.name())
            }
        }
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
