//! The generations of checkpoints in the folder of a run.

use std::fs;
use std::path::{Path, PathBuf};

use super::record::Checkpoint;
use crate::{Error, Result, write_atomically};

/// Fewer generations would leave nothing to fall back on.
pub const FEWEST_GENERATIONS: usize = 2;
pub(crate) const BEST: &str = "best.ckpt";

/// The checkpoints of one run: the newest generations as
/// `step_00000120.ckpt`, and `best.ckpt`, a full copy of the one with the
/// lowest validation error.
#[derive(Clone, Debug)]
pub struct CheckpointStore {
    folder: PathBuf,
    keep: usize,
}

/// A checkpoint found by [`CheckpointStore::load_newest`].
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The record.
    pub checkpoint: Checkpoint,
    /// Its file.
    pub path: PathBuf,
    /// Newer files that were passed over, each with the reason. Not empty means
    /// that work was lost, and the user should be told.
    pub rejected: Vec<Rejected>,
}

/// A checkpoint that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl Rejected {
    /// Renames the file to `*.damaged`, so that it neither counts as a
    /// generation nor is lost, and returns the new path.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be renamed.
    pub fn set_aside(&self) -> Result<PathBuf> {
        let mut name = self.path.clone().into_os_string();
        name.push(".damaged");
        let aside = PathBuf::from(name);
        fs::rename(&self.path, &aside).map_err(Error::io("rename", &self.path))?;
        Ok(aside)
    }
}

impl CheckpointStore {
    /// A store in `folder` that keeps `keep` generations, at least two.
    pub fn new(folder: impl Into<PathBuf>, keep: usize) -> Self {
        Self { folder: folder.into(), keep: keep.max(FEWEST_GENERATIONS) }
    }

    /// Where the checkpoint of the lowest validation error is.
    pub fn best_path(&self) -> PathBuf {
        self.folder.join(BEST)
    }

    /// Saves a generation under the name of its step, then removes the oldest
    /// ones beyond the number to keep.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written; older generations stay as they are.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<PathBuf> {
        let path = self.folder.join(format!("step_{:08}.ckpt", checkpoint.cursor.step));
        write_atomically(&path, &checkpoint.to_bytes()?)?;
        let generations = self.generations()?;
        for old in &generations[..generations.len().saturating_sub(self.keep)] {
            if *old != path {
                fs::remove_file(old).map_err(Error::io("remove", old))?;
            }
        }
        Ok(path)
    }

    /// Saves `best.ckpt`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written; the old one stays as it is.
    pub fn save_best(&self, checkpoint: &Checkpoint) -> Result<PathBuf> {
        let path = self.best_path();
        write_atomically(&path, &checkpoint.to_bytes()?)?;
        Ok(path)
    }

    /// The newest checkpoint that is intact; `best.ckpt` is the last resort.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if there is none, with the fault of each file.
    pub fn load_newest(&self) -> Result<Loaded> {
        let mut candidates = self.generations()?;
        candidates.reverse();
        if self.best_path().exists() {
            candidates.push(self.best_path());
        }
        let mut rejected = Vec::new();
        for path in candidates {
            match Checkpoint::read(&path) {
                Ok(checkpoint) => {
                    return Ok(Loaded { checkpoint, path, rejected });
                }
                Err(Error::DamagedCheckpoint { fault, .. }) => {
                    rejected.push(Rejected { path, reason: fault.to_string() });
                }
                Err(error) => rejected.push(Rejected { path, reason: error.to_string() }),
            }
        }
        let reason = if rejected.is_empty() {
            "there is no file named step_*.ckpt or best.ckpt".to_owned()
        } else {
            let faults = rejected.iter().map(|r| format!("{}: {}", file_name(&r.path), r.reason));
            faults.collect::<Vec<_>>().join("; ")
        };
        Err(Error::Checkpoint { path: self.folder.clone(), reason })
    }

    /// The files `step_*.ckpt`, oldest first. Other files, such as what a crash
    /// left half-written, are no generations.
    fn generations(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.folder).map_err(Error::io("list", &self.folder))?;
        let mut generations = Vec::new();
        for entry in entries {
            let path = entry.map_err(Error::io("list", &self.folder))?.path();
            if let Some(step) = step_of(&path) {
                generations.push((step, path));
            }
        }
        generations.sort();
        Ok(generations.into_iter().map(|(_, path)| path).collect())
    }
}

fn step_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_prefix("step_")?.strip_suffix(".ckpt")?;
    digits.parse().ok()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
