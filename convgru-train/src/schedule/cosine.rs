//! Schedules along a cosine: Loshchilov and Hutter, "SGDR: stochastic gradient descent
//! with warm restarts", 2017.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::{check_floor, check_not_negative, check_steps, invalid, length};
use crate::Result;

/// The fields of [`Cosine`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CosineConfig {
    /// Steps to the lowest rate; 0 for the whole run.
    pub t_max: u64,
    /// The lowest rate, from 0 to the learning rate.
    pub eta_min: f64,
}

impl CosineConfig {
    /// Checks every field.
    pub(super) fn validate(&self) -> Result<()> {
        check_not_negative("eta_min", self.eta_min)
    }
}

/// `eta_min + (learning_rate - eta_min) (1 + cos(pi step / t_max)) / 2`, as
/// `torch.optim.lr_scheduler.CosineAnnealingLR`. Beyond `t_max` the rate rises again.
#[derive(Clone, Debug, PartialEq)]
pub struct Cosine {
    learning_rate: f64,
    lowest: f64,
    steps: f64,
}

impl Cosine {
    /// A fall for a run of `run` steps.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a field is out of its range.
    pub fn new(config: &CosineConfig, learning_rate: f64, run: u64) -> Result<Self> {
        check_floor("eta_min", config.eta_min, learning_rate)?;
        let steps = length(config.t_max, run).max(1.0);
        Ok(Self { learning_rate, lowest: config.eta_min, steps })
    }

    /// The learning rate of step `step`, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        half_wave(self.learning_rate, self.lowest, step as f64 / self.steps)
    }
}

/// The fields of [`CosineRestarts`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CosineRestartsConfig {
    /// Steps of the first fall, at least 1.
    pub t_0: u64,
    /// How many times longer each fall is than the one before, at least 1.
    pub t_mult: u64,
    /// The lowest rate, from 0 to the learning rate.
    pub eta_min: f64,
}

impl Default for CosineRestartsConfig {
    fn default() -> Self {
        Self { t_0: 100, t_mult: 1, eta_min: 0.0 }
    }
}

impl CosineRestartsConfig {
    /// Checks every field.
    pub(super) fn validate(&self) -> Result<()> {
        check_steps("t_0", self.t_0)?;
        if self.t_mult == 0 {
            let reason = "0 would leave no second fall; at least 1 is needed".to_owned();
            return Err(invalid("t_mult", reason));
        }
        check_not_negative("eta_min", self.eta_min)
    }
}

/// [`Cosine`] over `t_0` steps, then over `t_0 t_mult`, over `t_0 t_mult^2` and so on, as
/// `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`.
#[derive(Clone, Debug, PartialEq)]
pub struct CosineRestarts {
    learning_rate: f64,
    config: CosineRestartsConfig,
}

impl CosineRestarts {
    /// Falls that each begin with `learning_rate`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a field is out of its range.
    pub fn new(config: &CosineRestartsConfig, learning_rate: f64) -> Result<Self> {
        config.validate()?;
        check_floor("eta_min", config.eta_min, learning_rate)?;
        Ok(Self { learning_rate, config: config.clone() })
    }

    /// The learning rate of step `step`, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let CosineRestartsConfig { t_0, t_mult, eta_min } = self.config;
        let (mut step, mut steps) = (step, t_0);
        if t_mult == 1 {
            step %= steps;
        }
        while step >= steps {
            step -= steps;
            steps = steps.saturating_mul(t_mult);
        }
        half_wave(self.learning_rate, eta_min, step as f64 / steps as f64)
    }
}

/// Half a period of a cosine from `high` to `low`.
fn half_wave(high: f64, low: f64, share: f64) -> f64 {
    low + (high - low) * (1.0 + (PI * share).cos()) / 2.0
}
