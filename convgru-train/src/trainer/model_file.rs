//! The files of networks that `--checkpoint`, `--init-from` and `--weights` read.

use std::path::Path;

use convgru_model::Scalar;
use convgru_model::import::{FileDescription, NamedNetwork, SafetensorsWeights, read_all};

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
    /// Tensors are looked for before a network is made, and take at most the memory of the bytes, in the numbers of `T`.
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
        if bytes.starts_with(&MAGIC) || is_trained(bytes) {
            return Ok(Self::Trained(Box::new(TrainedModel::from_bytes(bytes, path)?)));
        }
        let networks = read_all(bytes).map_err(|error| Error::Format {
            path: path.into(),
            reason: format!(
                "neither a checkpoint nor weights of a network ({error}); `convgru import` lists the content of a file of another program"
            ),
        });
        Ok(Self::Networks(networks?))
    }
}

/// Whether the metadata of a file describe a training.
fn is_trained(bytes: &[u8]) -> bool {
    let description =
        SafetensorsWeights::open(bytes).and_then(|file| FileDescription::among(file.metadata()));
    matches!(description, Ok(Some(description)) if description.training.is_some())
}
