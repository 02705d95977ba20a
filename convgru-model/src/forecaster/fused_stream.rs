//! Frames that come one at a time, for networks of fused stacks.

use std::sync::Arc;

use convgru_kernels::{Scalar, Scratchpad};

use super::decoder::Decoder;
use super::encoder::EncoderState;
use super::noise::Noise;
use super::packed::{PackedNetwork, PassMemory};
use super::pass::Activations;
use super::sizes::{Sizes, sequence};
use crate::error::Result;
use crate::fused::blocks::steps_of_block;
use crate::fused::stack::StackWorkspace;
use crate::tensor::Tensor;

/// The network after the frames so far.
#[derive(Debug)]
pub(super) struct FusedStreamState<'a, T> {
    network: Arc<dyn PackedNetwork<T> + 'a>,
    encoder: EncoderState<T>,
    /// The stacks of the decoder, with room for some steps; made when first needed.
    decoder: Option<Vec<StackWorkspace<T>>>,
    /// The last frames that were read, as many as a forecast needs.
    last_frames: Vec<T>,
    scratch: Scratchpad<T>,
}

impl<'a, T: Scalar> FusedStreamState<'a, T> {
    pub(super) fn new(network: Arc<dyn PackedNetwork<T> + 'a>, sizes: &Sizes) -> Result<Self> {
        Ok(Self {
            encoder: EncoderState::new(&*network, sizes)?,
            network,
            decoder: None,
            last_frames: Vec::new(),
            scratch: Scratchpad::new(),
        })
    }

    /// Whether a frame was read.
    pub(super) fn has_started(&self) -> bool {
        self.encoder.started
    }

    /// Reads a frame `[N, C, H, W]`.
    pub(super) fn read(&mut self, sizes: &Sizes, frame: &[T]) -> Result<()> {
        self.encoder.read(&*self.network, sizes, frame, &mut self.scratch)?;
        let before = (self.network.frames_needed() - 1) * frame.len();
        self.last_frames.drain(..self.last_frames.len().saturating_sub(before));
        self.last_frames.extend_from_slice(frame);
        Ok(())
    }

    /// Gives all memory back that only the next frames need: none follows.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.encoder.finish()
    }

    /// Continues the frames that were read, at least one.
    pub(super) fn forecast_into(
        &mut self,
        sizes: &Sizes,
        steps: usize,
        noise: &Noise<T>,
        output: &mut Tensor<T>,
    ) -> Result<()> {
        let block = self.block(sizes, steps);
        let mut stacks = match self.decoder.take().filter(|stacks| stacks[0].top().steps() == block) {
            Some(stacks) => stacks,
            None => {
                let stacks = self.network.decoder(sizes);
                let stacks = stacks.iter().map(|stack| stack.workspace(block));
                stacks.collect::<Result<_>>()?
            }
        };
        let count = self.last_frames.len() / sizes.frame.len();
        let decoder = Decoder {
            network: &*self.network,
            sizes,
            encoder: &self.encoder.stacks,
            last_frames: &Tensor::from_vec(&sequence(sizes.frame, count), self.last_frames.clone())?,
            teacher: None,
            noise,
        };
        let activations = &mut Activations::default();
        let memory =
            &mut PassMemory { stacks: &mut stacks, activations, scratch: &mut self.scratch, once: false };
        decoder.run(steps, memory, output, None)?;
        self.decoder = Some(stacks);
        Ok(())
    }

    /// Forgets all frames.
    pub(super) fn reset(&mut self) {
        self.encoder.reset();
        self.last_frames.clear();
    }

    /// Steps that are computed together, stack after stack.
    fn block(&self, sizes: &Sizes, steps: usize) -> usize {
        if self.network.config().reads_predictions() {
            return 1;
        }
        let stacks = self.network.decoder(sizes);
        let of_stack = stacks
            .iter()
            .map(|stack| steps_of_block(stack.step, stack.widest().max(stack.step.channels), steps));
        of_stack.min().unwrap_or(1)
    }
}
