//! Metrics: numbers by which predicted frames are compared with the truth.
//!
//! | metric | per frame | better |
//! |---|---|---|
//! | [`mse`] | squared error, **summed** over the frame's pixels | lower |
//! | [`mae`] | absolute error, **summed** over the frame's pixels | lower |
//! | [`psnr`] | peak signal-to-noise ratio in dB, at most [`PSNR_CAP`] | higher |
//! | [`ssim`] | structural similarity, -1 to 1 | higher |
//!
//! The sums over pixels are the convention of the literature on Moving MNIST
//! (Srivastava et al. 2015 and its successors): a 64 x 64 frame has an MSE
//! 4096 times the mean over its pixels. Pixel values run from 0 to 1.
//! [`MetricAccumulator`] takes the mean over all frames, and over the frames of each
//! lead time.
//!
//! Forecasts of rain are scored by events: [`Contingency`] (CSI, POD, FAR, HSS and others
//! at a threshold) and [`FractionsSkillScore`] (events nearby count); ensembles by [`crps`], by lead time in an
//! [`EnsembleAccumulator`].

mod accumulator;
mod baseline;
mod categorical;
mod crps;
mod ensemble;
mod event_means;
mod forecast;
mod fss;
mod mae;
mod mse;
mod psnr;
mod spread;
mod ssim;

use convgru_model::{Scalar, Tensor};
use serde::{Deserialize, Serialize};

pub use accumulator::{MetricAccumulator, Scores};
pub use baseline::{MeanFrame, copy_last, mean};
pub use categorical::{Contingency, Exceedance};
pub use crps::crps;
pub use ensemble::{EnsembleAccumulator, EnsembleMetrics, EnsembleScores};
pub use event_means::EventMeans;
pub use forecast::{EVENT_SCORES, EventDefinition, EventScore, ForecastScores};
pub use fss::FractionsSkillScore;
pub use mae::mae;
pub use mse::mse;
pub use psnr::{PSNR_CAP, psnr};
pub use spread::Spread;
pub(crate) use ssim::{C1, C2, Window, weighted_sum};
pub use ssim::{SSIM_WINDOW, SsimWindow, ssim, ssim_map};

use crate::{Error, Result};

/// The four metrics, each the mean over some frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Squared error summed over a frame's pixels; 0 is best. See [`mse`].
    pub mse: f64,
    /// Absolute error summed over a frame's pixels; 0 is best. See [`mae`].
    pub mae: f64,
    /// Peak signal-to-noise ratio in dB, at most [`PSNR_CAP`]. See [`psnr`].
    pub psnr: f64,
    /// Structural similarity, 1 for equal frames. See [`ssim`].
    pub ssim: f64,
}

/// Fails unless both frames have the same shape and any pixels.
fn check<T: Scalar>(prediction: &Tensor<T>, truth: &Tensor<T>) -> Result<()> {
    if prediction.shape() != truth.shape() {
        return Err(Error::Model(convgru_model::Error::ShapeMismatch {
            what: "the predicted frames of a metric".into(),
            expected: format!("the truth's {:?}", truth.shape()),
            got: prediction.shape().to_vec(),
        }));
    }
    if prediction.is_empty() {
        return Err(Error::Data {
            what: "the predicted frames of a metric".into(),
            reason: format!("shape {:?} has no pixels", prediction.shape()),
        });
    }
    Ok(())
}

/// The pixels in `f64`.
fn pixels<T: Scalar>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}
