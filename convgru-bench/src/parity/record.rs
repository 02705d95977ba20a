//! A file of recorded reference values.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use convgru_model::Tensor;
use convgru_train::{Error, Result, read_file};
use safetensors::{Dtype, SafeTensors};

/// The tensors of a safetensors file in `f64`, and what its header says.
#[derive(Debug, Clone)]
pub struct Record {
    path: PathBuf,
    metadata: HashMap<String, String>,
    tensors: BTreeMap<String, Tensor<f64>>,
}

impl Record {
    /// Reads a file. Tensors of other types than F64 and F32 are left out.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Format`] if it is not a
    /// safetensors file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_file(path)?;
        let refuse = |error: safetensors::SafeTensorError| Error::Format {
            path: path.to_owned(),
            reason: format!("not a safetensors file: {error}"),
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(refuse)?;
        let file = SafeTensors::deserialize(&bytes).map_err(refuse)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let values: Vec<f64> = match view.dtype() {
                Dtype::F64 => view.data().as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
                Dtype::F32 => {
                    view.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect()
                }
                _ => continue,
            };
            tensors.insert(name, Tensor::from_vec(view.shape(), values)?);
        }
        let metadata = header.metadata().clone().unwrap_or_default();
        Ok(Self { path: path.to_owned(), metadata, tensors })
    }

    /// An entry of the header.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The tensor of a name, if there is one.
    pub fn find(&self, name: &str) -> Option<&Tensor<f64>> {
        self.tensors.get(name)
    }

    /// The tensor of a name.
    ///
    /// # Errors
    /// [`Error::Format`] if there is none.
    pub fn tensor(&self, name: &str) -> Result<&Tensor<f64>> {
        self.find(name).ok_or_else(|| Error::Format {
            path: self.path.clone(),
            reason: format!("there is no tensor `{name}` of type F64 or F32"),
        })
    }

    /// The names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The tensors whose names begin with `prefix`, without it.
    pub fn with_prefix(&self, prefix: &str) -> Vec<(String, Tensor<f64>)> {
        let stripped = |(name, tensor): (&String, &Tensor<f64>)| {
            Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone()))
        };
        self.tensors.iter().filter_map(stripped).collect()
    }

    /// An [`Error::Format`] about this file.
    pub fn refuse(&self, reason: String) -> Error {
        Error::Format { path: self.path.clone(), reason }
    }
}
