//! From the states of an encoder to predicted frames.

use convgru_kernels::{Scalar, Scratchpad};

use super::encoder::start_from;
use super::network::{Kept, Network, Read};
use super::sizes::{Sizes, sequence};
use super::training::TeacherForcing;
use crate::config::NetworkConfig;
use crate::error::Result;
use crate::fused::stack::StackWorkspace;
use crate::layer::Activation;
use crate::tensor::Tensor;

/// Where a forecast begins.
#[derive(Debug)]
pub(super) struct Decoder<'a, T> {
    pub(super) config: &'a dyn NetworkConfig,
    pub(super) network: &'a dyn Network<T>,
    pub(super) sizes: &'a Sizes,
    /// The stacks of the encoder after the last frame.
    pub(super) encoder: &'a [StackWorkspace<T>],
    /// As many of the last frames as the network needs, `[T, N, C, H, W]`.
    pub(super) last_frames: &'a Tensor<T>,
    pub(super) teacher: Option<TeacherForcing<'a, T>>,
}

impl<T: Scalar> Decoder<'_, T> {
    /// Predicts frames, `[steps, N, K C, H, W]` of `K` members, after the output activation; `logits` become the same before
    /// it. The stacks have room for some of the steps, or for all of them where a way back follows.
    pub(super) fn run(
        &self,
        steps: usize,
        stacks: &mut [StackWorkspace<T>],
        mut logits: Option<&mut Tensor<T>>,
        kept: &mut Kept<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<Tensor<T>> {
        let room = stacks[0].top().steps();
        let block = if self.config.reads_predictions() { 1 } else { room };
        let activation = Activation::from(self.config.output_activation());
        let (frame, predicted) = (self.sizes.frame.len(), self.sizes.predicted.len());
        let last_frame = self.last_frames.slice(self.last_frames.shape()[0] - 1);
        let extrapolated = self.network.extrapolate(self.last_frames, steps)?;
        let mut output = Tensor::try_zeros(&sequence(self.sizes.predicted, steps))?;
        for start in (0..steps).step_by(block) {
            let (count, place) = (block.min(steps - start), start % room);
            if start == 0 {
                start_from(self.encoder, stacks)?;
            } else if place == 0 {
                for layer in stacks.iter_mut().flat_map(|stack| &mut stack.layers) {
                    layer.carry(room - 1)?;
                }
            }
            let (before, after) = output.as_mut_slice().split_at_mut(start * predicted);
            let frame_before = match self.teacher {
                _ if start == 0 => last_frame,
                Some(teacher) if teacher.forced[start] => teacher.frames.slice(start - 1),
                _ => &before[before.len() - predicted..],
            };
            let read = Read {
                sizes: self.sizes,
                encoder: self.encoder,
                last_frame,
                frame_before,
                extrapolated: extrapolated
                    .as_ref()
                    .map(|frames| &frames.as_slice()[start * frame..][..count * frame]),
            };
            let frames = &mut after[..count * predicted];
            self.network.decode(&read, place..place + count, stacks, frames, kept, scratch)?;
            if let Some(logits) = &mut logits {
                logits.as_mut_slice()[start * predicted..][..frames.len()].copy_from_slice(frames);
            }
            activation.apply(frames);
        }
        Ok(output)
    }
}
