//! The two forms of files that `torch.save` writes: where the pickle is, and where the numbers are.

mod contents;
mod legacy;
mod zip;

pub(super) use contents::Archive;
pub(in crate::import) use legacy::is_legacy;

use crate::error::Result;

impl<'a> Archive<'a> {
    /// Takes a file of either form apart.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        if is_legacy(bytes) { legacy::open(bytes) } else { zip::open(bytes) }
    }
}
