//! Schedules that go from one rate to another and stay there.

use serde::{Deserialize, Serialize};

use super::{check_factor, invalid, length};
use crate::Result;

/// The fields of [`Linear`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinearConfig {
    /// The first rate as a share of the learning rate; above 0, at most 1.
    pub start_factor: f64,
    /// The last rate as a share of the learning rate; from 0 to 1.
    pub end_factor: f64,
    /// Steps from the first to the last rate; 0 for the whole run.
    pub total_iters: u64,
}

impl Default for LinearConfig {
    fn default() -> Self {
        Self { start_factor: 1.0 / 3.0, end_factor: 1.0, total_iters: 5 }
    }
}

impl LinearConfig {
    /// Checks every field.
    pub(super) fn validate(&self) -> Result<()> {
        check_factor("start_factor", self.start_factor)?;
        if !(0.0..=1.0).contains(&self.end_factor) {
            return Err(invalid("end_factor", format!("{} is not from 0 to 1", self.end_factor)));
        }
        Ok(())
    }
}

/// `learning_rate (start_factor + (end_factor - start_factor) min(step, n) / n)` with
/// `n = total_iters`, as `torch.optim.lr_scheduler.LinearLR`: a warm-up, or a fall.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    learning_rate: f64,
    from: f64,
    to: f64,
    steps: f64,
}

impl Linear {
    /// A line for a run of `run` steps.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a field is out of its range.
    pub fn new(config: &LinearConfig, learning_rate: f64, run: u64) -> Result<Self> {
        config.validate()?;
        let steps = length(config.total_iters, run).max(1.0);
        Ok(Self { learning_rate, from: config.start_factor, to: config.end_factor, steps })
    }

    /// The learning rate of step `step`, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let share = (step as f64).min(self.steps) / self.steps;
        self.learning_rate * (self.from + (self.to - self.from) * share)
    }
}

/// The fields of [`Polynomial`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolynomialConfig {
    /// Steps to a rate of zero; 0 for the whole run.
    pub total_iters: u64,
    /// The power, above 0.
    pub power: f64,
}

impl Default for PolynomialConfig {
    fn default() -> Self {
        Self { total_iters: 0, power: 1.0 }
    }
}

impl PolynomialConfig {
    /// Checks every field.
    pub(super) fn validate(&self) -> Result<()> {
        if !(self.power > 0.0 && self.power.is_finite()) {
            return Err(invalid("power", format!("{} is not a positive number", self.power)));
        }
        Ok(())
    }
}

/// `learning_rate (1 - min(step, n) / n)^power` with `n = total_iters`, as
/// `torch.optim.lr_scheduler.PolynomialLR`.
#[derive(Clone, Debug, PartialEq)]
pub struct Polynomial {
    learning_rate: f64,
    steps: f64,
    power: f64,
}

impl Polynomial {
    /// A fall for a run of `run` steps.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a field is out of its range.
    pub fn new(config: &PolynomialConfig, learning_rate: f64, run: u64) -> Result<Self> {
        config.validate()?;
        let steps = length(config.total_iters, run).max(1.0);
        Ok(Self { learning_rate, steps, power: config.power })
    }

    /// The learning rate of step `step`, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let share = (step as f64).min(self.steps) / self.steps;
        self.learning_rate * (1.0 - share).powf(self.power)
    }
}
