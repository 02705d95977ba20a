//! Reading frames and continuing them.

use convgru_kernels::conv::{self, WriteMode};
use convgru_kernels::{Extent, FeatureMaps, FeatureMapsMut, FeatureMapsRef, Scalar, Scratchpad};

use super::super::sequence::expect_steps;
use super::super::stack::StackWorkspace;
use super::{EncoderForecaster, Prepared};
use crate::config::Feedback;
use crate::error::{Error, Result, expect_count};
use crate::layer::{PixelShuffle, PixelUnshuffle};
use crate::parameters::Stamp;
use crate::tensor::{Tensor, expect_shape};

/// Predicted frames, `[T_out, N, K C, H, W]`: the channels of the first of `K` members, then those of the next.
#[derive(Debug, Clone)]
pub struct Prediction<T> {
    /// After the output activation: pixels.
    pub output: Tensor<T>,
    /// Before the output activation, for losses such as cross-entropy with logits.
    pub logits: Tensor<T>,
}

/// True frames that the forecaster reads in place of its own predictions in training
/// (Williams and Zipser 1989).
#[derive(Debug, Clone, Copy)]
pub struct TeacherForcing<'a, T> {
    /// The frames that are to be predicted, `[T_out, N, C, H, W]`.
    pub frames: &'a Tensor<T>,
    /// One for each step: whether step `t` reads `frames[t - 1]`. The first step reads the
    /// last frame of the input in any case.
    pub forced: &'a [bool],
}

impl<T: Scalar> TeacherForcing<'_, T> {
    /// Fails unless there are frames and flags of all steps after an input.
    pub(in crate::network) fn expect(&self, input: &[usize], steps: usize) -> Result<()> {
        let expected = [&[steps], &input[1..]].concat();
        expect_shape("true frames of teacher forcing", self.frames.shape(), &expected)?;
        expect_count("flags of teacher forcing", steps, self.forced.len())
    }
}

/// What [`EncoderForecaster::forward_train`] keeps for [`EncoderForecaster::backward`].
///
/// For both stacks the inputs once and four times the hidden states of every step, and
/// the predictions once.
#[derive(Debug)]
pub struct EncoderForecasterWorkspace<T> {
    pub(super) encoder: StackWorkspace<T>,
    pub(super) forecaster: StackWorkspace<T>,
    /// Predictions after the activation, patches as channels, `[T_out, N, K C p^2, H/p, W/p]`.
    pub(super) predictions: Tensor<T>,
    /// For each step whether it read a true frame.
    pub(super) forced: Vec<bool>,
    /// Frames that were read; the encoder's workspace is that of the last of them.
    pub(super) frames: usize,
    /// Of the weights of the forward pass.
    pub(super) stamp: Stamp,
}

impl<T: Scalar> EncoderForecaster<T> {
    /// Continues frames.
    ///
    /// # Shapes
    /// `input`: `[T_in, N, C, H, W]`; result: `[steps, N, K C, H, W]` of `K` members, after the output activation.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for frames of other channels or of a size that is no multiple of
    /// the patch, [`Error::Count`] for no steps, [`Error::OutOfRange`] for more than 65536, [`Error::TooLarge`] for frames that need
    /// more memory than the machine has.
    pub fn forward(&self, input: &Tensor<T>, steps: usize) -> Result<Tensor<T>> {
        let extent = self.patch_extent("input frames", input.shape())?;
        expect_frames(steps)?;
        let size = [extent.height, extent.width].map(|size| size * self.config().patch);
        let mut stream = self.stream(extent.batch, size)?;
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
    /// As [`forward`](Self::forward), and for true frames that do not fit.
    pub fn forward_train(
        &self,
        input: &Tensor<T>,
        steps: usize,
        teacher: Option<TeacherForcing<'_, T>>,
    ) -> Result<(Prediction<T>, EncoderForecasterWorkspace<T>)> {
        let extent = self.patch_extent("input frames", input.shape())?;
        expect_frames(steps)?;
        let unshuffle = PixelUnshuffle { factor: self.config().patch };
        let patches = unshuffle.forward(input)?;
        let teacher = match teacher {
            Some(teacher) => Some(self.teacher_patches(teacher, input.shape(), steps)?),
            None => None,
        };
        let prepared = self.prepared()?;
        let mut scratch = Scratchpad::new();
        let frames = patches.shape()[0];
        let last = self.limits.frames_with_gradient(frames);
        let [kept, kept_of_forecaster] = self.kept_steps(extent, [last, steps]);
        let mut encoder = prepared.encoder.workspace_keeping(extent, last, kept)?;
        prepared.encode(&mut encoder, &patches, &mut scratch)?;

        let step = extent.with_channels(self.config().forecaster().in_channels);
        let mut forecaster = prepared.forecaster.workspace_keeping(step, steps, kept_of_forecaster)?;
        for (layer, below) in forecaster.layers.iter_mut().zip(&encoder.layers) {
            layer.set_initial(below.state(below.steps() - 1))?;
        }
        let predicted = extent.with_channels(self.config().output_patch_channels());
        let [n, c, h, w] = predicted.dims();
        let mut predictions = Tensor::try_zeros(&[steps, n, c, h, w])?;
        let mut logits = FeatureMaps::zeros(predicted.with_batch(steps * extent.batch))?;
        if self.config().feedback == Feedback::Unconditioned {
            prepared.forecaster.forward(&mut forecaster, steps, &mut scratch)?;
            prepared.convolve_head(forecaster.top().states.as_ref(), logits.as_mut(), &mut scratch)?;
            logits.as_ref().write_nchw(predictions.as_mut_slice())?;
            self.activation().apply(predictions.as_mut_slice());
        } else {
            for t in 0..steps {
                let frame = match &teacher {
                    _ if t == 0 => patches.slice(patches.shape()[0] - 1),
                    Some((frames, forced)) if forced[t] => frames.slice(t - 1),
                    _ => predictions.slice(t - 1),
                };
                let images = forecaster.top().images(t..t + 1);
                forecaster.inputs.images_mut(images.clone()).read_nchw(frame)?;
                prepared.forecaster.step(&mut forecaster, t, &mut scratch)?;
                let state = forecaster.top().state(t);
                prepared.convolve_head(state, logits.images_mut(images.clone()), &mut scratch)?;
                let prediction = predictions.slice_mut(t);
                logits.images(images).write_nchw(prediction)?;
                self.activation().apply(prediction);
            }
        }

        let shuffle = PixelShuffle { factor: self.config().patch };
        let mut logit_patches = Tensor::zeros(predictions.shape());
        logits.as_ref().write_nchw(logit_patches.as_mut_slice())?;
        let prediction =
            Prediction { output: shuffle.forward(&predictions)?, logits: shuffle.forward(&logit_patches)? };
        let forced = match teacher {
            Some((_, forced)) => forced.to_vec(),
            None => vec![false; steps],
        };
        let stamp = self.stamp;
        let workspace =
            EncoderForecasterWorkspace { encoder, forecaster, predictions, forced, frames, stamp };
        Ok((prediction, workspace))
    }

    fn teacher_patches<'a>(
        &self,
        teacher: TeacherForcing<'a, T>,
        input: &[usize],
        steps: usize,
    ) -> Result<(Tensor<T>, &'a [bool])> {
        teacher.expect(input, steps)?;
        let unshuffle = PixelUnshuffle { factor: self.config().patch };
        Ok((unshuffle.forward(teacher.frames)?, teacher.forced))
    }
}

/// Fails where no frame is asked for, or more than a forecast has.
pub(in crate::network) fn expect_frames(steps: usize) -> Result<()> {
    if steps > 0 {
        return expect_steps("frames to predict", steps);
    }
    Err(Error::Count { what: "frames to predict (at least one)".into(), expected: 1, got: 0 })
}

impl<T: Scalar> Prepared<'_, T> {
    /// Reads frames `[T_in, N, C p^2, H/p, W/p]`. The workspace is that of the last frames; its
    /// last slot then holds the last states, and where it begins the states of those before.
    fn encode(
        &self,
        workspace: &mut StackWorkspace<T>,
        patches: &Tensor<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let last = workspace.top().steps();
        let (before, frame) = (patches.shape()[0] - last, patches.shape()[1..].iter().product::<usize>());
        if before > 0 {
            let [_, batch, channels, height, width] = [0, 1, 2, 3, 4].map(|axis| patches.shape()[axis]);
            let mut stream =
                self.encoder.workspace_without_gates(Extent { batch, channels, height, width }, 1)?;
            for t in 0..before {
                if t > 0 {
                    for layer in &mut stream.layers {
                        layer.carry(0)?;
                    }
                }
                stream.inputs.as_mut().read_nchw(patches.slice(t))?;
                self.encoder.step(&mut stream, 0, scratch)?;
            }
            for (layer, stream) in workspace.layers.iter_mut().zip(&stream.layers) {
                layer.set_initial(stream.state(0))?;
            }
        }
        workspace.inputs.as_mut().read_nchw(&patches.as_slice()[before * frame..])?;
        self.encoder.forward(workspace, last, scratch)
    }

    /// From topmost states to values before the activation.
    pub(super) fn convolve_head(
        &self,
        states: FeatureMapsRef<'_, T>,
        logits: FeatureMapsMut<'_, T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        Ok(conv::forward(&self.head, states, logits, WriteMode::Overwrite, scratch)?)
    }
}
