//! Frames that come one at a time, and what comes after them at any moment.

use convgru_kernels::{Scalar, Scratchpad};

use super::super::encoder_forecaster::expect_frames;
use super::forward::handed_across;
use super::{Frames, Prepared, Pyramid, outputs};
use crate::error::Result;
use crate::fused::stack::{StackWorkspace, steps_of_block};
use crate::tensor::Tensor;

/// A pyramid prepared for frames of one size: the states of the encoder after the frames so far.
#[derive(Debug)]
pub(in crate::forecaster) struct PyramidStream<'a, T> {
    network: &'a Pyramid<T>,
    prepared: Prepared<'a, T>,
    frames: Frames,
    encoder: Vec<StackWorkspace<T>>,
    /// Of the forecaster, for blocks of steps; made when first needed.
    forecaster: Option<Vec<StackWorkspace<T>>>,
    /// The last frames that were read, as many as a forecast needs.
    last_frames: Vec<T>,
    /// Whether a frame was read.
    started: bool,
    scratch: Scratchpad<T>,
}

impl<T: Scalar> Pyramid<T> {
    pub(super) fn stream_of(&self, frames: Frames) -> Result<PyramidStream<'_, T>> {
        let prepared = self.prepared()?;
        let encoder = prepared.encoder.iter().enumerate().map(|(scale, part)| {
            part.cells.workspace_without_gates(prepared.step_of_encoder(&frames, scale), 1)
        });
        Ok(PyramidStream {
            encoder: encoder.collect::<Result<_>>()?,
            network: self,
            prepared,
            frames,
            forecaster: None,
            last_frames: Vec::new(),
            started: false,
            scratch: Scratchpad::new(),
        })
    }

    /// The network prepared for frames `[N, C, H, W]`.
    pub(in crate::forecaster) fn stream(
        &self,
        batch: usize,
        [height, width]: [usize; 2],
    ) -> Result<PyramidStream<'_, T>> {
        let shape = [batch, self.config.image_channels, height, width];
        self.stream_of(Frames::new(&self.config, "frames of a stream", shape, &shape)?)
    }
}

impl<T: Scalar> PyramidStream<'_, T> {
    /// The shape of a frame, `[N, C, H, W]`.
    pub(in crate::forecaster) fn frame_shape(&self) -> [usize; 4] {
        self.frames.extent.dims()
    }

    /// Whether a frame was read.
    pub(in crate::forecaster) fn has_started(&self) -> bool {
        self.started
    }

    /// Reads one frame.
    pub(in crate::forecaster) fn read(&mut self, frame: &[T]) -> Result<()> {
        let Self { prepared, encoder, scratch, .. } = self;
        let patches = self.frames.to_patches(frame, prepared.encoder[0].down.halo())?;
        for scale in 0..encoder.len() {
            let (below, from) = encoder.split_at_mut(scale);
            let stack = &mut from[0];
            if self.started {
                for layer in &mut stack.layers {
                    layer.carry(0)?;
                }
            }
            let below = match below.last() {
                Some(below) => Some(prepared.patches_below(scale, &below.top().states)?),
                None => None,
            };
            prepared.descend(scale, below.as_ref().unwrap_or(&patches), &mut stack.inputs, scratch)?;
            prepared.encoder[scale].cells.step(stack, 0, scratch)?;
        }
        self.started = true;
        let before = (self.network.frames_needed() - 1) * frame.len();
        self.last_frames.drain(..self.last_frames.len().saturating_sub(before));
        self.last_frames.extend_from_slice(frame);
        Ok(())
    }

    /// The frames that come next, `[steps, N, K C, H, W]`, of a stream that has read one; its states stay as they are.
    pub(in crate::forecaster) fn forecast(&mut self, steps: usize) -> Result<Tensor<T>> {
        expect_frames(steps)?;
        let block = self.block(steps);
        let predicted = self.frames.of_members(self.network.config.members);
        let mut output = Tensor::try_zeros(&predicted.shape(steps))?;
        let mut stacks = match self.forecaster.take().filter(|stacks| stacks[0].top().steps() == block) {
            Some(stacks) => stacks,
            None => self.workspaces(block)?,
        };
        let carried = self.carried(steps)?;
        let Self { prepared, encoder, scratch, frames, .. } = self;
        let (image, frame) = (predicted.extent.len(), frames.extent.len());
        for start in (0..steps).step_by(block) {
            let count = block.min(steps - start);
            let moved = carried.as_ref().map(|frames| &frames.as_slice()[start * frame..][..count * frame]);
            let carried = prepared.read_carried(frames, moved, scratch)?;
            for scale in (0..stacks.len()).rev() {
                let (from, above) = stacks.split_at_mut(scale + 1);
                let stack = &mut from[scale];
                for (layer, read) in stack.layers.iter_mut().zip(&encoder[scale].layers) {
                    if start == 0 {
                        layer.set_initial(read.state(0))?;
                    } else {
                        layer.carry(block - 1)?;
                    }
                }
                let images = stack.top().images(0..count);
                if let Some(above) = above.first() {
                    let states = above.top().states.images(images.clone());
                    let skip =
                        prepared.config.skip.then(|| handed_across(scale, &encoder[scale], carried.as_ref()));
                    let inputs = stack.inputs.images_mut(images);
                    prepared.ascend(scale + 1, states, skip, inputs, scratch)?;
                }
                prepared.forecaster[scale].cells.forward(stack, count, scratch)?;
            }
            let states = &stacks[0].top().states;
            let (_, patches) = prepared.head(states.images(stacks[0].top().images(0..count)), scratch)?;
            let last_frame = &self.last_frames[self.last_frames.len() - frame..];
            let added = self.network.addition().map(|addition| (addition, moved.unwrap_or(last_frame)));
            let part = outputs(&predicted, &patches, count, added)?;
            output.as_mut_slice()[start * image..][..part.len()].copy_from_slice(part.as_slice());
        }
        self.network.activation().apply(output.as_mut_slice());
        self.forecaster = Some(stacks);
        Ok(output)
    }

    /// The last frame carried on, where it is.
    fn carried(&self, steps: usize) -> Result<Option<Tensor<T>>> {
        if !self.network.moves() {
            return Ok(None);
        }
        let count = self.last_frames.len() / self.frames.extent.len();
        let read = Tensor::from_vec(&self.frames.shape(count), self.last_frames.clone())?;
        self.network.carried(&read, steps)
    }

    /// What the encoder keeps of the last step, the finest scale first.
    pub(super) fn into_encoder(self) -> Vec<StackWorkspace<T>> {
        self.encoder
    }

    /// Forgets everything: the next frame is the first.
    pub(in crate::forecaster) fn reset(&mut self) {
        for layer in self.encoder.iter_mut().flat_map(|stack| &mut stack.layers) {
            layer.clear_initial();
        }
        self.started = false;
        self.last_frames.clear();
    }

    /// Steps that are computed one scale after the other, together.
    fn block(&self, steps: usize) -> usize {
        let of_scale = |(scale, part): (usize, &crate::config::PyramidScale)| {
            let step = self.prepared.step_of_encoder(&self.frames, scale);
            steps_of_block(step, part.channels.max(part.features()), steps)
        };
        self.prepared.config.scales.iter().enumerate().map(of_scale).min().unwrap_or(1)
    }

    fn workspaces(&self, steps: usize) -> Result<Vec<StackWorkspace<T>>> {
        let of_scale = |(scale, part): (usize, &super::ForecasterScale<'_, T>)| {
            let step = self.prepared.step_of_forecaster(&self.frames, scale);
            part.cells.workspace_without_gates(step, steps)
        };
        self.prepared.forecaster.iter().enumerate().map(of_scale).collect()
    }
}
