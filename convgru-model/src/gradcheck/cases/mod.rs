//! The gradient checks of everything in this crate that has a backward pass.

mod bidirectional;
mod conv_gru;
mod forecaster;
mod layer;
mod recurrent;
mod sequences;

use super::Case;

/// Every case of this crate.
///
/// ```
/// use convgru_model::gradcheck;
///
/// let cases = gradcheck::cases();
/// let shuffle = cases.iter().find(|case| case.name() == "pixel shuffle").expect("a case of this name");
/// let row = shuffle.run(1, 0);
/// assert!(row.passed, "{row:?}");
/// ```
pub fn cases() -> Vec<Case> {
    let mut cases = conv_gru::cases();
    cases.extend(bidirectional::cases());
    cases.extend(forecaster::cases());
    cases.extend(recurrent::cases());
    cases.extend(layer::cases());
    cases
}

#[cfg(test)]
mod tests;
