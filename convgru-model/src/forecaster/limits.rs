//! What training steps may keep, and how far back their gradients go.

use std::num::NonZeroUsize;

use crate::sequence::MemoryBudget;

/// The limits of a training step of a network that continues frames; results of a forward pass do not depend on them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    pub(super) memory: MemoryBudget,
    /// The last frames of the input through which gradients flow; all without a number.
    pub(super) truncation: Option<NonZeroUsize>,
}

impl Limits {
    /// How many of `frames` frames of the input gradients flow through.
    pub(super) fn frames_with_gradient(&self, frames: usize) -> usize {
        self.truncation.map_or(frames, |last| last.get().min(frames))
    }
}
