//! The two forms of files that `torch.save` writes: where the pickle is, and where the numbers are.

mod legacy;
mod zip;

pub(in crate::import) use legacy::is_legacy;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::pickle::Pickle;
use crate::error::{Error, Result};

/// A file, taken apart.
pub(super) struct Archive<'a> {
    /// What was saved, with names of storages in place of numbers.
    pub(super) pickle: Pickle<'a>,
    /// The numbers: names of storages and their bytes.
    pub(super) storages: BTreeMap<Cow<'a, str>, &'a [u8]>,
    /// Whether numbers have their high bytes first.
    pub(super) big_endian: bool,
}

impl<'a> Archive<'a> {
    /// Takes a file of either form apart.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        if is_legacy(bytes) { legacy::open(bytes) } else { zip::open(bytes) }
    }
}

fn refuse(what: impl Into<String>) -> Error {
    Error::WeightFile { reason: what.into() }
}
