//! The form before PyTorch 1.6: five pickles in a row, then the numbers.
//!
//! The pickles are a magic number, the version of the form, facts about the machine, what was saved, and the names of
//! the storages. Each storage is its number of elements in eight bytes, then the elements, low bytes first.

use std::collections::{BTreeMap, HashMap};

use super::super::pickle::{Pickle, PickleValue};
use super::super::storage::StorageRef;
use super::contents::{Archive, refuse};
use crate::error::Result;

/// The first value of a file of this form.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;

/// The version of this form; there was no other.
const VERSION: i128 = 1001;

/// Whether the file begins with the magic number.
pub(in crate::import) fn is_legacy(bytes: &[u8]) -> bool {
    // The magic number is in the first bytes or nowhere.
    bytes.first() == Some(&0x80)
        && number(&bytes[..bytes.len().min(64)], 0).is_some_and(|(number, _)| number == MAGIC)
}

pub(super) fn open(bytes: &[u8]) -> Result<Archive<'_>> {
    let (_, at) = Pickle::read(bytes, 0)?;
    let at = {
        let (version, at) = Pickle::read(bytes, at)?;
        if *version.get(version.root()) != PickleValue::Int(VERSION) {
            return Err(refuse(format!(
                "byte {at}: the form of the file has another version than {VERSION}"
            )));
        }
        at
    };
    let (_, at) = Pickle::read(bytes, at)?;
    let (pickle, at) = Pickle::read(bytes, at)?;
    let (keys, mut at) = Pickle::read(bytes, at)?;
    let sizes = element_sizes(&pickle);
    let mut storages = BTreeMap::new();
    for &key in keys.sequence(keys.root()).unwrap_or_default() {
        let PickleValue::Str(key) = keys.get(key) else {
            return Err(refuse(format!("byte {at}: the name of a storage is no text")));
        };
        let Some(&size) = sizes.get(key.as_ref()) else {
            let key = shown(key);
            return Err(refuse(format!(
                "byte {at}: storage `{key}` belongs to no tensor, so its size is unknown"
            )));
        };
        let data = storage(bytes, at, size);
        let Some(data) = data else {
            return Err(refuse(format!(
                "byte {at}: storage `{key}` with elements of {size} bytes goes beyond the end of the file at \
                 {}; fetch the file again",
                bytes.len()
            )));
        };
        at += 8 + data.len();
        if storages.insert(key.clone(), data).is_some() {
            return Err(refuse(format!("byte {at}: two storages are named `{key}`")));
        }
    }
    Ok(Archive { pickle, storages, big_endian: false })
}

/// The beginning of a text, for an error.
fn shown(text: &str) -> &str {
    text.char_indices().nth(200).map_or(text, |(end, _)| &text[..end])
}

/// The bytes of a storage after the number of its elements.
fn storage(bytes: &[u8], at: usize, size: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    let (count, rest) = rest.split_first_chunk::<8>()?;
    let count = usize::try_from(i64::from_le_bytes(*count)).ok()?;
    rest.get(..count.checked_mul(size)?)
}

/// The bytes of an element of each storage. Where storages are seen as several types, the first decides.
fn element_sizes<'p>(pickle: &'p Pickle<'_>) -> HashMap<&'p str, usize> {
    let mut sizes = HashMap::new();
    for value in pickle.values() {
        if let PickleValue::Persistent(id) = value
            && let Some(storage) = StorageRef::of(pickle, *id)
            && let Some(size) = storage.number.map(|number| number.size())
        {
            sizes.entry(storage.key).or_insert(size);
        }
    }
    sizes
}

/// The integer that a pickle stands for, and where the pickle ends.
fn number(bytes: &[u8], start: usize) -> Option<(i128, usize)> {
    let (pickle, end) = Pickle::read(bytes, start).ok()?;
    match pickle.get(pickle.root()) {
        PickleValue::Int(number) => Some((*number, end)),
        _ => None,
    }
}
