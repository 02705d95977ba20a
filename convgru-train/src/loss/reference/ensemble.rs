//! The score of an ensemble by its definition.

use convgru_kernels::reference::Number;

use crate::loss::EnsembleScore;

/// The specification of [`EnsembleScore::value_and_gradient`]: over all pairs of members.
///
/// # Shapes
/// prediction: `[T N, K, C H W]`; target and valid: `[T N, C H W]`, valid 1 or 0; `items`: `T N`
///
/// # Panics
/// If the lengths do not fit.
pub fn ensemble_reference<N: Number>(
    score: &EnsembleScore,
    prediction: &[N],
    target: &[f64],
    valid: &[f64],
    items: usize,
) -> N {
    let members = score.members;
    assert_eq!(prediction.len(), target.len() * members, "elements of prediction and target");
    let sample = target.len() / items;
    let (mut sum, mut count) = (N::from_f64(0.0), 0.0);
    for i in (0..target.len()).filter(|&i| valid[i] != 0.0) {
        let values: Vec<N> = (0..members).map(|k| prediction[place(i, k, members, sample)]).collect();
        count += 1.0;
        sum = sum + of_element(score, &values, target[i]);
    }
    sum / N::from_f64(count)
}

/// Where member `k` of element `i` lies.
pub(super) fn place(i: usize, k: usize, members: usize, sample: usize) -> usize {
    ((i / sample) * members + k) * sample + i % sample
}

/// The score of one element, over all ordered pairs of different members.
pub(super) fn of_element<N: Number>(score: &EnsembleScore, members: &[N], target: f64) -> N {
    let (count, pairs) = (N::from_f64(members.len() as f64), N::from_f64(2.0 * score.pairs()));
    let mut sum = N::from_f64(0.0);
    for (j, &one) in members.iter().enumerate() {
        sum = sum + (one - N::from_f64(target)).abs() / count;
        for (_, &other) in members.iter().enumerate().filter(|(k, _)| *k != j) {
            sum = sum - (one - other).abs() / pairs;
        }
    }
    sum
}
