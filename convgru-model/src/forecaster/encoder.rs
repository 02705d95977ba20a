//! The states of an encoder, frame after frame.

use convgru_kernels::{Scalar, Scratchpad};

use super::packed::{PackedNetwork, PassMemory};
use super::pass::Activations;
use super::sizes::Sizes;
use crate::error::Result;
use crate::fused::recurrence::LayerWorkspace;
use crate::fused::stack::StackWorkspace;

/// The states of an encoder after the frames so far.
#[derive(Debug)]
pub(super) struct EncoderState<T> {
    /// Of one step, the finest scale first.
    pub(super) stacks: Vec<StackWorkspace<T>>,
    /// Whether a frame was read.
    pub(super) started: bool,
}

impl<T: Scalar> EncoderState<T> {
    /// Before the first frame.
    pub(super) fn new(network: &dyn PackedNetwork<T>, sizes: &Sizes) -> Result<Self> {
        let stacks = network.encoder(sizes);
        let stacks = stacks.iter().map(|stack| stack.workspace(1));
        Ok(Self { stacks: stacks.collect::<Result<_>>()?, started: false })
    }

    /// Reads a frame `[N, C, H, W]`.
    pub(super) fn read(
        &mut self,
        network: &dyn PackedNetwork<T>,
        sizes: &Sizes,
        frame: &[T],
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        if self.started {
            for layer in self.stacks.iter_mut().flat_map(|stack| &mut stack.layers) {
                layer.carry(0)?;
            }
        }
        let activations = &mut Activations::default();
        network.encode(
            sizes,
            frame,
            &mut PassMemory { stacks: &mut self.stacks, activations, scratch, once: false },
        )?;
        self.started = true;
        Ok(())
    }

    /// Gives all memory back that only the next frames need.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.stacks.iter_mut().flat_map(|stack| &mut stack.layers).try_for_each(LayerWorkspace::keep_states)
    }

    /// Forgets all frames.
    pub(super) fn reset(&mut self) {
        self.stacks.iter_mut().flat_map(|stack| &mut stack.layers).for_each(|layer| layer.clear_initial());
        self.started = false;
    }
}
