//! The losses of one lead time after the other.

use convgru_model::{Scalar, Tensor};

use super::elementwise::check;
use super::ensemble::EnsembleScore;
use super::planes::{PlaneSize, Planes};
use super::reduce::Elements;
use super::temporal_penalty::{self, Pair};
use super::{Loss, Objective, Truth, gradient_difference, similarity};
use crate::{Error, Result};

/// Predicted and true frames of an objective, one lead time at a time.
pub(super) struct LeadTimes<'a, T> {
    prediction: &'a Tensor<T>,
    truth: &'a Truth<'a, T>,
    leads: Vec<f64>,
    size: PlaneSize,
    /// Numbers of a sample of a lead time.
    sample: usize,
    /// Members whose channels the prediction has.
    members: usize,
}

impl<'a, T: Scalar> LeadTimes<'a, T> {
    /// Of a prediction `[T, N, K C, H, W]` of `members` members, and a truth `[T, N, C, H, W]`.
    pub(super) fn new(
        objective: &'a Objective,
        prediction: &'a Tensor<T>,
        truth: &'a Truth<'a, T>,
        members: usize,
    ) -> Result<Self> {
        objective.validate()?;
        let mismatch = |expected: String| {
            Err(Error::Model(convgru_model::Error::ShapeMismatch {
                what: "the prediction of a loss".into(),
                expected,
                got: prediction.shape().to_vec(),
            }))
        };
        if let Some(valid) = truth.valid {
            check(truth.frames, valid, "the mask's")?;
        }
        if members == 1 {
            check(prediction, truth.frames, "the target's")?;
        }
        let &[steps, batch, channels, height, width] = truth.frames.shape() else {
            return mismatch("[T, N, C, H, W]".into());
        };
        let expected = [steps, batch, members * channels, height, width];
        if prediction.shape() != expected {
            return mismatch(format!("the target's for {members} members, {expected:?}"));
        }
        let leads = objective.lead_weights.weights(steps)?;
        let sample = channels * height * width;
        Ok(Self { prediction, truth, leads, size: PlaneSize { height, width }, sample, members })
    }

    /// The lead times that count, with their weights.
    pub(super) fn steps(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.leads.iter().copied().enumerate().filter(|(_, lead)| *lead > 0.0)
    }

    fn planes(&self, t: usize) -> Planes<'a, T> {
        let valid = self.truth.valid.map_or(&[][..], |valid| valid.slice(t));
        Planes { x: self.prediction.slice(t), y: self.truth.frames.slice(t), valid, size: self.size }
    }

    /// The frames of a lead time with those before it; none of the first.
    pub(super) fn pair(&self, t: usize) -> Option<Pair<'a, T>> {
        let [before, after] = [t.checked_sub(1)?, t].map(|t| self.planes(t));
        Some(Pair {
            frames: [before.x, after.x],
            valid: [before.valid, after.valid],
            sample: self.sample,
            members: self.members,
        })
    }

    /// The number of parts of a loss at a lead time.
    pub(super) fn count(&self, t: usize, loss: &Loss) -> f64 {
        let planes = self.planes(t);
        match loss {
            Loss::GradientDifference { .. } => planes.sum(gradient_difference::count),
            &Loss::Ssim { window } => planes.sum(|plane| similarity::count(plane, window)),
            Loss::TemporalPenalty => self.pair(t).map_or(0.0, |pair| pair.count()),
            _ if planes.valid.is_empty() => planes.x.len() as f64,
            _ => planes.valid.iter().filter(|valid| valid.to_f64() != 0.0).count() as f64,
        }
    }

    /// The sum of a loss over its parts at all lead times with their weights; adds its derivatives with a factor.
    pub(super) fn sum(&self, loss: &Loss, mut gradient: Option<(&mut Tensor<T>, f64)>) -> f64 {
        if let Loss::TemporalPenalty = loss {
            return temporal_penalty::sum(self, gradient);
        }
        let mut sum = 0.0;
        for (t, lead) in self.steps() {
            let slot = gradient.as_mut().map(|(gradient, scale)| (gradient.slice_mut(t), *scale * lead));
            sum += lead * self.sum_at(t, loss, slot);
        }
        sum
    }

    /// The sum of a loss over its parts at a lead time.
    fn sum_at(&self, t: usize, loss: &Loss, gradient: Option<(&mut [T], f64)>) -> f64 {
        let planes = self.planes(t);
        let elements = Elements { x: planes.x, y: planes.y, weight: planes.valid };
        match (loss, gradient) {
            (&Loss::GradientDifference { alpha }, None) => {
                planes.sum(|plane| gradient_difference::sum(plane, alpha))
            }
            (&Loss::GradientDifference { alpha }, Some((dx, scale))) => {
                planes.sum_and_gradient(dx, scale, |plane, dx| {
                    gradient_difference::sum_and_gradient(plane, alpha, dx)
                })
            }
            (&Loss::Ssim { window }, None) => planes.sum(|plane| similarity::sum(plane, window)),
            (&Loss::Ssim { window }, Some((dx, scale))) => planes
                .sum_and_gradient(dx, scale, |plane, dx| similarity::sum_and_gradient(plane, window, dx)),
            (&Loss::Crps { spread }, gradient) if self.members > 1 => {
                EnsembleScore { members: self.members, spread }.sum(elements, self.sample, gradient)
            }
            (loss, gradient) => elements.sum_of(loss, gradient),
        }
    }
}
