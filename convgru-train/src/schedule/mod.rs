//! Schedules: the learning rate of every step.
//!
//! | `schedule.kind` | type | in the arithmetic of |
//! |---|---|---|
//! | `"one-cycle"` | [`OneCycle`] | `OneCycleLR` |
//! | `"constant"` | | |
//! | `"step"` | [`Step`] | `StepLR` |
//! | `"multi-step"` | [`MultiStep`] | `MultiStepLR` |
//! | `"exponential"` | [`Exponential`] | `ExponentialLR` |
//! | `"linear"` | [`Linear`] | `LinearLR` |
//! | `"polynomial"` | [`Polynomial`] | `PolynomialLR` |
//! | `"cosine"` | [`Cosine`] | `CosineAnnealingLR` |
//! | `"cosine-restarts"` | [`CosineRestarts`] | `CosineAnnealingWarmRestarts` |
//! | `"plateau"` | [`Plateau`] | `ReduceLROnPlateau` |
//!
//! The right column is in `torch.optim.lr_scheduler`, stepped once after every optimiser
//! step. `schedule.warmup` puts a linear rise before any of them, as `SequentialLR` does.
//! All but the plateau are functions of the step; the plateau also depends on the results of
//! validations, so that a run that resumes tells it those again.

mod config;
mod cosine;
mod decay;
pub(crate) mod monitor;
mod one_cycle;
mod plateau;
mod ramp;

pub use config::{ScheduleConfig, ScheduleKind, WarmupConfig};
pub use cosine::{Cosine, CosineConfig, CosineRestarts, CosineRestartsConfig};
pub use decay::{Exponential, ExponentialConfig, MultiStep, MultiStepConfig, Step, StepConfig};
pub use monitor::{EventMonitor, Monitor};
pub use one_cycle::{Anneal, OneCycle, OneCycleConfig};
pub use plateau::{Mode, Plateau, PlateauConfig, ThresholdMode};
pub use ramp::{Linear, LinearConfig, Polynomial, PolynomialConfig};

use crate::counted::counted;
use crate::{Error, Result};

#[cfg(test)]
mod tests;

/// The learning rate as a function of the step.
///
/// ```
/// use convgru_train::schedule::{CosineConfig, Schedule, ScheduleConfig, ScheduleKind, WarmupConfig};
///
/// let warmup = WarmupConfig { steps: 10, ..WarmupConfig::default() };
/// let config = ScheduleConfig { kind: ScheduleKind::Cosine(CosineConfig::default()), warmup };
/// let schedule = Schedule::new(&config, 0.1, 100)?;
/// assert!(schedule.learning_rate(0) < schedule.learning_rate(9));
/// assert_eq!(schedule.learning_rate(10), 0.1);
/// assert!(schedule.learning_rate(99) < 1e-4);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// The same rate at every step.
    Constant {
        /// The rate.
        learning_rate: f64,
    },
    /// Up and down.
    OneCycle(OneCycle),
    /// Down by a factor every so many steps.
    Step(Step),
    /// Down by a factor at given steps.
    MultiStep(MultiStep),
    /// Down by a factor at every step.
    Exponential(Exponential),
    /// Along a line.
    Linear(Linear),
    /// Down along a power.
    Polynomial(Polynomial),
    /// Down along a cosine.
    Cosine(Cosine),
    /// Down along a cosine, again and again.
    CosineRestarts(CosineRestarts),
    /// Down where validations do not improve.
    Plateau(Plateau),
    /// One schedule, then another.
    Sequential {
        /// The first steps.
        first: Box<Schedule>,
        /// How many they are.
        steps: u64,
        /// All later steps, counted from the first of them.
        then: Box<Schedule>,
    },
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
        let warmup = &config.warmup;
        if warmup.steps == 0 {
            return Self::of_kind(config, learning_rate, total_steps);
        }
        if warmup.steps >= total_steps {
            let reason = format!(
                "a warm-up of {} is not shorter than the training of {}; take fewer steps here or more in training.steps",
                counted(warmup.steps, "step"),
                counted(total_steps, "step")
            );
            return Err(invalid("warmup.steps", reason));
        }
        let rise = LinearConfig { start_factor: warmup.start_factor, end_factor: 1.0, total_iters: 0 };
        Ok(Self::Sequential {
            first: Box::new(Self::Linear(Linear::new(&rise, learning_rate, warmup.steps)?)),
            steps: warmup.steps,
            then: Box::new(Self::of_kind(config, learning_rate, total_steps - warmup.steps)?),
        })
    }

    /// The schedule without its warm-up.
    fn of_kind(config: &ScheduleConfig, learning_rate: f64, steps: u64) -> Result<Self> {
        let rate = learning_rate;
        Ok(match &config.kind {
            ScheduleKind::Constant => Self::Constant { learning_rate },
            ScheduleKind::OneCycle(config) => Self::OneCycle(OneCycle::new(config, rate, steps)?),
            ScheduleKind::Step(config) => Self::Step(Step::new(config, rate)?),
            ScheduleKind::MultiStep(config) => Self::MultiStep(MultiStep::new(config, rate)?),
            ScheduleKind::Exponential(config) => Self::Exponential(Exponential::new(config, rate)?),
            ScheduleKind::Linear(config) => Self::Linear(Linear::new(config, rate, steps)?),
            ScheduleKind::Polynomial(config) => Self::Polynomial(Polynomial::new(config, rate, steps)?),
            ScheduleKind::Cosine(config) => Self::Cosine(Cosine::new(config, rate, steps)?),
            ScheduleKind::CosineRestarts(config) => Self::CosineRestarts(CosineRestarts::new(config, rate)?),
            ScheduleKind::Plateau(config) => {
                Self::Plateau(Plateau::new(config, config.metric.unwrap_or_default().mode(), rate)?)
            }
        })
    }

    /// The learning rate of step `step`, counted from 0. The one cycle keeps its last
    /// rate after the last step, others go on as their equation says.
    pub fn learning_rate(&self, step: u64) -> f64 {
        match self {
            Self::Constant { learning_rate } => *learning_rate,
            Self::OneCycle(schedule) => schedule.learning_rate(step),
            Self::Step(schedule) => schedule.learning_rate(step),
            Self::MultiStep(schedule) => schedule.learning_rate(step),
            Self::Exponential(schedule) => schedule.learning_rate(step),
            Self::Linear(schedule) => schedule.learning_rate(step),
            Self::Polynomial(schedule) => schedule.learning_rate(step),
            Self::Cosine(schedule) => schedule.learning_rate(step),
            Self::CosineRestarts(schedule) => schedule.learning_rate(step),
            Self::Plateau(schedule) => schedule.learning_rate(),
            Self::Sequential { first, steps, .. } if step < *steps => first.learning_rate(step),
            Self::Sequential { steps, then, .. } => then.learning_rate(step - steps),
        }
    }

    /// The momentum of step `step`, counted from 0, for
    /// [`Optimizer::set_momentum`](crate::optimizer::Optimizer::set_momentum); `None` if
    /// the schedule leaves it alone.
    pub fn momentum(&self, step: u64) -> Option<f64> {
        match self {
            Self::OneCycle(cycle) => cycle.momentum(step),
            // Before the cycle begins, what it begins with.
            Self::Sequential { steps, then, .. } => then.momentum(step.saturating_sub(*steps)),
            _ => None,
        }
    }

    /// Tells the result of a validation; only a [`Plateau`] listens.
    pub fn observe(&mut self, metric: f64) {
        match self {
            Self::Plateau(plateau) => plateau.observe(metric),
            Self::Sequential { then, .. } => then.observe(metric),
            _ => {}
        }
    }
}

/// The number of steps of a length; 0 means the length of the run.
fn length(given: u64, run: u64) -> f64 {
    (if given == 0 { run } else { given }) as f64
}

/// Fails unless a rate that is never undercut is from 0 to the learning rate.
fn check_floor(field: &str, floor: f64, learning_rate: f64) -> Result<()> {
    if (0.0..=learning_rate).contains(&floor) {
        return Ok(());
    }
    Err(invalid(field, format!("{floor} is not from 0 to the learning rate, {learning_rate}")))
}

/// Fails unless a number is zero or positive.
fn check_not_negative(field: &str, value: f64) -> Result<()> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(invalid(field, format!("{value} is not zero or a positive number")))
}

/// Fails unless a factor is above 0 and at most 1.
fn check_factor(field: &str, factor: f64) -> Result<()> {
    if factor > 0.0 && factor <= 1.0 {
        return Ok(());
    }
    Err(invalid(field, format!("{factor} is not above 0 and at most 1")))
}

/// Fails unless a number of steps is at least 1.
fn check_steps(field: &str, steps: u64) -> Result<()> {
    if steps > 0 {
        return Ok(());
    }
    Err(invalid(field, "0 steps are too few; at least 1 is needed".to_owned()))
}

fn invalid(field: &str, reason: String) -> Error {
    Error::Config { field: format!("schedule.{field}"), reason }
}
