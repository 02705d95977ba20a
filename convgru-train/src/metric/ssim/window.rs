//! Windows of the structural similarity.

use serde::{Deserialize, Serialize};

/// Pixels on each side of the centre of the Gaussian window.
pub(super) const RADIUS: usize = 5;
const SIGMA: f64 = 1.5;
/// Pixels on each side of the centre of the uniform window.
const UNIFORM_RADIUS: usize = 3;

/// The neighbourhood whose means, variances and covariance enter the similarity of a pixel.
///
/// In TOML and JSON: `"gaussian"`, `"uniform"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SsimWindow {
    /// 11 x 11 pixels, a Gaussian with a standard deviation of 1.5 pixels: the window of
    /// the original paper and of the tables of the field.
    #[default]
    Gaussian,
    /// 7 x 7 pixels of equal weight and the covariance of a sample: the default of
    /// `skimage.metrics.structural_similarity`.
    Uniform,
}

impl SsimWindow {
    /// The side of the window in pixels, and so of the smallest frame with a similarity.
    pub fn side(self) -> usize {
        2 * match self {
            Self::Gaussian => RADIUS,
            Self::Uniform => UNIFORM_RADIUS,
        } + 1
    }
}

/// A separable window: the weights of a row and of a column, symmetric, of odd number.
pub(crate) struct Window {
    pub(crate) weights: Vec<f64>,
    /// Factor of variances and covariance.
    pub(crate) covariance_factor: f64,
}

impl Window {
    /// The numbers of a window.
    pub(crate) fn of(window: SsimWindow) -> Self {
        match window {
            SsimWindow::Gaussian => Self { weights: gaussian(), covariance_factor: 1.0 },
            SsimWindow::Uniform => {
                let side = window.side() as f64;
                let pixels = side * side;
                let weights = vec![1.0 / side; window.side()];
                Self { weights, covariance_factor: pixels / (pixels - 1.0) }
            }
        }
    }

    /// Pixels on each side of the centre.
    pub(crate) fn radius(&self) -> usize {
        self.weights.len() / 2
    }
}

/// `e^(-d^2 / (2 sigma^2))` at the distances `-5..=5`, divided by its sum.
fn gaussian() -> Vec<f64> {
    let bell = (0..=2 * RADIUS).map(|k| {
        let distance = k as f64 - RADIUS as f64;
        (-0.5 * distance * distance / (SIGMA * SIGMA)).exp()
    });
    let bell: Vec<f64> = bell.collect();
    let sum: f64 = bell.iter().sum();
    bell.into_iter().map(|weight| weight / sum).collect()
}

/// `out = sum over k of weights[k] part(k)`, element by element, for
/// symmetric weights.
pub(crate) fn weighted_sum<'a>(weights: &[f64], out: &mut [f64], part: impl Fn(usize) -> &'a [f64]) {
    let radius = weights.len() / 2;
    for (out, &centre) in out.iter_mut().zip(part(radius)) {
        *out = weights[radius] * centre;
    }
    for (k, &weight) in weights[..radius].iter().enumerate() {
        let pairs = part(k).iter().zip(part(2 * radius - k));
        for (out, (&before, &after)) in out.iter_mut().zip(pairs) {
            *out += weight * (before + after);
        }
    }
}
