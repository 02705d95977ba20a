//! The fields of schedules.

use serde::{Deserialize, Serialize};

use super::{
    CosineConfig, CosineRestartsConfig, ExponentialConfig, LinearConfig, MultiStepConfig, PlateauConfig,
    PolynomialConfig, StepConfig, check_factor, invalid,
};
use crate::Result;

/// The kind of a schedule. In TOML: `"one-cycle"`, `"constant"`, `"step"` and so on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Up to the highest rate, then down to almost nothing: [`OneCycle`](super::OneCycle).
    #[default]
    OneCycle,
    /// The same rate at every step.
    Constant,
    /// Down by a factor every so many steps: [`Step`](super::Step).
    Step,
    /// Down by a factor at given steps: [`MultiStep`](super::MultiStep).
    MultiStep,
    /// Down by a factor at every step: [`Exponential`](super::Exponential).
    Exponential,
    /// Along a line: [`Linear`](super::Linear).
    Linear,
    /// Down along a power: [`Polynomial`](super::Polynomial).
    Polynomial,
    /// Down along a cosine: [`Cosine`](super::Cosine).
    Cosine,
    /// Down along a cosine, again and again: [`CosineRestarts`](super::CosineRestarts).
    CosineRestarts,
    /// Down where validations do not improve: [`Plateau`](super::Plateau).
    Plateau,
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

/// The fields of a schedule. `kind` says which are looked at: the section of its name,
/// for the one cycle the fields beside `kind`; all others mean nothing then. Names and
/// defaults are those of `torch.optim.lr_scheduler`, but that the one cycle leaves the
/// momentum alone unless it is told.
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
    /// Which schedule.
    pub kind: ScheduleKind,
    /// One cycle: the share of the steps in which the rate rises; from 0 to 1, with
    /// three phases to 0.5.
    pub pct_start: f64,
    /// One cycle: the shape of the rise and the fall.
    pub anneal: Anneal,
    /// One cycle: the first rate is the highest divided by this; at least 1.
    pub div_factor: f64,
    /// One cycle: the last rate is the first divided by this; at least 1.
    pub final_div_factor: f64,
    /// One cycle: whether the rate falls as long as it rose, to where it started, and
    /// only then to its end.
    pub three_phase: bool,
    /// One cycle: whether the momentum moves against the rate: beta1 of Adam and AdamW,
    /// the momentum of SGD and RMSprop.
    pub cycle_momentum: bool,
    /// One cycle: the momentum where the rate is highest; from 0 to below 1.
    pub base_momentum: f64,
    /// One cycle: the momentum at the start and the end; from `base_momentum` to below 1.
    pub max_momentum: f64,
    /// A rise before the schedule, whatever its kind.
    pub warmup: WarmupConfig,
    /// For the kind `"step"`.
    pub step: StepConfig,
    /// For the kind `"multi-step"`.
    pub multi_step: MultiStepConfig,
    /// For the kind `"exponential"`.
    pub exponential: ExponentialConfig,
    /// For the kind `"linear"`.
    pub linear: LinearConfig,
    /// For the kind `"polynomial"`.
    pub polynomial: PolynomialConfig,
    /// For the kind `"cosine"`.
    pub cosine: CosineConfig,
    /// For the kind `"cosine-restarts"`.
    pub cosine_restarts: CosineRestartsConfig,
    /// For the kind `"plateau"`.
    pub plateau: PlateauConfig,
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

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            kind: ScheduleKind::OneCycle,
            pct_start: 0.3,
            anneal: Anneal::Cosine,
            div_factor: 25.0,
            final_div_factor: 1e4,
            three_phase: false,
            cycle_momentum: false,
            base_momentum: 0.85,
            max_momentum: 0.95,
            warmup: WarmupConfig::default(),
            step: StepConfig::default(),
            multi_step: MultiStepConfig::default(),
            exponential: ExponentialConfig::default(),
            linear: LinearConfig::default(),
            polynomial: PolynomialConfig::default(),
            cosine: CosineConfig::default(),
            cosine_restarts: CosineRestartsConfig::default(),
            plateau: PlateauConfig::default(),
        }
    }
}

impl ScheduleConfig {
    /// Checks every field, whatever the kind.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) with the name of the first field out of its range.
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
        let (base, max) = (self.base_momentum, self.max_momentum);
        if !(0.0..1.0).contains(&base) {
            return Err(invalid("base_momentum", format!("{base} is not from 0 to below 1")));
        }
        if !(base..1.0).contains(&max) {
            let reason = format!("{max} is not from base_momentum ({base}) to below 1");
            return Err(invalid("max_momentum", reason));
        }
        check_factor("warmup.start_factor", self.warmup.start_factor)?;
        self.step.validate()?;
        self.multi_step.validate()?;
        self.exponential.validate()?;
        self.linear.validate()?;
        self.polynomial.validate()?;
        self.cosine.validate()?;
        self.cosine_restarts.validate()?;
        self.plateau.validate()
    }
}
