//! What a run measured so far.

use serde::{Deserialize, Serialize};

use super::bounded;
use crate::metric::{EnsembleMetrics, EventMeans, Metrics};
use crate::schedule::Monitor;

/// The measurements of a run, from its first step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// One record per optimiser step.
    #[serde(deserialize_with = "bounded::long")]
    pub steps: Vec<StepRecord>,
    /// One record per validation.
    #[serde(deserialize_with = "bounded::long")]
    pub validations: Vec<ValidationRecord>,
    /// The step of the best validation, and the result by which it is that.
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

/// A step that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedRecord {
    /// Number of the step, from 1.
    pub step: u64,
    /// Epoch of its batch, from 0.
    pub epoch: u64,
    /// Why it was not.
    pub reason: SkipReason,
}

/// Why a step is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SkipReason {
    /// The loss is infinite or NaN.
    #[serde(rename = "loss-not-finite")]
    Loss,
    /// The norm of the gradients is infinite or NaN.
    #[serde(rename = "gradient-not-finite")]
    Gradient,
    /// No pixel of the truth is measured that a loss could be computed of.
    #[serde(rename = "no-measured-pixel")]
    Unmeasured,
}

impl SkipReason {
    /// Its words in messages: what a step has, or what of it is not finite.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "the loss",
            Self::Gradient => "the gradient",
            Self::Unmeasured => "no measured pixel",
        }
    }

    /// Whether a number was infinite or NaN.
    pub fn is_not_finite(self) -> bool {
        self != Self::Unmeasured
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationRecord {
    /// Optimiser steps done.
    pub step: u64,
    /// Loss of the model's own predictions, comparable with the loss of the steps.
    pub loss: f64,
    /// Metrics of the model.
    pub metrics: Metrics,
    /// Mean squared error of repeating the last frame.
    pub mse_copy_last: f64,
    /// Mean squared error of the mean frame of the training data.
    pub mse_mean: f64,
    /// Scores of the members, of an ensemble.
    pub ensemble: Option<Box<EnsembleMetrics>>,
    /// Scores of events by threshold, where the data are rain or a score is monitored.
    #[serde(deserialize_with = "bounded::few")]
    pub events: Vec<EventMeans>,
}

impl ValidationRecord {
    /// A result of it; NaN where it is not defined, or was not measured.
    pub fn result(&self, monitor: Monitor) -> f64 {
        let of_members = |of: fn(&EnsembleMetrics) -> f64| self.ensemble.as_deref().map_or(f64::NAN, of);
        match monitor {
            Monitor::Loss => self.loss,
            Monitor::Mse => self.metrics.mse,
            Monitor::Mae => self.metrics.mae,
            Monitor::Psnr => self.metrics.psnr,
            Monitor::Ssim => self.metrics.ssim,
            Monitor::Crps => of_members(|members| members.crps),
            Monitor::FairCrps => of_members(|members| members.fair_crps),
            Monitor::Event(event) => {
                let of_threshold = self.events.iter().find(|means| means.threshold == event.threshold());
                of_threshold.map_or(f64::NAN, |means| means.scores[event.place()])
            }
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

    /// How many steps were skipped since the last step was taken because a number was infinite or NaN. Steps without a measured pixel among them
    /// do not count.
    pub fn not_finite_in_a_row(&self) -> u64 {
        self.skipped_last().filter(|record| record.reason.is_not_finite()).count() as u64
    }

    /// How many of the last steps were skipped, one after the other, because they had no measured pixel.
    pub fn unmeasured_in_a_row(&self) -> u64 {
        self.skipped_last().take_while(|record| record.reason == SkipReason::Unmeasured).count() as u64
    }

    /// The steps that were skipped since the last step was taken, the newest first.
    fn skipped_last(&self) -> impl Iterator<Item = &SkippedRecord> {
        let taken = self.steps.last().map_or(0, |record| record.step);
        self.skipped.iter().rev().take_while(move |record| record.step > taken)
    }

    /// Notes a validation, made at [`seconds`](Self::seconds); true if it is the best so far by the result that is monitored. One
    /// whose result is no number is never the best.
    pub fn record(&mut self, validation: ValidationRecord, monitor: Monitor) -> bool {
        let (step, value) = (validation.step, validation.result(monitor));
        self.validations.push(validation);
        self.timings.validations.push(Timing::at(self.seconds));
        let is_better = |best: f64| monitor.lower_is_better(value) < monitor.lower_is_better(best);
        let best = !value.is_nan() && self.best.is_none_or(|(_, best)| is_better(best));
        if best {
            self.best = Some((step, value));
        }
        best
    }

    /// The best validations, at most `count`, the best first: steps and results. Of equal ones the earlier is better.
    pub fn best_validations(&self, monitor: Monitor, count: usize) -> Vec<(u64, f64)> {
        let results = self.validations.iter().map(|validation| (validation.step, validation.result(monitor)));
        let mut results: Vec<_> = results.filter(|(_, value)| !value.is_nan()).collect();
        let lower = |value| monitor.lower_is_better(value);
        results.sort_by(|a, b| lower(a.1).total_cmp(&lower(b.1)).then(a.0.cmp(&b.0)));
        results.truncate(count);
        results
    }
}
