//! Squared error of a frame.

use convgru_model::{Scalar, Tensor};

use super::{check, pixels};
use crate::Result;

/// The squared error of one frame, `sum (prediction - truth)^2` over its
/// pixels (and channels): the "MSE" of the tables on Moving MNIST.
///
/// # Shapes
/// prediction, truth: any, the same; usually `[C, H, W]`
///
/// # Errors
/// If the shapes differ or there are no pixels.
///
/// ```
/// use convgru_model::Tensor;
///
/// let (black, grey) = (Tensor::<f32>::zeros(&[1, 4, 4]), Tensor::from_fn(&[1, 4, 4], |_| 0.5f32));
/// assert_eq!(convgru_train::metric::mse(&grey, &black)?, 4.0);
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub fn mse<T: Scalar>(prediction: &Tensor<T>, truth: &Tensor<T>) -> Result<f64> {
    check(prediction, truth)?;
    Ok(squared_error(&pixels(prediction.as_slice()), &pixels(truth.as_slice())))
}

/// `sum (x - y)^2`, in the order of the pixels.
pub(super) fn squared_error(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_summed_as_pixels_are() {
        let truth = Tensor::<f32>::zeros(&[3, 2, 2]);
        let prediction = Tensor::from_fn(&[3, 2, 2], |i| if i % 4 == 0 { 2.0 } else { 0.0 });
        assert_eq!(mse(&prediction, &truth).unwrap(), 12.0);
    }

    #[test]
    fn shapes_must_agree_and_hold_something() {
        let frame = Tensor::<f32>::zeros(&[1, 2, 2]);
        assert!(mse(&frame, &Tensor::zeros(&[2, 2])).is_err());
        let none = Tensor::<f32>::zeros(&[1, 0, 2]);
        let error = mse(&none, &none).unwrap_err().to_string();
        assert_eq!(error, "the predicted frames of a metric: shape [1, 0, 2] has no pixels");
    }
}
