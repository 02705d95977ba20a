//! The score of an ensemble by its definition.

use convgru_kernels::reference::Number;

use crate::metric::Spread;

/// Where member `k` of element `i` lies.
pub(super) fn place(i: usize, k: usize, members: usize, sample: usize) -> usize {
    ((i / sample) * members + k) * sample + i % sample
}

/// The score of one element, over all ordered pairs of different members.
pub(super) fn of_element<N: Number>(spread: Spread, members: &[N], target: f64) -> N {
    let count = members.len() as f64;
    let pairs = match spread {
        Spread::Ensemble => count * count,
        Spread::Fair => count * (count - 1.0),
        Spread::AlmostFair { alpha } => return almost_fair(alpha, members, target),
    };
    let (count, pairs) = (N::from_f64(count), N::from_f64(2.0 * pairs));
    let mut sum = N::from_f64(0.0);
    for (j, &one) in members.iter().enumerate() {
        sum = sum + (one - N::from_f64(target)).abs() / count;
        for (_, &other) in members.iter().enumerate().filter(|(k, _)| *k != j) {
            sum = sum - (one - other).abs() / pairs;
        }
    }
    sum
}

/// Equation 4 of Lang et al. 2024 (arXiv 2412.15832), pair by pair as it stands there.
fn almost_fair<N: Number>(alpha: f64, members: &[N], target: f64) -> N {
    let count = members.len() as f64;
    let (target, kept) = (N::from_f64(target), N::from_f64(1.0 - (1.0 - alpha) / count));
    let mut sum = N::from_f64(0.0);
    for (j, &one) in members.iter().enumerate() {
        for (_, &other) in members.iter().enumerate().filter(|(k, _)| *k != j) {
            sum = sum + (one - target).abs() + (other - target).abs() - kept * (one - other).abs();
        }
    }
    sum / N::from_f64(2.0 * count * (count - 1.0))
}
