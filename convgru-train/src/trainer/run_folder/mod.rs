//! The folder of a run and the files in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::atomic_file::{folder_of, write_to};
use crate::checkpoint::{CheckpointStore, is_checkpoint};
use crate::printable::printable;
use crate::storage::{self, Lock, Storage, create_folders, is_leftover, remove_leftovers};
use crate::{Error, Result};

const CHECKPOINTS: &str = "checkpoints";
const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const WEIGHTS: &str = "model.safetensors";
const REPORT: &str = "report.html";
const TEST: &str = "test.json";
const ANIMATION: &str = "prediction.gif";
const EXAMPLE: &str = "example.gif";
const LOCK: &str = "run.lock";
/// The files beside the checkpoints that a run writes.
const FILES: [&str; 8] =
    [CONFIG, METRICS, super::logging::EVENT_FILE, WEIGHTS, REPORT, TEST, ANIMATION, EXAMPLE];
const MOST_RUNS_OF_A_NAME: usize = 100_000;

/// The folder of one run: `config.toml`, `metrics.jsonl`, `events.out.tfevents.convgru`, `checkpoints/`,
/// `model.safetensors`, `test.json`, `report.html`, `prediction.gif`, `example.gif` and `run.lock`.
///
/// A folder that was created, or that a [`Trainer`](super::Trainer) goes on in, is locked for other processes until
/// the last clone of it is dropped.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    storage: Arc<dyn Storage>,
    lock: Option<Arc<Lock>>,
}

impl RunFolder {
    /// Creates and locks `out/name`, or `out/name-2`, `-3` and so on if that exists. A folder in which a run was killed
    /// before its first checkpoint is taken over.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be created.
    pub fn create(out: &Path, name: &str) -> Result<Self> {
        Self::create_on(storage::disk(), out, name)
    }

    /// As [`create`](Self::create), on any storage.
    pub(super) fn create_on(storage: Arc<dyn Storage>, out: &Path, name: &str) -> Result<Self> {
        create_folders(storage.as_ref(), out)?;
        for number in 1..MOST_RUNS_OF_A_NAME {
            let path = match number {
                1 => out.join(name),
                _ => out.join(format!("{name}-{number}")),
            };
            let is_new = match storage.create_folder(&path) {
                Ok(()) => true,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => false,
                Err(error) => return Err(Error::io("create the folder", &path)(error)),
            };
            let folder = Self { path, storage: storage.clone(), lock: None };
            if !is_new && !folder.never_began().unwrap_or(false) {
                continue;
            }
            match folder.locked() {
                // Unless somebody began meanwhile.
                Ok(folder) if folder.never_began()? => return folder.with_checkpoints(),
                Ok(_) | Err(Error::Locked { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        Err(Error::io("create the folder", out.join(name))(source))
    }

    /// Whether there is nothing in the folder but what a run that was killed before its first checkpoint left.
    fn never_began(&self) -> Result<bool> {
        let list = |folder: &Path| self.storage.list(folder).map_err(Error::io("list", folder));
        let entries = list(&self.path)?;
        let (lock, checkpoints) = (self.path.join(LOCK), self.checkpoints());
        let known = [&lock, &checkpoints, &self.config(), &self.metrics(), &self.events()];
        let is_known =
            |path: &PathBuf| known.contains(&path) || is_leftover(path, |name| FILES.contains(&name));
        // Without a lock it was made by somebody else.
        if !(entries.is_empty() || entries.contains(&lock)) || !entries.iter().all(is_known) {
            return Ok(false);
        }
        let saved = if entries.contains(&checkpoints) { list(&checkpoints)? } else { Vec::new() };
        Ok(saved.iter().all(|path| is_leftover(path, is_checkpoint)))
    }

    fn with_checkpoints(self) -> Result<Self> {
        let checkpoints = self.checkpoints();
        match self.storage.create_folder(&checkpoints) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("create the folder", &checkpoints)(error)),
        }
        self.remove_leftovers()?;
        self.sync()?;
        Ok(self)
    }

    /// Locks the folder for other processes, unless this is locked already.
    ///
    /// # Errors
    /// [`Error::Locked`] with the holder if another process has the folder; nothing is changed then.
    pub(super) fn locked(self) -> Result<Self> {
        if self.lock.is_some() {
            return Ok(self);
        }
        let lock = Lock::take(self.storage.as_ref(), &self.path.join(LOCK))?;
        Ok(Self { lock: Some(Arc::new(lock)), ..self })
    }

    /// The process that had the folder and was killed, if this is locked and there was one.
    pub(super) fn killed_holder(&self) -> Option<&str> {
        self.lock.as_ref()?.stale.as_deref()
    }

    /// Makes the names of the run's files durable, and the name of the folder.
    pub(super) fn sync(&self) -> Result<()> {
        for folder in [&self.path, folder_of(&self.path)] {
            self.storage.sync_folder(folder).map_err(Error::io("sync the folder", folder))?;
        }
        Ok(())
    }

    /// Removes what a kill left of files that were being written. The folder must be locked.
    pub(super) fn remove_leftovers(&self) -> Result<()> {
        debug_assert!(self.lock.is_some(), "another process may be writing");
        remove_leftovers(self.storage.as_ref(), &self.path, |name| FILES.contains(&name))?;
        remove_leftovers(self.storage.as_ref(), &self.checkpoints(), is_checkpoint)?;
        Ok(())
    }

    /// Writes a file of the run, whole or not at all.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        write_to(self.storage.as_ref(), path, bytes)
    }

    /// Where the files are.
    pub(super) fn storage(&self) -> &dyn Storage {
        self.storage.as_ref()
    }

    /// The checkpoints, of which `keep` generations are kept.
    pub(super) fn store(&self, keep: usize) -> CheckpointStore {
        CheckpointStore::on(self.storage.clone(), self.checkpoints(), keep)
    }

    /// The same folder on another storage.
    #[cfg(test)]
    pub(super) fn on(self, storage: Arc<dyn Storage>) -> Self {
        Self { storage, ..self }
    }

    /// The folder of an earlier run.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the folder holds no run, [`Error::Io`] if it cannot be looked at now.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_on(storage::disk(), path)
    }

    /// As [`open`](Self::open), on any storage.
    pub(super) fn open_on(storage: Arc<dyn Storage>, path: &Path) -> Result<Self> {
        let folder = Self { path: path.to_path_buf(), storage, lock: None };
        let find = |path: PathBuf| folder.storage.find(&path).map_err(Error::io("look at", path));
        let is_there = find(folder.checkpoints())?.is_some_and(|metadata| metadata.is_dir())
            && find(folder.config())?.is_some_and(|metadata| metadata.is_file());
        if is_there {
            return Ok(folder);
        }
        let of_run = |run: &Path| run.join(CHECKPOINTS) == path && run.join(CONFIG).is_file();
        let reason = match (find(path.to_path_buf())?, path.parent()) {
            (None, _) => "there is no such run; `convgru runs` lists those there are".to_owned(),
            (Some(_), Some(run)) if of_run(run) => {
                format!("holds the checkpoints of the run {}; give that folder", printable(run))
            }
            (Some(_), _) => {
                "holds no run, which has config.toml and checkpoints/; `convgru runs` lists those there are"
                    .to_owned()
            }
        };
        Err(Error::Checkpoint { path: path.into(), reason })
    }

    /// The file that a path stands for where a trained model is asked for: of a run's folder its weights, or its best
    /// checkpoint while there are none, and of `RUN/best.ckpt`, if there is no such file, `RUN/checkpoints/best.ckpt`. Any
    /// other path is itself.
    pub fn model_at(path: &Path) -> PathBuf {
        if let Ok(run) = Self::open(path) {
            let best = run.checkpoints().join(crate::checkpoint::BEST);
            return if !run.weights().is_file() && best.is_file() { best } else { run.weights() };
        }
        let run = path.parent().filter(|_| !path.exists()).and_then(|parent| Self::open(parent).ok());
        let kept = run.zip(path.file_name()).map(|(run, name)| run.checkpoints().join(name));
        kept.filter(|kept| kept.is_file()).unwrap_or_else(|| path.into())
    }

    /// As [`model_at`](Self::model_at), of a run that has a model.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for a folder that is none of a run, and for a run that is not finished and has no best checkpoint yet, with how to go on.
    pub(super) fn existing_model_at(path: &Path) -> Result<PathBuf> {
        let file = Self::model_at(path);
        if file.is_dir() {
            Self::open(&file)?;
        }
        match Self::open(path) {
            Ok(run) if !file.exists() => Err(run.not_finished()?),
            _ => Ok(file),
        }
    }

    /// The error of a run without a model.
    fn not_finished(&self) -> Result<Error> {
        let kept = self.checkpoints();
        let mut saved = self.storage.list(&kept).map_err(Error::io("list", &kept))?;
        saved.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_checkpoint));
        let or_give = match saved.iter().max() {
            Some(newest) => format!(", or give {}", printable(newest)),
            None => String::new(),
        };
        let reason = format!(
            "is not finished: `convgru train --resume={} --out {}` goes on with it{or_give}",
            printable(self.name()),
            printable(folder_of(&self.path))
        );
        Ok(Error::Checkpoint { path: self.path.clone(), reason })
    }

    /// The run of a name in a folder of runs, or else the one at a path.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if neither is a run, [`Error::Io`] if a folder cannot be looked at now.
    pub fn named(out: &Path, run: &Path) -> Result<Self> {
        match (Self::open(&out.join(run)), Self::open(run)) {
            (Err(_), Ok(at_path)) => Ok(at_path),
            // Several names are a path, unless they lead somewhere in the folder.
            (Err(_), Err(at_path)) if run.components().count() > 1 && !out.join(run).exists() => Err(at_path),
            (in_out, _) => in_out,
        }
    }

    /// The run that wrote a file and reads it again, by the name of the file and the folder in which it lies: one beside `config.toml` that every
    /// run writes, or one of its checkpoints. `None` of any other path, and of one where nothing is.
    pub fn of_file(path: &Path) -> Option<Self> {
        path.symlink_metadata().ok()?;
        let folder = folder_of(path).canonicalize().ok()?;
        let name = path.file_name()?;
        match Self::open(&folder) {
            Ok(run) => (FILES.into_iter().chain([LOCK]).any(|own| name == own)).then_some(run),
            Err(_) => Self::open(folder.parent()?).ok().filter(|run| run.checkpoints() == folder),
        }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last name of the path.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// `config.toml`: the whole configuration of the run.
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// `metrics.jsonl`: one line per step and per validation.
    pub fn metrics(&self) -> PathBuf {
        self.path.join(METRICS)
    }

    /// `events.out.tfevents.convgru`: the same curves for TensorBoard.
    pub fn events(&self) -> PathBuf {
        self.path.join(super::logging::EVENT_FILE)
    }

    /// `checkpoints/`: what a run continues from.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// `model.safetensors`: the weights, with the configuration in the metadata.
    pub fn weights(&self) -> PathBuf {
        self.path.join(WEIGHTS)
    }

    /// `report.html`: curves, tables and pictures in one file.
    pub fn report(&self) -> PathBuf {
        self.path.join(REPORT)
    }

    /// `test.json`: the figures on the test set, as `eval --json` prints them.
    pub fn test(&self) -> PathBuf {
        self.path.join(TEST)
    }

    /// `prediction.gif`: input, truth and prediction side by side, rain beside its baselines.
    pub fn animation(&self) -> PathBuf {
        self.path.join(ANIMATION)
    }

    /// `example.gif`: frames of one sequence, to try a prediction on.
    pub fn example(&self) -> PathBuf {
        self.path.join(EXAMPLE)
    }
}

#[cfg(test)]
mod tests;
