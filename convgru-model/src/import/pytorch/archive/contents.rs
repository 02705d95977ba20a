//! What either form of file holds.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::error::Error;
use crate::import::pytorch::pickle::Pickle;

/// A file, taken apart.
pub(in crate::import::pytorch) struct Archive<'a> {
    /// What was saved, with names of storages in place of numbers.
    pub(in crate::import::pytorch) pickle: Pickle<'a>,
    /// The numbers: names of storages and their bytes.
    pub(in crate::import::pytorch) storages: BTreeMap<Cow<'a, str>, &'a [u8]>,
    /// Whether numbers have their high bytes first.
    pub(in crate::import::pytorch) big_endian: bool,
}

/// The error of a file that is none.
pub(super) fn refuse(what: impl Into<String>) -> Error {
    Error::WeightFile { reason: what.into() }
}
