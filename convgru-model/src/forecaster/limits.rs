//! What training steps keep, and how far back their gradients go.

use std::cmp::Reverse;
use std::num::NonZeroUsize;

use convgru_kernels::{Extent, Scalar};

use super::packed::Stack;
use crate::MemoryBudget;
use crate::error::Result;
use crate::fused::blocks::steps_of_block;
use crate::fused::cell::{CellShape, GATES, PreparedCell};
use crate::fused::stack::StackWorkspace;

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

    /// How many steps each stack keeps gates of at a time: all, or as many as are computed again together.
    ///
    /// The stacks with the fewest operations come first. Their gates are computed again while that is at most a part [`CHEAP`] of a
    /// forward pass: at fine scales these are most of the memory. The gates of further stacks are computed again until all that is kept
    /// fits into the memory budget.
    pub(super) fn steps_with_gates<T: Scalar>(&self, passes: &[StackPass<'_, T>]) -> Vec<usize> {
        let budget = match self.memory {
            MemoryBudget::Unlimited => u128::MAX,
            MemoryBudget::Bytes(bytes) => bytes as u128,
        };
        let all = passes.iter().map(StackPass::operations).fold(0, u128::saturating_add);
        let mut kept: Vec<usize> = passes.iter().map(|pass| pass.steps).collect();
        let mut order: Vec<usize> = (0..passes.len()).collect();
        order.retain(|&index| passes[index].steps_again() < passes[index].steps);
        // Of as many operations the stack with more to give first.
        order.sort_by_key(|&index| (passes[index].operations(), Reverse(passes[index].bytes(kept[index]))));
        let mut again = 0u128;
        for index in order {
            again = again.saturating_add(passes[index].operations());
            let bytes = passes.iter().zip(&kept).map(|(pass, &kept)| pass.bytes(kept));
            if again.saturating_mul(CHEAP) > all && bytes.fold(0, u128::saturating_add) <= budget {
                break;
            }
            kept[index] = passes[index].steps_again();
        }
        kept
    }
}

/// The part of the operations of a forward pass that are done again whatever the memory budget: one in so many.
const CHEAP: u128 = 8;

/// A stack in a training step.
#[derive(Debug)]
pub(super) struct StackPass<'a, T> {
    pub(super) stack: &'a Stack<'a, T>,
    /// Steps that get a gradient.
    pub(super) steps: usize,
    /// Whether the gates of all steps are kept whatever the memory budget.
    pub(super) keeps_gates: bool,
}

impl<T: Scalar> StackPass<'_, T> {
    /// Steps whose gates are kept at a time where they are computed again.
    fn steps_again(&self) -> usize {
        let Stack { step, .. } = *self.stack;
        if self.keeps_gates { self.steps } else { steps_of_block(step, self.stack.widest(), self.steps) }
    }

    /// Multiplications and additions of the forward pass, of channels that fill blocks of 64 bytes.
    fn operations(&self) -> u128 {
        let [batch, _, height, width] = self.stack.step.dims().map(|size| size as u128);
        let of_cell = |cell: &PreparedCell<'_, T>| {
            let CellShape { in_channels, hidden_channels, kernel, input_kernel, .. } = cell.shape();
            let of_gate = [(in_channels, input_kernel), (hidden_channels, kernel)]
                .map(|(channels, [rows, columns])| (channels * rows * columns) as u128);
            let gates = GATES * hidden_channels.next_multiple_of(64 / size_of::<T>());
            of_gate.iter().sum::<u128>() * gates as u128
        };
        let cells: u128 = self.stack.cells.cells.iter().map(of_cell).sum();
        [batch, height, width, self.steps as u128].iter().fold(cells, |all, &size| all.saturating_mul(size))
    }

    /// Bytes that are kept with the gates of `kept` steps.
    fn bytes(&self, kept: usize) -> u128 {
        self.stack.cells.bytes_of(self.kept_step(), self.steps, kept)
    }

    /// One step of what is read, without channels where the inputs are not kept.
    fn kept_step(&self) -> Extent {
        let Stack { step, keeps_inputs, .. } = *self.stack;
        if keeps_inputs { step } else { step.with_channels(0) }
    }
}

/// Memory for a training step of some stacks, with the gates of as many steps of each as the next number says.
pub(super) fn workspaces<T: Scalar>(
    passes: &[StackPass<'_, T>],
    kept: &mut impl Iterator<Item = usize>,
) -> Result<Vec<StackWorkspace<T>>> {
    let workspace = |(pass, kept): (&StackPass<'_, T>, usize)| {
        let Stack { cells, step, keeps_inputs } = *pass.stack;
        match keeps_inputs {
            true => cells.workspace_keeping(step, pass.steps, kept),
            false => cells.workspace_without_inputs(step, pass.steps, kept),
        }
    };
    passes.iter().zip(kept).map(workspace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConvGruConfig;
    use crate::fused::cell::{CellInput, draw};
    use crate::fused::stack::PreparedStack;
    use crate::random::Random;

    /// How many steps of each of two stacks, one of which has a hundredth of the operations, have their gates kept.
    fn kept(memory: MemoryBudget, keeps_gates: bool) -> Vec<usize> {
        let configs = [ConvGruConfig::new(64, &[64]), ConvGruConfig::new(1, &[1])];
        let cells = configs.each_ref().map(|config| {
            let shape = CellShape::of_layer(config, 0);
            vec![draw::<f32>(shape, true, config.initializer, &mut Random::new(1, 0))]
        });
        let stacks: Vec<_> = configs
            .iter()
            .zip(&cells)
            .map(|(config, cells)| PreparedStack::new("", cells, config, CellInput::Read).unwrap())
            .collect();
        let sides = [64, 256];
        let stacks: Vec<_> = stacks
            .iter()
            .zip(sides)
            .map(|(cells, side)| {
                let channels = cells.cells[0].shape().in_channels;
                let step = Extent { batch: 4, channels, height: side, width: side };
                Stack { cells, step, keeps_inputs: true }
            })
            .collect();
        let passes: Vec<_> = stacks.iter().map(|stack| StackPass { stack, steps: 6, keeps_gates }).collect();
        Limits { memory, truncation: None }.steps_with_gates(&passes)
    }

    #[test]
    fn gates_of_the_stack_with_few_operations_go_first() {
        let bytes = |numbers: usize| MemoryBudget::Bytes(numbers * size_of::<f32>());
        // The second stack keeps gates of one step at a time whatever the budget.
        assert_eq!(kept(MemoryBudget::Unlimited, false), [6, 1]);
        // What is read and the states of six steps, and the gates of the first stack and of one step of the second.
        let (first, second) = (4 * 64 * 64 * 64, 4 * 16 * 256 * 256);
        let all = (2 + 3) * 6 * first + (2 * 6 + 3) * second;
        assert_eq!(kept(bytes(all), false), [6, 1]);
        assert_eq!(kept(bytes(all - 1), false), [1, 1]);
        assert_eq!(kept(bytes(0), false), [1, 1]);
        assert_eq!(kept(bytes(0), true), [6, 6]);
    }
}
