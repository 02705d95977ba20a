//! What a training step keeps, and how far back its gradients go.

use std::num::NonZeroUsize;

use convgru_kernels::{Extent, Scalar};

use super::EncoderForecaster;
use crate::config::{ConvGruConfig, Feedback};
use crate::fused::cell::GATES;
use crate::fused::stack::steps_of_block;
use crate::memory;
use crate::sequence::MemoryBudget;

impl<T: Scalar> EncoderForecaster<T> {
    /// Limits what [`forward_train`](Self::forward_train) keeps for the backward pass: where both
    /// stacks would need more, gates of some steps at a time are kept, and computed anew on the
    /// way back. A forecaster that reads its own predictions keeps all of its own.
    pub fn set_memory_budget(&mut self, budget: MemoryBudget) {
        self.limits.memory = budget;
    }

    /// Lets gradients flow through the last `frames` frames of the input alone; the states after
    /// those before are constants (truncated backpropagation through time: Williams and Peng
    /// 1990). `None` lets them flow through all.
    ///
    /// Predictions are the same to the bit. Of the frames before, a training step keeps nothing.
    pub fn set_truncation(&mut self, frames: Option<NonZeroUsize>) {
        self.limits.truncation = frames;
    }

    /// Steps whose gates are kept at a time, of the encoder and of the forecaster, which take
    /// `steps` steps.
    pub(super) fn kept_steps(&self, step: Extent, steps: [usize; 2]) -> [usize; 2] {
        let MemoryBudget::Bytes(bytes) = self.limits.memory else { return steps };
        let config = self.config();
        let elements = |stack: ConvGruConfig, steps: usize| {
            let hidden: usize = stack.hidden_channels.iter().sum();
            let channels = stack.in_channels + (GATES + 1) * hidden;
            memory::bytes_of::<T>(&step.with_channels(channels).dims()).saturating_mul(steps as u128)
        };
        let needed =
            elements(config.encoder(), steps[0]).saturating_add(elements(config.forecaster(), steps[1]));
        if needed <= bytes as u128 {
            return steps;
        }
        let widest = config.hidden_channels.iter().max().copied().unwrap_or(1);
        let [encoder, forecaster] = steps.map(|steps| steps_of_block(step, widest, steps));
        match config.feedback {
            Feedback::Unconditioned => [encoder, forecaster],
            Feedback::Predictions => [encoder, steps[1]],
        }
    }
}
