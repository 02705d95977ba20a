//! Trained models as files: `model.safetensors`, and reading that or a
//! checkpoint back.

use std::path::Path;

use convgru_model::import::{DESCRIPTION_ENTRY, FileDescription, SafetensorsWeights};
use convgru_model::{Forecaster, NetworkDescription, Tensor, export};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, MAGIC, NamedTensor};
use crate::config::RunConfig;
use crate::dataset::InputOptions;
use crate::frame_by_frame::reads_correlations;
use crate::printable::printable;
use crate::trainer::RunFolder;
use crate::{Error, Result, read_file, write_atomically};

/// The training in the [description](FileDescription) of a `model.safetensors`.
#[derive(Serialize, Deserialize)]
struct Training {
    /// The whole configuration of the run as TOML.
    config: String,
    /// Optimiser steps the model learned.
    step: u64,
}

/// A trained model with the configuration it was trained with.
pub struct TrainedModel {
    /// The model.
    pub model: Forecaster<f32>,
    /// The configuration of its run.
    pub config: RunConfig,
    /// Optimiser steps it learned.
    pub step: u64,
}

impl TrainedModel {
    /// Why a network that continues frames is no trained model, and what takes it.
    pub const NO_TRAINING: &str = "it holds an imported network without the configuration of a training, which tells what numbers mean; \
         `train --init-from` begins with it, `export --weights` and the library read it, and `import --preset mlcast` makes a trained model of \
         a network that mlcast trained on its scale of rain";

    /// Reads a checkpoint or a `model.safetensors`; the content decides which. A run's folder and names of its
    /// checkpoints in it stand for files ([`RunFolder::model_at`]).
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::DamagedCheckpoint`] if
    /// it is a checkpoint that is not intact, [`Error::Checkpoint`] if it is one whose tensors do not fit its
    /// configuration, [`Error::Format`] if it is neither, was changed since it was written or lacks the configuration.
    pub fn read(path: &Path) -> Result<Self> {
        let path = &RunFolder::existing_model_at(path)?;
        Self::from_bytes(&read_file(path)?, path)
    }

    /// As [`read`](Self::read), with the BLAKE3 hash of the file in hexadecimal digits, as `b3sum` prints it.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_with_hash(path: &Path) -> Result<(Self, String)> {
        let path = &RunFolder::existing_model_at(path)?;
        let bytes = read_file(path)?;
        Ok((Self::from_bytes(&bytes, path)?, blake3::hash(&bytes).to_hex().to_string()))
    }

    /// The model in the bytes of a checkpoint or of a `model.safetensors`; `path` is for errors.
    ///
    /// The tensors are looked for before a network is made, and take at most the memory of the bytes.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        if bytes.starts_with(&MAGIC) {
            return Self::from_checkpoint(bytes, path);
        }
        let refuse = |reason: String| Error::Format { path: path.into(), reason };
        let mut file = SafetensorsWeights::open(bytes).map_err(|error| {
            refuse(format!(
                "neither a checkpoint nor a safetensors file ({error}); give a file such as runs/quick/model.safetensors"
            ))
        })?;
        let description =
            FileDescription::among(file.metadata()).map_err(|error| refuse(error.to_string()))?;
        let description = description.ok_or_else(|| {
            refuse(format!(
                "the metadata has no `{DESCRIPTION_ENTRY}`; only models saved by this program can be used here"
            ))
        })?;
        let update_block = description.networks.iter().find_map(|described| match &described.network {
            NetworkDescription::RaftUpdate(config) => Some(reads_correlations(config)),
            _ => None,
        });
        let without_training = || update_block.unwrap_or_else(|| Self::NO_TRAINING.to_owned());
        let training = description.training.ok_or_else(|| refuse(without_training()))?;
        let Training { config, step } = serde_json::from_value(training).map_err(|error| {
            refuse(format!("the training in `{DESCRIPTION_ENTRY}` of the metadata cannot be read: {error}"))
        })?;
        let config = RunConfig::from_toml(&config)
            .map_err(|reason| refuse(format!("the configuration in the metadata: {reason}")))?;
        // The tensors are looked for first: a file cannot name a network that it does not hold.
        let model = Forecaster::from_tensors(config.model.clone(), &mut |name, shape| file.take(name, shape));
        let model = model.map_err(|error| refuse(error.to_string()))?;
        file.expect_all_taken().map_err(|error| refuse(error.to_string()))?;
        Ok(Self { model, config, step })
    }

    fn from_checkpoint(bytes: &[u8], path: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::from_bytes(bytes)
            .map_err(|fault| Error::DamagedCheckpoint { path: path.into(), fault })?;
        let config = RunConfig::from_toml(&checkpoint.config_toml).map_err(|reason| Error::Format {
            path: path.into(),
            reason: format!("the configuration in the checkpoint: {reason}"),
        })?;
        let step = checkpoint.cursor.step;
        let mut tensors = checkpoint.average.unwrap_or(checkpoint.parameters).into_iter();
        let model = Forecaster::from_tensors(config.model.clone(), &mut |name, shape| {
            let reason = match tensors.next() {
                Some(stored) if stored.is(name, shape) => return Tensor::from_vec(shape, stored.values),
                Some(NamedTensor { name, shape, .. }) => {
                    format!("the checkpoint holds `{name}` {shape:?} in its place")
                }
                None => "the checkpoint holds no more tensors".to_owned(),
            };
            Err(convgru_model::Error::WeightFile { reason: format!("tensor `{name}` {shape:?}: {reason}") })
        });
        let refuse = |reason: String| Error::Checkpoint { path: path.into(), reason };
        let model = model.map_err(|error| refuse(error.to_string()))?;
        match tensors.next() {
            Some(stored) => {
                Err(refuse(format!("it holds a tensor `{}` that the model has not", stored.name)))
            }
            None => Ok(Self { model, config, step }),
        }
    }

    /// Fails unless the options name input frames for the other target frames at `other`, where the model reads such, and only there.
    pub(super) fn expect_input_frames(&self, other: Option<&Path>, options: &InputOptions) -> Result<()> {
        let refuse = |what: String, reason: &str| Err(Error::Data { what, reason: reason.to_owned() });
        match (self.config.data.input(), &options.input_frames, other) {
            (None, Some(path), _) => refuse(
                printable(path),
                "is named as input frames, but the model reads the frames that it continues; leave --input out",
            ),
            (Some(_), Some(path), None) => refuse(
                printable(path),
                "is named as the input of the data of the training, which has its own (data.frames.input); leave --input out, or name other frames \
                 with --data",
            ),
            (Some(_), None, Some(data)) => refuse(
                printable(data),
                "has frames that the model gives, and no input frames (data.frames.input); name these with --input",
            ),
            _ => Ok(()),
        }
    }

    /// Fails for a model that continues no frames; `path` holds frames to continue.
    pub(crate) fn expect_continuing(&self, path: &Path) -> Result<()> {
        match self.config.data.input() {
            None => Ok(()),
            Some(input) => Err(Error::Data {
                what: printable(path),
                reason: format!(
                    "cannot be read for the model, which continues no frames: it reads frames such as the frames of {} (data.frames.input) and gives a frame \
                     for each. `predict --input` takes such frames",
                    printable(&input.path)
                ),
            }),
        }
    }

    /// Writes `model.safetensors`.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomically(path, &self.to_safetensors()?)
    }

    /// The bytes of `model.safetensors`: the weights under their names, and the
    /// configuration and step in the metadata, with a hash of all of it.
    ///
    /// # Errors
    /// [`Error::Model`] if the format cannot hold them.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let network = NetworkDescription::Forecaster(self.model.config().clone());
        let training = Training { config: self.config.to_toml(), step: self.step };
        let training = serde_json::to_value(training).expect("texts and numbers are JSON");
        let mut description = FileDescription::of_config("", network, None);
        description.training = Some(training);
        let metadata = [(DESCRIPTION_ENTRY.to_owned(), description.to_json())];
        Ok(export::to_safetensors(self.model.parameters(), &metadata)?)
    }
}
