//! RMSprop; the equations are at [`OptimizerKind::RmsProp`](super::OptimizerKind::RmsProp).

use convgru_model::Scalar;

use super::OptimizerConfig;
use super::update_rule::{Chunk, UpdateRule};

/// One step of RMSprop. Constants are formed in `f64`, elements in `T`.
pub(super) struct RmsProp<T> {
    learning_rate: T,
    weight_decay: T,
    alpha: T,
    share: T,
    epsilon: T,
    momentum: T,
    centered: bool,
}

impl<T: Scalar> RmsProp<T> {
    pub(super) fn new(config: &OptimizerConfig, learning_rate: f64) -> Self {
        Self {
            learning_rate: T::from_f64(learning_rate),
            weight_decay: T::from_f64(config.weight_decay),
            alpha: T::from_f64(config.alpha),
            share: T::from_f64(1.0 - config.alpha),
            epsilon: T::from_f64(config.epsilon),
            momentum: T::from_f64(config.momentum),
            centered: config.centered,
        }
    }
}

impl<T: Scalar> UpdateRule<T> for RmsProp<T> {
    fn apply(&self, chunk: Chunk<'_, T>) {
        let Chunk { parameters, gradients, moments: [square, second, third] } = chunk;
        let (mean, direction) = if self.centered { (second, third) } else { (third, second) };
        for (i, (p, &g)) in parameters.iter_mut().zip(gradients).enumerate() {
            let g = g + self.weight_decay * *p;
            let v = &mut square[i];
            *v = self.alpha * *v + self.share * g * g;
            let mut spread = *v;
            if self.centered {
                let a = &mut mean[i];
                *a += self.share * (g - *a);
                // Rounding may leave less than nothing of a variance of zero.
                spread -= *a * *a;
                if spread < T::ZERO {
                    spread = T::ZERO;
                }
            }
            let mut d = g / (spread.sqrt() + self.epsilon);
            if self.momentum != T::ZERO {
                direction[i] = self.momentum * direction[i] + d;
                d = direction[i];
            }
            *p -= self.learning_rate * d;
        }
    }
}
