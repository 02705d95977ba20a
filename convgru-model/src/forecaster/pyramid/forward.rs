//! The forward pass of training, and what it keeps.

use convgru_kernels::{Extent, FeatureMaps, FeatureMapsRef, Scalar, Scratchpad};

use super::super::encoder_forecaster::{Prediction, expect_frames};
use super::carried::CarriedRead;
use super::{EncoderScale, ForecasterScale, Frames, Prepared, Pyramid, outputs};
use crate::error::Result;
use crate::fused::stack::{PreparedStack, StackWorkspace, steps_of_block};
use crate::parameters::Stamp;
use crate::tensor::Tensor;

/// What [`Pyramid::forward_train`] keeps for [`Pyramid::backward`].
///
/// At each scale what the cells read and four times the hidden states of every step (beyond a
/// [budget](Pyramid::set_memory_budget) once and the gates of some steps), and the predictions once.
#[derive(Debug)]
pub struct PyramidWorkspace<T> {
    pub(super) frames: Frames,
    /// Frames that were read; what the encoder keeps is of the last of them.
    pub(super) frames_read: usize,
    /// Of the last frames that were read.
    pub(super) patches: FeatureMaps<T>,
    pub(super) encoder: Vec<StackWorkspace<T>>,
    pub(super) forecaster: Vec<StackWorkspace<T>>,
    /// Between the two convolutions of the output.
    pub(super) hidden: Option<FeatureMaps<T>>,
    /// After the output activation, `[T_out, N, K C, H, W]` of `K` members.
    pub(super) output: Tensor<T>,
    /// The last frame that was read.
    pub(super) last_frame: Vec<T>,
    /// What the forecaster read of it at each step, carried on.
    pub(super) carried: Option<Box<CarriedRead<T>>>,
    /// Of the weights of the forward pass.
    pub(super) stamp: Stamp,
}

impl<T: Scalar> Pyramid<T> {
    /// Continues frames.
    ///
    /// # Shapes
    /// `input`: `[T_in, N, C, H, W]`; result: `[steps, N, K C, H, W]` of `K` members, after the output activation.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for frames of other channels or none at all, [`Error::Count`](crate::Error::Count) for no
    /// steps, [`Error::OutOfRange`](crate::Error::OutOfRange) for more than 65536, [`Error::TooLarge`](crate::Error::TooLarge) for frames
    /// that need more memory than the machine has.
    pub fn forward(&self, input: &Tensor<T>, steps: usize) -> Result<Tensor<T>> {
        let frames = Frames::of_sequence(&self.config, input.shape())?;
        expect_frames(steps)?;
        let mut stream = self.stream_of(frames)?;
        for t in 0..input.shape()[0] {
            stream.read(input.slice(t))?;
        }
        stream.forecast(steps)
    }

    /// Continues frames, keeping what [`backward`](Self::backward) needs.
    ///
    /// # Shapes
    /// `input`: `[T_in, N, C, H, W]`; predictions: `[steps, N, K C, H, W]` of `K` members.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_train(
        &self,
        input: &Tensor<T>,
        steps: usize,
    ) -> Result<(Prediction<T>, PyramidWorkspace<T>)> {
        let frames = Frames::of_sequence(&self.config, input.shape())?;
        expect_frames(steps)?;
        let (prepared, mut scratch) = (self.prepared()?, Scratchpad::new());
        let read = input.shape()[0];
        let last = self.limits.frames_with_gradient(read);
        let before = self.states_after(&frames, input, read - last)?;
        let kept = &input.as_slice()[(read - last) * frames.extent.len()..];
        let patches = frames.to_patches(kept, prepared.encoder[0].down.halo())?;
        let training = Training {
            prepared: &prepared,
            frames: &frames,
            keeps_gates: self.keeps_gates(&frames, [last, steps]),
        };
        let encoder = training.encode(before.as_deref(), &patches, last, &mut scratch)?;
        let moved = self.carried(input, steps)?;
        let carried = prepared.read_carried(&frames, moved.as_ref().map(Tensor::as_slice), &mut scratch)?;
        let forecaster = training.forecast(&encoder, carried.as_ref(), steps, &mut scratch)?;
        let states = forecaster[0].top().states.as_ref();
        let (hidden, deep) = prepared.head(states, &mut scratch)?;
        let last_frame = input.slice(read - 1).to_vec();
        let added = moved.as_ref().map_or(&last_frame[..], Tensor::as_slice);
        let added = self.addition().map(|addition| (addition, added));
        let logits = outputs(&frames.of_members(self.config.members), &deep, steps, added)?;
        let output = self.activation().forward(&logits);
        let prediction = Prediction { output: output.clone(), logits };
        let workspace = PyramidWorkspace {
            frames,
            frames_read: read,
            patches,
            encoder,
            forecaster,
            hidden,
            output,
            last_frame,
            carried: carried.map(Box::new),
            stamp: self.stamp,
        };
        Ok((prediction, workspace))
    }

    /// What the encoder keeps of one step after the first `count` frames, where there are such.
    fn states_after(
        &self,
        frames: &Frames,
        input: &Tensor<T>,
        count: usize,
    ) -> Result<Option<Vec<StackWorkspace<T>>>> {
        if count == 0 {
            return Ok(None);
        }
        let mut stream = self.stream_of(frames.clone())?;
        for t in 0..count {
            stream.read(input.slice(t))?;
        }
        Ok(Some(stream.into_encoder()))
    }
}

/// A network with its weights packed, and what of its passes is kept.
struct Training<'a, 'w, T> {
    prepared: &'a Prepared<'w, T>,
    frames: &'a Frames,
    keeps_gates: bool,
}

impl<T: Scalar> Training<'_, '_, T> {
    /// Reads frames, one scale after the other, from the states after those before.
    fn encode(
        &self,
        before: Option<&[StackWorkspace<T>]>,
        patches: &FeatureMaps<T>,
        steps: usize,
        scratch: &mut Scratchpad<T>,
    ) -> Result<Vec<StackWorkspace<T>>> {
        let prepared = self.prepared;
        let mut stacks: Vec<StackWorkspace<T>> = Vec::new();
        for (scale, EncoderScale { cells, .. }) in prepared.encoder.iter().enumerate() {
            let mut stack = self.workspace(cells, prepared.step_of_encoder(self.frames, scale), steps)?;
            if let Some(before) = before {
                for (layer, before) in stack.layers.iter_mut().zip(&before[scale].layers) {
                    layer.set_initial(before.state(0))?;
                }
            }
            let below = match stacks.last() {
                Some(below) => Some(prepared.patches_below(scale, &below.top().states)?),
                None => None,
            };
            prepared.descend(scale, below.as_ref().unwrap_or(patches), &mut stack.inputs, scratch)?;
            cells.forward(&mut stack, steps, scratch)?;
            stacks.push(stack);
        }
        Ok(stacks)
    }

    /// Continues them by all steps, one scale after the other from the coarsest on; the result begins with the finest.
    fn forecast(
        &self,
        encoder: &[StackWorkspace<T>],
        carried: Option<&CarriedRead<T>>,
        steps: usize,
        scratch: &mut Scratchpad<T>,
    ) -> Result<Vec<StackWorkspace<T>>> {
        let prepared = self.prepared;
        let mut stacks: Vec<StackWorkspace<T>> = Vec::new();
        for (scale, ForecasterScale { cells, .. }) in prepared.forecaster.iter().enumerate().rev() {
            let mut stack = self.workspace(cells, prepared.step_of_forecaster(self.frames, scale), steps)?;
            for (layer, read) in stack.layers.iter_mut().zip(&encoder[scale].layers) {
                layer.set_initial(read.state(read.steps() - 1))?;
            }
            if let Some(above) = stacks.last() {
                let states = above.top().states.as_ref();
                let skip = prepared.config.skip.then(|| handed_across(scale, &encoder[scale], carried));
                prepared.ascend(scale + 1, states, skip, stack.inputs.as_mut(), scratch)?;
            }
            cells.forward(&mut stack, steps, scratch)?;
            stacks.push(stack);
        }
        stacks.reverse();
        Ok(stacks)
    }

    fn workspace(
        &self,
        cells: &PreparedStack<'_, T>,
        step: Extent,
        steps: usize,
    ) -> Result<StackWorkspace<T>> {
        let widest = cells.cells.iter().map(|cell| cell.shape().hidden_channels).max().unwrap_or(1);
        let kept = if self.keeps_gates { steps } else { steps_of_block(step, widest, steps) };
        cells.workspace_keeping(step, steps, kept)
    }
}

/// What the forecaster reads of frames at a scale: at the finest of carried ones, where there are such, and else what the
/// cells of the encoder read of the last frame.
pub(super) fn handed_across<'a, T: Scalar>(
    scale: usize,
    stack: &'a StackWorkspace<T>,
    carried: Option<&'a CarriedRead<T>>,
) -> FeatureMapsRef<'a, T> {
    if let Some(carried) = carried.filter(|_| scale == 0) {
        return carried.features.as_ref();
    }
    let layer = stack.top();
    stack.inputs.images(layer.images(layer.steps() - 1..layer.steps()))
}
