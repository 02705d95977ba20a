//! Trained models as files: `model.safetensors`, and reading that or a
//! checkpoint back.

use std::path::Path;

use convgru_model::{Forecaster, ForecasterConfig, export, import};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, MAGIC};
use crate::config::TrainingConfig;
use crate::trainer::RunFolder;
use crate::{Error, Result, write_atomically};

/// The one entry of the metadata of `model.safetensors`. A single entry keeps
/// the file the same to the byte, which an unordered map of several would not.
const ENTRY: &str = import::FORECASTER_ENTRY;

/// What the entry holds, as JSON.
#[derive(Serialize, Deserialize)]
struct Description {
    /// Version of this description.
    version: u32,
    /// The whole configuration of the run as TOML.
    config: String,
    /// Optimiser steps the model learned.
    step: u64,
    /// What the model is, for programs that only run it; files of earlier versions lack it.
    #[serde(default)]
    model: Option<ForecasterConfig>,
}

const VERSION: u32 = 1;

/// A trained model with the configuration it was trained with.
pub struct TrainedModel {
    /// The model.
    pub model: Forecaster<f32>,
    /// The configuration of its run.
    pub config: TrainingConfig,
    /// Optimiser steps it learned.
    pub step: u64,
}

impl TrainedModel {
    /// Reads a checkpoint or a `model.safetensors`; the content decides which. A run's folder and names of its
    /// checkpoints in it stand for files ([`RunFolder::model_at`]).
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::DamagedCheckpoint`] if
    /// it is a checkpoint that is not intact, [`Error::Format`] if it is neither
    /// or lacks the configuration.
    pub fn read(path: &Path) -> Result<Self> {
        let path = &RunFolder::model_at(path);
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        if bytes.starts_with(&MAGIC) {
            return Self::from_checkpoint(&bytes, path);
        }
        let refuse = |reason: String| Error::Format { path: path.into(), reason };
        let metadata = import::safetensors_metadata(&bytes).map_err(|error| {
            refuse(format!(
                "neither a checkpoint nor a safetensors file ({error}); give a file such as runs/quick/model.safetensors"
            ))
        })?;
        let entry = metadata.get(ENTRY).ok_or_else(|| {
            refuse(format!(
                "the metadata has no `{ENTRY}`; only models saved by this program can be used here"
            ))
        })?;
        let description: Description = serde_json::from_str(entry)
            .map_err(|error| refuse(format!("`{ENTRY}` in the metadata cannot be read: {error}")))?;
        if description.version != VERSION {
            let found = description.version;
            return Err(refuse(format!(
                "written as version {found}, but this program reads version {VERSION}"
            )));
        }
        let config = TrainingConfig::from_toml(&description.config)
            .map_err(|reason| refuse(format!("the configuration in the metadata: {reason}")))?;
        let mut model = Forecaster::new(config.model.clone(), 0)?;
        import::from_safetensors(&bytes, &mut model).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { model, config, step: description.step })
    }

    fn from_checkpoint(bytes: &[u8], path: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::from_bytes(bytes)
            .map_err(|fault| Error::DamagedCheckpoint { path: path.into(), fault })?;
        let config = TrainingConfig::from_toml(&checkpoint.config_toml).map_err(|reason| Error::Format {
            path: path.into(),
            reason: format!("the configuration in the checkpoint: {reason}"),
        })?;
        let mut model = Forecaster::new(config.model.clone(), 0)?;
        checkpoint.restore_average(&mut model)?;
        Ok(Self { model, config, step: checkpoint.cursor.step })
    }

    /// Writes `model.safetensors`.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomically(path, &self.to_safetensors()?)
    }

    /// The bytes of `model.safetensors`: the weights under their names, and the
    /// configuration and step in the metadata.
    ///
    /// # Errors
    /// [`Error::Model`] if the format cannot hold them.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let (config, step, model) = (self.config.to_toml(), self.step, Some(self.config.model.clone()));
        let description = serde_json::to_string(&Description { version: VERSION, config, step, model })
            .expect("texts and numbers are JSON");
        let metadata = [(ENTRY.to_owned(), description)];
        Ok(export::to_safetensors(&self.model, &metadata)?)
    }
}
