//! The hash that files of ours carry: a changed bit of such a file is noticed.
//!
//! An entry of the metadata holds `blake3:` and the hash of the whole file without its own 64 digits: of the length of the
//! header, names, types, shapes, metadata and numbers. Files without the entry are read as they are. The value says what it
//! is, as the name of the entry does, so that a file whose entry lost its name is not taken for one without a hash.

use std::collections::HashMap;
use std::ops::Range;

use crate::error::{Error, Result};

/// The name of the entry.
pub(crate) const ENTRY: &str = "convgru_hash";

/// What the value begins with.
const KIND: &str = "blake3:";

/// Digits of the hash.
const DIGITS: usize = 64;

/// The value before the hash is known.
pub(crate) fn placeholder() -> String {
    format!("{KIND}{}", "0".repeat(DIGITS))
}

/// Writes the hash of a file in the place of the placeholder in its header.
pub(crate) fn seal(bytes: &mut [u8]) {
    let entry = format!("\"{ENTRY}\":\"{}", placeholder());
    if let Some(digits) = digits(bytes, 0..bytes.len(), &entry) {
        let hash = hash(bytes, &digits);
        bytes[digits].copy_from_slice(hash.as_bytes());
    }
}

/// Takes the hash out of the metadata and compares it with the one of the bytes. A file without a hash is as it is.
///
/// # Errors
/// [`Error::WeightFile`] if the file is not as it was written.
pub(super) fn expect(
    bytes: &[u8],
    header: Range<usize>,
    metadata: &mut HashMap<String, String>,
) -> Result<()> {
    let refuse = |what: &str| {
        let reason = format!(
            "{what}, so the file is not as it was written: fetch or write it again, or, if it was changed on purpose, \
             leave the entry `{ENTRY}` of the metadata out"
        );
        Err(Error::WeightFile { reason })
    };
    let is_hash = |text: &str| text.len() == KIND.len() + DIGITS && text.starts_with(KIND);
    let Some(value) = metadata.remove(ENTRY) else {
        let lost = metadata.iter().find(|(_, text)| is_hash(text)).map(|(name, _)| name);
        return lost
            .map_or(Ok(()), |name| refuse(&format!("the entry `{name}` holds a hash of another name")));
    };
    let digits = if is_hash(&value) { digits(bytes, header, &value) } else { None };
    match digits {
        Some(digits) if bytes[digits.clone()] == *hash(bytes, &digits).as_bytes() => Ok(()),
        Some(_) => refuse("the bytes of the file have another hash than its metadata say"),
        None => refuse(&format!("the entry `{ENTRY}` is no hash")),
    }
}

/// Where the digits of a value are.
fn digits(bytes: &[u8], within: Range<usize>, value: &str) -> Option<Range<usize>> {
    let at = bytes[within.clone()].windows(value.len()).position(|window| window == value.as_bytes())?;
    let end = within.start + at + value.len();
    Some(end - DIGITS..end)
}

/// The hash of all bytes but the digits.
fn hash(bytes: &[u8], digits: &Range<usize>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..digits.start]).update(&bytes[digits.end..]);
    hasher.finalize().to_hex().as_str().to_owned()
}
