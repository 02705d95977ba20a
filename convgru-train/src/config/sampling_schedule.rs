//! How often a frame is read in training that is not the one that comes by itself.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What is left of the way from `start` to `end` at `until` where it ends there only nearly.
const LEFT_AT_THE_END: f64 = 0.01;

/// The shape of the way from one probability to another, with `i` the step from 0: Bengio et
/// al., "Scheduled sampling for sequence prediction with recurrent neural networks", 2015
/// (arXiv 1506.03099). In TOML: `"linear"`, `"exponential"`, `"inverse-sigmoid"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplingDecay {
    /// A line that reaches the end at `until`.
    #[default]
    Linear,
    /// `k^i` of the way is left.
    Exponential,
    /// `k / (k + e^(i / k))` of the way is left.
    InverseSigmoid,
}

/// The probability of teacher forcing, or of reverse scheduled sampling: it goes from `start` to `end`
/// over the first part of the training and stays there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingSchedule {
    /// Probability at the first step, 0 to 1.
    pub start: f64,
    /// Probability once `until` is reached, 0 to 1.
    pub end: f64,
    /// The share of all steps after which `end` is reached, above 0, at most 1; by the
    /// exponential and the inverse sigmoid but for a hundredth of the way, unless `k` is given.
    pub until: f64,
    /// The shape of the way.
    pub decay: SamplingDecay,
    /// The constant of the exponential, between 0 and 1, or of the inverse sigmoid, at least 1;
    /// 0 takes the one that fits `until`.
    pub k: f64,
}

impl Default for SamplingSchedule {
    fn default() -> Self {
        Self { start: 1.0, end: 0.0, until: 0.5, decay: SamplingDecay::Linear, k: 0.0 }
    }
}

impl SamplingSchedule {
    /// The probability at `step` (from 0) of `steps`: `end + (start - end) left`, with
    /// `left = 1 - min(1, step / (until steps))` of the linear way.
    pub fn probability(&self, step: u64, steps: u64) -> f64 {
        let (step, length) = (step as f64, (self.until * steps as f64).max(1.0));
        let left = match self.decay {
            SamplingDecay::Linear => return self.start + (self.end - self.start) * (step / length).min(1.0),
            SamplingDecay::Exponential if self.k > 0.0 => self.k.powf(step),
            SamplingDecay::Exponential => LEFT_AT_THE_END.powf(step / length),
            SamplingDecay::InverseSigmoid if self.k > 0.0 => inverse_sigmoid(self.k, step),
            SamplingDecay::InverseSigmoid => inverse_sigmoid(fitting(length), step),
        };
        self.end + (self.start - self.end) * left
    }

    /// Checks every field; `section` is what errors call them by, such as `"training.teacher_forcing"`.
    ///
    /// # Errors
    /// [`Error::Config`] with the name of the first field out of its range.
    pub fn validate(&self, section: &str) -> Result<()> {
        let refuse = |name: &str, reason| Err(Error::Config { field: format!("{section}.{name}"), reason });
        for (name, probability) in [("start", self.start), ("end", self.end)] {
            if !(0.0..=1.0).contains(&probability) {
                return refuse(name, format!("{probability} is no probability between 0 and 1"));
            }
        }
        if !(self.until > 0.0 && self.until <= 1.0) {
            return refuse("until", format!("{} is no share of the steps above 0 and at most 1", self.until));
        }
        let k = self.k;
        match self.decay {
            _ if k == 0.0 => Ok(()),
            SamplingDecay::Linear => {
                refuse("k", format!("{k} means nothing to the linear way; leave it at 0"))
            }
            SamplingDecay::Exponential if !(0.0..1.0).contains(&k) => {
                refuse("k", format!("{k} is not between 0 and 1, which the exponential needs"))
            }
            SamplingDecay::InverseSigmoid if !(k >= 1.0 && k.is_finite()) => {
                refuse("k", format!("{k} is below 1, which the inverse sigmoid needs"))
            }
            _ => Ok(()),
        }
    }
}

fn inverse_sigmoid(k: f64, step: f64) -> f64 {
    k / (k + (step / k).exp())
}

/// The `k` with which a hundredth is left after `length` steps: `k ln(99 k) = length`, by
/// bisection; 1 for shorter ways than it can fit.
fn fitting(length: f64) -> f64 {
    let reached = |k: f64| k * ((1.0 / LEFT_AT_THE_END - 1.0) * k).ln();
    let (mut low, mut high) = (1.0, length.max(1.0));
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if reached(middle) < length { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn teacher_forcing_goes_linearly_and_stays() {
        let config = SamplingSchedule { start: 1.0, end: 0.2, ..Default::default() };
        for (step, expected) in [(0, 1.0), (25, 0.6), (50, 0.2), (99, 0.2)] {
            assert!((config.probability(step, 100) - expected).abs() < 1e-12, "step {step}");
        }
    }

    #[test]
    fn decays_are_those_of_the_paper() {
        let of = |decay, k| SamplingSchedule { decay, k, end: 0.1, ..Default::default() };
        let exponential = of(SamplingDecay::Exponential, 0.9);
        assert!((exponential.probability(3, 100) - (0.1 + 0.9 * 0.729)).abs() < 1e-12);
        let sigmoid = of(SamplingDecay::InverseSigmoid, 10.0);
        let left = 10.0 / (10.0 + 2.0f64.exp());
        assert!((sigmoid.probability(20, 100) - (0.1 + 0.9 * left)).abs() < 1e-12);
    }

    #[test]
    fn without_a_constant_the_way_ends_where_it_should() {
        for decay in [SamplingDecay::Exponential, SamplingDecay::InverseSigmoid] {
            let config = SamplingSchedule { decay, ..Default::default() };
            for steps in [40, 1000, 100_000] {
                let left = config.probability(steps / 2, steps);
                assert!((left - 0.01).abs() < 1e-6, "{decay:?} of {steps} steps: {left}");
                let falls = (1..steps.min(50))
                    .all(|i| config.probability(i, steps) < config.probability(i - 1, steps));
                assert!(falls && config.probability(0, steps) > 0.7, "{decay:?} of {steps} steps");
            }
        }
    }

    #[test]
    fn constants_out_of_range_are_named() {
        for (decay, k) in [
            (SamplingDecay::Linear, 0.5),
            (SamplingDecay::Exponential, 1.0),
            (SamplingDecay::Exponential, -0.5),
            (SamplingDecay::InverseSigmoid, 0.5),
            (SamplingDecay::InverseSigmoid, f64::NAN),
        ] {
            let config = SamplingSchedule { decay, k, ..Default::default() };
            let error = config.validate("training.teacher_forcing").unwrap_err().to_string();
            assert!(error.contains("`training.teacher_forcing.k`"), "{error}");
        }
    }
}
