//! What a run measured so far.

use serde::{Deserialize, Serialize};

use super::bounded;
use crate::metric::Metrics;
use crate::schedule::Watched;

/// The measurements of a run, from its first step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// One record per optimiser step.
    #[serde(deserialize_with = "bounded::long")]
    pub steps: Vec<StepRecord>,
    /// One record per validation.
    #[serde(deserialize_with = "bounded::long")]
    pub validations: Vec<ValidationRecord>,
    /// The step and mean squared error of the best validation.
    pub best: Option<(u64, f64)>,
    /// Seconds spent training, over all starts of the run.
    pub seconds: f64,
    /// One record per step that was skipped.
    #[serde(deserialize_with = "bounded::long")]
    pub skipped: Vec<SkippedRecord>,
    /// When each of them was made.
    pub timings: Timings,
}

/// When the records of a [`History`] were made: as many entries as there are records, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Of the steps.
    #[serde(deserialize_with = "bounded::long")]
    pub steps: Vec<Timing>,
    /// Of the validations.
    #[serde(deserialize_with = "bounded::long")]
    pub validations: Vec<Timing>,
    /// Of the steps that were skipped.
    #[serde(deserialize_with = "bounded::long")]
    pub skipped: Vec<Timing>,
}

/// When a record was made. Checkpoints of version 3 do not know it, and their timings are NaN, which is equal to
/// itself here.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// Seconds of training up to then, over all starts of the run; NaN if not known.
    pub seconds: f64,
    /// The share of the time of a step in which it waited for its batch, 0 to 1; NaN if not known, and of a validation.
    pub data_wait: f64,
}

impl Timing {
    /// A timing that is not known.
    pub const UNKNOWN: Self = Self { seconds: f64::NAN, data_wait: f64::NAN };

    /// Of something other than a step.
    pub fn at(seconds: f64) -> Self {
        Self { seconds, ..Self::UNKNOWN }
    }
}

impl PartialEq for Timing {
    fn eq(&self, other: &Self) -> bool {
        let bits = |timing: &Self| (timing.seconds.to_bits(), timing.data_wait.to_bits());
        bits(self) == bits(other)
    }
}

/// A step that was not taken because a number of it was infinite or NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedRecord {
    /// Number of the step, from 1.
    pub step: u64,
    /// Epoch of its batch, from 0.
    pub epoch: u64,
    /// What was no number.
    pub part: NotFinitePart,
}

/// What is infinite or NaN in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotFinitePart {
    /// The loss.
    Loss,
    /// The norm of the gradients.
    Gradient,
}

impl NotFinitePart {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "the loss",
            Self::Gradient => "the gradient",
        }
    }
}

/// What one optimiser step measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Number of the step, from 1.
    pub step: u64,
    /// Epoch of its batch, from 0.
    pub epoch: u64,
    /// Loss of the batch before the step.
    pub loss: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Norm of all gradients together, before clipping.
    pub gradient_norm: f64,
    /// Probability with which a frame was taken from the truth.
    pub teacher_forcing: f64,
}

/// What one validation measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationRecord {
    /// Optimiser steps done.
    pub step: u64,
    /// Loss of the model's own predictions, comparable with that of the steps.
    pub loss: f64,
    /// Metrics of the model.
    pub metrics: Metrics,
    /// Mean squared error of repeating the last frame.
    pub mse_copy_last: f64,
    /// Mean squared error of the mean frame of the training data.
    pub mse_mean: f64,
}

impl ValidationRecord {
    /// The result that a schedule or the end of a run depends on.
    pub fn watched(&self, metric: Watched) -> f64 {
        match metric {
            Watched::Loss => self.loss,
            Watched::Mse => self.metrics.mse,
            Watched::Mae => self.metrics.mae,
            Watched::Psnr => self.metrics.psnr,
            Watched::Ssim => self.metrics.ssim,
        }
    }
}

impl Timings {
    /// Of a history whose timings are not known.
    pub(super) fn unknown(steps: usize, validations: usize, skipped: usize) -> Self {
        let unknown = |count| vec![Timing::UNKNOWN; count];
        Self { steps: unknown(steps), validations: unknown(validations), skipped: unknown(skipped) }
    }
}

impl History {
    /// Whether there is a timing for each record.
    pub(super) fn is_timed(&self) -> bool {
        let Timings { steps, validations, skipped } = &self.timings;
        let timings = [steps.len(), validations.len(), skipped.len()];
        timings == [self.steps.len(), self.validations.len(), self.skipped.len()]
    }

    /// How many of the last steps were skipped, one after the other.
    pub fn skipped_in_a_row(&self) -> u64 {
        let taken = self.steps.last().map_or(0, |record| record.step);
        self.skipped.iter().rev().take_while(|record| record.step > taken).count() as u64
    }

    /// Notes a validation, made at [`seconds`](Self::seconds); true if it is the best so far.
    pub fn record(&mut self, validation: ValidationRecord) -> bool {
        self.validations.push(validation);
        self.timings.validations.push(Timing::at(self.seconds));
        let mse = validation.metrics.mse;
        let best = self.best.is_none_or(|(_, lowest)| mse < lowest);
        if best {
            self.best = Some((validation.step, mse));
        }
        best
    }
}
