//! The losses once more, as the obvious loop over any kind of number.

use convgru_kernels::reference::Number;

use super::Loss;

/// The loss of a prediction: the specification of [`Loss::value`].
///
/// With dual numbers it gives the exact derivative that
/// [`Loss::value_and_gradient`] is checked against.
///
/// # Shapes
/// prediction, target: the same number of elements, at least one
///
/// # Panics
/// If the lengths differ or are zero.
///
/// ```
/// use convgru_train::loss::{Loss, reference};
///
/// assert_eq!(reference(Loss::L1, &[1.0f64, -3.0], &[0.0, 0.0]), 2.0);
/// ```
pub fn reference<N: Number>(loss: Loss, prediction: &[N], target: &[f64]) -> N {
    assert!(!prediction.is_empty(), "a mean needs elements");
    assert_eq!(prediction.len(), target.len(), "elements of prediction and target");
    let mut sum = N::from_f64(0.0);
    for (&x, &y) in prediction.iter().zip(target) {
        let y = N::from_f64(y);
        let value = match loss {
            Loss::Mse => (x - y) * (x - y),
            Loss::L1 => (x - y).abs(),
            // max(x, 0) - x y + ln(1 + e^-|x|), where max(x, 0) = (x + |x|) / 2
            // has the derivative 1/2 at zero, which is sigmoid(0).
            Loss::BceWithLogits => {
                let positive_part = N::from_f64(0.5) * (x + x.abs());
                positive_part - x * y + (-x.abs()).exp().ln_1p()
            }
        };
        sum = sum + value;
    }
    sum / N::from_f64(prediction.len() as f64)
}
