//! Adam and AdamW; the equations are at [`OptimizerKind`].

use convgru_model::Scalar;

use super::update_rule::{Chunk, UpdateRule};
use super::{OptimizerConfig, OptimizerKind};

/// One step of Adam. Constants are formed in `f64`, elements in `T`.
pub(super) struct Adam<T> {
    /// Factor of the parameters in the gradient.
    penalty: T,
    /// Factor of the parameters before the step, of AdamW.
    shrink: Option<T>,
    first_share: T,
    beta2: T,
    second_share: T,
    step_size: T,
    second_correction: T,
    epsilon: T,
}

impl<T: Scalar> Adam<T> {
    pub(super) fn new(config: &OptimizerConfig, step: u64, learning_rate: f64) -> Self {
        // Beyond 2^31 steps a power of a decay below one is zero anyway.
        let exponent = i32::try_from(step).unwrap_or(i32::MAX);
        let correction = |beta: f64| 1.0 - beta.powi(exponent);
        let decoupled = config.kind == OptimizerKind::AdamW;
        let decay = config.weight_decay;
        Self {
            penalty: T::from_f64(if decoupled { 0.0 } else { decay }),
            shrink: decoupled.then(|| T::from_f64(1.0 - learning_rate * decay)),
            first_share: T::from_f64(1.0 - config.beta1),
            beta2: T::from_f64(config.beta2),
            second_share: T::from_f64(1.0 - config.beta2),
            step_size: T::from_f64(learning_rate / correction(config.beta1)),
            second_correction: T::from_f64(correction(config.beta2).sqrt()),
            epsilon: T::from_f64(config.epsilon),
        }
    }

    /// Updates both moments of one element; the first.
    fn moments(&self, p: &mut T, g: T, m: &mut T, v: &mut T) -> T {
        if let Some(shrink) = self.shrink {
            *p *= shrink;
        }
        let g = g + self.penalty * *p;
        *m += self.first_share * (g - *m);
        *v = self.beta2 * *v + self.second_share * g * g;
        *m
    }

    /// The step of a first moment, given the square it is divided by.
    fn step(&self, m: T, square: T) -> T {
        self.step_size * (m / (square.sqrt() / self.second_correction + self.epsilon))
    }
}

impl<T: Scalar> UpdateRule<T> for Adam<T> {
    fn apply(&self, chunk: Chunk<'_, T>) {
        let Chunk { parameters, gradients, moments: [first, second, largest] } = chunk;
        let amsgrad = !largest.is_empty();
        let elements = parameters.iter_mut().zip(gradients).zip(first.iter_mut().zip(second));
        if amsgrad {
            for (((p, &g), (m, v)), most) in elements.zip(largest) {
                let m = self.moments(p, g, m, v);
                // Not `max`, which would lose a NaN.
                if *v > *most || !v.is_finite() {
                    *most = *v;
                }
                *p -= self.step(m, *most);
            }
        } else {
            for ((p, &g), (m, v)) in elements {
                let m = self.moments(p, g, m, v);
                *p -= self.step(m, *v);
            }
        }
    }
}
