//! Scores of ensembles by lead time.

use convgru_model::{Scalar, Tensor};
use serde::{Deserialize, Serialize};

use super::Spread;
use super::crps::error_and_pairs;
use crate::{Error, Result, parallel};

/// Gathers the scores of ensembles of forecasts, batch by batch, over the pixels whose truth is known.
///
/// The sums are `f64` in the order of the sequences, so the scores have the same bits for any number of threads.
///
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::metric::EnsembleAccumulator;
///
/// let members = Tensor::from_vec(&[1, 1, 2, 1, 1], vec![1.0f32, 3.0])?;
/// let truth = Tensor::from_vec(&[1, 1, 1, 1, 1], vec![2.0])?;
/// let mut accumulator = EnsembleAccumulator::new(2, 1);
/// accumulator.add(&members, &truth, None)?;
/// let scores = accumulator.scores();
/// assert_eq!((scores.overall.crps, scores.overall.fair_crps), (0.5, 0.0));
/// assert_eq!(scores.overall.spread, 2.0f64.sqrt());
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EnsembleAccumulator {
    members: usize,
    /// Of each lead time: errors, pairs, variances, and how many pixels.
    sums: Vec<[f64; 4]>,
}

/// The result of an [`EnsembleAccumulator`].
///
/// Serialised, the fields of `overall` stand beside `members` and `per_step`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnsembleScores {
    /// Members of the ensemble.
    pub members: usize,
    /// Over the pixels of all lead times.
    #[serde(flatten)]
    pub overall: EnsembleMetrics,
    /// Of each lead time, the first predicted frame first.
    pub per_step: Vec<EnsembleMetrics>,
}

/// Means over pixels, in the values of frames; NaN where no pixel is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnsembleMetrics {
    /// The score of the ensemble as it is: [`crps`](super::crps()) with [`Spread::Ensemble`](super::Spread::Ensemble).
    pub crps: f64,
    /// The score of what its members are drawn from: with [`Spread::Fair`](super::Spread::Fair).
    pub fair_crps: f64,
    /// The root of the mean variance of the members, `sum of (X_k - mean)^2 / (K - 1)`. Of an ensemble that knows what it
    /// does not know it is about the root of the mean squared error of its mean, divided by `sqrt(1 + 1/K)`.
    pub spread: f64,
}

impl EnsembleAccumulator {
    /// Of ensembles of `members`, at least 2, over `steps` lead times.
    pub fn new(members: usize, steps: usize) -> Self {
        Self { members, sums: vec![[0.0; 4]; steps] }
    }

    /// Adds a batch. A pixel counts where `valid` is not 0.
    ///
    /// # Shapes
    /// prediction: `[T, N, K C, H, W]` of `K` members, the channels of the first one first; truth, valid: `[T, N, C, H, W]`
    ///
    /// # Errors
    /// If the shapes do not fit, or there are fewer than 2 members.
    pub fn add<T: Scalar>(
        &mut self,
        prediction: &Tensor<T>,
        truth: &Tensor<T>,
        valid: Option<&Tensor<T>>,
    ) -> Result<()> {
        let (members, steps) = (self.members, self.sums.len());
        let mut expected = truth.shape().to_vec();
        if let [_, _, channels, _, _] = &mut expected[..] {
            *channels *= members;
        }
        let fits = expected.len() == 5 && expected[0] == steps && prediction.shape() == expected;
        if !fits || members < 2 || truth.is_empty() || valid.is_some_and(|v| v.shape() != truth.shape()) {
            return Err(Error::Data {
                what: "the ensemble of forecasts".into(),
                reason: format!(
                    "{:?} and a truth of {:?} where at least 2 members (here {members}) of {steps} lead times and a mask of the \
                     truth's shape are needed",
                    prediction.shape(),
                    truth.shape()
                ),
            });
        }
        let sample: usize = truth.shape()[2..].iter().product();
        let batch = truth.shape()[1];
        let of_sample = |item: usize| {
            let x = &prediction.as_slice()[item * members * sample..][..members * sample];
            let y = &truth.as_slice()[item * sample..][..sample];
            let valid = valid.map(|valid| &valid.as_slice()[item * sample..][..sample]);
            let known = |pixel: &usize| valid.is_none_or(|valid| valid[*pixel].to_f64() != 0.0);
            let mut values = vec![0.0; members];
            let mut sums = [0.0; 4];
            for pixel in (0..sample).filter(known) {
                values.iter_mut().enumerate().for_each(|(k, value)| *value = x[k * sample + pixel].to_f64());
                let mean = values.iter().sum::<f64>() / members as f64;
                let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
                let [error, pairs] = error_and_pairs(&mut values, y[pixel].to_f64());
                let parts = [error, pairs, variance / (members - 1) as f64, 1.0];
                sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
            }
            sums
        };
        for (item, parts) in parallel::map(steps * batch, &of_sample).into_iter().enumerate() {
            self.sums[item / batch].iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        }
        Ok(())
    }

    /// The scores of what was added.
    pub fn scores(&self) -> EnsembleScores {
        let mut all = [0.0; 4];
        for sums in &self.sums {
            all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
        }
        let per_step = self.sums.iter().map(|sums| self.metrics(sums)).collect();
        EnsembleScores { members: self.members, overall: self.metrics(&all), per_step }
    }

    fn metrics(&self, [error, pairs, variance, pixels]: &[f64; 4]) -> EnsembleMetrics {
        let score = |spread: Spread| (error - pairs / spread.pairs(self.members)) / pixels;
        EnsembleMetrics {
            crps: score(Spread::Ensemble),
            fair_crps: score(Spread::Fair),
            spread: (variance / pixels).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::{Loss, Objective, PredictedFrames, Truth};

    fn frames(shape: &[usize], step: f64) -> Tensor<f64> {
        Tensor::from_fn(shape, |i| (i as f64 * step).sin())
    }

    #[test]
    fn scores_are_those_of_the_loss_by_lead_time_and_in_batches() {
        let (members, truth) = (frames(&[2, 3, 6, 4, 5], 0.7), frames(&[2, 3, 2, 4, 5], 0.3));
        let valid = Tensor::from_fn(truth.shape(), |i| if i % 3 == 1 { 0.0 } else { 1.0 });
        let mut accumulator = EnsembleAccumulator::new(3, 2);
        accumulator.add(&members, &truth, Some(&valid)).unwrap();
        let scores = accumulator.scores();
        for (spread, expected) in
            [(Spread::Ensemble, scores.overall.crps), (Spread::Fair, scores.overall.fair_crps)]
        {
            let forecast = PredictedFrames { output: &members, logits: &members };
            let truth = Truth { frames: &truth, valid: Some(&valid) };
            let value = Objective::from(Loss::Crps { spread }).value(&forecast, &truth).unwrap();
            assert!((value - expected).abs() < 1e-14, "{value} instead of {expected}");
        }
        let first = |tensor: &Tensor<f64>| {
            let [_, n, c, h, w] = [0, 1, 2, 3, 4].map(|axis| tensor.shape()[axis]);
            Tensor::from_vec(&[1, n, c, h, w], tensor.slice(0).to_vec()).unwrap()
        };
        let mut alone = EnsembleAccumulator::new(3, 1);
        alone.add(&first(&members), &first(&truth), Some(&first(&valid))).unwrap();
        assert_eq!(alone.scores().overall, scores.per_step[0]);
        assert!(scores.per_step[0] != scores.per_step[1]);
        // Twice the same sequences change no mean but for rounding.
        accumulator.add(&members, &truth, Some(&valid)).unwrap();
        assert!((accumulator.scores().overall.crps - scores.overall.crps).abs() < 1e-14);
    }

    #[test]
    fn frames_that_do_not_fit_are_refused_and_nothing_known_is_no_number() {
        let truth = frames(&[1, 1, 1, 2, 2], 1.0);
        let mut two = EnsembleAccumulator::new(2, 1);
        for shape in [[1, 1, 3, 2, 2], [2, 1, 2, 2, 2], [1, 2, 2, 2, 2]] {
            let error = two.add(&frames(&shape, 1.0), &truth, None).unwrap_err().to_string();
            assert!(error.contains(&format!("{shape:?}")), "{error}");
        }
        assert!(EnsembleAccumulator::new(1, 1).add(&truth, &truth, None).is_err());
        let members = frames(&[1, 1, 2, 2, 2], 1.0);
        two.add(&members, &truth, Some(&Tensor::zeros(truth.shape()))).unwrap();
        assert!(two.scores().overall.crps.is_nan());
    }
}
