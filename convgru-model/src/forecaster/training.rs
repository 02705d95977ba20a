//! The forward pass of training, and the way back.

use convgru_kernels::{Scalar, Scratchpad};

use super::decoder::Decoder;
use super::encoder::{EncoderState, start_from};
use super::limits::workspaces;
use super::network::Kept;
use super::parameters::ForecasterParameters;
use super::sizes::{Sizes, sequence};
use super::{Forecaster, expect_frames};
use crate::error::{Result, expect_count};
use crate::fused::stack::StackWorkspace;
use crate::layer::Activation;
use crate::parameters::{Stamp, expect_gradients};
use crate::tensor::{Tensor, expect_shape};

/// Predicted frames, `[T_out, N, K C, H, W]`: the channels of the first of `K` members, then those of the next.
#[derive(Debug, Clone)]
pub struct Prediction<T> {
    /// After the output activation: pixels.
    pub output: Tensor<T>,
    /// Before the output activation, for losses such as cross-entropy with logits.
    pub logits: Tensor<T>,
}

/// The gradient of the loss with respect to a [`Prediction`], `[T_out, N, K C, H, W]` of `K` members.
#[derive(Debug, Clone, Copy)]
pub enum PredictionGradient<'a, T> {
    /// With respect to the pixels, after the output activation.
    Output(&'a Tensor<T>),
    /// With respect to the values before the output activation.
    Logits(&'a Tensor<T>),
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
    fn expect(&self, input: &[usize], steps: usize) -> Result<()> {
        let expected = [&[steps], &input[1..]].concat();
        expect_shape("true frames of teacher forcing", self.frames.shape(), &expected)?;
        expect_count("flags of teacher forcing", steps, self.forced.len())
    }
}

/// What [`Forecaster::forward_train`] keeps for [`Forecaster::backward`].
///
/// For every stack the inputs once and four times the hidden states of every step (beyond a
/// [budget](Forecaster::set_memory_budget) once and the gates of some steps), and the predictions once.
#[derive(Debug)]
pub struct ForecasterWorkspace<T> {
    pub(super) sizes: Sizes,
    /// Frames that were read; the stacks of the encoder are those of the last of them.
    pub(super) frames_read: usize,
    /// The last frame that was read, `[N, C, H, W]`.
    pub(super) last_frame: Vec<T>,
    /// The stacks of the encoder and of the forecaster, the finest scale first.
    pub(super) encoder: Vec<StackWorkspace<T>>,
    pub(super) forecaster: Vec<StackWorkspace<T>>,
    pub(super) kept: Kept<T>,
    /// After the output activation, `[T_out, N, K C, H, W]` of `K` members.
    pub(super) output: Tensor<T>,
    /// For each step whether it read a true frame.
    pub(super) forced: Vec<bool>,
    /// Of the weights of the forward pass.
    stamp: Stamp,
}

impl<T: Scalar> Forecaster<T> {
    /// Continues frames, keeping what [`backward`](Self::backward) needs. True frames are for networks that
    /// read their own predictions; others leave them aside.
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
    ) -> Result<(Prediction<T>, ForecasterWorkspace<T>)> {
        let sizes = self.sizes_of_sequence(input)?;
        expect_frames(steps)?;
        teacher.map_or(Ok(()), |teacher| teacher.expect(input.shape(), steps))?;
        let (config, network, mut scratch) = (self.config().network(), self.packed()?, Scratchpad::new());
        let frames_read = input.shape()[0];
        let last = self.limits.frames_with_gradient(frames_read);
        let [encoder, forecaster] = [network.encoder(&sizes), network.forecaster(&sizes)];
        let (reading, predicting) =
            (encoder.iter().map(|it| (it, last)), forecaster.iter().map(|it| (it, steps)));
        let keeps_gates = self.limits.keep_gates(reading.chain(predicting));

        let mut encoder = workspaces(&encoder, last, keeps_gates)?;
        if frames_read > last {
            let mut before = EncoderState::new(&*network, &sizes)?;
            for t in 0..frames_read - last {
                before.read(&*network, &sizes, input.slice(t), &mut scratch)?;
            }
            start_from(&before.stacks, &mut encoder)?;
        }
        let mut kept = Kept::default();
        let frames = &input.as_slice()[(frames_read - last) * sizes.frame.len()..];
        network.encode(&sizes, frames, &mut encoder, &mut kept, &mut scratch)?;

        // A step whose gates are computed anew is one of many that are; a forecaster that reads its predictions has one at a time.
        let mut forecaster = workspaces(&forecaster, steps, keeps_gates || config.reads_predictions())?;
        let decoder = Decoder {
            config,
            network: &*network,
            sizes: &sizes,
            encoder: &encoder,
            last_frames: &last_frames(input, network.frames_needed())?,
            teacher,
        };
        let mut logits = Tensor::try_zeros(&sequence(sizes.predicted, steps))?;
        let output = decoder.run(steps, &mut forecaster, Some(&mut logits), &mut kept, &mut scratch)?;
        let workspace = ForecasterWorkspace {
            sizes,
            frames_read,
            last_frame: input.slice(frames_read - 1).to_vec(),
            encoder,
            forecaster,
            kept,
            output: output.clone(),
            forced: teacher.map_or_else(|| vec![false; steps], |teacher| teacher.forced.to_vec()),
            stamp: self.stamp,
        };
        Ok((Prediction { output, logits }, workspace))
    }

    /// Adds the gradients of all parameters and returns that of the input frames: zero of those before a
    /// [truncation](Self::set_truncation). Frames that [`Residual::Motion`](crate::Residual::Motion) carries on are constants:
    /// no gradient comes through them.
    ///
    /// # Shapes
    /// result: `[T_in, N, C, H, W]`
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) or [`Error::Count`](crate::Error::Count) if the gradient does not
    /// fit the prediction, or `gradients` the network; [`Error::Workspace`](crate::Error::Workspace) for a workspace of another
    /// network or of weights that were changed since. Nothing has changed then.
    pub fn backward(
        &self,
        workspace: &mut ForecasterWorkspace<T>,
        gradient: PredictionGradient<'_, T>,
        gradients: &mut ForecasterParameters<T>,
    ) -> Result<Tensor<T>> {
        let mut d_input = Tensor::try_zeros(&sequence(workspace.sizes.frame, workspace.frames_read))?;
        self.run_backward(workspace, gradient, gradients, Some(&mut d_input))?;
        Ok(d_input)
    }

    /// Adds the gradients of all parameters; that of the input frames, which are data, is not computed.
    ///
    /// # Errors
    /// As [`backward`](Self::backward).
    pub fn backward_parameters(
        &self,
        workspace: &mut ForecasterWorkspace<T>,
        gradient: PredictionGradient<'_, T>,
        gradients: &mut ForecasterParameters<T>,
    ) -> Result<()> {
        self.run_backward(workspace, gradient, gradients, None)
    }

    fn run_backward(
        &self,
        workspace: &mut ForecasterWorkspace<T>,
        gradient: PredictionGradient<'_, T>,
        gradients: &mut ForecasterParameters<T>,
        d_input: Option<&mut Tensor<T>>,
    ) -> Result<()> {
        expect_gradients(&self.parameters, gradients)?;
        self.stamp.expect(workspace.stamp)?;
        let (PredictionGradient::Output(given) | PredictionGradient::Logits(given)) = gradient;
        expect_shape("gradient of the predicted frames", given.shape(), workspace.output.shape())?;
        let mut d_logits = given.clone();
        if matches!(gradient, PredictionGradient::Output(_)) {
            self.activation().scale_by_derivative(workspace.output.as_slice(), d_logits.as_mut_slice());
        }
        self.packed()?.backward(workspace, &d_logits, gradients, d_input, &mut Scratchpad::new())
    }

    fn activation(&self) -> Activation {
        self.config().output_activation().into()
    }
}

/// The last `count` frames of a sequence, or all where there are fewer.
pub(super) fn last_frames<T: Scalar>(input: &Tensor<T>, count: usize) -> Result<Tensor<T>> {
    let mut shape = input.shape().to_vec();
    let before = shape[0].saturating_sub(count);
    shape[0] -= before;
    let frame: usize = shape[1..].iter().product();
    Tensor::from_vec(&shape, input.as_slice()[before * frame..].to_vec())
}
