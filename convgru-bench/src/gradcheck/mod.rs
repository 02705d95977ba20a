//! The gradient checks of the model and of the losses, many at a time.

mod loss;

use convgru_model::gradcheck::{self, Case, Report};
use rayon::prelude::*;

/// Every case: those of `convgru-model` and those of the losses.
pub fn cases() -> Vec<Case> {
    let mut cases = gradcheck::cases();
    cases.extend(loss::cases());
    cases
}

/// Runs `draws` draws of every case, and the negative control in each of them.
///
/// The same seed draws the same shapes and numbers, on any number of threads.
///
/// ```
/// use convgru_bench::gradcheck;
///
/// let losses: Vec<_> = gradcheck::cases().into_iter().filter(|case| case.name().starts_with("loss")).collect();
/// let report = gradcheck::run(&losses, 2, 0);
/// assert!(report.passed(), "{report}");
/// assert_eq!(report.cases, 2 * losses.len());
/// ```
pub fn run(cases: &[Case], draws: u64, seed: u64) -> Report {
    let rows = cases
        .par_iter()
        .flat_map(|case| (0..draws).into_par_iter().map(move |draw| case.run(seed, draw)))
        .collect();
    let caught = !cases.is_empty() && cases.par_iter().all(|case| case.catches_broken_gradient(seed));
    Report::new(rows, caught)
}
