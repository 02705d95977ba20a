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
    /// name with a number. Checkpoints say themselves when they were saved; of those of versions 1 to 3 the time of the
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
        let mut reason = format!("there is no run{named} to resume; start one without --resume");
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
    let mut found = Vec::new();
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
        found.push(Candidate { saved, is_certain: false, folder });
    }
    Ok(found)
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
    RunConfig::default().overlaid_by_file(&folder.config())?;
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
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use super::*;
    use crate::checkpoint::CheckpointStore;
    use crate::storage::faults::{Errno, Failing};

    /// A run whose checkpoints of these steps were saved at these minutes.
    fn run(out: &Path, name: &str, saved: &[(u64, Option<u64>)]) -> RunFolder {
        let folder = RunFolder::create(out, name).unwrap();
        fs::write(folder.config(), "").unwrap();
        for (step, minute) in saved {
            let checkpoint = Checkpoint {
                saved: minute.map(|m| m * 60_000),
                ..crate::checkpoint::tests::checkpoint(*step)
            };
            CheckpointStore::new(folder.checkpoints(), 9).save(&checkpoint).unwrap();
        }
        RunFolder::open(folder.path()).unwrap()
    }

    fn latest(out: &Path, name: Option<&str>) -> String {
        RunFolder::latest(out, name).unwrap().folder.name()
    }

    #[test]
    fn what_is_in_a_run_decides_and_not_the_times_of_its_files() {
        let out = tempfile::tempdir().unwrap();
        let none = RunFolder::latest(out.path(), None).unwrap_err().to_string();
        assert!(none.contains("no run to resume"), "{none}");
        for (name, minute) in [("quick-wide", 9), ("quick", 3), ("other", 8), ("quick-2", 2)] {
            run(out.path(), name, &[(1, Some(minute))]);
        }
        // Copied or restored last, and yet the oldest.
        fs::write(out.path().join("quick-2/checkpoints/note"), "").unwrap();
        fs::write(out.path().join("stray file"), "").unwrap();
        assert_eq!(latest(out.path(), Some("quick")), "quick");
        assert_eq!(latest(out.path(), None), "quick-wide");
        let error = RunFolder::latest(out.path(), Some("slow")).unwrap_err().to_string();
        assert!(error.contains("`slow`"), "{error}");
    }

    #[test]
    fn runs_that_cannot_be_resumed_are_passed_over_and_named() {
        let out = tempfile::tempdir().unwrap();
        run(out.path(), "good", &[(1, Some(3))]);
        run(out.path(), "empty", &[]);
        let damaged = run(out.path(), "damaged", &[(1, Some(9))]);
        fs::write(damaged.checkpoints().join("step_00000001.ckpt"), "CGRUCKPT").unwrap();
        let no_config = run(out.path(), "no-config", &[(1, Some(8))]);
        fs::write(no_config.config(), "steps = ").unwrap();
        fs::create_dir_all(out.path().join("half/checkpoints")).unwrap();
        let found = RunFolder::latest(out.path(), None).unwrap();
        assert_eq!(found.folder.name(), "good");
        let told = found.passed_over.join("\n");
        assert!(told.contains("damaged") && told.contains("no-config"), "{told}");
        fs::remove_dir_all(found.folder.path()).unwrap();
        let error = RunFolder::latest(out.path(), None).unwrap_err().to_string();
        assert!(error.contains("no run to resume") && error.contains("truncated"), "{error}");
    }

    #[test]
    fn a_damaged_checkpoint_makes_no_run_newer() {
        let out = tempfile::tempdir().unwrap();
        let broken = run(out.path(), "broken", &[(1, Some(2)), (2, Some(90))]);
        run(out.path(), "intact", &[(1, Some(5))]);
        assert_eq!(latest(out.path(), None), "broken");
        let path = broken.checkpoints().join("step_00000002.ckpt");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(latest(out.path(), None), "intact");
    }

    #[test]
    fn checkpoints_that_do_not_know_their_time_go_by_the_file() {
        let out = tempfile::tempdir().unwrap();
        for (name, minute) in [("a", 5), ("b", 4)] {
            let folder = run(out.path(), name, &[(1, None)]);
            let file =
                File::options().write(true).open(folder.checkpoints().join("step_00000001.ckpt")).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(60 * minute)).unwrap();
        }
        assert_eq!(latest(out.path(), None), "a");
    }

    #[test]
    fn a_call_that_fails_makes_no_other_run_the_newest() {
        let out = tempfile::tempdir().unwrap();
        for (name, minute) in [("new", 9), ("newer", 10), ("old", 1)] {
            run(out.path(), name, &[(1, Some(minute)), (2, Some(minute + 1))]);
        }
        // Without a time of its own its file's counts, which is now.
        run(out.path(), "newest", &[(1, None)]);
        let counting = Failing::once(usize::MAX, Errno::Device);
        RunFolder::latest_on(Arc::new(counting.clone()), out.path(), None).unwrap();
        assert!(counting.calls() > 15, "only {} calls", counting.calls());
        for at in 0..counting.calls() {
            let errno = Errno::ALL[at % Errno::ALL.len()];
            match RunFolder::latest_on(Arc::new(Failing::once(at, errno)), out.path(), None) {
                Err(Error::Io { .. }) => {}
                other => panic!("{errno:?} at {at}: {other:?}"),
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_run_is_in_the_way_of_none() {
        let out = tempfile::tempdir().unwrap();
        run(out.path(), "run", &[(1, Some(3))]);
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(out.path().join(target), out.path().join(name)).unwrap();
        };
        link("loop", "loop");
        link("absent", "broken");
        fs::write(out.path().join("file"), "").unwrap();
        link("file", "link");
        // A run that is linked to is one run.
        link("run", "alias");
        assert!(["run", "alias"].contains(&latest(out.path(), None).as_str()));
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_whose_name_is_no_text_can_be_the_newest() {
        use std::os::unix::ffi::OsStrExt;
        let out = tempfile::tempdir().unwrap();
        let made = run(out.path(), "run", &[(1, Some(3))]);
        let odd = out.path().join(OsStr::from_bytes(b"odd\xff"));
        fs::rename(made.path(), &odd).unwrap();
        assert_eq!(RunFolder::latest(out.path(), None).unwrap().folder.path(), odd);
    }
}
