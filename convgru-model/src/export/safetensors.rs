//! Weights as safetensors.

use std::collections::BTreeMap;
use std::ops::Range;

use convgru_kernels::Scalar;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::import::safetensors::seal;
use crate::parameters::Parameters;
use crate::tensor::Tensor;

/// The bytes of a safetensors file with every parameter under its own name.
///
/// `metadata` is stored beside the tensors as names and texts, and with it a hash of the file, by which readers notice
/// every changed bit. The bytes are the same whenever the parameters and texts are.
///
/// # Errors
/// [`Error::WeightFile`] if the format cannot hold them: two tensors of one name.
///
/// ```
/// use convgru_model::{ConvGru, ConvGruConfig, Parameters, export, import};
///
/// let mut network = ConvGru::<f32>::new(ConvGruConfig::new(1, &[4]), 0)?;
/// let bytes = export::to_safetensors(network.parameters(), &[("made by".into(), "me".into())])?;
/// let mut copy = network.parameters().zeros_like();
/// let metadata = import::from_safetensors(&bytes, &mut copy)?;
/// assert_eq!(&copy, network.parameters());
/// assert_eq!(metadata["made by"], "me");
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn to_safetensors<T: Scalar, P: Parameters<T>>(
    parameters: &P,
    metadata: &[(String, String)],
) -> Result<Vec<u8>> {
    write(parameters, metadata, if T::NAME == "f64" { Width::F64 } else { Width::F32 })
}

/// The bytes of a safetensors file as [`to_safetensors`] makes them, in 32 bits where these hold every number and in 64
/// where not.
///
/// # Errors
/// As [`to_safetensors`].
pub fn to_smallest_safetensors<T: Scalar, P: Parameters<T>>(
    parameters: &P,
    metadata: &[(String, String)],
) -> Result<Vec<u8>> {
    let fits = |number: &T| number.to_f64().is_nan() || f64::from(number.to_f64() as f32) == number.to_f64();
    let mut all_fit = true;
    parameters.for_each(&mut |_, tensor| all_fit = all_fit && tensor.as_slice().iter().all(fits));
    write(parameters, metadata, if all_fit { Width::F32 } else { Width::F64 })
}

/// How many bits numbers are written in.
#[derive(Debug, Clone, Copy)]
enum Width {
    F32,
    F64,
}

impl Width {
    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn dtype(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F64 => "F64",
        }
    }

    /// Writes the numbers of a tensor. A 32-bit number goes through f64 and back unchanged.
    fn write<T: Scalar>(self, tensor: &Tensor<T>, to: &mut [u8]) {
        for (&value, to) in tensor.as_slice().iter().zip(to.chunks_exact_mut(self.bytes())) {
            match self {
                Self::F32 => to.copy_from_slice(&(value.to_f64() as f32).to_le_bytes()),
                Self::F64 => to.copy_from_slice(&value.to_f64().to_le_bytes()),
            }
        }
    }
}

fn write<T: Scalar, P: Parameters<T>>(
    parameters: &P,
    metadata: &[(String, String)],
    width: Width,
) -> Result<Vec<u8>> {
    // In the order of their names, as the reference implementation of the format writes tensors of one type.
    let mut tensors: BTreeMap<String, (Vec<usize>, Range<usize>)> = BTreeMap::new();
    let mut twice = None;
    parameters.for_each(&mut |name, tensor| {
        if tensors.insert(name.to_owned(), (tensor.shape().to_vec(), 0..tensor.len())).is_some() {
            twice = Some(name.to_owned());
        }
    });
    if let Some(name) = twice {
        return Err(Error::WeightFile { reason: format!("two tensors are named `{name}`") });
    }
    let mut end = 0;
    for (_, place) in tensors.values_mut() {
        let bytes = place.len() * width.bytes();
        *place = end..end + bytes;
        end = place.end;
    }
    let header = header(&tensors, metadata, width);
    let begin = 8 + header.len();
    let mut bytes = Vec::with_capacity(begin + end);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    bytes.resize(begin + end, 0);
    parameters.for_each(&mut |name, tensor| {
        if let Some((_, place)) = tensors.get(name) {
            width.write(tensor, &mut bytes[begin..][place.clone()]);
        }
    });
    seal::seal(&mut bytes);
    Ok(bytes)
}

/// The header as JSON, spaces up to a multiple of eight bytes after it.
fn header(
    tensors: &BTreeMap<String, (Vec<usize>, Range<usize>)>,
    metadata: &[(String, String)],
    width: Width,
) -> Vec<u8> {
    let mut texts: BTreeMap<&str, Value> =
        metadata.iter().map(|(name, text)| (name.as_str(), text.as_str().into())).collect();
    texts.insert(seal::ENTRY, seal::placeholder().into());
    let texts: Map<String, Value> = texts.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    let mut header = String::from(r#"{"__metadata__":"#);
    header.push_str(&Value::Object(texts).to_string());
    for (name, (shape, place)) in tensors {
        let info =
            json!({ "dtype": width.dtype(), "shape": shape, "data_offsets": [place.start, place.end] });
        header.push_str(&format!(",{}:{info}", Value::from(name.as_str())));
    }
    header.push('}');
    let mut bytes = header.into_bytes();
    bytes.resize(bytes.len().next_multiple_of(8), b' ');
    bytes
}
