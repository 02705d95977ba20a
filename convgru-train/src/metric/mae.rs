//! Absolute error of a frame.

use convgru_model::{Scalar, Tensor};

use super::{check, pixels};
use crate::Result;

/// The absolute error of one frame, `sum |prediction - truth|` over its pixels
/// (and channels): the "MAE" of the tables on Moving MNIST.
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
/// assert_eq!(convgru_train::metric::mae(&black, &grey)?, 8.0);
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub fn mae<T: Scalar>(prediction: &Tensor<T>, truth: &Tensor<T>) -> Result<f64> {
    check(prediction, truth)?;
    Ok(absolute_error(&pixels(prediction.as_slice()), &pixels(truth.as_slice())))
}

/// `sum |x - y|`, in the order of the pixels.
pub(super) fn absolute_error(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y).abs()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_do_not_cancel() {
        let truth = Tensor::<f64>::zeros(&[1, 1, 3]);
        let prediction = Tensor::from_vec(&[1, 1, 3], vec![1.0, -1.0, 0.25]).unwrap();
        assert_eq!(mae(&prediction, &truth).unwrap(), 2.25);
    }
}
