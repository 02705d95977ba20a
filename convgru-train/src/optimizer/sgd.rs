//! Stochastic gradient descent; the equations are at
//! [`OptimizerKind::Sgd`](super::OptimizerKind::Sgd).

use convgru_model::Scalar;

use super::OptimizerConfig;
use super::update_rule::{Chunk, UpdateRule};

/// One step of gradient descent. Constants are formed in `f64`, elements in `T`.
pub(super) struct Sgd<T> {
    learning_rate: T,
    weight_decay: T,
    momentum: T,
    /// What of the gradient enters the direction; all of it at the first step with momentum.
    share: T,
    nesterov: bool,
}

impl<T: Scalar> Sgd<T> {
    /// `begins`: whether there is no direction yet.
    pub(super) fn new(config: &OptimizerConfig, begins: bool, learning_rate: f64) -> Self {
        let share = if begins { 1.0 } else { 1.0 - config.dampening };
        Self {
            learning_rate: T::from_f64(learning_rate),
            weight_decay: T::from_f64(config.weight_decay),
            momentum: T::from_f64(config.momentum),
            share: T::from_f64(share),
            nesterov: config.nesterov,
        }
    }
}

impl<T: Scalar> UpdateRule<T> for Sgd<T> {
    fn apply(&self, chunk: Chunk<'_, T>) {
        let Chunk { parameters, gradients, moments: [direction, ..] } = chunk;
        let elements = parameters.iter_mut().zip(gradients);
        if self.momentum == T::ZERO {
            for (p, &g) in elements {
                *p -= self.learning_rate * (g + self.weight_decay * *p);
            }
            return;
        }
        for ((p, &g), b) in elements.zip(direction) {
            let g = g + self.weight_decay * *p;
            *b = self.momentum * *b + self.share * g;
            let d = if self.nesterov { g + self.momentum * *b } else { *b };
            *p -= self.learning_rate * d;
        }
    }
}
