//! When a trial is behind the others.

use super::search::Trial;

/// Whether the best result of a trial up to `step`, lower is better, is behind the median of the
/// best that each of `others` had found by then. At least `fewest` of them are needed.
pub(super) fn is_behind(best: f64, step: u64, others: &[Trial], fewest: usize) -> bool {
    let mut found: Vec<f64> = others.iter().filter_map(|trial| best_by(&trial.curve, step)).collect();
    if found.is_empty() || found.len() < fewest {
        return false;
    }
    found.sort_by(f64::total_cmp);
    let middle = found.len() / 2;
    let median = if found.len() % 2 == 1 { found[middle] } else { 0.5 * (found[middle - 1] + found[middle]) };
    // A result that is no number is behind.
    best.is_nan() || best > median
}

/// The lowest result up to a step.
pub(super) fn best_by(curve: &[(u64, f64)], step: u64) -> Option<f64> {
    let found =
        curve.iter().filter(|(of, result)| *of <= step && !result.is_nan()).map(|(_, result)| *result);
    found.reduce(f64::min)
}
