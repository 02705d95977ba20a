//! The files of networks that `--checkpoint`, `--init-from` and `--weights` read.

use std::path::Path;

use convgru_model::import::{FileDescription, NEEDS_64_BITS, NamedNetwork, SafetensorsWeights, read_all};
use convgru_model::{Network, Parameters, Scalar, Tensor};

use super::TrainedModel;
use crate::checkpoint::MAGIC;
use crate::{Error, Result};

/// The content of a file of weights.
pub enum ModelFile<T> {
    /// A checkpoint or a `model.safetensors`: a network with the configuration of its training.
    Trained(Box<TrainedModel>),
    /// Networks without a training: a file of `convgru import` or `convgru export`, or weights of another program. At least one.
    Networks(Vec<NamedNetwork<T>>),
}

impl<T: Scalar> ModelFile<T> {
    /// Reads the bytes of a file, whichever it is; `path` is for errors.
    ///
    /// Tensors are looked for before a network is made, and take at most the memory of the bytes, in the numbers of `T`. Numbers of 64 bits
    /// are rounded to numbers of `T`.
    ///
    /// # Errors
    /// The errors of [`TrainedModel::from_bytes`] for a trained model; [`Error::Format`] for a file without a network, or with an incomplete
    /// network.
    ///
    /// ```
    /// use convgru_model::import::NamedNetwork;
    /// use convgru_model::{ConvGru, ConvGruConfig, export};
    /// use convgru_train::trainer::ModelFile;
    ///
    /// let network = ConvGru::<f32>::new(ConvGruConfig::new(1, &[2]), 0)?;
    /// let bytes = export::networks(&vec![NamedNetwork { name: "gru.".into(), network: network.into(), origin: None }])?;
    /// let ModelFile::Networks(networks) = ModelFile::<f32>::from_bytes(&bytes, "gru.safetensors".as_ref())? else {
    ///     panic!("it was not trained")
    /// };
    /// assert_eq!(networks[0].name, "gru.");
    /// # Ok::<(), convgru_train::Error>(())
    /// ```
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        Ok(match Self::networks(bytes, path)? {
            Some(networks) => Self::Networks(networks),
            None => Self::Trained(Box::new(TrainedModel::from_bytes(bytes, path)?)),
        })
    }

    /// The networks of a file without a training, at least one; `None` for a trained model, which is not read.
    ///
    /// # Errors
    /// [`Error::Format`] for a file that holds no network, or one that is not whole.
    ///
    /// ```
    /// use convgru_train::trainer::ModelFile;
    ///
    /// let error = ModelFile::<f32>::networks(b"# Notes", "notes.txt".as_ref()).unwrap_err();
    /// assert!(error.to_string().contains("it is a text, not a file of weights"));
    /// ```
    pub fn networks(bytes: &[u8], path: &Path) -> Result<Option<Vec<NamedNetwork<T>>>> {
        if bytes.starts_with(&MAGIC) || is_trained(bytes) {
            return Ok(None);
        }
        let networks = read_rounded(bytes).map_err(|error| Error::Format {
            path: path.into(),
            reason: format!(
                "neither a checkpoint nor weights of a network ({error}); `convgru import` lists the content of a file of another program"
            ),
        });
        networks.map(Some)
    }
}

/// All networks of a file; where `T` does not hold its numbers of 64 bits, they are rounded.
fn read_rounded<T: Scalar>(bytes: &[u8]) -> convgru_model::Result<Vec<NamedNetwork<T>>> {
    match read_all(bytes) {
        Err(convgru_model::Error::WeightFile { reason }) if reason.contains(NEEDS_64_BITS) => {
            read_all::<f64>(bytes)?.into_iter().map(rounded).collect()
        }
        read => read,
    }
}

/// A network with its numbers rounded; a number that is too large for `T` is refused.
fn rounded<T: Scalar>(
    NamedNetwork { name, network, origin }: NamedNetwork<f64>,
) -> convgru_model::Result<NamedNetwork<T>> {
    let refuse = |reason: String| Err(convgru_model::Error::WeightFile { reason });
    let mut tensors: Vec<Tensor<T>> = Vec::new();
    network.for_each(&mut |_, tensor| tensors.push(tensor.cast()));
    let mut tensors = tensors.into_iter();
    let network = Network::from_tensors(network.description(), &mut |name, _| match tensors.next() {
        Some(tensor) if tensor.is_finite() => Ok(tensor),
        Some(_) => refuse(format!("the weights `{name}` hold numbers that are too large for 32 bits")),
        None => refuse(format!("there are no weights `{name}`")),
    })?;
    Ok(NamedNetwork { name, network, origin })
}

/// Whether the metadata of a file describe a training.
fn is_trained(bytes: &[u8]) -> bool {
    let description =
        SafetensorsWeights::open(bytes).and_then(|file| FileDescription::among(file.metadata()));
    matches!(description, Ok(Some(description)) if description.training.is_some())
}
