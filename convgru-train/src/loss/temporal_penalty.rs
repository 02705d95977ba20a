//! The penalty of changes of predictions from one lead time to the next.

use convgru_model::{Scalar, Tensor};

use super::lead_times::LeadTimes;
use crate::parallel;

/// Numbers per chunk, which decides the order of summation.
const CHUNK: usize = 4096;

/// Two predicted frames that follow each other, `[N, K C, H, W]`, and the masks of their known pixels, `[N, C, H, W]`, or none if all pixels
/// are known.
pub(super) struct Pair<'a, T> {
    pub(super) frames: [&'a [T]; 2],
    pub(super) valid: [&'a [T]; 2],
    /// Numbers of a sample of one member.
    pub(super) sample: usize,
    pub(super) members: usize,
}

impl<T: Scalar> Pair<'_, T> {
    /// The pixels whose truth is known in both frames; the frames are of one member.
    pub(super) fn count(&self) -> f64 {
        let [before, after] = self.valid;
        if before.is_empty() {
            return self.frames[0].len() as f64;
        }
        let known = |(a, b): &(&T, &T)| a.to_f64() != 0.0 && b.to_f64() != 0.0;
        before.iter().zip(after).filter(known).count() as f64
    }

    /// The difference at a number, or none where the truth is unknown.
    fn difference(&self, at: usize) -> Option<f64> {
        let pixel = at / (self.members * self.sample) * self.sample + at % self.sample;
        let known = |valid: &[T]| valid.get(pixel).is_none_or(|valid| valid.to_f64() != 0.0);
        let [before, after] = self.frames;
        self.valid.into_iter().all(known).then(|| after[at].to_f64() - before[at].to_f64())
    }

    /// The sum over known pixels of `|difference|`.
    fn sum(&self) -> f64 {
        let len = self.frames[0].len();
        parallel::sum(len.div_ceil(CHUNK), &|chunk| {
            let numbers = chunk * CHUNK..len.min((chunk + 1) * CHUNK);
            numbers.filter_map(|at| self.difference(at)).map(f64::abs).sum()
        })
    }

    /// Adds the signs of the differences with a factor; zero has no sign.
    fn add_signs(&self, gradient: &mut [T], factor: f64) {
        parallel::sum_parts(gradient, CHUNK, &|chunk, part| {
            for (i, slope) in part.iter_mut().enumerate() {
                let difference = self.difference(chunk * CHUNK + i).unwrap_or(0.0);
                // NaN is kept: it makes the loss one, and a step with it is not taken.
                if difference != 0.0 {
                    *slope = T::from_f64(slope.to_f64() + factor * difference.signum());
                }
            }
            0.0
        });
    }
}

/// The sum over pairs of lead times, the later weighing, of the mean over members of
///
/// ```text
/// |X_(t + 1) - X_t|        d/dX_(t + 1) = sign(X_(t + 1) - X_t) = -d/dX_t,  zero at zero
/// ```
///
/// over the pixels whose truth is known at both; adds the derivatives with a factor.
pub(super) fn sum<T: Scalar>(leads: &LeadTimes<'_, T>, mut gradient: Option<(&mut Tensor<T>, f64)>) -> f64 {
    let mut total = 0.0;
    for (t, lead) in leads.steps() {
        let Some(pair) = leads.pair(t) else { continue };
        let weight = lead / pair.members as f64;
        total += weight * pair.sum();
        if let Some((gradient, scale)) = &mut gradient {
            pair.add_signs(gradient.slice_mut(t), weight * *scale);
            pair.add_signs(gradient.slice_mut(t - 1), -weight * *scale);
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use convgru_model::PredictionGradient;

    use super::*;
    use crate::loss::{LeadWeights, Loss, Objective, PredictedFrames, Truth};

    fn evaluate(objective: &Objective, frames: &Tensor<f64>, truth: &Truth<'_, f64>) -> (f64, Vec<f64>) {
        let forecast = PredictedFrames { output: frames, logits: frames };
        let counts = objective.counts(truth).unwrap();
        let (value, gradient) = objective.value_and_gradient(&forecast, truth, &counts).unwrap();
        assert_eq!(objective.value(&forecast, truth).unwrap(), value);
        let (PredictionGradient::Output(gradient) | PredictionGradient::Logits(gradient)) = gradient;
        (value, gradient.as_slice().to_vec())
    }

    /// Two members of one pixel at three lead times.
    fn frames() -> Tensor<f64> {
        Tensor::from_vec(&[3, 1, 2, 1, 1], vec![0.0, 1.0, 3.0, 1.0, 2.0, -1.0]).unwrap()
    }

    #[test]
    fn changes_are_added_by_hand() {
        let truth = Tensor::zeros(&[3, 1, 1, 1, 1]);
        let truth = Truth { frames: &truth, valid: None };
        let (value, gradient) = evaluate(&Loss::TemporalPenalty.into(), &frames(), &truth);
        // Pairs (0, 1) and (1, 2) of both members: 3, 0; 1, 2.
        assert_eq!(value, (3.0 + 0.0 + 1.0 + 2.0) / 4.0);
        assert_eq!(gradient, [-0.25, 0.0, 0.25 + 0.25, 0.25, -0.25, -0.25]);
    }

    #[test]
    fn a_pair_weighs_as_its_later_frame() {
        let truth = Tensor::zeros(&[3, 1, 1, 1, 1]);
        let truth = Truth { frames: &truth, valid: None };
        let of = |weights: Vec<f64>| {
            let lead_weights = LeadWeights::List(weights);
            evaluate(&Objective { lead_weights, ..Loss::TemporalPenalty.into() }, &frames(), &truth)
        };
        assert_eq!(of(vec![9.0, 1.0, 3.0]).0, (1.0 * 3.0 / 2.0 + 3.0 * 3.0 / 2.0) / 4.0);
        // A frame without weight has the slope of the pair that it begins.
        let (value, gradient) = of(vec![1.0, 0.0, 1.0]);
        assert_eq!(value, (1.0 + 2.0) / 2.0);
        assert_eq!(gradient, [0.0, 0.0, 0.5, 0.5, -0.5, -0.5]);
        // No pair ends at the first frame.
        assert_eq!(of(vec![1.0, 0.0, 0.0]), (0.0, vec![0.0; 6]));
    }

    #[test]
    fn a_pair_counts_where_both_truths_are_known() {
        let frames = Tensor::from_vec(&[3, 1, 1, 1, 2], vec![0.0, f64::NAN, 1.0, 5.0, 3.0, 7.0]).unwrap();
        let truth = Tensor::zeros(frames.shape());
        let valid = Tensor::from_vec(frames.shape(), vec![1.0, 0.0, 1.0, 1.0, 0.0, 1.0]).unwrap();
        let truth = Truth { frames: &truth, valid: Some(&valid) };
        let (value, gradient) = evaluate(&Loss::TemporalPenalty.into(), &frames, &truth);
        assert_eq!(value, (1.0 + 2.0) / 2.0);
        assert_eq!(gradient, [-0.5, 0.0, 0.5, -0.5, 0.0, 0.5]);
        let none = Tensor::zeros(frames.shape());
        let truth = Truth { valid: Some(&none), ..truth };
        assert!(Objective::from(Loss::TemporalPenalty).counts(&truth).unwrap().is_empty());
    }

    /// Numbers are summed in chunks.
    #[test]
    fn many_numbers_have_the_penalty_and_slopes_of_the_definition() {
        let numbers = 2 * 3 * 61 * 67;
        let frames = Tensor::from_fn(&[2, 1, 6, 61, 67], |i| (i as f64 * i as f64 * 0.37).sin());
        let truth = Tensor::zeros(&[2, 1, 2, 61, 67]);
        let (value, gradient) = Loss::TemporalPenalty.value_and_gradient(&frames, &truth).unwrap();
        let (before, after) = frames.as_slice().split_at(numbers);
        let changes: Vec<f64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
        let expected = changes.iter().map(|change| change.abs()).sum::<f64>() / numbers as f64;
        assert!((value - expected).abs() < 1e-12, "{value} instead of {expected}");
        for (i, change) in changes.iter().enumerate() {
            let slope = change.signum() / numbers as f64;
            let given = [gradient.as_slice()[i], gradient.as_slice()[numbers + i]];
            assert!((given[0] + slope).abs() < 1e-15 && (given[1] - slope).abs() < 1e-15, "{i}: {given:?}");
        }
    }

    #[test]
    fn thread_counts_do_not_change_a_bit() {
        let members = Tensor::<f32>::from_fn(&[3, 2, 6, 37, 39], |i| (i as f32 * 0.37).sin());
        let truth = Tensor::<f32>::zeros(&[3, 2, 2, 37, 39]);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Loss::TemporalPenalty.value_and_gradient(&members, &truth).unwrap())
        };
        let (value, gradient) = run(1);
        for threads in [2, 5] {
            let other = run(threads);
            assert_eq!((value.to_bits(), &gradient), (other.0.to_bits(), &other.1));
        }
    }
}
