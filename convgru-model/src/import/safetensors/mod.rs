//! Weights from safetensors.

mod header;
pub(crate) mod seal;

use std::collections::HashMap;

use convgru_kernels::Scalar;

pub(super) use header::File;
pub(crate) use header::MAX_METADATA;

use super::float::Float;
use crate::error::{Error, Result};
use crate::parameters::Parameters;
use crate::tensor::{Tensor, expect_shape};

/// Reads every parameter from the bytes of a safetensors file and returns its metadata.
///
/// The file must hold exactly the tensors of `parameters`, by name and shape, in 32 or 64
/// bits. Nothing is changed if it does not. A file of [`to_safetensors`](crate::export::to_safetensors) must be as it was
/// written, to the bit; files of other programs have no hash to tell.
///
/// # Errors
/// [`Error::WeightFile`] for bytes that are no safetensors file or not those that were written,
/// [`Error::MissingTensor`], [`Error::UnexpectedTensor`] or [`Error::ShapeMismatch`]
/// where the file does not fit.
pub fn from_safetensors<T: Scalar, P: Parameters<T>>(
    bytes: &[u8],
    parameters: &mut P,
) -> Result<HashMap<String, String>> {
    let mut file = SafetensorsWeights::open(bytes)?;
    let mut read: HashMap<String, Tensor<T>> = HashMap::new();
    let mut problem = None;
    parameters.for_each(&mut |name, tensor| {
        if problem.is_none() {
            match file.take(name, tensor.shape()) {
                Ok(tensor) => drop(read.insert(name.to_owned(), tensor)),
                Err(error) => problem = Some(error),
            }
        }
    });
    if let Some(error) = problem {
        return Err(error);
    }
    file.expect_all_taken()?;
    parameters.for_each_mut(&mut |name, tensor| {
        if let Some(new) = read.remove(name) {
            *tensor = new;
        }
    });
    Ok(file.file.metadata)
}

/// The metadata of a safetensors file, without reading its tensors.
///
/// # Errors
/// [`Error::WeightFile`] for bytes that are no safetensors file, or not those that were written.
pub fn safetensors_metadata(bytes: &[u8]) -> Result<HashMap<String, String>> {
    Ok(File::open(bytes)?.metadata)
}

/// The tensors of a safetensors file, taken one by one by those who know their names and shapes: a network is made of
/// them without memory for more than the file holds.
///
/// ```
/// use convgru_model::import::SafetensorsWeights;
/// use convgru_model::{Forecaster, ForecasterConfig, export};
///
/// let config = ForecasterConfig::default();
/// let network = Forecaster::<f32>::new(config.clone(), 3)?;
/// let bytes = export::to_safetensors(network.parameters(), &[])?;
/// let mut file = SafetensorsWeights::open(&bytes)?;
/// let copy = Forecaster::<f32>::from_tensors(config, &mut |name, shape| file.take(name, shape))?;
/// file.expect_all_taken()?;
/// assert_eq!(copy.parameters(), network.parameters());
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug)]
pub struct SafetensorsWeights<'a> {
    file: File<'a>,
    /// Which tensors were taken, in the order of the file.
    taken: Vec<bool>,
}

impl<'a> SafetensorsWeights<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Error::WeightFile`] for bytes that are no safetensors file, or not those that were written.
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        let file = File::open(bytes)?;
        let taken = vec![false; file.entries.len()];
        Ok(Self { file, taken })
    }

    /// The texts beside the tensors.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.file.metadata
    }

    /// The tensor of a name.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::ShapeMismatch`], or [`Error::WeightFile`] for numbers that have not 32 or 64 bits.
    pub fn take<T: Scalar>(&mut self, name: &str, shape: &[usize]) -> Result<Tensor<T>> {
        let Some(place) = self.file.find(name) else {
            return Err(Error::MissingTensor { name: name.to_owned(), found: self.file.shown_names() });
        };
        let entry = &self.file.entries[place];
        expect_shape(name, &entry.shape, shape)?;
        let data = self.file.data(entry);
        let data: Vec<T> = match entry.dtype.float {
            Some(Float::F32) => numbers(data, |bytes: [u8; 4]| T::from_f32(f32::from_le_bytes(bytes))),
            Some(Float::F64) => numbers(data, |bytes: [u8; 8]| T::from_f64(f64::from_le_bytes(bytes))),
            _ => {
                let reason = format!("tensor `{name}` is {}; F32 and F64 are read", entry.dtype.name);
                return Err(Error::WeightFile { reason });
            }
        };
        self.taken[place] = true;
        Tensor::from_vec(shape, data)
    }

    /// Fails if the file holds a tensor that was not taken.
    ///
    /// # Errors
    /// [`Error::UnexpectedTensor`]
    pub fn expect_all_taken(&self) -> Result<()> {
        match self.taken.iter().position(|taken| !taken) {
            Some(place) => {
                Err(Error::UnexpectedTensor { name: self.file.entries[place].name.clone().into_owned() })
            }
            None => Ok(()),
        }
    }
}

fn numbers<T, const BYTES: usize>(data: &[u8], number: impl Fn([u8; BYTES]) -> T) -> Vec<T> {
    let (chunks, _) = data.as_chunks::<BYTES>();
    chunks.iter().map(|&bytes| number(bytes)).collect()
}
