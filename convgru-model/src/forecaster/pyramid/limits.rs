//! What a training step keeps, and how far back its gradients go.

use std::num::NonZeroUsize;

use convgru_kernels::Scalar;

use super::{Frames, Pyramid};
use crate::fused::cell::GATES;
use crate::memory;
use crate::sequence::MemoryBudget;

impl<T: Scalar> Pyramid<T> {
    /// Limits what [`forward_train`](Self::forward_train) keeps for the backward pass: where all scales would need more,
    /// gates of some steps at a time are kept, and computed anew on the way back.
    pub fn set_memory_budget(&mut self, budget: MemoryBudget) {
        self.limits.memory = budget;
    }

    /// Lets gradients flow through the last `frames` frames of the input alone; the states after those before are
    /// constants (truncated backpropagation through time: Williams and Peng 1990). `None` lets them flow through all.
    ///
    /// Predictions are the same to the bit. Of the frames before, a training step keeps nothing.
    pub fn set_truncation(&mut self, frames: Option<NonZeroUsize>) {
        self.limits.truncation = frames;
    }

    /// Whether the gates of all steps fit into the budget, of `steps` steps of the encoder and of the forecaster.
    pub(super) fn keeps_gates(&self, frames: &Frames, steps: [usize; 2]) -> bool {
        let MemoryBudget::Bytes(bytes) = self.limits.memory else { return true };
        let of_scale = |(index, scale): (usize, &crate::config::PyramidScale)| {
            let channels = scale.features() + scale.layers * (GATES + 1) * scale.channels;
            let step = memory::bytes_of::<T>(&frames.of_scale(index, channels, 1).dims());
            step.saturating_mul(steps[0].saturating_add(steps[1]) as u128)
        };
        let needed = self.config.scales.iter().enumerate().map(of_scale).fold(0, u128::saturating_add);
        needed <= bytes as u128
    }
}
