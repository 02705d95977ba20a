//! What a run measured so far.

use serde::{Deserialize, Serialize};

use crate::metric::Metrics;

/// The measurements of a run, from its first step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// One record per optimiser step.
    pub steps: Vec<StepRecord>,
    /// One record per validation.
    pub validations: Vec<ValidationRecord>,
    /// The step and mean squared error of the best validation.
    pub best: Option<(u64, f64)>,
    /// Seconds spent training, over all sessions of the run.
    pub seconds: f64,
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

impl History {
    /// Notes a validation; true if it is the best so far.
    pub fn record(&mut self, validation: ValidationRecord) -> bool {
        self.validations.push(validation);
        let mse = validation.metrics.mse;
        let best = self.best.is_none_or(|(_, lowest)| mse < lowest);
        if best {
            self.best = Some((validation.step, mse));
        }
        best
    }
}
