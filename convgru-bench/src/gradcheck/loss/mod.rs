//! The losses.

mod ensemble;
mod frames;
mod heads;
mod pointwise;

use convgru_model::gradcheck::Case;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = pointwise::cases();
    cases.extend(frames::cases());
    cases.extend(ensemble::cases());
    cases.extend(heads::cases());
    cases
}
