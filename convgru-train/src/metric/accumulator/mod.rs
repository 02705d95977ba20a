//! Metrics over many sequences, per lead time and over all.

use convgru_model::{Scalar, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::mae::absolute_error;
use super::mse::squared_error;
use super::psnr::peak_signal_noise_ratio;
use super::ssim::{PlaneSize, SsimWindow, Window, mean_similarity};
use super::{Metrics, check, pixels};
use crate::{Error, Result};

/// Gathers the metrics of predictions, batch by batch.
///
/// MSE and MAE take predictions as they are. PSNR and SSIM, which are defined
/// for images, take them clamped to `0..=1`; this is how OpenSTL (Tan et al.
/// 2023) computes the tables of the field. The truth is never clamped.
///
/// Frames with a side below [`SSIM_WINDOW`](super::SSIM_WINDOW) have no SSIM in
/// the usual sense; their SSIM here is the mean of the entire
/// [`ssim_map`](super::ssim_map), so that small frames have a full report.
///
/// The sums are `f64` in the order of the sequences, so the scores have the
/// same bits for any number of threads and any batch size.
///
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::metric::MetricAccumulator;
///
/// let truth = Tensor::<f32>::from_fn(&[2, 1, 1, 16, 16], |i| (i % 5) as f32 / 5.0);
/// let mut accumulator = MetricAccumulator::new(2);
/// accumulator.add(&truth, &truth)?;
/// let scores = accumulator.scores()?;
/// assert_eq!((scores.overall.mse, scores.overall.ssim), (0.0, 1.0));
/// assert_eq!(scores.per_step.len(), 2);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MetricAccumulator {
    sums: Vec<Metrics>,
    sequences: usize,
    frame_shape: Option<[usize; 3]>,
}

/// The result of a [`MetricAccumulator`].
///
/// Serialised, the fields of `overall` stand beside `per_step` and `sequences`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The mean over all frames of all lead times.
    #[serde(flatten)]
    pub overall: Metrics,
    /// The mean over the frames of each lead time, the first predicted frame first.
    pub per_step: Vec<Metrics>,
    /// The number of sequences.
    pub sequences: usize,
}

impl MetricAccumulator {
    /// Starts with no sequences, for predictions of `steps` frames.
    pub fn new(steps: usize) -> Self {
        Self { sums: vec![Metrics::default(); steps], sequences: 0, frame_shape: None }
    }

    /// The number of sequences added.
    pub fn sequences(&self) -> usize {
        self.sequences
    }

    /// Adds a batch of predicted sequences.
    ///
    /// # Shapes
    /// prediction, truth: `[T, N, C, H, W]`, the same, `T` as given to
    /// [`MetricAccumulator::new`], `[C, H, W]` the same in every call
    ///
    /// # Errors
    /// If a shape is wrong, or a prediction or truth is not finite; nothing is
    /// added then.
    pub fn add<T: Scalar>(&mut self, prediction: &Tensor<T>, truth: &Tensor<T>) -> Result<()> {
        check(prediction, truth)?;
        let (batch, frame_shape) = self.expect_shape(prediction.shape())?;
        let area: usize = frame_shape.iter().product();
        let size = PlaneSize { height: frame_shape[1], width: frame_shape[2] };
        let frames = prediction.as_slice().par_chunks(area).zip(truth.as_slice().par_chunks(area));
        let metrics: Vec<Metrics> = frames.map(|(x, y)| frame_metrics(x, y, size)).collect();
        if let Some(index) = metrics.iter().position(|m| !m.mse.is_finite()) {
            return Err(Error::Data {
                what: "the predicted frames of an accumulator".into(),
                reason: format!(
                    "step {} of sequence {} (counted from 0) or its truth holds a number that is not finite",
                    index / batch,
                    self.sequences + index % batch
                ),
            });
        }
        for (sum, frames) in self.sums.iter_mut().zip(metrics.chunks_exact(batch)) {
            for frame in frames {
                sum.mse += frame.mse;
                sum.mae += frame.mae;
                sum.psnr += frame.psnr;
                sum.ssim += frame.ssim;
            }
        }
        self.sequences += batch;
        self.frame_shape = Some(frame_shape);
        Ok(())
    }

    /// The means over everything added so far.
    ///
    /// # Errors
    /// If nothing has been added.
    pub fn scores(&self) -> Result<Scores> {
        if self.sequences == 0 {
            return Err(Error::Data {
                what: "an accumulator".into(),
                reason: "no sequence was added, so there is no mean".into(),
            });
        }
        let per_step: Vec<Metrics> = self.sums.iter().map(|&sum| divided(sum, self.sequences)).collect();
        let sum = per_step.iter().fold(Metrics::default(), |sum, m| Metrics {
            mse: sum.mse + m.mse,
            mae: sum.mae + m.mae,
            psnr: sum.psnr + m.psnr,
            ssim: sum.ssim + m.ssim,
        });
        Ok(Scores { overall: divided(sum, per_step.len()), per_step, sequences: self.sequences })
    }

    /// The batch size and the shape of one frame.
    fn expect_shape(&self, shape: &[usize]) -> Result<(usize, [usize; 3])> {
        let steps = self.sums.len();
        if let [t, n, c, h, w] = *shape
            && t == steps
            && self.frame_shape.is_none_or(|frame| frame == [c, h, w])
        {
            return Ok((n, [c, h, w]));
        }
        let frame = self.frame_shape.map_or("C, H, W".into(), |[c, h, w]| format!("{c}, {h}, {w}"));
        Err(Error::Model(convgru_model::Error::ShapeMismatch {
            what: "the predicted frames of an accumulator".into(),
            expected: format!("[{steps}, N, {frame}]"),
            got: shape.to_vec(),
        }))
    }
}

fn frame_metrics<T: Scalar>(prediction: &[T], truth: &[T], size: PlaneSize) -> Metrics {
    let (x, y) = (pixels(prediction), pixels(truth));
    let clamped: Vec<f64> = x.iter().map(|x| x.clamp(0.0, 1.0)).collect();
    Metrics {
        mse: squared_error(&x, &y),
        mae: absolute_error(&x, &y),
        psnr: peak_signal_noise_ratio(&clamped, &y),
        ssim: mean_similarity(&Window::of(SsimWindow::Gaussian), &clamped, &y, size),
    }
}

fn divided(sum: Metrics, count: usize) -> Metrics {
    let count = count as f64;
    Metrics { mse: sum.mse / count, mae: sum.mae / count, psnr: sum.psnr / count, ssim: sum.ssim / count }
}

#[cfg(test)]
mod tests;
