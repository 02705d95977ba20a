//! `metrics.jsonl`: one JSON object per line, appended as the run goes on; and the same for TensorBoard.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::event_file::EventFile;
use super::folder::RunFolder;
use crate::checkpoint::{SkippedRecord, StepRecord, ValidationRecord};
use crate::report::{SequencePanel, contact_sheet};
use crate::{Error, Result, write_atomically};

/// The open log of a run.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    events: EventFile,
}

/// How long a step took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Seconds of training when it was done, over all sessions.
    pub(super) seconds: f64,
    /// The share of its time in which it waited for its batch, 0 to 1.
    pub(super) data_wait: f64,
}

impl Log {
    /// Opens the log to go on after `step`: lines of later steps, which a crash
    /// left behind, are removed, and so is a line that was cut short. Of validations those up to
    /// `validated` stay, the last that the checkpoint knows.
    pub(super) fn resume(folder: &RunFolder, step: u64, validated: u64) -> Result<Self> {
        let events = EventFile::resume(&folder.events(), step, validated)?;
        let path = &folder.metrics();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let kept: String = text.split_inclusive('\n').filter(|line| belongs(line, step, validated)).collect();
        if kept != text {
            write_atomically(path, kept.as_bytes())?;
        }
        let file =
            OpenOptions::new().create(true).append(true).open(path).map_err(Error::io("open", path))?;
        Ok(Self { path: path.into(), file, events })
    }

    /// Appends the line of a step.
    pub(super) fn step(&mut self, record: &StepRecord, timing: Timing) -> Result<()> {
        self.append(json!({
            "kind": "step",
            "step": record.step,
            "epoch": record.epoch,
            "loss": record.loss,
            "learning_rate": record.learning_rate,
            "gradient_norm": record.gradient_norm,
            "teacher_forcing": record.teacher_forcing,
            "data_wait": timing.data_wait,
            "seconds": timing.seconds,
        }))
    }

    /// Appends the line of a step that was skipped.
    pub(super) fn skipped(&mut self, record: &SkippedRecord, timing: Timing) -> Result<()> {
        self.append(json!({
            "kind": "skipped",
            "step": record.step,
            "epoch": record.epoch,
            "not_finite": record.part,
            "data_wait": timing.data_wait,
            "seconds": timing.seconds,
        }))
    }

    /// Appends the line of a validation.
    pub(super) fn validation(&mut self, record: &ValidationRecord, seconds: f64) -> Result<()> {
        self.append(json!({
            "kind": "validation",
            "step": record.step,
            "loss": record.loss,
            "mse": record.metrics.mse,
            "mae": record.metrics.mae,
            "psnr": record.metrics.psnr,
            "ssim": record.metrics.ssim,
            "mse_copy_last": record.mse_copy_last,
            "mse_mean": record.mse_mean,
            "seconds": seconds,
        }))
    }

    /// Adds a picture of a validation to what TensorBoard shows.
    pub(super) fn picture(&mut self, step: u64, panel: &SequencePanel) -> Result<()> {
        self.events.picture(step, "validation/sequence", contact_sheet(panel)?)
    }

    fn append(&mut self, value: Value) -> Result<()> {
        let (kind, step) = (value["kind"].as_str().unwrap_or_default(), value["step"].as_u64().unwrap_or(0));
        let numbers: Vec<(String, f64)> = value
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| !["step", "epoch", "seconds"].contains(&key.as_str()))
            .filter_map(|(key, number)| Some((format!("{kind}/{key}"), number.as_f64()?)))
            .collect();
        if !numbers.is_empty() {
            let numbers: Vec<_> = numbers.iter().map(|(key, number)| (key.as_str(), *number)).collect();
            self.events.scalars(step, &numbers)?;
        }
        // One write per line, so that a crash cuts at most the last one.
        self.file.write_all(format!("{value}\n").as_bytes()).map_err(Error::io("write", &self.path))
    }
}

/// Whether a line is whole and of a step up to `step`, of a validation up to `validated`.
fn belongs(line: &str, step: u64, validated: u64) -> bool {
    let parsed = line.strip_suffix('\n').and_then(|line| serde_json::from_str::<Value>(line).ok());
    parsed.is_some_and(|value| {
        let last = if value["kind"] == "validation" { validated } else { step };
        value["step"].as_u64().is_some_and(|of| of <= last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resuming_removes_later_and_broken_lines() {
        let out = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(out.path(), "run").unwrap();
        let path = folder.metrics();
        let text = "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"st";
        std::fs::write(&path, text).unwrap();
        let record = StepRecord {
            step: 3,
            epoch: 0,
            loss: 1.0,
            learning_rate: 0.1,
            gradient_norm: 2.0,
            teacher_forcing: 0.5,
        };
        Log::resume(&folder, 2, 2).unwrap().step(&record, Timing { seconds: 0.25, data_wait: 0.5 }).unwrap();
        let lines: Vec<Value> = std::fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let steps: Vec<_> = lines.iter().map(|line| line["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, [1, 2, 3]);
        assert_eq!((&lines[2]["seconds"], &lines[2]["data_wait"]), (&json!(0.25), &json!(0.5)));
        assert!(folder.events().is_file());
    }

    #[test]
    fn a_validation_that_the_checkpoint_does_not_know_is_removed() {
        let line = |kind: &str, step: u64| format!("{{\"kind\":\"{kind}\",\"step\":{step}}}\n");
        assert!(belongs(&line("validation", 50), 50, 50) && !belongs(&line("validation", 50), 50, 0));
        assert!(belongs(&line("step", 50), 50, 0) && !belongs(&line("step", 51), 50, 50));
    }
}
