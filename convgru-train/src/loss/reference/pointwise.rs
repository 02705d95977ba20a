//! The losses of elements by their definition.

use convgru_kernels::reference::Number;

use crate::loss::{Criterion, Loss, Reduction};

/// The loss of a prediction: the specification of [`Criterion::value`] and, with a factor
/// for each element, of [`Criterion::weighted`].
///
/// With dual numbers it gives the exact derivative that
/// [`Criterion::value_and_gradient`] is checked against.
///
/// # Shapes
/// prediction, target: the same number of elements, at least one; weight: the same or none
///
/// # Panics
/// If the lengths differ or are zero.
///
/// ```
/// use convgru_train::loss::{Loss, reference};
///
/// assert_eq!(reference(&Loss::L1.into(), &[1.0f64, -3.0], &[0.0, 0.0], &[]), 2.0);
/// ```
pub fn reference<N: Number>(criterion: &Criterion, prediction: &[N], target: &[f64], weight: &[f64]) -> N {
    assert!(!prediction.is_empty(), "a mean needs elements");
    assert_eq!(prediction.len(), target.len(), "elements of prediction and target");
    assert!(weight.is_empty() || weight.len() == target.len(), "one weight for each element");
    let mut sum = N::from_f64(0.0);
    for (i, (&x, &y)) in prediction.iter().zip(target).enumerate() {
        let weight = N::from_f64(weight.get(i).copied().unwrap_or(1.0));
        sum = sum + weight * element(criterion, x, N::from_f64(y));
    }
    match criterion.reduction {
        Reduction::Mean => sum / N::from_f64(prediction.len() as f64),
        Reduction::Sum => sum,
    }
}

/// The loss of one element.
pub(super) fn element<N: Number>(criterion: &Criterion, x: N, y: N) -> N {
    let constants = &criterion.constants;
    let (half, one) = (N::from_f64(0.5), N::from_f64(1.0));
    let d = x - y;
    match criterion.loss {
        Loss::Mse => d * d,
        Loss::L1 => d.abs(),
        Loss::Huber => {
            let delta = N::from_f64(constants.delta);
            if d.value().abs() < constants.delta { half * d * d } else { delta * (d.abs() - half * delta) }
        }
        Loss::SmoothL1 => {
            let beta = N::from_f64(constants.beta);
            if d.value().abs() < constants.beta { half * d * d / beta } else { d.abs() - half * beta }
        }
        // (1 - y) x + (1 + (w - 1) y) (ln(1 + e^-|x|) + max(-x, 0)), where
        // max(-x, 0) = (|x| - x) / 2 has the derivative -1/2 at zero, so that the
        // whole has sigmoid(0) - y.
        Loss::BceWithLogits => {
            let weight = one + N::from_f64(constants.pos_weight - 1.0) * y;
            let negative_part = half * (x.abs() - x);
            (one - y) * x + weight * ((-x.abs()).exp().ln_1p() + negative_part)
        }
    }
}
