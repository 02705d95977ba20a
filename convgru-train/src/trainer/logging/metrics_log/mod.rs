//! `metrics.jsonl`: one JSON object per line, appended as the run goes on; and the same for TensorBoard.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::event_file::EventFile;
use crate::checkpoint::{History, SkippedRecord, StepRecord, Timing, ValidationRecord};
use crate::metric::{EVENT_SCORES, EnsembleMetrics, EventMeans};
use crate::report::{SequencePanel, contact_sheet};
use crate::storage::{StorageFile, read_if_there};
use crate::trainer::run_folder::RunFolder;
use crate::{Error, Result};

/// The open logs of a run.
#[derive(Debug)]
pub(crate) struct MetricsLog {
    path: std::path::PathBuf,
    file: Box<dyn StorageFile>,
    events: EventFile,
}

impl MetricsLog {
    /// Opens the log to go on after what a checkpoint knows: the file is rewritten where it is not what follows from
    /// the history, so that lines of later steps go, and damaged and lost ones come back. When a record was made, and
    /// the history does not know it, is looked up in the lines there are.
    pub(crate) fn resume(folder: &RunFolder, history: &mut History) -> Result<Self> {
        let (storage, path) = (folder.storage(), folder.metrics());
        let there = read_if_there(storage, &path)?;
        let logged = LoggedTimings::read(there.as_deref().unwrap_or_default());
        logged.complete(history);
        let lines = lines(history);
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let is_link = path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file());
        if is_link || there.is_none_or(|there| there != text.as_bytes()) {
            folder.write(&path, text.as_bytes())?;
        }
        let step = lines.iter().filter(|line| line["kind"] != "validation").map(step_of).max().unwrap_or(0);
        let validated = history.validations.last().map_or(0, |last| last.step);
        let mut log = Self {
            file: storage.append(&path).map_err(Error::io("open", &path))?,
            path,
            events: EventFile::resume(storage, &folder.events(), step, validated)?,
        };
        let known: BTreeSet<_> = log.events.take_numbers();
        for line in lines.iter().filter(|line| !known.contains(&(kind_of(line).to_owned(), step_of(line)))) {
            log.show(line)?;
        }
        Ok(log)
    }

    /// Appends the line of a step.
    pub(crate) fn step(&mut self, record: &StepRecord, timing: Timing) -> Result<()> {
        self.append(&step_line(record, timing))
    }

    /// Appends the line of a step that was skipped.
    pub(crate) fn skipped(&mut self, record: &SkippedRecord, timing: Timing) -> Result<()> {
        self.append(&skipped_line(record, timing))
    }

    /// Appends the line of a validation.
    pub(crate) fn validation(&mut self, record: &ValidationRecord, timing: Timing) -> Result<()> {
        self.append(&validation_line(record, timing))
    }

    /// Makes everything appended durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.file.sync().map_err(Error::io("write", &self.path))?;
        self.events.sync()
    }

    /// Adds a picture of a validation to what TensorBoard shows.
    pub(crate) fn picture(&mut self, step: u64, panel: &SequencePanel) -> Result<()> {
        self.events.picture(step, "validation/sequence", contact_sheet(panel)?)
    }

    fn append(&mut self, line: &Value) -> Result<()> {
        self.show(line)?;
        // One write per line, so that a crash cuts at most the last one.
        self.file.write(format!("{line}\n").as_bytes()).map_err(Error::io("write", &self.path))
    }

    /// Adds the numbers of a line to what TensorBoard shows.
    fn show(&mut self, line: &Value) -> Result<()> {
        let kind = kind_of(line);
        let numbers: Vec<(String, f64)> = line
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| !["step", "epoch", "seconds"].contains(&key.as_str()))
            .filter_map(|(key, number)| Some((format!("{kind}/{key}"), number.as_f64()?)))
            .collect();
        if numbers.is_empty() {
            return Ok(());
        }
        let numbers: Vec<_> = numbers.iter().map(|(key, number)| (key.as_str(), *number)).collect();
        self.events.scalars(step_of(line), &numbers)
    }
}

fn kind_of(line: &Value) -> &str {
    line["kind"].as_str().unwrap_or_default()
}

fn step_of(line: &Value) -> u64 {
    line["step"].as_u64().unwrap_or(0)
}

fn step_line(record: &StepRecord, timing: Timing) -> Value {
    json!({
        "kind": "step",
        "step": record.step,
        "epoch": record.epoch,
        "loss": record.loss,
        "learning_rate": record.learning_rate,
        "gradient_norm": record.gradient_norm,
        "teacher_forcing": record.teacher_forcing,
        "data_wait": timing.data_wait,
        "seconds": timing.seconds,
    })
}

fn skipped_line(record: &SkippedRecord, timing: Timing) -> Value {
    json!({
        "kind": "skipped",
        "step": record.step,
        "epoch": record.epoch,
        "reason": record.reason,
        "data_wait": timing.data_wait,
        "seconds": timing.seconds,
    })
}

fn validation_line(record: &ValidationRecord, timing: Timing) -> Value {
    let mut line = json!({
        "kind": "validation",
        "step": record.step,
        "loss": record.loss,
        "mse": record.metrics.mse,
        "mae": record.metrics.mae,
        "psnr": record.metrics.psnr,
        "ssim": record.metrics.ssim,
        "mse_copy_last": record.mse_copy_last,
        "mse_mean": record.mse_mean,
        "seconds": timing.seconds,
    });
    if let Some(EnsembleMetrics { crps, fair_crps, spread }) = record.ensemble.as_deref() {
        (line["crps"], line["fair_crps"], line["spread"]) = (json!(crps), json!(fair_crps), json!(spread));
    }
    for EventMeans { threshold, scores } in &record.events {
        for (score, value) in EVENT_SCORES.iter().zip(scores) {
            line[format!("{}@{threshold}", score.name)] = json!(value);
        }
    }
    line
}

/// All lines of a history in the order in which they were appended.
fn lines(history: &History) -> Vec<Value> {
    let History { steps, validations, skipped, timings, .. } = history;
    let taken = steps.iter().zip(&timings.steps).map(|(record, timing)| step_line(record, *timing));
    let left = skipped.iter().zip(&timings.skipped).map(|(record, timing)| skipped_line(record, *timing));
    let measured = validations.iter().zip(&timings.validations);
    let measured = measured.map(|(record, timing)| validation_line(record, *timing));
    let mut lines: Vec<_> = taken.chain(left).chain(measured).collect();
    lines.sort_by_key(|line| (step_of(line), line["kind"] == "validation"));
    lines
}

/// When the lines of a file were written, by kind and step.
struct LoggedTimings(BTreeMap<(String, u64), Timing>);

impl LoggedTimings {
    /// Of all lines that are whole; a file may hold anything.
    fn read(bytes: &[u8]) -> Self {
        let parsed = bytes.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        let timed = parsed.map(|line: Value| {
            let timing = Timing {
                seconds: line["seconds"].as_f64().unwrap_or(f64::NAN),
                data_wait: line["data_wait"].as_f64().unwrap_or(f64::NAN),
            };
            ((kind_of(&line).to_owned(), step_of(&line)), timing)
        });
        Self(timed.collect())
    }

    /// Fills in the timings that a history does not know.
    fn complete(&self, history: &mut History) {
        let fill = |timing: &mut Timing, kind: &str, step: u64| {
            if timing.seconds.is_nan()
                && let Some(logged) = self.0.get(&(kind.to_owned(), step))
            {
                *timing = *logged;
            }
        };
        let History { steps, validations, skipped, timings, .. } = history;
        timings.steps.iter_mut().zip(steps).for_each(|(timing, record)| fill(timing, "step", record.step));
        timings
            .skipped
            .iter_mut()
            .zip(skipped)
            .for_each(|(timing, record)| fill(timing, "skipped", record.step));
        let measured = timings.validations.iter_mut().zip(validations);
        measured.for_each(|(timing, record)| fill(timing, "validation", record.step));
    }
}

#[cfg(test)]
mod tests;
