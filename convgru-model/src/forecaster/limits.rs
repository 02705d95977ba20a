//! What training steps keep, and how far back their gradients go.

use std::num::NonZeroUsize;

use convgru_kernels::Scalar;

use super::packed::Stack;
use crate::MemoryBudget;
use crate::error::Result;
use crate::fused::cell::GATES;
use crate::fused::stack::{StackWorkspace, steps_of_block};
use crate::memory;

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

    /// Whether the gates of all steps fit into the memory budget, of each stack and its number of steps.
    pub(super) fn keep_gates<'a, T: Scalar>(
        &self,
        stacks: impl IntoIterator<Item = (&'a Stack<'a, T>, usize)>,
    ) -> bool {
        let MemoryBudget::Bytes(bytes) = self.memory else { return true };
        let of_stack = |(stack, steps): (&Stack<'_, T>, usize)| {
            let hidden = stack.cells.cells.iter().map(|cell| cell.shape().hidden_channels);
            let channels = stack.step.channels + (GATES + 1) * hidden.sum::<usize>();
            memory::bytes_of::<T>(&stack.step.with_channels(channels).dims()).saturating_mul(steps as u128)
        };
        stacks.into_iter().map(of_stack).fold(0, u128::saturating_add) <= bytes as u128
    }
}

/// Memory for a training step of some stacks: with the gates of all steps, or of as many as are computed anew together.
pub(super) fn workspaces<T: Scalar>(
    stacks: &[Stack<'_, T>],
    steps: usize,
    keeps_gates: bool,
) -> Result<Vec<StackWorkspace<T>>> {
    let workspace = |stack: &Stack<'_, T>| {
        let kept = if keeps_gates { steps } else { steps_of_block(stack.step, stack.widest(), steps) };
        stack.cells.workspace_keeping(stack.step, steps, kept)
    };
    stacks.iter().map(workspace).collect()
}
