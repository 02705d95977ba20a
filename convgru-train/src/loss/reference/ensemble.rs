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
