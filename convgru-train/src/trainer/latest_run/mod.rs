//! Which run `--resume` goes on with.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::run_folder::RunFolder;
use crate::checkpoint::{Checkpoint, FEWEST_GENERATIONS};
use crate::config::RunConfig;
use crate::storage::{self, Storage};
use crate::{Error, Result};

/// Bytes of a checkpoint that tell when it was saved.
const GLANCE: u64 = 100;
/// How often a run is looked at again whose files change meanwhile.
const RETRIES: usize = 3;

/// The run that was saved last.
#[derive(Clone, Debug)]
pub struct LatestRun {
    /// Its folder.
    pub folder: RunFolder,
    /// Runs that were saved later and cannot be resumed, each with the reason.
    pub passed_over: Vec<String>,
}

/// A run that may be the newest.
struct Candidate {
    /// When it was saved, in milliseconds since 1970.
    saved: u64,
    /// Whether the checkpoint it would go on from was read, and is of that time.
    is_certain: bool,
    folder: RunFolder,
}

impl RunFolder {
    /// The run in `out` that saved a checkpoint last and can be resumed; with a name, only runs of that name or of that
    /// name with a number. Checkpoints say themselves when they were saved; for version 3 the time of the
    /// file counts.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if there is none, [`Error::Io`] if a folder or file cannot be read now.
    pub fn latest(out: &Path, name: Option<&str>) -> Result<LatestRun> {
        Self::latest_on(storage::disk(), out, name)
    }

    /// As [`latest`](Self::latest), on any storage.
    pub(super) fn latest_on(storage: Arc<dyn Storage>, out: &Path, name: Option<&str>) -> Result<LatestRun> {
        let mut candidates = candidates(&storage, out, name)?;
        let mut passed_over = Vec::new();
        loop {
            candidates.sort_by(|a, b| (a.saved, a.folder.path()).cmp(&(b.saved, b.folder.path())));
            let Some(last) = candidates.pop() else { break };
            if last.is_certain {
                return Ok(LatestRun { folder: last.folder, passed_over });
            }
            match saved(&last.folder) {
                Ok(saved) => candidates.push(Candidate { saved, is_certain: true, ..last }),
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(error) => passed_over.push(error.to_string()),
            }
        }
        let named = name.map_or_else(String::new, |name| format!(" named `{name}`"));
        let mut reason = format!("holds no run{named} to resume; leave --resume out to begin one");
        if !passed_over.is_empty() {
            reason += &format!(" ({})", passed_over.join("; "));
        }
        Err(Error::Checkpoint { path: out.to_path_buf(), reason })
    }
}

/// The runs in a folder, of this name if one is given.
fn candidates(storage: &Arc<dyn Storage>, out: &Path, name: Option<&str>) -> Result<Vec<Candidate>> {
    let paths = match storage.list(out) {
        Ok(paths) => paths,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", out)(error)),
    };
    let mut candidates = Vec::new();
    for path in paths {
        let is_named = |name| path.file_name().is_some_and(|file_name| is_run_of(file_name, name));
        if !name.is_none_or(is_named) {
            continue;
        }
        let folder = match RunFolder::open_on(storage.clone(), &path) {
            Ok(folder) => folder,
            // A run that cannot be looked at now may be the newest.
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(_) => continue,
        };
        let files = folder.store(FEWEST_GENERATIONS).newest_first()?;
        let saved = files.first().map(|newest| glance(storage.as_ref(), newest)).transpose()?.unwrap_or(0);
        candidates.push(Candidate { saved, is_certain: false, folder });
    }
    Ok(candidates)
}

/// When a checkpoint says that it was saved, or when its file was written; not verified.
fn glance(storage: &dyn Storage, path: &Path) -> Result<u64> {
    let start = match storage.read_start(path, GLANCE) {
        Ok(start) => start,
        // Another process trains there and removed it; or it is no ordinary file, which is told when it is its turn.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => Vec::new(),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    match Checkpoint::saved_at_a_glance(&start) {
        Some(saved) => Ok(saved),
        None => written(storage, path),
    }
}

/// When a file was written, in milliseconds since 1970; 0 where that is not known.
fn written(storage: &dyn Storage, path: &Path) -> Result<u64> {
    let found = storage.find(path).map_err(Error::io("look at", path))?;
    let modified = found.and_then(|found| found.modified().ok()?.duration_since(UNIX_EPOCH).ok());
    Ok(modified.and_then(|time| u64::try_from(time.as_millis()).ok()).unwrap_or(0))
}

/// When a run was saved, if it can be resumed.
fn saved(folder: &RunFolder) -> Result<u64> {
    RunConfig::read(&folder.config())?;
    let store = folder.store(FEWEST_GENERATIONS);
    let mut loaded = store.load_latest();
    for _ in 0..RETRIES {
        // Another process trains there, and removed an old generation that was still listed.
        let is_gone =
            |error: &Error| matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::NotFound);
        if !loaded.as_ref().is_err_and(is_gone) {
            break;
        }
        loaded = store.load_latest();
    }
    let loaded = loaded?;
    loaded.checkpoint.saved.map_or_else(|| written(folder.storage(), &loaded.path), Ok)
}

/// Whether `folder` is `name` or `name-7`.
fn is_run_of(folder: &OsStr, name: &str) -> bool {
    let Some(rest) = folder.to_str().and_then(|folder| folder.strip_prefix(name)) else {
        return false;
    };
    let number =
        rest.strip_prefix('-').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    rest.is_empty() || number
}

#[cfg(test)]
mod tests;
