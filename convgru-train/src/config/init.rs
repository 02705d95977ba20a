//! Weights that a run begins with.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::path_text;
use crate::{Error, Result};

/// The file with the first weights of a run, if they are not drawn: a trained model, or a network or stacks of cells of
/// `convgru import`. The optimiser, the schedule and the order of the data begin as they do in every run, and a run that is resumed does
/// not read the file again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InitConfig {
    /// `model.safetensors`, a checkpoint, the folder of a run, or weights that `convgru import` wrote; empty draws all weights.
    #[serde(with = "path_text")]
    pub from: PathBuf,
    /// The blake3 hash of the file in hexadecimal, which a run writes down when it begins. A file of another hash is refused;
    /// empty takes any.
    pub hash: String,
    /// The stack of the network that a single stack of cells fills, such as `encoder`; empty where its name or its form tells.
    pub part: String,
    /// Whether a run takes the tensors that fit and draws the other tensors, if not all tensors of the file fit. The run names both.
    pub partial: bool,
}

impl InitConfig {
    /// The file, if there is one.
    pub fn file(&self) -> Option<&Path> {
        Some(self.from.as_path()).filter(|file| !file.as_os_str().is_empty())
    }

    /// Checks that nothing is said about a file that is not given.
    ///
    /// # Errors
    /// [`Error::Config`] with the name of the field.
    pub(super) fn validate(&self) -> Result<()> {
        let given = |text: &String| (!text.is_empty()).then(|| format!("\"{text}\""));
        let partial = self.partial.then(|| "true".to_owned());
        for (field, value) in
            [("init.hash", given(&self.hash)), ("init.part", given(&self.part)), ("init.partial", partial)]
        {
            if let Some(value) = value
                && self.file().is_none()
            {
                let reason = format!("is {value}, but init.from names no file; give one with --init-from");
                return Err(Error::Config { field: field.to_owned(), reason });
            }
        }
        Ok(())
    }
}
