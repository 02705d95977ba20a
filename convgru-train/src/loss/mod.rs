//! Losses: how far a prediction is from the truth, and the derivative of that.
//!
//! Per element `x` of the prediction and `y` of the target, with `d = x - y`, in the
//! arithmetic of `torch.nn.functional`:
//!
//! | loss | value | derivative by `x` |
//! |---|---|---|
//! | [`Loss::Mse`] | `d^2` | `2 d` |
//! | [`Loss::L1`] | `\|d\|` | `sign(d)`, zero at zero |
//! | [`Loss::Huber`] | `d^2 / 2`; from `\|d\| = delta` on `delta (\|d\| - delta / 2)` | `d`; `delta sign(d)` |
//! | [`Loss::SmoothL1`] | `d^2 / (2 beta)`; from `\|d\| = beta` on `\|d\| - beta / 2` | `d / beta`; `sign(d)` |
//! | [`Loss::BceWithLogits`] | `max(x, 0) - x y + ln(1 + e^-\|x\|)` | `sigmoid(x) - y` |
//!
//! With the weight `w` of the positive class the last is `(1 - y) x + (1 + (w - 1) y)
//! ln(1 + e^-x)`. The loss of a prediction is the mean over all elements, or the sum ([`Reduction`]); the
//! derivatives of the mean carry a further factor `1 / elements`.
//!
//! Other losses weigh an element by its truth, look at its neighbours or score an ensemble:
//!
//! | loss | the mean of |
//! |---|---|
//! | [`Loss::BalancedMse`], [`Loss::BalancedMae`] | `w(y) d^2` and `w(y) \|d\|` with the steps `w` of [`RainWeights`] |
//! | [`Loss::GradientDifference`] | `\| \|y_b - y_a\| - \|x_b - x_a\| \|^alpha` over pairs of neighbours `a`, `b` (Mathieu et al. 2016, arXiv 1511.05440) |
//! | [`Loss::Ssim`] | `1 - S` over windows inside the frame, `S` as in [`metric::ssim`](crate::metric::ssim()) |
//! | [`Loss::Crps`] | the continuous ranked probability score over elements, of several forecasts of the same frames: [`metric::crps`](crate::metric::crps()) |
//! | [`Loss::TemporalPenalty`] | `\|x_(t + 1) - x_t\|` over the members of an ensemble and pairs of lead times |
//!
//! An [`Objective`] is what a run minimises: a weighted sum of losses over lead times of different weight and pixels
//! whose truth is known; [`Clamp`] bounds the predictions in it.

mod clamp;
mod elementwise;
mod ensemble;
mod ensemble_members;
mod gradient_difference;
mod lead_times;
mod lead_weights;
mod objective;
mod planes;
mod pointwise;
mod rain;
mod reduce;
mod reference;
mod similarity;
mod temporal_penalty;
mod terms;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use clamp::Clamp;
pub use elementwise::Reduction;
pub use lead_weights::LeadWeights;
pub use objective::{Objective, PartCounts, PredictedFrames, Truth};
pub use rain::RainWeights;
pub use reference::{objective_reference, reference};
pub use terms::{LossTerm, LossTerms};

use crate::metric::{Spread, SsimWindow};
use crate::{Error, Result};

/// A loss with its constants.
///
/// In TOML and JSON: its name such as `"mse"`, or `{ kind = "huber", delta = 0.1 }`, where constants that are left out have
/// their defaults ([`LossTerm`] reads both).
///
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::loss::{Loss, Reduction};
///
/// let prediction = Tensor::from_vec(&[2], vec![0.25f64, -2.0])?;
/// let target = Tensor::zeros(&[2]);
/// let (value, gradient) = Loss::Mse.value_and_gradient(&prediction, &target)?;
/// assert_eq!((value, gradient.as_slice()), (2.03125, &[0.25, -2.0][..]));
/// let huber = Loss::Huber { delta: 0.5 };
/// let (value, gradient) = huber.reduced(&prediction, &target, None, Reduction::Sum)?;
/// assert_eq!(value, 0.5 * 0.25 * 0.25 + 0.5 * (2.0 - 0.25));
/// assert_eq!(gradient.as_slice(), [0.25, -0.5]);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Loss {
    /// Mean squared error.
    Mse,
    /// Mean absolute error.
    L1,
    /// Squared error of small differences, absolute error of large ones: Huber, "Robust
    /// estimation of a location parameter", 1964.
    Huber {
        /// The difference from which the loss is a line; above 0, by default 1.
        #[serde(default = "one")]
        delta: f64,
    },
    /// The same divided by its constant: Girshick, "Fast R-CNN", 2015.
    #[serde(rename = "smooth-l1")]
    SmoothL1 {
        /// The difference from which the loss is a line; not negative, L1 at 0, by default 1.
        #[serde(default = "one")]
        beta: f64,
    },
    /// Binary cross-entropy between `sigmoid(prediction)` and targets in
    /// `0..=1`, computed from the logits: finite for every finite logit.
    BceWithLogits {
        /// Factor of the positive class; above 0, by default 1.
        #[serde(default = "one")]
        pos_weight: f64,
    },
    /// Squared error times the weight of the true value.
    BalancedMse {
        /// The weights.
        #[serde(default)]
        rain: RainWeights,
    },
    /// Absolute error times the weight of the true value.
    BalancedMae {
        /// The weights.
        #[serde(default)]
        rain: RainWeights,
    },
    /// Differences between the steepness of predicted and true frames; the equation is in
    /// [`loss`](self).
    GradientDifference {
        /// The exponent of each difference; at least 1, where the loss has a derivative, by default 1.
        #[serde(default = "one")]
        alpha: f64,
    },
    /// One minus the structural similarity of [`metric::ssim`](crate::metric::ssim()).
    Ssim {
        /// The window.
        #[serde(default)]
        window: SsimWindow,
    },
    /// The continuous ranked probability score of the members of an ensemble. Of one forecast it is the absolute error, whatever
    /// the spread; a run with one member refuses it.
    Crps {
        /// How the spread of the ensemble is estimated.
        #[serde(default)]
        spread: Spread,
    },
    /// How much each member of an ensemble changes from one lead time to the next: the mean of
    ///
    /// ```text
    /// |x_(t + 1) - x_t|
    /// ```
    ///
    /// over members, pairs of lead times that follow each other, and pixels whose truth is known at both; a pair weighs as
    /// much as its later lead time. It compares no prediction with the truth, so it needs another loss beside it. Its weight is `temporal_lambda`
    /// of mlcast's `CRPS` and `AFCRPS`, 0.01 in the training of the package.
    TemporalPenalty,
}

fn one() -> f64 {
    1.0
}

impl Loss {
    /// The names of all losses.
    pub const NAMES: [&str; 11] = [
        "mse",
        "l1",
        "huber",
        "smooth-l1",
        "bce-with-logits",
        "balanced-mse",
        "balanced-mae",
        "gradient-difference",
        "ssim",
        "crps",
        "temporal-penalty",
    ];

    /// All losses with the defaults of their constants, in the order of [`NAMES`](Self::NAMES).
    pub fn all() -> [Self; 11] {
        [
            Self::Mse,
            Self::L1,
            Self::Huber { delta: 1.0 },
            Self::SmoothL1 { beta: 1.0 },
            Self::BceWithLogits { pos_weight: 1.0 },
            Self::BalancedMse { rain: RainWeights::default() },
            Self::BalancedMae { rain: RainWeights::default() },
            Self::GradientDifference { alpha: 1.0 },
            Self::Ssim { window: SsimWindow::default() },
            Self::Crps { spread: Spread::default() },
            Self::TemporalPenalty,
        ]
    }

    /// The loss of this name with the defaults of its constants.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|loss| loss.name() == name)
    }

    /// The name in configurations.
    pub fn name(&self) -> &'static str {
        let index = match self {
            Self::Mse => 0,
            Self::L1 => 1,
            Self::Huber { .. } => 2,
            Self::SmoothL1 { .. } => 3,
            Self::BceWithLogits { .. } => 4,
            Self::BalancedMse { .. } => 5,
            Self::BalancedMae { .. } => 6,
            Self::GradientDifference { .. } => 7,
            Self::Ssim { .. } => 8,
            Self::Crps { .. } => 9,
            Self::TemporalPenalty => 10,
        };
        Self::NAMES[index]
    }

    /// Whether the prediction is meant before the output activation (logits)
    /// rather than after it.
    pub fn on_logits(&self) -> bool {
        matches!(self, Self::BceWithLogits { .. })
    }

    /// Whether the loss is of the members of an ensemble rather than of their mean.
    pub fn on_members(&self) -> bool {
        matches!(self, Self::Crps { .. } | Self::TemporalPenalty)
    }

    /// Checks every constant.
    ///
    /// # Errors
    /// [`Error::Config`] with the name of the first constant out of its range.
    pub fn validate(&self) -> Result<()> {
        let fault = match self {
            Self::Huber { delta } => positive("delta", *delta),
            Self::SmoothL1 { beta } if !(*beta >= 0.0 && beta.is_finite()) => {
                Some(format!("beta: {beta} is not zero or a positive number"))
            }
            Self::BceWithLogits { pos_weight } => positive("pos_weight", *pos_weight),
            Self::BalancedMse { rain } | Self::BalancedMae { rain } => {
                rain.fault().map(|fault| format!("rain.{fault}"))
            }
            Self::GradientDifference { alpha } if !(*alpha >= 1.0 && alpha.is_finite()) => {
                Some(format!("alpha: {alpha} is no exponent from 1 on, where the loss has a derivative"))
            }
            Self::Crps { spread } => spread.fault().map(|fault| format!("spread.{fault}")),
            _ => None,
        };
        match fault {
            None => Ok(()),
            Some(fault) => Err(invalid(format!("{}: {fault}", self.name()))),
        }
    }
}

fn positive(constant: &str, value: f64) -> Option<String> {
    let is_positive = value >= f64::MIN_POSITIVE && value.is_finite();
    (!is_positive).then(|| format!("{constant}: {value} is not a positive number"))
}

fn invalid(reason: String) -> Error {
    Error::Config { field: "training.loss".to_owned(), reason }
}
