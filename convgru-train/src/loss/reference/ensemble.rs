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
    let (k_count, pairs) = (N::from_f64(members as f64), N::from_f64(2.0 * score.pairs()));
    let (mut sum, mut count) = (N::from_f64(0.0), 0.0);
    for i in (0..target.len()).filter(|&i| valid[i] != 0.0) {
        let member = |k: usize| prediction[((i / sample) * members + k) * sample + i % sample];
        count += 1.0;
        for j in 0..members {
            sum = sum + (member(j) - N::from_f64(target[i])).abs() / k_count;
            for k in (0..members).filter(|&k| k != j) {
                sum = sum - (member(j) - member(k)).abs() / pairs;
            }
        }
    }
    sum / N::from_f64(count)
}
