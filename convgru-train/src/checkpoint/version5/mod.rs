//! Records of version 5, whose validations had neither scores of members nor of events.

use serde::Deserialize;

use super::bounded;
use super::history::{History, SkippedRecord, StepRecord, Timings, ValidationRecord};
use super::record::{Checkpoint, Cursor, NamedTensor};
use crate::dataset::Fingerprint;
use crate::metric::Metrics;
use crate::optimizer::OptimizerState;

/// A record of version 5, field by field.
#[derive(Deserialize)]
pub(super) struct Record {
    saved: Option<u64>,
    #[serde(deserialize_with = "bounded::text")]
    instruction_set: String,
    run: Run,
}

impl From<Record> for Checkpoint {
    fn from(Record { saved, instruction_set, run }: Record) -> Self {
        run.checkpoint(saved, instruction_set)
    }
}

/// What records of versions 4 and 5 hold besides when and by which instructions they were made.
#[derive(Deserialize)]
pub(super) struct Run {
    #[serde(deserialize_with = "bounded::text")]
    config_toml: String,
    #[serde(deserialize_with = "bounded::text")]
    config_hash: String,
    seed: u64,
    cursor: Cursor,
    data: Option<Fingerprint>,
    #[serde(deserialize_with = "bounded::tensors")]
    parameters: Vec<NamedTensor>,
    #[serde(deserialize_with = "bounded::state")]
    optimizer: OptimizerState<f32>,
    #[serde(deserialize_with = "bounded::average")]
    average: Option<Vec<NamedTensor>>,
    history: Measurements,
}

impl Run {
    /// The checkpoint of it.
    pub(super) fn checkpoint(self, saved: Option<u64>, instruction_set: String) -> Checkpoint {
        Checkpoint {
            saved,
            instruction_set,
            config_toml: self.config_toml,
            config_hash: self.config_hash,
            seed: self.seed,
            cursor: self.cursor,
            data: self.data,
            parameters: self.parameters,
            optimizer: self.optimizer,
            average: self.average,
            history: self.history.into(),
        }
    }
}

/// The history in records of versions 4 and 5.
#[derive(Deserialize)]
struct Measurements {
    #[serde(deserialize_with = "bounded::long")]
    steps: Vec<StepRecord>,
    #[serde(deserialize_with = "bounded::long")]
    validations: Vec<Validation>,
    best: Option<(u64, f64)>,
    seconds: f64,
    #[serde(deserialize_with = "bounded::long")]
    skipped: Vec<SkippedRecord>,
    timings: Timings,
}

/// What one validation measured, in records of versions 3 to 5.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct Validation {
    step: u64,
    loss: f64,
    metrics: Metrics,
    mse_copy_last: f64,
    mse_mean: f64,
}

impl From<Validation> for ValidationRecord {
    fn from(Validation { step, loss, metrics, mse_copy_last, mse_mean }: Validation) -> Self {
        Self { step, loss, metrics, mse_copy_last, mse_mean, ensemble: None, events: Vec::new() }
    }
}

/// Validations as they are now, in a list that is no larger than they need.
pub(super) fn validations(earlier: &[Validation]) -> Vec<ValidationRecord> {
    earlier.iter().copied().map(Into::into).collect()
}

impl From<Measurements> for History {
    fn from(
        Measurements { steps, validations: earlier, best, seconds, skipped, timings }: Measurements,
    ) -> Self {
        Self { steps, validations: validations(&earlier), best, seconds, skipped, timings }
    }
}

#[cfg(test)]
mod tests;
