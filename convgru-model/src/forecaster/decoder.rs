//! From the states of an encoder to predicted frames.

use std::borrow::Cow;

use convgru_kernels::Scalar;

use super::noise::Noise;
use super::packed::{PackedNetwork, PassMemory, Read};
use super::prediction::TeacherForcing;
use super::sizes::{Sizes, sequence};
use crate::error::Result;
use crate::fused::stack::StackWorkspace;
use crate::layer::Activation;
use crate::tensor::Tensor;

/// Where a forecast begins.
#[derive(Debug)]
pub(super) struct Decoder<'a, T> {
    pub(super) network: &'a dyn PackedNetwork<T>,
    pub(super) sizes: &'a Sizes,
    /// The stacks of the encoder after the last frame.
    pub(super) encoder: &'a [StackWorkspace<T>],
    /// As many of the last frames as the network needs, `[T, N, C, H, W]`.
    pub(super) last_frames: &'a Tensor<T>,
    pub(super) teacher: Option<TeacherForcing<'a, T>>,
    pub(super) noise: &'a Noise<T>,
}

impl<T: Scalar> Decoder<'_, T> {
    /// Predicts frames: `output` becomes `[steps, N, K C, H, W]` of `K` members, after the output activation, and `logits` the
    /// same before it. The stacks have room for some of the steps, or for all of them where a way back follows.
    pub(super) fn run(
        &self,
        steps: usize,
        memory: &mut PassMemory<'_, T>,
        output: &mut Tensor<T>,
        mut logits: Option<&mut Tensor<T>>,
    ) -> Result<()> {
        let config = self.network.config();
        let room = memory.stacks[0].top().steps();
        let block = if config.reads_predictions() { 1 } else { room };
        let activation = Activation::from(config.output_activation());
        let (image, predicted) = (self.sizes.image.len(), self.sizes.predicted.len());
        let last_frame = self.last_frames.slice(self.last_frames.shape()[0] - 1);
        let extrapolated = self.network.extrapolate(self.sizes, self.last_frames, steps)?;
        output.make_room(&sequence(self.sizes.predicted, steps))?;
        for start in (0..steps).step_by(block) {
            let (count, place) = (block.min(steps - start), start % room);
            if start == 0 {
                self.network.start(self.encoder, memory.stacks)?;
            } else if place == 0 {
                for layer in memory.stacks.iter_mut().flat_map(|stack| &mut stack.layers) {
                    layer.carry(room - 1)?;
                }
            }
            let (before, after) = output.as_mut_slice().split_at_mut(start * predicted);
            let frame_before = match self.teacher {
                _ if start == 0 => Cow::Borrowed(last_frame),
                Some(teacher) if teacher.forced[start] => Cow::Borrowed(teacher.frames.slice(start - 1)),
                // Of several members no network reads the predictions.
                _ if config.members() > 1 => Cow::Borrowed(&before[before.len() - predicted..]),
                _ => self.sizes.measured(&before[before.len() - predicted..]),
            };
            let read = Read {
                sizes: self.sizes,
                steps: place..place + count,
                first_step: start,
                encoder: self.encoder,
                last_frame,
                frame_before: &frame_before,
                extrapolated: extrapolated
                    .as_ref()
                    .map(|frames| &frames.as_slice()[start * image..][..count * image]),
                noise: self.noise,
            };
            let frames = &mut after[..count * predicted];
            self.network.decode(&read, memory, frames)?;
            if let Some(logits) = &mut logits {
                logits.as_mut_slice()[start * predicted..][..frames.len()].copy_from_slice(frames);
            }
            activation.apply(frames);
        }
        Ok(())
    }
}
