//! The bounds of fields that several configurations have, and the error beyond them.

use crate::error::{Error, Result};

/// The largest number of channels a configuration may ask for.
pub(crate) const MAX_CHANNELS: usize = 65_536;
/// The largest number of layers a configuration may ask for.
pub(crate) const MAX_LAYERS: usize = 64;
/// The largest number of parameters a network may have.
pub(crate) const MAX_PARAMETERS: usize = 1 << 31;

/// The most members of an ensemble of predictions.
const MOST_MEMBERS: usize = 64;

/// Fails for a number of members that no head has.
pub(super) fn validate_members(members: usize) -> Result<()> {
    if (1..=MOST_MEMBERS).contains(&members) {
        return Ok(());
    }
    invalid("members", format!("{members} is not between 1 and {MOST_MEMBERS}"))
}

/// An [`Error::InvalidConfig`].
pub(crate) fn invalid<T>(field: impl Into<String>, reason: impl Into<String>) -> Result<T> {
    Err(Error::InvalidConfig { field: field.into(), reason: reason.into() })
}
