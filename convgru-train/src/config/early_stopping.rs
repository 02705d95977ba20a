//! When a run ends before its last step.

use serde::{Deserialize, Serialize};

use crate::checkpoint::ValidationRecord;
use crate::schedule::Monitor;
use crate::schedule::monitor::own;
use crate::{Error, Result};

/// A run ends when a result of its validations has not improved for some time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EarlyStoppingConfig {
    /// The result that decides. In TOML its name, or `"monitor"`, the default, for the result that `training.monitor` names.
    #[serde(with = "own")]
    pub metric: Option<Monitor>,
    /// Validations without improvement after which the run ends; 0 never ends it early.
    pub patience: u64,
    /// By how much the best must be surpassed to count as improvement; not negative.
    pub min_delta: f64,
}

impl Default for EarlyStoppingConfig {
    fn default() -> Self {
        Self { metric: None, patience: 0, min_delta: 0.0 }
    }
}

impl EarlyStoppingConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] with the name of the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        if self.min_delta >= 0.0 && self.min_delta.is_finite() {
            return Ok(());
        }
        let field = "training.early_stopping.min_delta".to_owned();
        Err(Error::Config { field, reason: format!("{} is not zero or a positive number", self.min_delta) })
    }

    /// Whether the last validations were without improvement for too long; `monitor` decides where there is no metric of its
    /// own. A result that is no number is none.
    pub fn is_reached<'a>(
        &self,
        monitor: Monitor,
        validations: impl IntoIterator<Item = &'a ValidationRecord>,
    ) -> bool {
        let metric = self.metric.unwrap_or(monitor);
        let mut best = f64::INFINITY;
        let mut waited = 0;
        for validation in validations {
            let value = metric.lower_is_better(validation.result(metric));
            if value < best - self.min_delta {
                (best, waited) = (value, 0);
            } else {
                waited += 1;
            }
        }
        self.patience > 0 && waited >= self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metrics;

    fn validations(values: &[f64]) -> Vec<ValidationRecord> {
        let of = |&value: &f64| ValidationRecord {
            step: 1,
            loss: 0.0,
            metrics: Metrics { mse: value, ssim: -value, ..Metrics::default() },
            mse_copy_last: 0.0,
            mse_mean: 0.0,
            ensemble: None,
            events: Vec::new(),
        };
        values.iter().map(of).collect()
    }

    #[test]
    fn a_run_ends_after_validations_without_improvement() {
        for metric in [Monitor::Mse, Monitor::Ssim] {
            let stopping = EarlyStoppingConfig { metric: Some(metric), patience: 2, min_delta: 0.5 };
            let of_run = EarlyStoppingConfig { metric: None, ..stopping };
            let reached = |values: &[f64]| {
                let reached = stopping.is_reached(Monitor::Loss, &validations(values));
                assert_eq!(of_run.is_reached(metric, &validations(values)), reached);
                reached
            };
            assert!(!reached(&[]) && !reached(&[5.0, 4.0, 3.0]) && !reached(&[5.0, 4.6]));
            assert!(reached(&[5.0, 4.6, 4.5]), "half a step is no improvement");
            assert!(!reached(&[5.0, 6.0, 4.0]) && reached(&[5.0, 6.0, 4.0, 4.0, 9.0]));
            assert!(reached(&[f64::NAN, f64::NAN]));
        }
        assert!(!EarlyStoppingConfig::default().is_reached(Monitor::Mse, &validations(&[1.0; 50])));
    }

    #[test]
    fn a_negative_step_is_refused() {
        let error = EarlyStoppingConfig { min_delta: -1.0, ..Default::default() }.validate().unwrap_err();
        assert!(error.to_string().contains("training.early_stopping.min_delta"), "{error}");
    }
}
