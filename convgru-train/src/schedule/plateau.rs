//! A schedule that depends on validations.

use serde::{Deserialize, Serialize};

use super::monitor::{Monitor, own};
use super::{check_floor, check_not_negative, invalid};
use crate::Result;

/// Whether a metric is better when it is lower or higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Lower is better.
    Min,
    /// Higher is better.
    Max,
}

/// How far from the best a metric must be to be better. In TOML: `"rel"`, `"abs"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdMode {
    /// By `threshold` times the best.
    #[default]
    Rel,
    /// By `threshold`.
    Abs,
}

/// The fields of [`Plateau`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlateauConfig {
    /// The result of a validation that decides. In TOML its name, or `"monitor"`, the default, for the result that `training.monitor` names.
    #[serde(with = "own")]
    pub metric: Option<Monitor>,
    /// What the rate is multiplied by, above 0 and below 1.
    pub factor: f64,
    /// Validations without improvement that are allowed; the next one changes the rate.
    pub patience: u64,
    /// What counts as an improvement; not negative.
    pub threshold: f64,
    /// Whether the threshold is a share of the best.
    pub threshold_mode: ThresholdMode,
    /// Validations after a change that count for nothing but the best.
    pub cooldown: u64,
    /// The lowest rate, from 0 to the learning rate.
    pub min_lr: f64,
    /// Changes of the rate that are not larger than this are left out; not negative.
    pub eps: f64,
}

impl Default for PlateauConfig {
    fn default() -> Self {
        Self {
            metric: None,
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            threshold_mode: ThresholdMode::Rel,
            cooldown: 0,
            min_lr: 0.0,
            eps: 1e-8,
        }
    }
}

impl PlateauConfig {
    /// Checks every field.
    pub(super) fn validate(&self) -> Result<()> {
        let factor = self.factor;
        if !(factor > 0.0 && factor < 1.0) {
            return Err(invalid("factor", format!("{factor} is not above 0 and below 1")));
        }
        for (field, value) in [("threshold", self.threshold), ("min_lr", self.min_lr), ("eps", self.eps)] {
            check_not_negative(field, value)?;
        }
        Ok(())
    }
}

/// The rate falls by a factor when a metric has stopped improving, as
/// `torch.optim.lr_scheduler.ReduceLROnPlateau`:
///
/// ```text
/// better  = m < best (1 - threshold)   or, absolute,  m < best - threshold     (min)
///           m > best (1 + threshold)   or, absolute,  m > best + threshold     (max)
/// bad     = 0 if better or in the cooldown, else bad + 1
/// if bad > patience:  rate = max(factor rate, min_lr) unless that changes no more than eps;
///                     bad = 0, and the cooldown begins
/// ```
///
/// Its state follows from the metrics it was told, so that a run that resumes tells it
/// the rates of its history.
///
/// ```
/// use convgru_train::schedule::{Mode, Plateau, PlateauConfig};
///
/// let config = PlateauConfig { patience: 1, factor: 0.5, ..PlateauConfig::default() };
/// let mut plateau = Plateau::new(&config, Mode::Min, 0.1)?;
/// for loss in [3.0, 2.0, 2.0] {
///     plateau.observe(loss);
/// }
/// assert_eq!(plateau.learning_rate(), 0.1);
/// plateau.observe(2.0);
/// assert_eq!(plateau.learning_rate(), 0.05);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plateau {
    config: PlateauConfig,
    mode: Mode,
    learning_rate: f64,
    best: f64,
    bad: u64,
    cooldown: u64,
}

impl Plateau {
    /// A schedule that begins with `learning_rate`. `config.metric` is not looked at.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a field is out of its range.
    pub fn new(config: &PlateauConfig, mode: Mode, learning_rate: f64) -> Result<Self> {
        config.validate()?;
        check_floor("min_lr", config.min_lr, learning_rate)?;
        let best = match mode {
            Mode::Min => f64::INFINITY,
            Mode::Max => f64::NEG_INFINITY,
        };
        Ok(Self { config: config.clone(), mode, learning_rate, best, bad: 0, cooldown: 0 })
    }

    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// Tells a metric. One that is no number is not better.
    pub fn observe(&mut self, metric: f64) {
        if self.is_better(metric) {
            self.best = metric;
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooldown > 0 {
            self.cooldown -= 1;
            self.bad = 0;
        }
        if self.bad > self.config.patience {
            let lower = (self.learning_rate * self.config.factor).max(self.config.min_lr);
            if self.learning_rate - lower > self.config.eps {
                self.learning_rate = lower;
            }
            self.cooldown = self.config.cooldown;
            self.bad = 0;
        }
    }

    fn is_better(&self, metric: f64) -> bool {
        let PlateauConfig { threshold, threshold_mode, .. } = self.config;
        match (self.mode, threshold_mode) {
            (Mode::Min, ThresholdMode::Rel) => metric < self.best * (1.0 - threshold),
            (Mode::Min, ThresholdMode::Abs) => metric < self.best - threshold,
            (Mode::Max, ThresholdMode::Rel) => metric > self.best * (1.0 + threshold),
            (Mode::Max, ThresholdMode::Abs) => metric > self.best + threshold,
        }
    }
}
