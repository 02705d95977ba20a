//! Batches of the training set in the order of the steps, made ahead on threads of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

mod batch_sampler;
mod prefetch;
#[cfg(test)]
mod tests;

pub use self::batch_sampler::BatchSampler;
use self::prefetch::Prefetch;
use crate::checkpoint::Cursor;
use crate::config::RunConfig;
use crate::dataset::{Batch, SequenceDataset, batch};
use crate::{Error, Result};

/// Loads the batches of a run: ahead of the steps (`data.prefetch`) or when they are asked for, the same to the bit.
pub struct DataLoader {
    dataset: Arc<dyn SequenceDataset>,
    sampler: BatchSampler,
    /// Batches made ahead, 0 for none.
    ahead: usize,
    steps: u64,
    prefetch: Option<Prefetch>,
    /// The step whose batch comes next from there.
    next: u64,
    /// How long the run waited for batches, and how long its steps took with that.
    pub(super) waiting: WaitTime,
}

/// How long batches were waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct WaitTime {
    waited: Duration,
    passed: Duration,
    of_last: f64,
}

impl DataLoader {
    /// A loader of a training set. Nothing is made before the first batch is asked for.
    pub fn new(dataset: Box<dyn SequenceDataset>, config: &RunConfig) -> Self {
        Self {
            sampler: BatchSampler::new(dataset.len(), config),
            dataset: dataset.into(),
            ahead: config.data.prefetch,
            steps: config.training.steps,
            prefetch: None,
            next: 0,
            waiting: WaitTime::default(),
        }
    }

    /// The training set.
    pub fn dataset(&self) -> &dyn SequenceDataset {
        self.dataset.as_ref()
    }

    /// The steps of an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.sampler.steps_per_epoch()
    }

    /// The error of a run in which so many steps in a row had no measured pixel.
    pub(super) fn unmeasured(&self, in_a_row: u64) -> Error {
        Error::Data {
            what: self.dataset.name().to_owned(),
            reason: format!(
                "has no measured pixel to learn from in {in_a_row} steps in a row ({} make an epoch); take larger parts (data.frames.crop, data.radar.crop), \
                 a list of measured parts (`convgru crops`), or other data; the last checkpoint is intact",
                self.steps_per_epoch()
            ),
        }
    }

    /// The position after `step` steps.
    pub fn cursor(&self, step: u64) -> Cursor {
        self.sampler.cursor(step)
    }

    /// The batch at a position. The following ones are made while it is learned from, if any are to be.
    ///
    /// # Errors
    /// The errors of the data set, and [`Error::Threads`](crate::Error::Threads) if no thread can be started.
    pub fn batch(&mut self, cursor: Cursor) -> Result<Batch> {
        if self.ahead == 0 {
            return load(self.dataset.as_ref(), &mut self.sampler, cursor);
        }
        let prefetch = match &mut self.prefetch {
            Some(prefetch) if self.next == cursor.step => prefetch,
            prefetch => {
                let steps = cursor.step..self.steps.max(cursor.step + 1);
                // One that stands elsewhere ends before the next one begins.
                *prefetch = None;
                let (dataset, sampler) = (self.dataset.clone(), self.sampler.clone());
                prefetch.insert(Prefetch::start(dataset, sampler, steps, self.ahead)?)
            }
        };
        self.next = cursor.step + 1;
        match prefetch.next() {
            Some(batch) => batch,
            None => load(self.dataset.as_ref(), &mut self.sampler, cursor),
        }
    }
}

/// The batch at a position.
fn load(dataset: &dyn SequenceDataset, sampler: &mut BatchSampler, cursor: Cursor) -> Result<Batch> {
    batch(dataset, cursor.epoch, sampler.indices(cursor))
}

impl WaitTime {
    /// Counts a step that began at `began` and had its batch at `ready`.
    pub(super) fn count(&mut self, began: Instant, ready: Instant) {
        let (waited, passed) = (ready - began, began.elapsed());
        self.waited += waited;
        self.passed += passed;
        self.of_last = share(waited, passed);
    }

    /// The share of the last step's time, 0 to 1.
    pub(super) fn of_last_step(&self) -> f64 {
        self.of_last
    }

    /// The share of the time of all steps, 0 to 1.
    pub(super) fn of_all_steps(&self) -> f64 {
        share(self.waited, self.passed)
    }
}

fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { part.as_secs_f64() / whole.as_secs_f64() }
}
