//! Schedules: the learning rate of every step.

mod one_cycle;

use serde::{Deserialize, Serialize};

pub use one_cycle::OneCycle;

use crate::{Error, Result};

#[cfg(test)]
mod tests;

/// The kind of a schedule. In TOML: `"one-cycle"`, `"constant"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Up to the highest rate, then down to almost nothing: [`OneCycle`].
    #[default]
    OneCycle,
    /// The same rate at every step.
    Constant,
}

/// How a rate moves between the ends of a phase. In TOML: `"cosine"`, `"linear"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anneal {
    /// Along half a period of a cosine: slow, fast, slow.
    #[default]
    Cosine,
    /// Along a straight line.
    Linear,
}

/// The fields of a schedule. All but `kind` shape the one cycle and mean
/// nothing to a constant rate; their names and defaults are those of
/// `torch.optim.lr_scheduler.OneCycleLR`, but that beta1 is not cycled.
///
/// ```
/// use convgru_train::schedule::{Schedule, ScheduleConfig};
///
/// let schedule = Schedule::new(&ScheduleConfig::default(), 1e-3, 100)?;
/// assert!((schedule.learning_rate(0) - 1e-3 / 25.0).abs() < 1e-15);
/// assert!((schedule.learning_rate(29) - 1e-3).abs() < 1e-15);
/// assert!(schedule.learning_rate(99) < 1e-8);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// One cycle or constant.
    pub kind: ScheduleKind,
    /// The share of the steps in which the rate rises; from 0 to 1, with
    /// three phases to 0.5.
    pub pct_start: f64,
    /// The shape of the rise and the fall.
    pub anneal: Anneal,
    /// The first rate is the highest divided by this; at least 1.
    pub div_factor: f64,
    /// The last rate is the first divided by this; at least 1.
    pub final_div_factor: f64,
    /// Whether the rate falls as long as it rose, to where it started, and
    /// only then to its end.
    pub three_phase: bool,
    /// Whether Adam's beta1 moves against the rate.
    pub cycle_beta1: bool,
    /// beta1 where the rate is highest; from 0 to below 1.
    pub base_beta1: f64,
    /// beta1 at the start and the end; from `base_beta1` to below 1.
    pub max_beta1: f64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            kind: ScheduleKind::OneCycle,
            pct_start: 0.3,
            anneal: Anneal::Cosine,
            div_factor: 25.0,
            final_div_factor: 1e4,
            three_phase: false,
            cycle_beta1: false,
            base_beta1: 0.85,
            max_beta1: 0.95,
        }
    }
}

impl ScheduleConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] with the name of the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        let most = if self.three_phase { 0.5 } else { 1.0 };
        if !(0.0..=most).contains(&self.pct_start) {
            let phases = if self.three_phase { " (with three phases)" } else { "" };
            let reason = format!("{} is not from 0 to {most}{phases}", self.pct_start);
            return Err(invalid("pct_start", reason));
        }
        for (field, value) in [("div_factor", self.div_factor), ("final_div_factor", self.final_div_factor)] {
            if !(value >= 1.0 && value.is_finite()) {
                return Err(invalid(field, format!("{value} is not a number from 1 up")));
            }
        }
        if !(0.0..1.0).contains(&self.base_beta1) {
            return Err(invalid("base_beta1", format!("{} is not from 0 to below 1", self.base_beta1)));
        }
        if !(self.base_beta1..1.0).contains(&self.max_beta1) {
            let reason =
                format!("{} is not from base_beta1 ({}) to below 1", self.max_beta1, self.base_beta1);
            return Err(invalid("max_beta1", reason));
        }
        Ok(())
    }
}

/// The learning rate as a function of the step.
///
/// It has no state: a run that resumes asks for the step it is at.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// The same rate at every step.
    Constant {
        /// The rate.
        learning_rate: f64,
    },
    /// Up and down.
    OneCycle(OneCycle),
}

impl Schedule {
    /// A schedule for a run of `total_steps` optimiser steps whose highest
    /// rate is `learning_rate`.
    ///
    /// # Errors
    /// If a field of the configuration is out of its range, the rate is not
    /// positive and finite, or there are no steps.
    pub fn new(config: &ScheduleConfig, learning_rate: f64, total_steps: u64) -> Result<Self> {
        config.validate()?;
        if !(learning_rate > 0.0 && learning_rate.is_finite()) {
            return Err(Error::Data {
                what: "the learning rate of a schedule".into(),
                reason: format!("{learning_rate} is not a positive number"),
            });
        }
        match config.kind {
            ScheduleKind::Constant => Ok(Self::Constant { learning_rate }),
            ScheduleKind::OneCycle => OneCycle::new(config, learning_rate, total_steps).map(Self::OneCycle),
        }
    }

    /// The learning rate of step `step`, counted from 0. A step after the last
    /// has the rate of the last.
    pub fn learning_rate(&self, step: u64) -> f64 {
        match self {
            Self::Constant { learning_rate } => *learning_rate,
            Self::OneCycle(cycle) => cycle.learning_rate(step),
        }
    }

    /// Adam's beta1 at step `step`, counted from 0, for
    /// [`Adam::set_beta1`](crate::optimizer::Adam::set_beta1); `None` if the
    /// schedule leaves it alone.
    pub fn beta1(&self, step: u64) -> Option<f64> {
        match self {
            Self::Constant { .. } => None,
            Self::OneCycle(cycle) => cycle.beta1(step),
        }
    }
}

fn invalid(field: &str, reason: String) -> Error {
    Error::Config { field: format!("schedule.{field}"), reason }
}
