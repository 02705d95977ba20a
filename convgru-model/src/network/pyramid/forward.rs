//! The forward pass of training, and what it keeps.

use convgru_kernels::{Extent, FeatureMaps, FeatureMapsRef, Scalar, Scratchpad};

use super::super::encoder_forecaster::{Prediction, expect_steps};
use super::super::stack::{PreparedStack, StackWorkspace, steps_of_block};
use super::{EncoderScale, ForecasterScale, Frames, Prepared, Pyramid, outputs};
use crate::error::Result;
use crate::tensor::Tensor;

/// What [`Pyramid::forward_train`] keeps for [`Pyramid::backward`].
///
/// At each scale what the cells read and four times the hidden states of every step (with
/// [`recompute`](crate::PyramidConfig::recompute) once and the gates of some steps), and the predictions once.
#[derive(Debug)]
pub struct PyramidWorkspace<T> {
    pub(super) frames: Frames,
    /// Of the input frames.
    pub(super) patches: FeatureMaps<T>,
    pub(super) encoder: Vec<StackWorkspace<T>>,
    pub(super) forecaster: Vec<StackWorkspace<T>>,
    /// Between the two convolutions of the output.
    pub(super) hidden: Option<FeatureMaps<T>>,
    /// After the output activation, `[T_out, N, C, H, W]`.
    pub(super) output: Tensor<T>,
    /// The last frame that was read.
    pub(super) last_frame: Vec<T>,
}

impl<T: Scalar> PyramidWorkspace<T> {
    /// Steps that were read.
    pub(super) fn steps_read(&self) -> usize {
        self.encoder.first().map_or(0, |stack| stack.top().steps())
    }
}

impl<T: Scalar> Pyramid<T> {
    /// Continues frames.
    ///
    /// # Shapes
    /// `input`: `[T_in, N, C, H, W]`; result: `[steps, N, C, H, W]`, after the output activation.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for frames of other channels or none at all, [`Error::Count`](crate::Error::Count) for no steps.
    pub fn forward(&self, input: &Tensor<T>, steps: usize) -> Result<Tensor<T>> {
        let frames = Frames::of_sequence(&self.config, input.shape())?;
        expect_steps(steps)?;
        let mut stream = self.stream_of(frames)?;
        for t in 0..input.shape()[0] {
            stream.read(input.slice(t))?;
        }
        stream.forecast(steps)
    }

    /// Continues frames, keeping what [`backward`](Self::backward) needs.
    ///
    /// # Shapes
    /// `input`: `[T_in, N, C, H, W]`; predictions: `[steps, N, C, H, W]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_train(
        &self,
        input: &Tensor<T>,
        steps: usize,
    ) -> Result<(Prediction<T>, PyramidWorkspace<T>)> {
        let frames = Frames::of_sequence(&self.config, input.shape())?;
        expect_steps(steps)?;
        let (prepared, mut scratch) = (self.prepared()?, Scratchpad::new());
        let read = input.shape()[0];
        let patches = frames.to_patches(input.as_slice(), prepared.encoder[0].down.halo())?;
        let encoder = encode(&prepared, &frames, &patches, read, &mut scratch)?;
        let forecaster = forecast(&prepared, &frames, &encoder, steps, &mut scratch)?;
        let states = forecaster[0].top().states.as_ref();
        let (hidden, deep) = prepared.head(states, &mut scratch)?;
        let last_frame = input.slice(read - 1).to_vec();
        let added = self.addition().map(|addition| (addition, &last_frame[..]));
        let logits = outputs(&frames, &deep, steps, added)?;
        let output = self.activation().forward(&logits);
        let prediction = Prediction { output: output.clone(), logits };
        let workspace = PyramidWorkspace { frames, patches, encoder, forecaster, hidden, output, last_frame };
        Ok((prediction, workspace))
    }
}

/// Reads all frames, one scale after the other.
fn encode<T: Scalar>(
    prepared: &Prepared<'_, T>,
    frames: &Frames,
    patches: &FeatureMaps<T>,
    steps: usize,
    scratch: &mut Scratchpad<T>,
) -> Result<Vec<StackWorkspace<T>>> {
    let mut stacks: Vec<StackWorkspace<T>> = Vec::new();
    for (scale, EncoderScale { cells, .. }) in prepared.encoder.iter().enumerate() {
        let mut stack = workspace(prepared, cells, prepared.step_of_encoder(frames, scale), steps)?;
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
fn forecast<T: Scalar>(
    prepared: &Prepared<'_, T>,
    frames: &Frames,
    encoder: &[StackWorkspace<T>],
    steps: usize,
    scratch: &mut Scratchpad<T>,
) -> Result<Vec<StackWorkspace<T>>> {
    let mut stacks: Vec<StackWorkspace<T>> = Vec::new();
    for (scale, ForecasterScale { cells, .. }) in prepared.forecaster.iter().enumerate().rev() {
        let mut stack = workspace(prepared, cells, prepared.step_of_forecaster(frames, scale), steps)?;
        for (layer, read) in stack.layers.iter_mut().zip(&encoder[scale].layers) {
            layer.set_initial(read.state(read.steps() - 1))?;
        }
        if let Some(above) = stacks.last() {
            let states = above.top().states.as_ref();
            let skip = prepared.config.skip.then(|| last_read(&encoder[scale]));
            prepared.ascend(scale + 1, states, skip, stack.inputs.as_mut(), scratch)?;
        }
        cells.forward(&mut stack, steps, scratch)?;
        stacks.push(stack);
    }
    stacks.reverse();
    Ok(stacks)
}

/// What the cells of the encoder read of the last frame.
pub(super) fn last_read<T: Scalar>(stack: &StackWorkspace<T>) -> FeatureMapsRef<'_, T> {
    let layer = stack.top();
    stack.inputs.images(layer.images(layer.steps() - 1..layer.steps()))
}

fn workspace<T: Scalar>(
    prepared: &Prepared<'_, T>,
    cells: &PreparedStack<'_, T>,
    step: Extent,
    steps: usize,
) -> Result<StackWorkspace<T>> {
    let widest = cells.cells.iter().map(|cell| cell.shape().hidden_channels).max().unwrap_or(1);
    let kept = if prepared.config.recompute { steps_of_block(step, widest, steps) } else { steps };
    cells.workspace_keeping(step, steps, kept)
}
