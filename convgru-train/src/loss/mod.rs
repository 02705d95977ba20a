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
//! ln(1 + e^-x)`. A [`Criterion`] takes the mean over all elements, or the sum; the
//! derivatives of the mean carry a further factor `1 / elements`.
//!
//! An [`Objective`] is what a run minimises: a weighted sum of these and of losses
//! ([`LossKind`]) that weigh an element by its truth or look at its neighbours, over lead
//! times of different weight and pixels whose truth is known:
//!
//! | loss | the mean of |
//! |---|---|
//! | `BalancedMse`, `BalancedMae` | `w(y) d^2` and `w(y) \|d\|` with the steps `w` of [`RainWeights`] |
//! | `GradientDifference` | `\| \|y_b - y_a\| - \|x_b - x_a\| \|^alpha` over pairs of neighbours `a`, `b` (Mathieu et al. 2016, arXiv 1511.05440) |
//! | `Ssim` | `1 - S` over windows inside the frame, `S` as in [`metric::ssim`](crate::metric::ssim()) |
//! | `Crps` | the score of an [`EnsembleScore`] over elements, of several forecasts of the same frames |

mod criterion;
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
mod terms;
#[cfg(test)]
mod tests;

use convgru_model::{Scalar, Tensor};
use serde::{Deserialize, Serialize};

pub use criterion::{Criterion, LossConstants, Reduction};
pub use ensemble::EnsembleScore;
pub use lead_weights::LeadWeights;
pub use objective::{Forecast, FrameGradient, Objective, PartCounts, Truth};
pub use rain::RainWeights;
pub use reference::{ensemble_reference, objective_reference, reference};
pub use terms::{LossKind, LossTerm, LossTerms};

use crate::Result;

/// A loss, the mean over all elements.
///
/// In TOML and JSON: `"mse"`, `"l1"`, `"huber"`, `"smooth-l1"`, `"bce-with-logits"`.
///
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::loss::Loss;
///
/// let prediction = Tensor::from_vec(&[2, 1], vec![1.0f32, 3.0])?;
/// let target = Tensor::from_vec(&[2, 1], vec![0.0, 0.0])?;
/// let (value, gradient) = Loss::Mse.value_and_gradient(&prediction, &target)?;
/// assert_eq!(value, 5.0);
/// assert_eq!(gradient.as_slice(), [1.0, 3.0]);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Mean squared error.
    Mse,
    /// Mean absolute error.
    L1,
    /// Squared error of small differences, absolute error of large ones: Huber, "Robust
    /// estimation of a location parameter", 1964.
    Huber,
    /// The same divided by its constant: Girshick, "Fast R-CNN", 2015.
    #[serde(rename = "smooth-l1")]
    SmoothL1,
    /// Binary cross-entropy between `sigmoid(prediction)` and targets in
    /// `0..=1`, computed from the logits: finite for every finite logit.
    BceWithLogits,
}

impl Loss {
    /// All losses, for tests and tables.
    pub const ALL: [Self; 5] = [Self::Mse, Self::L1, Self::Huber, Self::SmoothL1, Self::BceWithLogits];

    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mse => "mse",
            Self::L1 => "l1",
            Self::Huber => "huber",
            Self::SmoothL1 => "smooth-l1",
            Self::BceWithLogits => "bce-with-logits",
        }
    }

    /// Whether the prediction is meant before the output activation (logits)
    /// rather than after it.
    pub fn on_logits(self) -> bool {
        self == Self::BceWithLogits
    }

    /// The loss of a prediction, with the default constants: [`Criterion::value`].
    ///
    /// # Shapes
    /// prediction, target: any, the same
    ///
    /// # Errors
    /// If the shapes differ or there are no elements.
    pub fn value<T: Scalar>(self, prediction: &Tensor<T>, target: &Tensor<T>) -> Result<f64> {
        Criterion::from(self).value(prediction, target)
    }

    /// The loss of a prediction and its gradient with respect to the prediction, with the
    /// default constants: [`Criterion::value_and_gradient`].
    ///
    /// # Shapes
    /// prediction, target: any, the same; gradient: the same
    ///
    /// # Errors
    /// If the shapes differ or there are no elements.
    pub fn value_and_gradient<T: Scalar>(
        self,
        prediction: &Tensor<T>,
        target: &Tensor<T>,
    ) -> Result<(f64, Tensor<T>)> {
        Criterion::from(self).value_and_gradient(prediction, target)
    }
}
