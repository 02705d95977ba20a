//! The fields of schedules.

use serde::{Deserialize, Serialize};

use super::{
    CosineConfig, CosineRestartsConfig, ExponentialConfig, LinearConfig, MultiStepConfig, OneCycleConfig,
    PlateauConfig, PolynomialConfig, StepConfig, check_factor,
};
use crate::Result;

/// A schedule and its constants. In TOML the fields of the kind stand beside the others. Names and
/// defaults are the defaults of `torch.optim.lr_scheduler`, except that the one cycle leaves the
/// momentum alone unless it is told.
///
/// ```
/// use convgru_train::schedule::{CosineConfig, Schedule, ScheduleConfig, ScheduleKind};
///
/// let schedule = Schedule::new(&ScheduleConfig::default(), 1e-3, 100)?;
/// assert!((schedule.learning_rate(0) - 1e-3 / 25.0).abs() < 1e-15);
/// assert!((schedule.learning_rate(29) - 1e-3).abs() < 1e-15);
/// assert!(schedule.learning_rate(99) < 1e-8);
/// let cosine = ScheduleKind::Cosine(CosineConfig { eta_min: 1e-5, ..CosineConfig::default() });
/// assert_eq!(Schedule::new(&cosine.into(), 1e-3, 100)?.learning_rate(0), 1e-3);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScheduleConfig {
    /// The kind, with the fields that it alone has.
    #[serde(flatten)]
    pub kind: ScheduleKind,
    /// A rise before the schedule, whatever its kind.
    #[serde(default)]
    pub warmup: WarmupConfig,
}

/// A kind of schedule. In TOML: `kind = "one-cycle"`, `"constant"`, `"step"` and so on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Up to the highest rate, then down to almost nothing: [`OneCycle`](super::OneCycle).
    OneCycle(OneCycleConfig),
    /// The same rate at every step.
    Constant,
    /// Down by a factor every so many steps: [`Step`](super::Step).
    Step(StepConfig),
    /// Down by a factor at given steps: [`MultiStep`](super::MultiStep).
    MultiStep(MultiStepConfig),
    /// Down by a factor at every step: [`Exponential`](super::Exponential).
    Exponential(ExponentialConfig),
    /// Along a line: [`Linear`](super::Linear).
    Linear(LinearConfig),
    /// Down along a power: [`Polynomial`](super::Polynomial).
    Polynomial(PolynomialConfig),
    /// Down along a cosine: [`Cosine`](super::Cosine).
    Cosine(CosineConfig),
    /// Down along a cosine, again and again: [`CosineRestarts`](super::CosineRestarts).
    CosineRestarts(CosineRestartsConfig),
    /// Down where validations do not improve: [`Plateau`](super::Plateau).
    Plateau(PlateauConfig),
}

/// A linear rise to the learning rate before a schedule, which counts its steps from the
/// end of the rise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WarmupConfig {
    /// Steps of the rise; 0 for none.
    pub steps: u64,
    /// The first rate as a share of the learning rate; above 0, at most 1.
    pub start_factor: f64,
}

impl Default for WarmupConfig {
    fn default() -> Self {
        Self { steps: 0, start_factor: 0.05 }
    }
}

impl Default for ScheduleKind {
    fn default() -> Self {
        Self::OneCycle(OneCycleConfig::default())
    }
}

impl From<ScheduleKind> for ScheduleConfig {
    /// Without a rise before it.
    fn from(kind: ScheduleKind) -> Self {
        Self { kind, warmup: WarmupConfig::default() }
    }
}

impl ScheduleKind {
    /// The name in configurations.
    pub fn name(&self) -> &'static str {
        Self::NAMES[match self {
            Self::OneCycle(_) => 0,
            Self::Constant => 1,
            Self::Step(_) => 2,
            Self::MultiStep(_) => 3,
            Self::Exponential(_) => 4,
            Self::Linear(_) => 5,
            Self::Polynomial(_) => 6,
            Self::Cosine(_) => 7,
            Self::CosineRestarts(_) => 8,
            Self::Plateau(_) => 9,
        }]
    }

    /// The names of all kinds.
    pub const NAMES: [&str; 10] = [
        "one-cycle",
        "constant",
        "step",
        "multi-step",
        "exponential",
        "linear",
        "polynomial",
        "cosine",
        "cosine-restarts",
        "plateau",
    ];
}

impl ScheduleConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) with the name of the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        check_factor("warmup.start_factor", self.warmup.start_factor)?;
        match &self.kind {
            ScheduleKind::OneCycle(config) => config.validate(),
            ScheduleKind::Constant => Ok(()),
            ScheduleKind::Step(config) => config.validate(),
            ScheduleKind::MultiStep(config) => config.validate(),
            ScheduleKind::Exponential(config) => config.validate(),
            ScheduleKind::Linear(config) => config.validate(),
            ScheduleKind::Polynomial(config) => config.validate(),
            ScheduleKind::Cosine(config) => config.validate(),
            ScheduleKind::CosineRestarts(config) => config.validate(),
            ScheduleKind::Plateau(config) => config.validate(),
        }
    }
}
