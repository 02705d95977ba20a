//! Named tensors of a file in any format that is known, before anything is known about the model they belong to.

use convgru_kernels::Scalar;

use super::safetensors::File;
use super::{mxnet, pytorch};
use crate::error::{Error, Result};
use crate::parameters::Parameters;
use crate::tensor::Tensor;

/// The tensors of a file of weights, of any system.
///
/// As [`Parameters`] they can be written by [`to_safetensors`](crate::export::to_safetensors).
///
/// A name is the path through nested dictionaries and modules, joined by dots as in a `state_dict`:
/// `state_dict.module.update_block.gru.convz.weight`. The name of a file that is one tensor is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensors<T = f64> {
    /// Names and tensors, in the order of the file.
    pub tensors: Vec<(String, Tensor<T>)>,
    /// What could not be read as floating point numbers: names and reasons.
    pub skipped: Vec<(String, String)>,
}

impl<T> NamedTensors<T> {
    /// Of no tensors.
    pub(super) fn empty() -> Self {
        Self { tensors: Vec::new(), skipped: Vec::new() }
    }

    /// What has names that begin with `prefix`, under the rest of these names.
    ///
    /// Networks in `DataParallel` have `module.` before every name, training programs put a `state_dict` beside
    /// the state of their optimiser.
    ///
    /// ```
    /// use convgru_model::{Tensor, import::NamedTensors};
    ///
    /// let names = ["state_dict.module.convz.bias", "optimizer.state.0.exp_avg"];
    /// let tensors = names.map(|name| (name.to_owned(), Tensor::<f64>::zeros(&[1]))).into();
    /// let weights = NamedTensors { tensors, skipped: Vec::new() }.under("state_dict.module.");
    /// assert_eq!(weights.tensors[0].0, "convz.bias");
    /// assert_eq!(weights.tensors.len(), 1);
    /// ```
    #[must_use]
    pub fn under(self, prefix: &str) -> Self {
        fn rest<V>(prefix: &str, (name, value): (String, V)) -> Option<(String, V)> {
            name.strip_prefix(prefix).map(|rest| (rest.to_owned(), value))
        }
        Self {
            tensors: self.tensors.into_iter().filter_map(|item| rest(prefix, item)).collect(),
            skipped: self.skipped.into_iter().filter_map(|item| rest(prefix, item)).collect(),
        }
    }
}

impl<T: Scalar> Parameters<T> for NamedTensors<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        self.tensors.iter().for_each(|(name, tensor)| visit(name, tensor));
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        self.tensors.iter_mut().for_each(|(name, tensor)| visit(name, tensor));
    }
}

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
/// let weights = import::named_tensors(&file)?;
/// assert_eq!(weights.tensors.len(), 3);
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn named_tensors(bytes: &[u8]) -> Result<NamedTensors> {
    read(bytes)
}

/// As [`named_tensors`], with numbers held in 32 bits: in half of the memory, which of a file of 16-bit numbers is twice its
/// bytes. Every number keeps its value; a tensor of 64-bit numbers that 32 bits do not hold is listed as skipped.
///
/// # Errors
/// As [`named_tensors`].
pub fn named_tensors_in_single_precision(bytes: &[u8]) -> Result<NamedTensors<f32>> {
    read(bytes)
}

pub(super) fn read<T: Scalar>(bytes: &[u8]) -> Result<NamedTensors<T>> {
    if is_safetensors(bytes) {
        return read_safetensors(bytes);
    }
    if bytes.starts_with(b"PK") || pytorch::is_legacy(bytes) {
        return pytorch::read_as(bytes);
    }
    if mxnet::is_list(bytes) {
        return mxnet::read(bytes);
    }
    if bytes.is_empty() {
        return Err(Error::WeightFile { reason: "the file is empty; fetch it again".to_owned() });
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

/// How the index of a checkpoint of TensorFlow ends.
const TENSORFLOW_INDEX: &[u8] = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb";

/// Number of bytes that decide whether a file is a text.
const TEXT: usize = 256;

/// What else a file may be, and what to do about it.
fn hint(bytes: &[u8]) -> &'static str {
    const HINTS: &[(&[u8], &str)] = &[
        (
            b"version https://git-lfs",
            "; it is a pointer of git-lfs: run `git lfs pull` to get the file itself",
        ),
        (b"<", "; it looks like a web page: download the file itself"),
        (b"{", "; it is a text of JSON, such as the index of a model in parts: give the files that it names"),
        (
            b"\x89HDF",
            "; it is an HDF5 file, as Keras and h5py write (.h5): write its arrays by `safetensors.numpy.save_file`, each as \
             numpy.ascontiguousarray under its name in the file",
        ),
        (
            b"\x93NUMPY",
            "; it is a file of NumPy (.npy): of a dictionary of arrays, write \
             `safetensors.numpy.save_file(numpy.load(FILE, allow_pickle=True).item(), \"weights.safetensors\")`",
        ),
        (b"\x80", "; it is another pickle: load it where it was written and save the tensors as safetensors"),
        (b"GGUF", "; it is a GGUF file: save the tensors as safetensors where it was made"),
        (b"\x1f\x8b", "; it is compressed: unpack it with gunzip"),
        (
            b"\x08",
            "; it may be a model of ONNX or TensorFlow: save its weights as safetensors where it was made",
        ),
    ];
    if bytes.ends_with(TENSORFLOW_INDEX) {
        return "; it is the index of a checkpoint of TensorFlow: read the variables by `tf.train.load_checkpoint` and write them \
                by `safetensors.numpy.save_file`";
    }
    let known = HINTS.iter().find(|(start, _)| bytes.starts_with(start));
    let is_text =
        |text: &str| text.chars().all(|character| !character.is_control() || character.is_whitespace());
    match known {
        Some((_, hint)) => hint,
        None if std::str::from_utf8(&bytes[..bytes.len().min(TEXT)]).is_ok_and(is_text) => {
            "; it is a text, not a file of weights"
        }
        None => "",
    }
}

/// Whether a header of JSON follows its own length.
pub(super) fn is_safetensors(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return false;
    };
    rest.first() == Some(&b'{') && u64::from_le_bytes(*length) <= rest.len() as u64
}

fn read_safetensors<T: Scalar>(bytes: &[u8]) -> Result<NamedTensors<T>> {
    let file = File::open(bytes)?;
    let mut found = NamedTensors { tensors: Vec::with_capacity(file.entries.len()), skipped: Vec::new() };
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
            (b"", "the file is empty"),
            (b"{\"weight_map\": {}}", "index of a model in parts"),
            (
                b"\x89HDF\r\n\x1a\n",
                "as Keras and h5py write (.h5): write its arrays by `safetensors.numpy.save_file`",
            ),
            (b"\x93NUMPY\x01\x00", "allow_pickle=True).item()"),
            (b"GGUF\x03\x00\x00\x00", "a GGUF file"),
            (b"\x1f\x8b\x08\x00", "gunzip"),
            (b"\x08\x07\x12\x07pytorch", "a model of ONNX or TensorFlow"),
            (b"\x00\x00\x0b\x57\xfb\x80\x8b\x24\x75\x47\xdb", "tf.train.load_checkpoint"),
            (b"# Notes\n\nWeights are elsewhere.\n", "it is a text"),
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
