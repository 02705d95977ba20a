//! Reverse scheduled sampling: frames of the input that a network reads as it predicted them itself.

use convgru_model::{Forecaster, mean_of_members};

use crate::Result;
use crate::dataset::{Batch, numbered, unit};

/// Separates these random numbers from the random numbers of the data and of teacher forcing.
const REVERSE_SAMPLING_SEED: u64 = 0x7265_7665_7273_6521;

/// Which frames of some samples are the network's own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PredictedInputs {
    /// Frames of a sample but for the first, which is always the true one; samples one after the other.
    predicted: Vec<bool>,
    frames: usize,
}

impl PredictedInputs {
    /// Each with the given probability, drawn from the seed and the number of the optimiser step alone. `frames` are
    /// those that are read.
    pub(crate) fn draw(seed: u64, step: u64, probability: f64, [samples, frames]: [usize; 2]) -> Self {
        let frames = frames.saturating_sub(1);
        if probability <= 0.0 {
            return Self { predicted: vec![false; samples * frames], frames };
        }
        let mut random = numbered(seed, REVERSE_SAMPLING_SEED, step);
        let predicted = (0..samples * frames).map(|_| unit(&mut random) < probability).collect();
        Self { predicted, frames }
    }

    /// Whether frame `t` of a sample is the network's own.
    fn is_predicted(&self, sample: usize, t: usize) -> bool {
        t > 0 && self.predicted[sample * self.frames + t - 1]
    }

    /// The last frame of any of some samples that is the network's own.
    fn last(&self, samples: &std::ops::Range<usize>) -> Option<usize> {
        (1..=self.frames).rev().find(|&t| samples.clone().any(|sample| self.is_predicted(sample, t)))
    }

    /// The input of some samples, `first` and those after it, as it is read: frames of the network's own are what
    /// it predicts from the frames before, which may be such frames too; of an ensemble its mean. They are constants in the
    /// step. What is missing of a true frame is missing of its replacement.
    ///
    /// # Errors
    /// The errors of the network.
    pub(crate) fn apply(&self, model: &Forecaster<f32>, mut input: Batch, first: usize) -> Result<Batch> {
        let [batch, channels, height, width] = [1, 2, 3, 4].map(|axis| input.frames.shape()[axis]);
        let Some(last) = self.last(&(first..first + batch)) else { return Ok(input) };
        let size = channels * height * width;
        let mut stream = model.prepare()?.stream(batch, height, width)?;
        for t in 1..=last {
            stream.read(&input.frame(t - 1)?.as_read_by(model.config()).index(0))?;
            if !(first..first + batch).any(|sample| self.is_predicted(sample, t)) {
                continue;
            }
            let predicted = mean_of_members(stream.forecast(1)?, model.members())?;
            for sample in (0..batch).filter(|sample| self.is_predicted(first + sample, t)) {
                let range = sample * size..(sample + 1) * size;
                let frame = &mut input.frames.slice_mut(t)[range.clone()];
                frame.copy_from_slice(&predicted.as_slice()[range.clone()]);
                if let Some(valid) = &input.valid {
                    let known = frame.iter_mut().zip(&valid.slice(t)[range]);
                    known.filter(|(_, valid)| **valid == 0.0).for_each(|(pixel, _)| *pixel = 0.0);
                }
            }
        }
        Ok(input)
    }
}

#[cfg(test)]
mod tests {
    use convgru_model::{EncoderForecasterConfig, Feedback, ForecasterConfig, PyramidConfig, Tensor};

    use super::*;

    fn networks() -> [Forecaster<f32>; 3] {
        let flat = |feedback, members| EncoderForecasterConfig {
            patch: 2,
            hidden_channels: vec![3],
            feedback,
            members,
            ..Default::default()
        };
        let configs: [ForecasterConfig; 3] = [
            flat(Feedback::Predictions, 1).into(),
            flat(Feedback::Unconditioned, 3).into(),
            PyramidConfig::default().into(),
        ];
        configs.map(|config| Forecaster::new(config, 3).unwrap())
    }

    fn batch() -> Batch {
        let frames = Tensor::from_fn(&[4, 3, 1, 8, 8], |i| 0.5 + 0.5 * (i as f32 * 0.37).sin());
        Batch::new(frames, None)
    }

    #[test]
    fn frames_follow_their_probability_and_derive_from_seed_and_step() {
        let draw = |seed, step, probability| PredictedInputs::draw(seed, step, probability, [400, 11]);
        assert!(
            draw(1, 2, 0.0).predicted.iter().all(|predicted| !*predicted)
                && draw(1, 2, 1.0).predicted.iter().all(|predicted| *predicted)
        );
        assert_eq!(draw(1, 2, 0.5), draw(1, 2, 0.5));
        assert!(draw(1, 2, 0.5) != draw(1, 3, 0.5) && draw(1, 2, 0.5) != draw(2, 2, 0.5));
        let share = draw(7, 7, 0.3).predicted.iter().filter(|predicted| **predicted).count();
        assert!((1_000..1_400).contains(&share), "{share} of 4000");
        assert!(!draw(1, 2, 1.0).is_predicted(5, 0), "the first frame is the true one");
        assert!(PredictedInputs::draw(1, 2, 0.5, [3, 1]).predicted.is_empty());
    }

    #[test]
    fn own_frames_are_the_forecasts_of_those_before() {
        let drawn = PredictedInputs::draw(5, 1, 0.5, [3, 4]);
        let read = |sample| (1..4).map(|t| drawn.is_predicted(sample, t)).collect::<Vec<_>>();
        assert!((0..3).any(|sample| read(sample).contains(&true) && read(sample).contains(&false)));
        let truth = batch().frames;
        for network in networks() {
            let replaced = drawn.apply(&network, batch(), 0).unwrap().frames;
            assert_eq!(replaced.slice(0), truth.slice(0));
            for t in 1..4 {
                let before = replaced.as_slice()[..t * 3 * 64].to_vec();
                let before = Tensor::from_vec(&[t, 3, 1, 8, 8], before).unwrap();
                let predicted = network.forward_mean(&before, 1).unwrap();
                for sample in 0..3 {
                    let range = sample * 64..(sample + 1) * 64;
                    let expected = match drawn.is_predicted(sample, t) {
                        true => &predicted.as_slice()[range.clone()],
                        false => &truth.slice(t)[range.clone()],
                    };
                    assert_eq!(replaced.slice(t)[range], *expected, "frame {t} of sample {sample}");
                }
            }
        }
    }

    #[test]
    fn samples_of_micro_batches_and_missing_pixels_keep_their_places() {
        let drawn = PredictedInputs::draw(5, 1, 0.6, [3, 4]);
        let [network, ..] = networks();
        let mut masked = batch();
        masked.valid = Some(Tensor::from_fn(masked.frames.shape(), |i| if i % 5 == 0 { 0.0 } else { 1.0 }));
        let whole = drawn.apply(&network, masked.clone(), 0).unwrap();
        for (i, (pixel, valid)) in
            whole.frames.as_slice().iter().zip(masked.valid.as_ref().unwrap().as_slice()).enumerate()
        {
            let is_predicted = drawn.is_predicted(i / 64 % 3, i / 192);
            assert!(!is_predicted || *valid == 1.0 || *pixel == 0.0, "pixel {i}");
        }
        for (index, samples) in
            crate::trainer::learner::micro_batches::micro_batches(&masked, 3).unwrap().into_iter().enumerate()
        {
            let part = drawn.apply(&network, samples, index).unwrap();
            for t in 0..4 {
                assert_eq!(part.frames.slice(t), &whole.frames.slice(t)[index * 64..(index + 1) * 64]);
            }
        }
    }
}
