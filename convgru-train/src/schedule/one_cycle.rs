//! One cycle: a rise to a high learning rate, then a long fall.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::invalid;
use crate::{Error, Result};

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

/// The fields of [`OneCycle`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OneCycleConfig {
    /// The share of the steps in which the rate rises; from 0 to 1, with three phases to 0.5.
    pub pct_start: f64,
    /// The shape of the rise and the fall.
    pub anneal: Anneal,
    /// The first rate is the highest divided by this; at least 1.
    pub div_factor: f64,
    /// The last rate is the first divided by this; at least 1.
    pub final_div_factor: f64,
    /// Whether the rate falls as long as it rose, to where it started, and only then to its end.
    pub three_phase: bool,
    /// Whether the momentum moves against the rate: beta1 of Adam and AdamW,
    /// the momentum of SGD and RMSprop.
    pub cycle_momentum: bool,
    /// The momentum where the rate is highest; from 0 to below 1.
    pub base_momentum: f64,
    /// The momentum at the start and the end; from `base_momentum` to below 1.
    pub max_momentum: f64,
}

impl Default for OneCycleConfig {
    fn default() -> Self {
        Self {
            pct_start: 0.3,
            anneal: Anneal::Cosine,
            div_factor: 25.0,
            final_div_factor: 1e4,
            three_phase: false,
            cycle_momentum: false,
            base_momentum: 0.85,
            max_momentum: 0.95,
        }
    }
}

impl OneCycleConfig {
    /// Checks every field.
    pub(super) fn validate(&self) -> Result<()> {
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
        Ok(())
    }
}

/// The one-cycle schedule: Smith and Topin, "Super-convergence: very fast
/// training of neural networks using large learning rates", 2018, with the
/// phases of `torch.optim.lr_scheduler.OneCycleLR`.
///
/// With `T` steps, `p = pct_start T`, `high` the given rate,
/// `low = high / div_factor` and `end = low / final_div_factor`, the rate
/// passes through
///
/// ```text
/// two phases:    low at 0,  high at p - 1,                   end at T - 1
/// three phases:  low at 0,  high at p - 1,  low at 2 p - 2,  end at T - 1
/// ```
///
/// and between two of these, a share `s` of the way from `a` to `b`, it is
/// `b + (a - b) (1 + cos(pi s)) / 2` or `a + (b - a) s`. The positions need
/// not be whole. A position below 0 or one that coincides with the previous is
/// passed over, so a run of a single step has the rate `end`, as in PyTorch.
///
/// The momentum, if cycled, is `max_momentum` where the rate is `low` or `end` and
/// `base_momentum` where it is `high`.
#[derive(Clone, Debug, PartialEq)]
pub struct OneCycle {
    phases: Vec<Phase>,
    anneal: Anneal,
    last_step: u64,
    cycles_momentum: bool,
}

/// A stretch of steps. Its values are the values at its last step.
#[derive(Clone, Debug, PartialEq)]
struct Phase {
    end_step: f64,
    from: Point,
    to: Point,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    learning_rate: f64,
    momentum: f64,
}

impl OneCycle {
    /// A cycle of `total_steps` steps.
    ///
    /// # Errors
    /// If a field of the configuration is out of its range or there are no steps.
    pub fn new(config: &OneCycleConfig, learning_rate: f64, total_steps: u64) -> Result<Self> {
        config.validate()?;
        let Some(last_step) = total_steps.checked_sub(1) else {
            return Err(Error::Data {
                what: "a one-cycle schedule".into(),
                reason: "a run of 0 steps has no cycle; at least 1 is needed".into(),
            });
        };
        let low_rate = learning_rate / config.div_factor;
        let high = Point { learning_rate, momentum: config.base_momentum };
        let low = Point { learning_rate: low_rate, momentum: config.max_momentum };
        let end = Point { learning_rate: low_rate / config.final_div_factor, momentum: config.max_momentum };
        let rising = config.pct_start * total_steps as f64;
        let mut phases = vec![Phase { end_step: rising - 1.0, from: low, to: high }];
        let last = last_step as f64;
        if config.three_phase {
            phases.push(Phase { end_step: 2.0 * rising - 2.0, from: high, to: low });
            phases.push(Phase { end_step: last, from: low, to: end });
        } else {
            phases.push(Phase { end_step: last, from: high, to: end });
        }
        Ok(Self { phases, anneal: config.anneal, last_step, cycles_momentum: config.cycle_momentum })
    }

    /// The learning rate of step `step`, counted from 0; after the last step, the rate of the last step.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let (phase, share) = self.position(step);
        self.between(phase.from.learning_rate, phase.to.learning_rate, share)
    }

    /// The momentum of step `step`, counted from 0, if it is cycled.
    pub fn momentum(&self, step: u64) -> Option<f64> {
        let (phase, share) = self.position(step);
        self.cycles_momentum.then(|| self.between(phase.from.momentum, phase.to.momentum, share))
    }

    /// The phase a step is in and the share of it that has passed, in `0..=1`.
    fn position(&self, step: u64) -> (&Phase, f64) {
        let step = step.min(self.last_step) as f64;
        let mut start = 0.0;
        let (last, earlier) = self.phases.split_last().expect("a cycle has two or three phases");
        for phase in earlier {
            if step <= phase.end_step {
                return (phase, share(start, step, phase.end_step));
            }
            start = phase.end_step;
        }
        (last, share(start, step, last.end_step))
    }

    fn between(&self, from: f64, to: f64, share: f64) -> f64 {
        match self.anneal {
            Anneal::Cosine => to + (from - to) / 2.0 * (1.0 + (PI * share).cos()),
            Anneal::Linear => from + (to - from) * share,
        }
    }
}

/// The share of the way from `start` to `end` passed at `step`; all of it if
/// there is no way.
fn share(start: f64, step: f64, end: f64) -> f64 {
    if end > start { (step - start) / (end - start) } else { 1.0 }
}
