//! The generations of checkpoints in the folder of a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::envelope::Fault;
use super::record::Checkpoint;
use crate::atomic_file::write_to;
use crate::storage::{self, Storage};
use crate::{Error, Result};

/// Fewer generations would leave nothing to fall back on.
pub const FEWEST_GENERATIONS: usize = 2;
pub(crate) const BEST: &str = "best.ckpt";
/// What names of generations begin with.
const GENERATION: &str = "step_";
/// What names of one of several best checkpoints begin with.
const BEST_OF: &str = "best_";

/// The checkpoints of one run: the newest generations as
/// `step_00000120.ckpt`, `best.ckpt`, a full copy of the one of the best
/// validation, and where several best ones are kept, each as `best_00000120.ckpt`.
#[derive(Clone, Debug)]
pub struct CheckpointStore {
    storage: Arc<dyn Storage>,
    folder: PathBuf,
    keep: usize,
}

/// A checkpoint found by [`CheckpointStore::load_latest`].
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

impl CheckpointStore {
    /// A store in `folder` that keeps `keep` generations, at least two.
    pub fn new(folder: impl Into<PathBuf>, keep: usize) -> Self {
        Self::on(storage::disk(), folder.into(), keep)
    }

    /// As [`new`](Self::new), on any storage.
    pub(crate) fn on(storage: Arc<dyn Storage>, folder: PathBuf, keep: usize) -> Self {
        Self { storage, folder, keep: keep.max(FEWEST_GENERATIONS) }
    }

    /// Where the checkpoint of the best validation is.
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
        write_to(self.storage.as_ref(), &path, &checkpoint.to_bytes()?)?;
        let generations = generations(self.list()?);
        for old in &generations[..generations.len().saturating_sub(self.keep)] {
            if *old != path {
                self.storage.remove(old).map_err(Error::io("remove", old))?;
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
        write_to(self.storage.as_ref(), &path, &checkpoint.to_bytes()?)?;
        Ok(path)
    }

    /// Where the checkpoint of one of several best validations is.
    pub fn best_path_of(&self, step: u64) -> PathBuf {
        self.folder.join(format!("{BEST_OF}{step:08}.ckpt"))
    }

    /// Saves a checkpoint as one of the best, then removes those that are not of the steps in `best`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written; the others stay as they are.
    pub fn save_among_best(&self, checkpoint: &Checkpoint, best: &[u64]) -> Result<PathBuf> {
        let path = self.best_path_of(checkpoint.cursor.step);
        write_to(self.storage.as_ref(), &path, &checkpoint.to_bytes()?)?;
        let numbered = numbered(self.list()?, BEST_OF);
        for (_, old) in numbered.iter().filter(|(step, _)| !best.contains(step)) {
            self.storage.remove(old).map_err(Error::io("remove", old))?;
        }
        Ok(path)
    }

    /// The newest checkpoint that is intact; `best.ckpt` is the last resort.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if there is none, with the fault of each file. [`Error::Io`] if a file cannot be read now,
    /// and [`Error::DamagedCheckpoint`] if one is of a later version of this program: neither is damage, and an older
    /// generation would not be the newest.
    pub fn load_latest(&self) -> Result<Loaded> {
        let mut rejected = Vec::new();
        for path in self.newest_first()? {
            match Checkpoint::read_from(self.storage.as_ref(), &path) {
                Ok(checkpoint) => match misnamed(&path, checkpoint.cursor.step) {
                    Some(reason) => rejected.push(Rejected { path, reason }),
                    None => return Ok(Loaded { checkpoint, path, rejected }),
                },
                Err(Error::DamagedCheckpoint { fault, .. })
                    if !matches!(fault, Fault::Version { is_intact: true, .. }) =>
                {
                    rejected.push(Rejected { path, reason: fault.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        let reason = if rejected.is_empty() {
            "no usable checkpoint: there is no file named step_*.ckpt or best.ckpt".to_owned()
        } else {
            let faults = rejected.iter().map(|r| format!("{}: {}", file_name(&r.path), r.reason));
            format!("no usable checkpoint: {}", faults.collect::<Vec<_>>().join("; "))
        };
        Err(Error::Checkpoint { path: self.folder.clone(), reason })
    }

    /// Renames a damaged file to `*.damaged`, so that it neither counts as a generation nor is lost, and returns the
    /// new path. An earlier file of that name stays.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be renamed.
    pub fn set_aside(&self, damaged: &Rejected) -> Result<PathBuf> {
        let named = |ending: String| {
            let mut name = damaged.path.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        let there = self.list()?;
        let mut aside = named(".damaged".to_owned());
        for number in 2.. {
            if !there.contains(&aside) {
                break;
            }
            aside = named(format!(".damaged-{number}"));
        }
        self.storage.rename(&damaged.path, &aside).map_err(Error::io("rename", &damaged.path))?;
        self.storage.sync_folder(&self.folder).map_err(Error::io("sync the folder", &self.folder))?;
        Ok(aside)
    }

    /// All checkpoints, the newest generation first and the best ones last.
    pub(crate) fn newest_first(&self) -> Result<Vec<PathBuf>> {
        let there = self.list()?;
        let best = there.contains(&self.best_path()).then(|| self.best_path());
        let several = numbered(there.clone(), BEST_OF).into_iter().rev().map(|(_, path)| path);
        Ok(generations(there).into_iter().rev().chain(best).chain(several).collect())
    }

    /// Everything in the folder.
    fn list(&self) -> Result<Vec<PathBuf>> {
        self.storage.list(&self.folder).map_err(Error::io("list", &self.folder))
    }
}

/// The files `step_*.ckpt` among these, oldest first. Other files, such as what a crash
/// left half-written, are no generations.
fn generations(files: Vec<PathBuf>) -> Vec<PathBuf> {
    numbered(files, GENERATION).into_iter().map(|(_, path)| path).collect()
}

/// The files among these whose names are `kind`, the number of a step and `.ckpt`, the lowest step first.
fn numbered(files: Vec<PathBuf>, kind: &str) -> Vec<(u64, PathBuf)> {
    let step = |path: &Path| step_of(path.file_name()?.to_str()?, kind);
    let mut numbered: Vec<_> = files.into_iter().filter_map(|path| Some((step(&path)?, path))).collect();
    numbered.sort();
    numbered
}

/// What is wrong where the name of a generation tells another step than its record: a copy under the name of a later
/// step would be the newest for ever.
fn misnamed(path: &Path, step: u64) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let told = step_of(name, GENERATION).or_else(|| step_of(name, BEST_OF))?;
    (told != step).then(|| format!("it is of step {step} and has the name of step {told}"))
}

/// Whether a file of this name is a checkpoint of a store.
pub(crate) fn is_checkpoint(name: &str) -> bool {
    name == BEST || [GENERATION, BEST_OF].into_iter().any(|kind| step_of(name, kind).is_some())
}

fn step_of(name: &str, kind: &str) -> Option<u64> {
    name.strip_prefix(kind)?.strip_suffix(".ckpt")?.parse().ok()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
