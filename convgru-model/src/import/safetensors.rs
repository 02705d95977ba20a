//! Weights from safetensors.

use std::collections::HashMap;

use convgru_kernels::Scalar;
use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, Result};
use crate::parameters::Parameters;
use crate::tensor::Tensor;

/// Reads every parameter from the bytes of a safetensors file and returns its metadata.
///
/// The file must hold exactly the tensors of `parameters`, by name and shape, in 32 or 64
/// bits. Nothing is changed if it does not.
///
/// # Errors
/// [`Error::WeightFile`] for bytes that are no safetensors file,
/// [`Error::MissingTensor`], [`Error::UnexpectedTensor`] or [`Error::ShapeMismatch`]
/// where the file does not fit.
pub fn from_safetensors<T: Scalar, P: Parameters<T>>(
    bytes: &[u8],
    parameters: &mut P,
) -> Result<HashMap<String, String>> {
    let refused = |error: safetensors::SafeTensorError| Error::WeightFile { reason: error.to_string() };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(refused)?;
    let file = SafeTensors::deserialize(bytes).map_err(refused)?;
    let mut read: HashMap<String, Tensor<T>> = HashMap::new();
    let mut problem = None;
    parameters.for_each(&mut |name, tensor| {
        if problem.is_none() {
            match read_tensor(&file, name, tensor.shape()) {
                Ok(tensor) => drop(read.insert(name.to_owned(), tensor)),
                Err(error) => problem = Some(error),
            }
        }
    });
    if let Some(error) = problem {
        return Err(error);
    }
    if let Some(name) = file.names().into_iter().find(|name| !read.contains_key(*name)) {
        return Err(Error::UnexpectedTensor { name: name.to_owned() });
    }
    parameters.for_each_mut(&mut |name, tensor| {
        if let Some(new) = read.remove(name) {
            *tensor = new;
        }
    });
    Ok(header.metadata().clone().unwrap_or_default())
}

/// The metadata of a safetensors file, without reading its tensors.
///
/// # Errors
/// [`Error::WeightFile`] for bytes that are no safetensors file.
pub fn safetensors_metadata(bytes: &[u8]) -> Result<HashMap<String, String>> {
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|error| Error::WeightFile { reason: error.to_string() })?;
    Ok(header.metadata().clone().unwrap_or_default())
}

fn read_tensor<T: Scalar>(file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Tensor<T>> {
    let view = file.tensor(name).map_err(|_| {
        let mut names = file.names();
        names.sort_unstable();
        let more = if names.len() > 8 { ", ..." } else { "" };
        names.truncate(8);
        Error::MissingTensor { name: name.to_owned(), found: names.join(", ") + more }
    })?;
    crate::tensor::expect_shape(name, view.shape(), shape)?;
    let data: Vec<T> = match view.dtype() {
        Dtype::F32 => numbers(view.data(), |bytes: [u8; 4]| T::from_f32(f32::from_le_bytes(bytes))),
        Dtype::F64 => numbers(view.data(), |bytes: [u8; 8]| T::from_f64(f64::from_le_bytes(bytes))),
        other => {
            let reason = format!("tensor `{name}` is {other:?}; F32 and F64 are read");
            return Err(Error::WeightFile { reason });
        }
    };
    Tensor::from_vec(shape, data)
}

fn numbers<T, const BYTES: usize>(data: &[u8], number: impl Fn([u8; BYTES]) -> T) -> Vec<T> {
    let (chunks, _) = data.as_chunks::<BYTES>();
    chunks.iter().map(|&bytes| number(bytes)).collect()
}
