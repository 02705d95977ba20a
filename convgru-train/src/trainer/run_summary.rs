//! What the folders of runs say about them.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::run_folder::RunFolder;
use crate::config::{InitConfig, RunConfig};
use crate::printable::printable;
use crate::schedule::Monitor;
use crate::storage::{Disk, read_if_there};
use crate::{Error, Result};

/// The runs in a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct RunList {
    /// Those that can be read, by name.
    pub runs: Vec<RunSummary>,
    /// What is wrong with each of the others.
    pub damaged: Vec<String>,
}

/// A run in a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummary {
    /// The name of its folder.
    pub name: String,
    /// The hash of everything that decides its result.
    pub config_hash: String,
    /// The file whose weights it began with, with its hash; none where they were drawn.
    pub init: Option<InitConfig>,
    /// Steps done, and steps there are to do.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Steps that were skipped because loss or gradient was no number.
    pub skipped: u64,
    /// Seconds of training, over all starts.
    pub seconds: f64,
    /// The loss of the last step.
    pub loss: Option<f64>,
    /// The result of validations by which one is the best.
    pub monitor: Monitor,
    /// The best validation.
    pub best: Option<BestValidation>,
    /// The figures on the test set, of a run that is finished.
    pub test: Option<TestScores>,
}

/// The figures of a finished run on its test set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TestScores {
    /// Sequences of the test set.
    pub sequences: u64,
    /// Squared error summed over a frame, see [`mse`](crate::metric::mse()).
    pub mse: f64,
    /// Structural similarity.
    pub ssim: f64,
    /// The MSE as a multiple of the MSE of repeating the last frame.
    pub ratio: f64,
    /// Of rain: thresholds in mm/h, and the model's critical success index of each, the mean over the lead times that
    /// have one.
    pub csi: Vec<(f64, Option<f64>)>,
}

/// What is read of `test.json`.
#[derive(Deserialize)]
struct TestFile {
    sequences: u64,
    mse: f64,
    ssim: f64,
    mse_copy_last: Option<f64>,
    #[serde(default)]
    thresholds: Vec<f64>,
    models: Option<TestModels>,
}

#[derive(Deserialize)]
struct TestModels {
    convgru: TestModel,
}

#[derive(Deserialize)]
struct TestModel {
    csi: Vec<Vec<Option<f64>>>,
}

impl From<TestFile> for TestScores {
    fn from(file: TestFile) -> Self {
        let mean = |leads: &Vec<Option<f64>>| {
            let known: Vec<f64> = leads.iter().flatten().copied().collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        let csi = file.models.iter().flat_map(|models| models.convgru.csi.iter().map(mean));
        Self {
            sequences: file.sequences,
            mse: file.mse,
            ssim: file.ssim,
            ratio: file.mse / file.mse_copy_last.unwrap_or(f64::NAN),
            csi: file.thresholds.iter().copied().zip(csi).collect(),
        }
    }
}

/// The best validation of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BestValidation {
    /// Steps done before it.
    pub step: u64,
    /// The result by which it is the best.
    pub value: f64,
    /// Squared error summed over a frame, see [`mse`](crate::metric::mse()).
    pub mse: f64,
    /// Structural similarity.
    pub ssim: f64,
    /// The MSE as a multiple of the MSE of repeating the last frame.
    pub ratio: f64,
}

/// What is read of a line of `metrics.jsonl`.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Step {
        step: u64,
        loss: Option<f64>,
        seconds: Option<f64>,
    },
    Skipped {
        step: u64,
        seconds: Option<f64>,
    },
    Validation {
        step: u64,
        mse: f64,
        ssim: f64,
        mse_copy_last: Option<f64>,
        seconds: Option<f64>,
        /// The other results.
        #[serde(flatten)]
        others: Map<String, Value>,
    },
}

impl RunSummary {
    /// Reads `config.toml`, `metrics.jsonl` and, of a finished run, `test.json`. Lines that were cut short or damaged are
    /// left out.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read, [`Error::Format`] if the configuration or the figures are none.
    pub fn read(folder: &RunFolder) -> Result<Self> {
        let config = RunConfig::read(&folder.config())?;
        let mut summary = Self {
            name: folder.name(),
            config_hash: config.hash(),
            init: config.init.file().is_some().then(|| config.init.clone()),
            step: 0,
            steps: config.training.steps,
            skipped: 0,
            seconds: 0.0,
            loss: None,
            monitor: config.training.monitor,
            best: None,
            test: read_test(folder)?,
        };
        // There is no such file where the run ended before it wrote anything.
        let bytes = read_if_there(&Disk, &folder.metrics())?.unwrap_or_default();
        let lines = bytes.split(|&byte| byte == b'\n');
        let mut skipped = BTreeSet::new();
        lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .for_each(|line| summary.add(line, &mut skipped));
        Ok(summary)
    }

    /// All runs in a folder, by name.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be listed. What is wrong with a run is in [`RunList::damaged`].
    pub fn all(out: &Path) -> Result<RunList> {
        let entries = std::fs::read_dir(out).map_err(Error::io("list", out))?;
        let mut list = RunList { runs: Vec::new(), damaged: Vec::new() };
        for entry in entries {
            let path = entry.map_err(Error::io("list", out))?.path();
            match RunFolder::open(&path).map(|folder| Self::read(&folder)) {
                Ok(Ok(run)) => list.runs.push(run),
                Ok(Err(error)) => list.damaged.push(error.to_string()),
                Err(error @ Error::Io { .. }) => list.damaged.push(error.to_string()),
                Err(_) if path.join("checkpoints").is_dir() => {
                    list.damaged.push(format!("{} holds checkpoints, but no config.toml", printable(&path)));
                }
                // No run at all.
                Err(_) => {}
            }
        }
        list.runs.sort_by(|a, b| a.name.cmp(&b.name));
        list.damaged.sort();
        Ok(list)
    }

    fn add(&mut self, line: Line, skipped: &mut BTreeSet<u64>) {
        let (step, seconds) = match line {
            Line::Step { step, loss, seconds } => {
                self.loss = loss;
                (step, seconds)
            }
            Line::Skipped { step, seconds } => {
                // A line that is there twice is one step.
                self.skipped += u64::from(skipped.insert(step));
                (step, seconds)
            }
            Line::Validation { step, mse, ssim, mse_copy_last, seconds, others } => {
                let value = match self.monitor {
                    Monitor::Mse => Some(mse),
                    Monitor::Ssim => Some(ssim),
                    other => others.get(&other.to_string()).and_then(Value::as_f64),
                };
                let lower = |value| self.monitor.lower_is_better(value);
                let is_better = |value: f64| self.best.is_none_or(|best| lower(value) < lower(best.value));
                let ratio = mse / mse_copy_last.unwrap_or(f64::NAN);
                if let Some(value) = value.filter(|&value| is_better(value)) {
                    self.best = Some(BestValidation { step, value, mse, ssim, ratio });
                }
                (step, seconds)
            }
        };
        self.step = self.step.max(step);
        self.seconds = self.seconds.max(seconds.unwrap_or(0.0));
    }
}

/// The figures on the test set, where there are any yet.
fn read_test(folder: &RunFolder) -> Result<Option<TestScores>> {
    let path = folder.test();
    let Some(bytes) = read_if_there(&Disk, &path)? else { return Ok(None) };
    let file: TestFile = serde_json::from_slice(&bytes)
        .map_err(|error| Error::Format { path, reason: format!("are no figures of a test: {error}") })?;
    Ok(Some(file.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_summed_up_and_other_folders_left_out() {
        let out = tempfile::tempdir().unwrap();
        std::fs::create_dir(out.path().join("other")).unwrap();
        let folder = RunFolder::create(out.path(), "a").unwrap();
        let config = RunConfig::default();
        std::fs::write(folder.config(), config.to_toml()).unwrap();
        let validation = |step: u64, mse: f64| {
            format!(
                "{{\"kind\":\"validation\",\"step\":{step},\"mse\":{mse},\"ssim\":0.5,\"mse_copy_last\":8.0,\"seconds\":{step}}}\n"
            )
        };
        let mut text = String::from("{\"kind\":\"step\",\"step\":1,\"loss\":0.5,\"seconds\":0.25}\n");
        text += "{\"kind\":\"skipped\",\"step\":5,\"seconds\":5.5}\n";
        text += &[validation(2, 4.0), validation(3, 2.0), validation(4, 3.0)].concat();
        text += "{\"kind\":\"skipped\",\"step\":5,\"seconds\":5.5}\n{\"kind\":\"st";
        std::fs::write(folder.metrics(), text).unwrap();
        let test = r#"{"sequences":3,"mse":2.0,"ssim":0.5,"mse_copy_last":8.0,"thresholds":[0.5,2.0],
            "models":{"convgru":{"csi":[[0.5,null,0.75],[null,null,null]]}}}"#;
        std::fs::write(folder.test(), test).unwrap();
        let RunList { runs, damaged } = RunSummary::all(out.path()).unwrap();
        assert_eq!((runs.len(), damaged.len()), (1, 0));
        let run = &runs[0];
        assert_eq!((run.step, run.skipped, run.seconds, run.loss), (5, 1, 5.5, Some(0.5)));
        assert_eq!(run.best, Some(BestValidation { step: 3, value: 2.0, mse: 2.0, ssim: 0.5, ratio: 0.25 }));
        let scores = run.test.as_ref().unwrap();
        assert_eq!((scores.sequences, scores.ratio), (3, 0.25));
        assert_eq!(scores.csi, [(0.5, Some(0.625)), (2.0, None)]);
        assert_eq!(run.config_hash, config.hash());
        let damaged = |words: &str| {
            let list = RunSummary::all(out.path()).unwrap();
            assert!(
                list.runs.is_empty() && list.damaged.len() == 1 && list.damaged[0].contains(words),
                "{list:?}"
            );
        };
        std::fs::write(folder.test(), "{").unwrap();
        damaged("test.json");
        std::fs::remove_file(folder.test()).unwrap();
        std::fs::write(folder.config(), [0xff]).unwrap();
        damaged("config.toml");
        std::fs::remove_file(folder.config()).unwrap();
        damaged("no config.toml");
    }

    #[test]
    fn bytes_that_are_no_text_cost_their_lines_alone() {
        let out = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(out.path(), "a").unwrap();
        std::fs::write(folder.config(), RunConfig::default().to_toml()).unwrap();
        let line =
            |step: u64| format!("{{\"kind\":\"step\",\"step\":{step},\"loss\":0.5,\"seconds\":null}}\n");
        std::fs::write(folder.metrics(), [line(1).as_bytes(), b"\xff\xfe\n", line(2).as_bytes()].concat())
            .unwrap();
        assert_eq!(RunSummary::read(&folder).unwrap().step, 2);
    }
}
