//! The losses of one lead time after the other.

use convgru_model::{Scalar, Tensor};

use super::criterion::check;
use super::planes::{PlaneSize, Planes};
use super::reduce::Elements;
use super::{EnsembleScore, LossConstants, LossKind, Objective, Truth};
use super::{gradient_difference, pointwise, similarity};
use crate::{Error, Result};

/// Predicted and true frames of an objective, one lead time at a time.
pub(super) struct Work<'a, T> {
    objective: &'a Objective,
    prediction: &'a Tensor<T>,
    truth: &'a Truth<'a, T>,
    leads: Vec<f64>,
    size: PlaneSize,
    /// Numbers of a sample of a lead time.
    sample: usize,
    /// Members whose channels the prediction has.
    members: usize,
}

impl<'a, T: Scalar> Work<'a, T> {
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
        Ok(Self { objective, prediction, truth, leads, size: PlaneSize { height, width }, sample, members })
    }

    /// The lead times that count, with their weights.
    pub(super) fn steps(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.leads.iter().copied().enumerate().filter(|(_, lead)| *lead > 0.0)
    }

    fn planes(&self, t: usize) -> Planes<'a, T> {
        let valid = self.truth.valid.map_or(&[][..], |valid| valid.slice(t));
        Planes { x: self.prediction.slice(t), y: self.truth.frames.slice(t), valid, size: self.size }
    }

    /// The number of parts of a loss at a lead time.
    pub(super) fn count(&self, t: usize, kind: LossKind) -> f64 {
        let planes = self.planes(t);
        match kind {
            LossKind::GradientDifference => planes.sum(gradient_difference::count),
            LossKind::Ssim => {
                planes.sum(|plane| similarity::count(plane, self.objective.constants.ssim_window))
            }
            _ if planes.valid.is_empty() => planes.x.len() as f64,
            _ => planes.valid.iter().filter(|valid| valid.to_f64() != 0.0).count() as f64,
        }
    }

    /// The sum of a loss over its parts at a lead time; adds its derivatives with a factor.
    pub(super) fn sum(&self, t: usize, kind: LossKind, gradient: Option<(&mut [T], f64)>) -> f64 {
        let planes = self.planes(t);
        let LossConstants { delta, beta, pos_weight, alpha, ssim_window, crps_spread } =
            self.objective.constants;
        let rain = &self.objective.rain;
        let balanced = |y, (value, derivative): (f64, f64)| {
            let weight = rain.of(y);
            (weight * value, weight * derivative)
        };
        let each = Elements { x: planes.x, y: planes.y, weight: planes.valid };
        match kind {
            LossKind::Mse => each.reduce(gradient, pointwise::squared),
            LossKind::L1 => each.reduce(gradient, pointwise::absolute),
            LossKind::Huber => each.reduce(gradient, |x, y| pointwise::huber(x, y, delta)),
            LossKind::SmoothL1 => each.reduce(gradient, |x, y| pointwise::smooth_absolute(x, y, beta)),
            LossKind::BceWithLogits => {
                each.reduce(gradient, |x, y| pointwise::cross_entropy(x, y, pos_weight))
            }
            LossKind::BalancedMse => each.reduce(gradient, |x, y| balanced(y, pointwise::squared(x, y))),
            LossKind::BalancedMae => each.reduce(gradient, |x, y| balanced(y, pointwise::absolute(x, y))),
            LossKind::GradientDifference => match gradient {
                None => planes.sum(|plane| gradient_difference::sum(plane, alpha)),
                Some((dx, scale)) => planes.sum_and_gradient(dx, scale, |plane, dx| {
                    gradient_difference::sum_and_gradient(plane, alpha, dx)
                }),
            },
            LossKind::Ssim => match gradient {
                None => planes.sum(|plane| similarity::sum(plane, ssim_window)),
                Some((dx, scale)) => planes.sum_and_gradient(dx, scale, |plane, dx| {
                    similarity::sum_and_gradient(plane, ssim_window, dx)
                }),
            },
            LossKind::Crps if self.members == 1 => each.reduce(gradient, pointwise::absolute),
            LossKind::Crps => {
                let score = EnsembleScore { members: self.members, spread: crps_spread };
                score.sum(each, self.sample, gradient)
            }
        }
    }
}
