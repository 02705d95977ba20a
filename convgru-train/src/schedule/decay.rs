//! Schedules that multiply the rate by a factor now and then.

use serde::{Deserialize, Serialize};

use super::{check_factor, check_steps, invalid};
use crate::Result;

/// The fields of [`Step`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StepConfig {
    /// Steps between two changes, at least 1.
    pub step_size: u64,
    /// The factor, above 0 and at most 1.
    pub gamma: f64,
}

impl Default for StepConfig {
    fn default() -> Self {
        Self { step_size: 100, gamma: 0.1 }
    }
}

impl StepConfig {
    /// Checks every field.
    pub(super) fn validate(&self) -> Result<()> {
        check_steps("step_size", self.step_size)?;
        check_factor("gamma", self.gamma)
    }
}

/// `learning_rate gamma^floor(step / step_size)`, as `torch.optim.lr_scheduler.StepLR`.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    learning_rate: f64,
    config: StepConfig,
}

impl Step {
    /// A schedule that begins with `learning_rate`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a field is out of its range.
    pub fn new(config: &StepConfig, learning_rate: f64) -> Result<Self> {
        config.validate()?;
        Ok(Self { learning_rate, config: config.clone() })
    }

    /// The learning rate of step `step`, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        self.learning_rate * power(self.config.gamma, step / self.config.step_size)
    }
}

/// The fields of [`MultiStep`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MultiStepConfig {
    /// The steps at which the rate changes, ascending; one that is named twice counts twice.
    pub milestones: Vec<u64>,
    /// The factor, above 0 and at most 1.
    pub gamma: f64,
}

impl Default for MultiStepConfig {
    fn default() -> Self {
        Self { milestones: Vec::new(), gamma: 0.1 }
    }
}

impl MultiStepConfig {
    /// Checks every field.
    pub(super) fn validate(&self) -> Result<()> {
        if let Some(pair) = self.milestones.windows(2).find(|pair| pair[0] > pair[1]) {
            let reason = format!("{} stands before {}; they must ascend", pair[0], pair[1]);
            return Err(invalid("milestones", reason));
        }
        check_factor("gamma", self.gamma)
    }
}

/// `learning_rate gamma^n` after `n` milestones, as
/// `torch.optim.lr_scheduler.MultiStepLR`. The step of a milestone is after it.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiStep {
    learning_rate: f64,
    config: MultiStepConfig,
}

impl MultiStep {
    /// A schedule that begins with `learning_rate`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a field is out of its range.
    pub fn new(config: &MultiStepConfig, learning_rate: f64) -> Result<Self> {
        config.validate()?;
        Ok(Self { learning_rate, config: config.clone() })
    }

    /// The learning rate of step `step`, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let passed = self.config.milestones.partition_point(|&milestone| milestone <= step);
        self.learning_rate * power(self.config.gamma, passed as u64)
    }
}

/// The field of [`Exponential`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExponentialConfig {
    /// The factor of every step, above 0 and at most 1.
    pub gamma: f64,
}

impl Default for ExponentialConfig {
    fn default() -> Self {
        Self { gamma: 0.999 }
    }
}

impl ExponentialConfig {
    /// Checks the field.
    pub(super) fn validate(&self) -> Result<()> {
        check_factor("gamma", self.gamma)
    }
}

/// `learning_rate gamma^step`, as `torch.optim.lr_scheduler.ExponentialLR`.
#[derive(Clone, Debug, PartialEq)]
pub struct Exponential {
    learning_rate: f64,
    gamma: f64,
}

impl Exponential {
    /// A schedule that begins with `learning_rate`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if the factor is out of its range.
    pub fn new(config: &ExponentialConfig, learning_rate: f64) -> Result<Self> {
        config.validate()?;
        Ok(Self { learning_rate, gamma: config.gamma })
    }

    /// The learning rate of step `step`, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        self.learning_rate * power(self.gamma, step)
    }
}

fn power(factor: f64, exponent: u64) -> f64 {
    // Beyond 2^31 a power of a factor below one is zero anyway.
    factor.powi(i32::try_from(exponent).unwrap_or(i32::MAX))
}
