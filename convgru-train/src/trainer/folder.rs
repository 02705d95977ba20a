//! The folder of a run and the files in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{Error, Result};

const CHECKPOINTS: &str = "checkpoints";
const MOST_RUNS_OF_A_NAME: usize = 100_000;

/// The folder of one run: `config.toml`, `metrics.jsonl`, `events.out.tfevents.convgru`, `checkpoints/`,
/// `model.safetensors`, `test.json`, `report.html`, `prediction.gif` and `example.gif`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Creates `out/name`, or `out/name-2`, `-3` and so on if that exists.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be created.
    pub fn create(out: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(out).map_err(Error::io("create the folder", out))?;
        for number in 1..MOST_RUNS_OF_A_NAME {
            let path = match number {
                1 => out.join(name),
                _ => out.join(format!("{name}-{number}")),
            };
            match fs::create_dir(&path) {
                Ok(()) => {
                    let folder = Self { path };
                    let checkpoints = folder.checkpoints();
                    fs::create_dir(&checkpoints).map_err(Error::io("create the folder", &checkpoints))?;
                    return Ok(folder);
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("create the folder", &path)(error)),
            }
        }
        let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        Err(Error::io("create the folder", out.join(name))(source))
    }

    /// The folder of an earlier run.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the folder holds no run.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = Self { path: path.to_path_buf() };
        if folder.checkpoints().is_dir() && folder.config().is_file() {
            return Ok(folder);
        }
        let reason = "the folder holds no run (config.toml and checkpoints/); start one without --resume";
        Err(Error::Checkpoint { path: path.into(), reason: reason.to_owned() })
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

    /// The run in `out` that saved a checkpoint last; with a name, only runs of
    /// that name or of that name with a number.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if there is none.
    pub fn newest(out: &Path, name: Option<&str>) -> Result<Self> {
        let named = name.map_or_else(String::new, |name| format!(" named `{name}`"));
        let none = || Error::Checkpoint {
            path: out.to_path_buf(),
            reason: format!("there is no run{named} to resume; start one without --resume"),
        };
        let entries = match fs::read_dir(out) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(none()),
            Err(error) => return Err(Error::io("list", out)(error)),
        };
        let mut newest: Option<(SystemTime, String, Self)> = None;
        for entry in entries {
            let path = entry.map_err(Error::io("list", out))?.path();
            let Some(file_name) = path.file_name().and_then(|n| n.to_str()).map(str::to_owned) else {
                continue;
            };
            if name.is_some_and(|name| !is_run_of(&file_name, name)) {
                continue;
            }
            let Ok(folder) = Self::open(&path) else { continue };
            // Each save renames a file within this folder, which sets its time.
            let saved = fs::metadata(folder.checkpoints()).and_then(|m| m.modified());
            let saved = saved.map_err(Error::io("look at", folder.checkpoints()))?;
            if newest.as_ref().is_none_or(|(time, name, _)| (*time, name) < (saved, &file_name)) {
                newest = Some((saved, file_name, folder));
            }
        }
        newest.map(|(_, _, folder)| folder).ok_or_else(none)
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
        self.path.join("config.toml")
    }

    /// `metrics.jsonl`: one line per step and per validation.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// `events.out.tfevents.convgru`: the same curves for TensorBoard.
    pub fn events(&self) -> PathBuf {
        self.path.join(super::event_file::NAME)
    }

    /// `checkpoints/`: what a run continues from.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// `model.safetensors`: the weights, with the configuration in the metadata.
    pub fn weights(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// `report.html`: curves, tables and pictures in one file.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// `test.json`: the figures on the test set, as `eval --json` prints them.
    pub fn test(&self) -> PathBuf {
        self.path.join("test.json")
    }

    /// `prediction.gif`: input, truth and prediction side by side, rain beside its baselines.
    pub fn animation(&self) -> PathBuf {
        self.path.join("prediction.gif")
    }

    /// `example.gif`: frames of one sequence, to try a prediction on.
    pub fn example(&self) -> PathBuf {
        self.path.join("example.gif")
    }
}

/// Whether `folder` is `name` or `name-7`.
fn is_run_of(folder: &str, name: &str) -> bool {
    let Some(rest) = folder.strip_prefix(name) else {
        return false;
    };
    let number =
        rest.strip_prefix('-').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    rest.is_empty() || number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_run_is_never_overwritten() {
        let out = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..3).map(|_| RunFolder::create(out.path(), "quick").unwrap().name()).collect();
        assert_eq!(names, ["quick", "quick-2", "quick-3"]);
    }

    #[test]
    fn the_newest_run_of_a_name_is_found() {
        let out = tempfile::tempdir().unwrap();
        assert!(RunFolder::newest(out.path(), None).unwrap_err().to_string().contains("no run to resume"));
        for (name, minute) in [("quick", 3), ("quick-2", 2), ("quick-wide", 9), ("other", 8)] {
            let folder = RunFolder::create(out.path(), name).unwrap();
            fs::write(folder.config(), "").unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(60 * minute);
            fs::File::open(folder.checkpoints()).unwrap().set_modified(time).unwrap();
        }
        fs::write(out.path().join("stray file"), "").unwrap();
        let newest = |name| RunFolder::newest(out.path(), name).map(|folder| folder.name());
        assert_eq!(newest(Some("quick")).unwrap(), "quick");
        assert_eq!(newest(None).unwrap(), "quick-wide");
        assert!(newest(Some("slow")).unwrap_err().to_string().contains("`slow`"));
    }

    #[test]
    fn a_model_is_found_by_its_run() {
        let out = tempfile::tempdir().unwrap();
        let run = RunFolder::create(out.path(), "radar").unwrap();
        fs::write(run.config(), "").unwrap();
        let [best, short] = [run.checkpoints().join("best.ckpt"), run.path().join("best.ckpt")];
        assert_eq!(RunFolder::model_at(run.path()), run.weights());
        assert_eq!(RunFolder::model_at(&short), short, "there is none");
        fs::write(&best, "").unwrap();
        assert_eq!(RunFolder::model_at(run.path()), best);
        assert_eq!(RunFolder::model_at(&short), best);
        assert_eq!(RunFolder::model_at(&best), best);
        fs::write(run.weights(), "").unwrap();
        assert_eq!(RunFolder::model_at(run.path()), run.weights());
        fs::write(&short, "").unwrap();
        assert_eq!(RunFolder::model_at(&short), short);
        assert_eq!(RunFolder::model_at(out.path()), out.path(), "no run");
    }

    #[test]
    fn a_file_where_the_folder_should_be_is_an_error() {
        let out = tempfile::tempdir().unwrap();
        let file = out.path().join("file");
        fs::write(&file, "").unwrap();
        let error = RunFolder::create(&file, "quick").unwrap_err().to_string();
        assert!(error.contains("cannot create the folder"), "{error}");
    }
}
