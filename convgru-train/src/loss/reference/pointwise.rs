//! The losses of elements by their definition.

use convgru_kernels::reference::Number;

use crate::loss::{Loss, Reduction};

/// The loss of elements of a prediction: the specification of [`Loss::reduced`].
///
/// With dual numbers it gives the exact derivative that the gradient is checked against.
///
/// # Shapes
/// prediction, target: the same number of elements, at least one; weight: the same or none
///
/// # Panics
/// If the lengths differ or are zero, or the loss is not one of elements.
///
/// ```
/// use convgru_train::loss::{Loss, Reduction, reference};
///
/// assert_eq!(reference(&Loss::L1, Reduction::Mean, &[1.0f64, -3.0], &[0.0, 0.0], &[]), 2.0);
/// ```
pub fn reference<N: Number>(
    loss: &Loss,
    reduction: Reduction,
    prediction: &[N],
    target: &[f64],
    weight: &[f64],
) -> N {
    assert!(!prediction.is_empty(), "a mean needs elements");
    assert_eq!(prediction.len(), target.len(), "elements of prediction and target");
    assert!(weight.is_empty() || weight.len() == target.len(), "one weight for each element");
    let mut sum = N::from_f64(0.0);
    for (i, (&x, &y)) in prediction.iter().zip(target).enumerate() {
        let weight = N::from_f64(weight.get(i).copied().unwrap_or(1.0));
        sum = sum + weight * element(loss, x, N::from_f64(y));
    }
    match reduction {
        Reduction::Mean => sum / N::from_f64(prediction.len() as f64),
        Reduction::Sum => sum,
    }
}

/// The loss of one element.
pub(super) fn element<N: Number>(loss: &Loss, x: N, y: N) -> N {
    let (half, one) = (N::from_f64(0.5), N::from_f64(1.0));
    let d = x - y;
    match loss {
        Loss::Mse => d * d,
        // Of one forecast the score of an ensemble is the absolute error.
        Loss::L1 | Loss::Crps { .. } => d.abs(),
        Loss::BalancedMse { rain } => N::from_f64(rain.of(y.value())) * d * d,
        Loss::BalancedMae { rain } => N::from_f64(rain.of(y.value())) * d.abs(),
        &Loss::Huber { delta } => {
            let line = N::from_f64(delta);
            if d.value().abs() < delta { half * d * d } else { line * (d.abs() - half * line) }
        }
        &Loss::SmoothL1 { beta } => {
            let line = N::from_f64(beta);
            if d.value().abs() < beta { half * d * d / line } else { d.abs() - half * line }
        }
        // (1 - y) x + (1 + (w - 1) y) (ln(1 + e^-|x|) + max(-x, 0)), where
        // max(-x, 0) = (|x| - x) / 2 has the derivative -1/2 at zero, so that the
        // whole has sigmoid(0) - y.
        Loss::BceWithLogits { pos_weight } => {
            let weight = one + N::from_f64(pos_weight - 1.0) * y;
            let negative_part = half * (x.abs() - x);
            (one - y) * x + weight * ((-x.abs()).exp().ln_1p() + negative_part)
        }
        Loss::GradientDifference { .. } | Loss::Ssim { .. } | Loss::TemporalPenalty => {
            panic!("{} is no loss of elements", loss.name())
        }
    }
}
