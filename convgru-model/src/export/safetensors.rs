//! Weights as safetensors.

use std::collections::{HashMap, HashSet};

use convgru_kernels::Scalar;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::error::{Error, Result};
use crate::parameters::Parameters;

/// The bytes of a safetensors file with every parameter under its own name.
///
/// `metadata` is stored beside the tensors as names and texts.
///
/// # Errors
/// [`Error::WeightFile`] if the format cannot hold them.
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
    let dtype = if T::NAME == "f64" { Dtype::F64 } else { Dtype::F32 };
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    parameters.for_each(&mut |name, tensor| {
        let bytes = tensor.as_slice().iter().flat_map(|value| bytes_of(dtype, value.to_f64())).collect();
        tensors.push((name.to_owned(), tensor.shape().to_vec(), bytes));
    });
    let mut names = HashSet::new();
    if let Some((name, ..)) = tensors.iter().find(|(name, ..)| !names.insert(name.as_str())) {
        return Err(Error::WeightFile { reason: format!("two tensors have the name `{name}`") });
    }
    let mut views = Vec::with_capacity(tensors.len());
    for (name, shape, bytes) in &tensors {
        views.push((name, TensorView::new(dtype, shape.clone(), bytes).map_err(refused)?));
    }
    let metadata: HashMap<String, String> = metadata.iter().cloned().collect();
    safetensors::serialize(views, Some(metadata)).map_err(refused)
}

fn bytes_of(dtype: Dtype, value: f64) -> Vec<u8> {
    // A 32-bit number goes through f64 and back unchanged.
    if dtype == Dtype::F64 { value.to_le_bytes().to_vec() } else { (value as f32).to_le_bytes().to_vec() }
}

fn refused(error: safetensors::SafeTensorError) -> Error {
    Error::WeightFile { reason: error.to_string() }
}
