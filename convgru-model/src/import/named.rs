//! Named tensors of a file in any format that is known.

use convgru_kernels::Scalar;

use super::safetensors::File;
use super::{Checkpoint, mxnet, pytorch};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Reads all tensors of a file of safetensors, of PyTorch or of MXNet (`.params`), whichever it is.
///
/// Formats are told apart by their first bytes. Numbers have 16 bits (both kinds), 32 or 64 bits;
/// tensors of other types are listed as skipped.
///
/// # Errors
/// [`Error::WeightFile`] for bytes of another format, or of one of these but damaged.
///
/// ```
/// use convgru_model::{ConvGru, ConvGruConfig, export, import};
///
/// let network = ConvGru::<f32>::new(ConvGruConfig::new(1, &[4]), 0)?;
/// let file = export::to_safetensors(network.parameters(), &[])?;
/// let checkpoint = import::named_tensors(&file)?;
/// assert_eq!(checkpoint.tensors.len(), 3);
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn named_tensors(bytes: &[u8]) -> Result<Checkpoint> {
    read(bytes)
}

/// As [`named_tensors`], with numbers held in 32 bits: in half of the memory, which of a file of 16-bit numbers is twice its
/// bytes. Every number keeps its value; a tensor of 64-bit numbers that 32 bits do not hold is listed as skipped.
///
/// # Errors
/// As [`named_tensors`].
pub fn named_tensors_in_single_precision(bytes: &[u8]) -> Result<Checkpoint<f32>> {
    read(bytes)
}

fn read<T: Scalar>(bytes: &[u8]) -> Result<Checkpoint<T>> {
    if is_safetensors(bytes) {
        return read_safetensors(bytes);
    }
    if bytes.starts_with(b"PK") || pytorch::is_legacy(bytes) {
        return pytorch::read_as(bytes);
    }
    if mxnet::is_list(bytes) {
        return mxnet::read(bytes);
    }
    let shown: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let reason = format!(
        "{} bytes that begin with `{}` are neither safetensors nor written by torch.save or MXNet{}",
        bytes.len(),
        shown.join(" "),
        hint(bytes)
    );
    Err(Error::WeightFile { reason })
}

/// What else a file may be, and what to do about it.
fn hint(bytes: &[u8]) -> &'static str {
    const HINTS: &[(&[u8], &str)] = &[
        (
            b"version https://git-lfs",
            "; it is a pointer of git-lfs: run `git lfs pull` to get the file itself",
        ),
        (b"<", "; it looks like a web page: download the file itself"),
        (b"\x89HDF", "; it is an HDF5 file: save the tensors as safetensors"),
        (b"\x93NUMPY", "; it is an array of NumPy: save the tensors as safetensors"),
        (b"\x80", "; it is another pickle: load it where it was written and save the tensors as safetensors"),
    ];
    HINTS.iter().find(|(start, _)| bytes.starts_with(start)).map_or("", |(_, hint)| hint)
}

/// Whether a header of JSON follows its own length.
fn is_safetensors(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return false;
    };
    rest.first() == Some(&b'{') && u64::from_le_bytes(*length) <= rest.len() as u64
}

fn read_safetensors<T: Scalar>(bytes: &[u8]) -> Result<Checkpoint<T>> {
    let file = File::open(bytes)?;
    let mut found = Checkpoint { tensors: Vec::with_capacity(file.entries.len()), skipped: Vec::new() };
    for entry in &file.entries {
        let name = entry.name.clone().into_owned();
        let Some(float) = entry.dtype.float else {
            let reason = format!("{} is no floating point number of 16 to 64 bits", entry.dtype.name);
            found.skipped.push((name, reason));
            continue;
        };
        let bytes = file.data(entry);
        let count = bytes.len() / float.size();
        match float.gather(bytes, false, count, 0..count) {
            Ok(data) => found.tensors.push((name, Tensor::from_vec(&entry.shape, data)?)),
            Err(reason) => found.skipped.push((name, reason)),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_told_by_their_first_bytes() {
        for (bytes, said) in [
            (&b"version https://git-lfs.github.com/spec/v1\n"[..], "git lfs pull"),
            (b"<!doctype html>", "web page"),
            (b"\x80\x02}.", "another pickle"),
            (b"", "0 bytes that begin with ``"),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff{", "begin with `ff ff ff ff ff ff ff ff`"),
        ] {
            let error = named_tensors(bytes).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn half_precision_is_read_and_integers_are_listed() {
        let header = br#"{"b":{"dtype":"I16","shape":[1],"data_offsets":[4,6]},"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]},"h":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend([0xc0, 0x3f, 0x00, 0x3e, 1, 0]);
        let found = named_tensors(&bytes).unwrap();
        let names: Vec<(&str, f64)> =
            found.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.as_slice()[0])).collect();
        assert_eq!(names, [("a", 1.5), ("h", 1.5)]);
        assert_eq!(found.skipped[0].0, "b");
    }
}
