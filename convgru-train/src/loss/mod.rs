//! Losses: how far a prediction is from the truth, and the derivative of that.
//!
//! Every loss is the mean over all elements, the default reduction of
//! `torch.nn.functional`. Per element `x` of the prediction and `y` of the target:
//!
//! | loss | value | derivative by `x` |
//! |---|---|---|
//! | [`Loss::Mse`] | `(x - y)^2` | `2 (x - y)` |
//! | [`Loss::L1`] | `\|x - y\|` | `sign(x - y)`, zero at zero |
//! | [`Loss::BceWithLogits`] | `max(x, 0) - x y + ln(1 + e^-\|x\|)` | `sigmoid(x) - y` |
//!
//! The derivatives of the mean carry a further factor `1 / elements`.

use convgru_model::{Scalar, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

mod reference;
#[cfg(test)]
mod tests;

pub use reference::reference;

/// Elements per piece of work. It depends on nothing, so the order of the
/// summation, and with it every bit of the value, is that of one thread.
const CHUNK: usize = 4096;

/// A loss, the mean over all elements.
///
/// In TOML and JSON: `"mse"`, `"l1"`, `"bce-with-logits"`.
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
    /// Binary cross-entropy between `sigmoid(prediction)` and targets in
    /// `0..=1`, computed from the logits: finite for every finite logit.
    BceWithLogits,
}

impl Loss {
    /// All losses, for tests and tables.
    pub const ALL: [Self; 3] = [Self::Mse, Self::L1, Self::BceWithLogits];

    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mse => "mse",
            Self::L1 => "l1",
            Self::BceWithLogits => "bce-with-logits",
        }
    }

    /// Whether the prediction is meant before the output activation (logits)
    /// rather than after it.
    pub fn on_logits(self) -> bool {
        self == Self::BceWithLogits
    }

    /// The loss of a prediction.
    ///
    /// Differences and sums are formed in `f64` whatever `T` is. NaN and
    /// infinities in the prediction make the value NaN or infinite.
    ///
    /// # Shapes
    /// prediction, target: any, the same
    ///
    /// # Errors
    /// If the shapes differ or there are no elements.
    pub fn value<T: Scalar>(self, prediction: &Tensor<T>, target: &Tensor<T>) -> Result<f64> {
        check(prediction, target)?;
        let (x, y) = (prediction.as_slice(), target.as_slice());
        let sum = match self {
            Self::Mse => sum(x, y, squared),
            Self::L1 => sum(x, y, absolute),
            Self::BceWithLogits => sum(x, y, cross_entropy),
        };
        Ok(sum / x.len() as f64)
    }

    /// The loss of a prediction and its gradient with respect to the prediction.
    ///
    /// The value has the same bits as [`Loss::value`], for any number of threads.
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
        check(prediction, target)?;
        let (x, y) = (prediction.as_slice(), target.as_slice());
        let mut gradient = Tensor::zeros(prediction.shape());
        let dx = gradient.as_mut_slice();
        let sum = match self {
            Self::Mse => sum_and_gradient(x, y, dx, squared),
            Self::L1 => sum_and_gradient(x, y, dx, absolute),
            Self::BceWithLogits => sum_and_gradient(x, y, dx, cross_entropy),
        };
        Ok((sum / x.len() as f64, gradient))
    }
}

/// `(x - y)^2` and its derivative by `x`.
#[inline(always)]
fn squared(x: f64, y: f64) -> (f64, f64) {
    let d = x - y;
    (d * d, 2.0 * d)
}

/// `|x - y|` and its derivative by `x`, zero where `x = y`.
#[inline(always)]
fn absolute(x: f64, y: f64) -> (f64, f64) {
    let d = x - y;
    let sign = if d == 0.0 { 0.0 } else { d.signum() };
    (d.abs(), sign)
}

/// `-y ln s - (1 - y) ln(1 - s)` with `s = sigmoid(x)`, and its derivative `s - y`.
///
/// Both logarithms are written with the one exponential that cannot overflow:
/// `ln s = min(x, 0) - ln(1 + e^-|x|)`, `ln(1 - s) = ln s - x`; `s - y` for
/// positive `x` is `(1 - y) - (1 - s)`, which keeps the digits of `1 - s`.
#[inline(always)]
fn cross_entropy(x: f64, y: f64) -> (f64, f64) {
    let e = (-x.abs()).exp();
    let value = x.max(0.0) - x * y + e.ln_1p();
    let derivative = if x >= 0.0 { (1.0 - y) - e / (1.0 + e) } else { e / (1.0 + e) - y };
    (value, derivative)
}

/// The sum of `f(x, y).0`: chunk by chunk, then over the chunks in order.
fn sum<T: Scalar>(x: &[T], y: &[T], f: impl Fn(f64, f64) -> (f64, f64) + Sync) -> f64 {
    let chunks = x.par_chunks(CHUNK).zip(y.par_chunks(CHUNK));
    let sums: Vec<f64> = chunks
        .map(|(x, y)| x.iter().zip(y).fold(0.0, |sum, (x, y)| sum + f(x.to_f64(), y.to_f64()).0))
        .collect();
    sums.iter().sum()
}

/// As [`sum`]; writes `f(x, y).1 / elements` into `dx`.
fn sum_and_gradient<T: Scalar>(
    x: &[T],
    y: &[T],
    dx: &mut [T],
    f: impl Fn(f64, f64) -> (f64, f64) + Sync,
) -> f64 {
    let scale = 1.0 / x.len() as f64;
    let chunks = x.par_chunks(CHUNK).zip(y.par_chunks(CHUNK)).zip(dx.par_chunks_mut(CHUNK));
    let sums: Vec<f64> = chunks
        .map(|((x, y), dx)| {
            let mut sum = 0.0;
            for ((x, y), dx) in x.iter().zip(y).zip(dx) {
                let (value, derivative) = f(x.to_f64(), y.to_f64());
                sum += value;
                *dx = T::from_f64(derivative * scale);
            }
            sum
        })
        .collect();
    sums.iter().sum()
}

fn check<T: Scalar>(prediction: &Tensor<T>, target: &Tensor<T>) -> Result<()> {
    if prediction.shape() != target.shape() {
        return Err(Error::Model(convgru_model::Error::ShapeMismatch {
            what: "the prediction of a loss".into(),
            expected: format!("the target's {:?}", target.shape()),
            got: prediction.shape().to_vec(),
        }));
    }
    if prediction.is_empty() {
        return Err(Error::Data {
            what: "the prediction of a loss".into(),
            reason: format!("shape {:?} has no elements to take the mean of", prediction.shape()),
        });
    }
    Ok(())
}
