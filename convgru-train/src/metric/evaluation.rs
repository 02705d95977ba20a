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
/// use convgru_train::metric::Evaluation;
///
/// let truth = Tensor::<f32>::from_fn(&[2, 1, 1, 16, 16], |i| (i % 5) as f32 / 5.0);
/// let mut evaluation = Evaluation::new(2);
/// evaluation.add(&truth, &truth)?;
/// let scores = evaluation.scores()?;
/// assert_eq!((scores.overall.mse, scores.overall.ssim), (0.0, 1.0));
/// assert_eq!(scores.per_step.len(), 2);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Evaluation {
    sums: Vec<Metrics>,
    sequences: usize,
    frame_shape: Option<[usize; 3]>,
}

/// The result of an [`Evaluation`].
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

impl Evaluation {
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
    /// [`Evaluation::new`], `[C, H, W]` the same in every call
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
                what: "the predicted frames of an evaluation".into(),
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
                what: "an evaluation".into(),
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
            what: "the predicted frames of an evaluation".into(),
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
mod tests {
    use super::super::{PSNR_CAP, mae, mse, psnr, ssim};
    use super::*;

    /// A prediction that leaves `0..=1` on both sides, and its truth.
    fn sequences(batch: usize) -> (Tensor<f32>, Tensor<f32>) {
        let shape = [3, batch, 2, 12, 14];
        let truth = Tensor::from_fn(&shape, |i| (i % 11) as f32 / 10.0);
        let prediction = Tensor::from_fn(&shape, |i| 0.5 + 0.7 * (i as f32 * 0.3).sin());
        (prediction, truth)
    }

    fn sequence(all: &Tensor<f32>, n: usize) -> Tensor<f32> {
        let area = 2 * 12 * 14;
        let data = (0..3).flat_map(|t| all.slice(t)[n * area..][..area].to_vec()).collect();
        Tensor::from_vec(&[3, 1, 2, 12, 14], data).unwrap()
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * b.abs()
    }

    #[test]
    fn scores_are_means_of_the_frames() {
        let (prediction, truth) = sequences(2);
        let mut evaluation = Evaluation::new(3);
        evaluation.add(&prediction, &truth).unwrap();
        let scores = evaluation.scores().unwrap();
        assert_eq!((scores.sequences, scores.per_step.len()), (2, 3));
        for (t, step) in scores.per_step.iter().enumerate() {
            let mean = |metric: fn(&Tensor<f32>, &Tensor<f32>) -> Result<f64>, clamp: bool| {
                let frames = (0..2).map(|n| {
                    let mut x = prediction.index(t).index(n);
                    if clamp {
                        x.as_mut_slice().iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
                    }
                    metric(&x, &truth.index(t).index(n)).unwrap()
                });
                frames.sum::<f64>() / 2.0
            };
            assert!(near(step.mse, mean(mse, false)) && near(step.mae, mean(mae, false)));
            assert!(near(step.psnr, mean(psnr, true)) && near(step.ssim, mean(ssim, true)));
        }
        let overall = scores.per_step.iter().map(|m| m.mse).sum::<f64>() / 3.0;
        assert!(near(scores.overall.mse, overall));
    }

    #[test]
    fn batches_and_threads_do_not_change_a_bit() {
        let (prediction, truth) = sequences(5);
        let mut whole = Evaluation::new(3);
        whole.add(&prediction, &truth).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let single = pool.install(|| {
            let mut single = Evaluation::new(3);
            for n in 0..5 {
                single.add(&sequence(&prediction, n), &sequence(&truth, n)).unwrap();
            }
            single
        });
        assert_eq!(whole.scores().unwrap(), single.scores().unwrap());
    }

    #[test]
    fn a_perfect_prediction_has_finite_scores() {
        let (_, truth) = sequences(1);
        let mut evaluation = Evaluation::new(3);
        evaluation.add(&truth, &truth).unwrap();
        let best = Metrics { mse: 0.0, mae: 0.0, psnr: PSNR_CAP, ssim: 1.0 };
        assert_eq!(evaluation.scores().unwrap().overall, best);
    }

    #[test]
    fn small_frames_have_all_metrics() {
        let truth = Tensor::<f32>::from_fn(&[1, 1, 1, 4, 1], |i| i as f32 / 4.0);
        let prediction = Tensor::<f32>::from_fn(&[1, 1, 1, 4, 1], |_| 0.5);
        let mut evaluation = Evaluation::new(1);
        evaluation.add(&prediction, &truth).unwrap();
        let map = super::super::ssim_map(&prediction.index(0).index(0), &truth.index(0).index(0)).unwrap();
        let mean = map.as_slice().iter().sum::<f64>() / 4.0;
        assert!(near(evaluation.scores().unwrap().overall.ssim, mean));
    }

    #[test]
    fn scores_serialise_flat() {
        let (prediction, truth) = sequences(1);
        let mut evaluation = Evaluation::new(3);
        evaluation.add(&prediction, &truth).unwrap();
        let scores = evaluation.scores().unwrap();
        let json = serde_json::to_value(&scores).unwrap();
        assert_eq!(json["mse"], scores.overall.mse);
        assert_eq!(json["per_step"][2]["ssim"], scores.per_step[2].ssim);
        assert_eq!(json["sequences"], 1);
        assert_eq!(serde_json::from_value::<Scores>(json).unwrap(), scores);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let (prediction, truth) = sequences(2);
        let mut evaluation = Evaluation::new(3);
        let error = evaluation.scores().unwrap_err().to_string();
        assert_eq!(error, "an evaluation: no sequence was added, so there is no mean");
        let error = Evaluation::new(4).add(&prediction, &truth).unwrap_err().to_string();
        assert!(error.ends_with("shape [3, 2, 2, 12, 14] where [4, N, C, H, W] is needed"), "{error}");
        evaluation.add(&prediction, &truth).unwrap();
        let other = Tensor::<f32>::zeros(&[3, 1, 2, 14, 12]);
        let error = evaluation.add(&other, &other).unwrap_err().to_string();
        assert!(error.ends_with("where [3, N, 2, 12, 14] is needed"), "{error}");
        assert!(evaluation.add(&prediction.index(0), &truth.index(0)).is_err());

        let mut broken = prediction.clone();
        broken.slice_mut(2)[2 * 12 * 14] = f32::NAN;
        let before = evaluation.scores().unwrap();
        let error = evaluation.add(&broken, &truth).unwrap_err().to_string();
        assert!(error.contains("step 2 of sequence 3 "), "{error}");
        assert_eq!(evaluation.scores().unwrap(), before);
    }
}
