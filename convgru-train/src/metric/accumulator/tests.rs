//! Scores over a data set.

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
    let mut accumulator = MetricAccumulator::new(3);
    accumulator.add(&prediction, &truth).unwrap();
    let scores = accumulator.scores().unwrap();
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
    let mut whole = MetricAccumulator::new(3);
    whole.add(&prediction, &truth).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let single = pool.install(|| {
        let mut single = MetricAccumulator::new(3);
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
    let mut accumulator = MetricAccumulator::new(3);
    accumulator.add(&truth, &truth).unwrap();
    let best = Metrics { mse: 0.0, mae: 0.0, psnr: PSNR_CAP, ssim: 1.0 };
    assert_eq!(accumulator.scores().unwrap().overall, best);
}

#[test]
fn small_frames_have_all_metrics() {
    let truth = Tensor::<f32>::from_fn(&[1, 1, 1, 4, 1], |i| i as f32 / 4.0);
    let prediction = Tensor::<f32>::from_fn(&[1, 1, 1, 4, 1], |_| 0.5);
    let mut accumulator = MetricAccumulator::new(1);
    accumulator.add(&prediction, &truth).unwrap();
    let map = super::super::ssim_map(&prediction.index(0).index(0), &truth.index(0).index(0)).unwrap();
    let mean = map.as_slice().iter().sum::<f64>() / 4.0;
    assert!(near(accumulator.scores().unwrap().overall.ssim, mean));
}

#[test]
fn scores_serialise_flat() {
    let (prediction, truth) = sequences(1);
    let mut accumulator = MetricAccumulator::new(3);
    accumulator.add(&prediction, &truth).unwrap();
    let scores = accumulator.scores().unwrap();
    let json = serde_json::to_value(&scores).unwrap();
    assert_eq!(json["mse"], scores.overall.mse);
    assert_eq!(json["per_step"][2]["ssim"], scores.per_step[2].ssim);
    assert_eq!(json["sequences"], 1);
    assert_eq!(serde_json::from_value::<Scores>(json).unwrap(), scores);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let (prediction, truth) = sequences(2);
    let mut accumulator = MetricAccumulator::new(3);
    let error = accumulator.scores().unwrap_err().to_string();
    assert_eq!(error, "an accumulator: no sequence was added, so there is no mean");
    let error = MetricAccumulator::new(4).add(&prediction, &truth).unwrap_err().to_string();
    assert!(error.ends_with("shape [3, 2, 2, 12, 14] where [4, N, C, H, W] is needed"), "{error}");
    accumulator.add(&prediction, &truth).unwrap();
    let other = Tensor::<f32>::zeros(&[3, 1, 2, 14, 12]);
    let error = accumulator.add(&other, &other).unwrap_err().to_string();
    assert!(error.ends_with("where [3, N, 2, 12, 14] is needed"), "{error}");
    assert!(accumulator.add(&prediction.index(0), &truth.index(0)).is_err());

    let mut broken = prediction.clone();
    broken.slice_mut(2)[2 * 12 * 14] = f32::NAN;
    let before = accumulator.scores().unwrap();
    let error = accumulator.add(&broken, &truth).unwrap_err().to_string();
    assert!(error.contains("step 2 of sequence 3 "), "{error}");
    assert_eq!(accumulator.scores().unwrap(), before);
}
