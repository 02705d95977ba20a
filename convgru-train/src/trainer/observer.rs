//! What a run tells while it goes on.

use std::path::Path;

use crate::checkpoint::{SkippedRecord, StepRecord, ValidationRecord};
use crate::dataset::Split;
use crate::schedule::Monitor;

/// Something that happened in a run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum TrainerEvent<'a> {
    /// The run begins or goes on.
    Begin {
        /// Its folder.
        folder: &'a Path,
        /// Numbers in the model.
        parameters: usize,
        /// Steps done before, 0 for a new run.
        done: u64,
        /// Steps in all.
        steps: u64,
        /// Sequences per step.
        batch_size: usize,
    },
    /// How long steps wait for data; told before each [`Step`](Self::Step).
    Waiting {
        /// The share of the time of all steps since the run began or went on, 0 to 1.
        share: f64,
    },
    /// An optimiser step is done.
    Step(&'a StepRecord),
    /// A step was skipped: its loss or gradient was no number, or no pixel of its truth was measured.
    Skipped {
        /// What was found.
        record: &'a SkippedRecord,
        /// Steps of the run that were skipped so far.
        total: usize,
    },
    /// The run ends before its last step: validations were without improvement for too long.
    EarlyStop {
        /// Steps done.
        step: u64,
        /// Validations without improvement.
        validations: u64,
    },
    /// A batch of an evaluation is done.
    Evaluating {
        /// What the sequences are used for.
        split: Split,
        /// Sequences done.
        done: usize,
        /// Sequences in all.
        total: usize,
    },
    /// A validation is done.
    Validation {
        /// What it measured.
        record: &'a ValidationRecord,
        /// Whether it is the best so far.
        best: bool,
        /// The result by which it is that.
        monitor: Monitor,
    },
    /// A checkpoint is safely on the disk.
    Saved {
        /// Its file.
        path: &'a Path,
    },
    /// Something the user should know although the run goes on.
    Warning(&'a str),
}

/// Receives the events of a run: a progress bar, a log, or nothing.
///
/// ```
/// use convgru_train::trainer::{Observer, TrainerEvent};
///
/// struct Losses(Vec<f64>);
/// impl Observer for Losses {
///     fn observe(&mut self, event: &TrainerEvent<'_>) {
///         if let TrainerEvent::Step(record) = event {
///             self.0.push(record.loss);
///         }
///     }
/// }
/// ```
pub trait Observer: Send {
    /// Called after each event, on the thread of the training loop.
    fn observe(&mut self, event: &TrainerEvent<'_>);
}

/// An observer that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&mut self, _event: &TrainerEvent<'_>) {}
}
