//! Files of PyTorch, `.pth`, `.pt` and `.ckpt`, without executing what is in them.
//!
//! Such a file is a pickle, a program that may call any function of Python, beside the numbers of its tensors.
//! Here the program calls nothing: it becomes a table of plain values (`pickle`), tensors are found by the
//! names of the functions that would have rebuilt them (`tensors`), and everything else is walked
//! through and not built. Whole modules are read as well: their classes are not needed.
//!
//! Read are both forms of `torch.save`, the zip archive and the one before version 1.6; numbers in
//! 16 bits (both kinds), 32 and 64 bits with any strides. Integers, quantised tensors, sparse ones and arrays of NumPy are
//! listed as skipped. What is read is bounded by the length of the file, whatever it says.

mod archive;
mod pickle;
mod storage;
mod tensors;
mod walk;

pub(super) use archive::is_legacy;

use convgru_kernels::Scalar;

use super::NamedTensors;
use crate::error::Result;

/// Reads all tensors of a file that `torch.save` wrote.
///
/// # Errors
/// [`Error::WeightFile`](crate::Error::WeightFile) for bytes that are no such file, with the offset in the file or the
/// name of the tensor where they cease to be.
///
/// ```
/// use convgru_model::import::pytorch;
///
/// // The beginning of a file in the form before PyTorch 1.6, and nothing else.
/// let bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// let error = pytorch::read(bytes).unwrap_err().to_string();
/// assert!(error.contains("byte 15: 1 bytes are announced, 0 remain"), "{error}");
/// ```
pub fn read(bytes: &[u8]) -> Result<NamedTensors> {
    read_as(bytes)
}

/// As [`read`], with numbers of a type.
pub(super) fn read_as<T: Scalar>(bytes: &[u8]) -> Result<NamedTensors<T>> {
    walk::tensors(&archive::Archive::open(bytes)?, bytes.len())
}

#[cfg(test)]
mod tests;
