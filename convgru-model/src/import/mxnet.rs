//! Files of parameters of MXNet (`.params`): a list of arrays and their names.
//!
//! Lists begin with `0x112` and a word that is zero; arrays with a mark of their version, a form of storage (dense), a
//! shape, a device, a type of number; all numbers are little-endian. Only what is needed to read dense arrays of
//! floating point numbers is known here, and every length is checked against the bytes that are there.

use convgru_kernels::Scalar;

use super::NamedTensors;
use super::float::Float;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// What lists begin with.
const LIST: u64 = 0x112;

/// The marks of the versions of arrays; the first has no form of storage.
const VERSIONS: [u32; 3] = [0xF993_FAC8, 0xF993_FAC9, 0xF993_FACA];

/// More dimensions than any array has.
const MAX_DIMENSIONS: u32 = 32;

/// The most arrays of a list.
const MAX_ARRAYS: u64 = 1 << 16;

/// Whether bytes begin as a list of arrays does.
pub(super) fn is_list(bytes: &[u8]) -> bool {
    bytes.starts_with(&[LIST.to_le_bytes(), [0; 8]].concat())
}

/// Reads all arrays; `arg:` and `aux:` before names are left out.
///
/// # Errors
/// [`Error::WeightFile`] for bytes that are no such list.
pub(super) fn read<T: Scalar>(bytes: &[u8]) -> Result<NamedTensors<T>> {
    let mut cursor = Cursor { bytes, at: 16 };
    let count = cursor.count("arrays", 16)?;
    if count > MAX_ARRAYS {
        return Err(cursor.refuse(format!("{count} arrays; at most {MAX_ARRAYS} are read")));
    }
    let mut arrays = Vec::new();
    for _ in 0..count {
        arrays.push(cursor.array()?);
    }
    let names = cursor.count("names", 8)?;
    if names != count {
        return Err(cursor.refuse(format!("{names} names of {count} arrays")));
    }
    let mut found = NamedTensors::empty();
    for array in arrays {
        let name = cursor.name()?;
        match array {
            Ok(tensor) => found.tensors.push((name, tensor)),
            Err(reason) => found.skipped.push((name, reason)),
        }
    }
    if cursor.at != bytes.len() {
        return Err(cursor.refuse(format!("{} bytes after the last name", bytes.len() - cursor.at)));
    }
    Ok(found)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn refuse(&self, reason: String) -> Error {
        Error::WeightFile { reason: format!("a list of MXNet's arrays, at byte {}: {reason}", self.at) }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let left = self.bytes.len() - self.at;
        if len > left {
            return Err(self.refuse(format!("{len} bytes are needed, {left} are left")));
        }
        self.at += len;
        Ok(&self.bytes[self.at - len..self.at])
    }

    fn u32(&mut self) -> Result<u32> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes were taken")))
    }

    fn u64(&mut self) -> Result<u64> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("eight bytes were taken")))
    }

    /// A number of things, each of which has so many bytes at least.
    fn count(&mut self, what: &str, bytes: u64) -> Result<u64> {
        let count = self.u64()?;
        let left = (self.bytes.len() - self.at) as u64;
        if count.checked_mul(bytes).is_none_or(|needed| needed > left) {
            return Err(self.refuse(format!("{count} {what} in {left} bytes")));
        }
        Ok(count)
    }

    fn name(&mut self) -> Result<String> {
        let len = self.count("letters", 1)?;
        let bytes = self.take(len as usize)?;
        let name = std::str::from_utf8(bytes).map_err(|error| self.refuse(error.to_string()))?;
        Ok(name.strip_prefix("arg:").or_else(|| name.strip_prefix("aux:")).unwrap_or(name).to_owned())
    }

    /// An array; the inner error is why its numbers are none of ours.
    fn array<T: Scalar>(&mut self) -> Result<std::result::Result<Tensor<T>, String>> {
        let version = self.u32()?;
        if !VERSIONS.contains(&version) {
            return Err(self.refuse(format!("an array begins with {version:#010x}")));
        }
        if version != VERSIONS[0] && self.u32()? != 0 {
            return Err(self.refuse("a sparse array".to_owned()));
        }
        let dimensions = self.u32()?;
        if dimensions > MAX_DIMENSIONS {
            return Err(self.refuse(format!("an array of {dimensions} dimensions")));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let size = self.u64()?;
            shape.push(usize::try_from(size).map_err(|_| self.refuse(format!("a size of {size}")))?);
        }
        // The device: its kind and number.
        self.take(8)?;
        let (float, size) = match self.u32()? {
            0 => (Some(Float::F32), 4),
            1 => (Some(Float::F64), 8),
            2 => (Some(Float::F16), 2),
            3 | 5 | 7 => (None, 1),
            4 => (None, 4),
            6 => (None, 8),
            12 => (Some(Float::Bf16), 2),
            other => return Err(self.refuse(format!("numbers of type {other}"))),
        };
        let elements = shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
        let len = elements.and_then(|elements| elements.checked_mul(size));
        let data = match len {
            Some(len) => self.take(len)?,
            None => return Err(self.refuse(format!("an array of shape {shape:?}"))),
        };
        let Some(float) = float else {
            return Ok(Err(format!("integers of {size} bytes are no floating point numbers")));
        };
        let count = data.len() / size;
        match float.gather(data, false, count, 0..count) {
            Ok(numbers) => Ok(Ok(Tensor::from_vec(&shape, numbers)?)),
            Err(reason) => Ok(Err(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of one array of two numbers.
    fn list(version: u32, kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = [LIST.to_le_bytes(), [0; 8], 1u64.to_le_bytes()].concat();
        bytes.extend(version.to_le_bytes());
        if version != VERSIONS[0] {
            bytes.extend(0u32.to_le_bytes());
        }
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(2u64.to_le_bytes());
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(kind.to_le_bytes());
        bytes.extend(data);
        bytes.extend(1u64.to_le_bytes());
        bytes.extend(5u64.to_le_bytes());
        bytes.extend(b"arg:w");
        bytes
    }

    #[test]
    fn arrays_of_every_version_and_type_are_read() {
        let single: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let double: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        for version in VERSIONS {
            for (kind, data) in [(0, &single), (1, &double), (2, &vec![0x00, 0x3e, 0x00, 0xc0])] {
                let bytes = list(version, kind, data);
                assert!(is_list(&bytes));
                let found = read::<f64>(&bytes).unwrap();
                assert_eq!(
                    found.tensors,
                    [("w".to_owned(), Tensor::from_vec(&[2], vec![1.5, -2.0]).unwrap())]
                );
            }
            assert_eq!(read::<f64>(&list(version, 3, &[1, 2])).unwrap().skipped[0].0, "w");
        }
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_an_error_or_another_file_but_never_a_panic() {
        let bytes = list(VERSIONS[1], 0, &[0; 8]);
        for len in 16..bytes.len() {
            read::<f64>(&bytes[..len]).unwrap_err();
        }
        for at in 16..bytes.len() {
            for change in [1, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                let _ = read::<f64>(&changed);
            }
        }
        let error = read::<f64>(&list(7, 0, &[0; 8])).unwrap_err().to_string();
        assert!(error.contains("an array begins with 0x00000007"), "{error}");
    }
}
