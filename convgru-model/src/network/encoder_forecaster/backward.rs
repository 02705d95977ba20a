//! The backward pass of the encoder-forecaster.

use convgru_kernels::conv::{self, WriteMode};
use convgru_kernels::{FeatureMaps, Scalar, Scratchpad};

use super::super::stack::StackBackward;
use super::super::state_gradient::StateGradient;
use super::{EncoderForecaster, EncoderForecasterParameters, EncoderForecasterWorkspace, Prepared};
use crate::config::Feedback;
use crate::error::{Result, expect_count};
use crate::layer::{PixelShuffle, PixelUnshuffle};
use crate::parameters::expect_gradients;
use crate::tensor::{Tensor, expect_shape};

/// The gradient of the loss with respect to the predicted frames, `[T_out, N, K C, H, W]` of `K` members.
#[derive(Debug, Clone, Copy)]
pub enum OutputGradient<'a, T> {
    /// With respect to the pixels, after the output activation.
    Output(&'a Tensor<T>),
    /// With respect to the values before the output activation.
    Logits(&'a Tensor<T>),
}

impl<T: Scalar> EncoderForecaster<T> {
    /// Adds the gradients of all parameters and returns that of the input frames: zero of those
    /// before a [truncation](Self::set_truncation).
    ///
    /// # Shapes
    /// result: `[T_in, N, C, H, W]`
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) or [`Error::Count`](crate::Error::Count)
    /// if the gradient does not fit the prediction, or `gradients` the network;
    /// [`Error::Workspace`](crate::Error::Workspace) for a workspace of another network or of weights that were changed since. Nothing has
    /// changed then.
    pub fn backward(
        &self,
        workspace: &mut EncoderForecasterWorkspace<T>,
        gradient: OutputGradient<'_, T>,
        gradients: &mut EncoderForecasterParameters<T>,
    ) -> Result<Tensor<T>> {
        let patches = self.run_backward(workspace, gradient, gradients, true)?;
        let patches = patches.expect("the gradient of the input was asked for");
        PixelShuffle { factor: self.config().patch }.forward(&patches)
    }

    /// Adds the gradients of all parameters; that of the input frames, which are data, is
    /// not computed.
    ///
    /// # Errors
    /// As [`backward`](Self::backward).
    pub fn backward_parameters(
        &self,
        workspace: &mut EncoderForecasterWorkspace<T>,
        gradient: OutputGradient<'_, T>,
        gradients: &mut EncoderForecasterParameters<T>,
    ) -> Result<()> {
        self.run_backward(workspace, gradient, gradients, false).map(drop)
    }

    /// The gradient of the input is that of its patches, `[T_in, N, C p^2, H/p, W/p]`.
    fn run_backward(
        &self,
        workspace: &mut EncoderForecasterWorkspace<T>,
        gradient: OutputGradient<'_, T>,
        gradients: &mut EncoderForecasterParameters<T>,
        want_input: bool,
    ) -> Result<Option<Tensor<T>>> {
        expect_gradients(self.parameters(), gradients)?;
        self.expect_workspace(workspace)?;
        let d_logits = self.d_logits(workspace, gradient)?;
        let prepared = self.prepared()?;
        let mut scratch = Scratchpad::new();
        let forecaster = match self.config().feedback {
            Feedback::Unconditioned => {
                self.unroll_at_once(workspace, &prepared, d_logits, gradients, &mut scratch)?
            }
            Feedback::Predictions => {
                self.unroll_step_by_step(workspace, &prepared, d_logits, gradients, want_input, &mut scratch)?
            }
        };

        // The forecaster started from the encoder's last states.
        let mut encoder = StackBackward::new(&prepared.encoder, &workspace.encoder)?;
        for (layer, above) in encoder.layers.iter_mut().zip(&forecaster.stack.layers) {
            layer.d_hidden.as_mut().copy_from(above.d_hidden.as_ref())?;
        }
        let d_patches = encoder.sequence(
            &prepared.encoder,
            &mut workspace.encoder,
            |_| Ok(()),
            &mut gradients.encoder.layers,
            want_input,
            &mut scratch,
        )?;
        let Some(d_patches) = d_patches else {
            return Ok(None);
        };
        let [images, channels, height, width] = d_patches.extent().dims();
        let batch = workspace.encoder.top().batch;
        let steps = workspace.frames;
        let mut d_input = Tensor::zeros(&[steps, batch, channels, height, width]);
        let before = (steps - images / batch) * batch * channels * height * width;
        d_patches.as_ref().write_nchw(&mut d_input.as_mut_slice()[before..])?;
        if let Some(d_first) = &forecaster.d_first_input {
            let mut d_frame = vec![T::ZERO; d_first.extent().len()];
            d_first.as_ref().write_nchw(&mut d_frame)?;
            for (total, value) in d_input.slice_mut(steps - 1).iter_mut().zip(d_frame) {
                *total += value;
            }
        }
        Ok(Some(d_input))
    }

    /// Fails unless the workspace is of this network with its weights as they are.
    fn expect_workspace(&self, workspace: &EncoderForecasterWorkspace<T>) -> Result<()> {
        let hidden = &self.config().hidden_channels;
        for (what, stack) in [("encoder", &workspace.encoder), ("forecaster", &workspace.forecaster)] {
            expect_count(
                &format!("layers of the {what} in the workspace"),
                hidden.len(),
                stack.layers.len(),
            )?;
            for (index, (&channels, layer)) in hidden.iter().zip(&stack.layers).enumerate() {
                let what = format!("channels of layer {index} of the {what} in the workspace");
                expect_count(&what, channels, layer.state_extent().channels)?;
            }
        }
        self.stamp.expect(workspace.stamp)
    }

    /// The gradient before the activation as far as it comes from the loss, patches as
    /// channels: `[T_out, N, K C p^2, H/p, W/p]`.
    fn d_logits(
        &self,
        workspace: &EncoderForecasterWorkspace<T>,
        gradient: OutputGradient<'_, T>,
    ) -> Result<Tensor<T>> {
        let (OutputGradient::Output(given) | OutputGradient::Logits(given)) = gradient;
        let patches = workspace.predictions.shape();
        let (patch, channels) = (self.config().patch, self.config().image_channels * self.config().members);
        let expected = [patches[0], patches[1], channels, patches[3] * patch, patches[4] * patch];
        expect_shape("gradient of the predicted frames", given.shape(), &expected)?;
        let mut d_logits = PixelUnshuffle { factor: patch }.forward(given)?;
        if matches!(gradient, OutputGradient::Output(_)) {
            self.activation().scale_by_derivative(workspace.predictions.as_slice(), d_logits.as_mut_slice());
        }
        Ok(d_logits)
    }

    /// No step reads another's prediction: the head goes back over all steps in one call.
    fn unroll_at_once(
        &self,
        workspace: &mut EncoderForecasterWorkspace<T>,
        prepared: &Prepared<'_, T>,
        d_logits: Tensor<T>,
        gradients: &mut EncoderForecasterParameters<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<ForecasterBackward<T>> {
        let states = &workspace.forecaster.top().states;
        let extent = states.extent().with_channels(self.config().output_patch_channels());
        let d_logits = FeatureMaps::from_nchw(extent, d_logits.as_slice())?;
        let mut d_states = FeatureMaps::zeros(states.extent())?;
        conv::input_gradient(
            &prepared.head,
            d_logits.as_ref(),
            d_states.as_mut(),
            WriteMode::Overwrite,
            scratch,
        )?;
        let mut stack = StackBackward::new(&prepared.forecaster, &workspace.forecaster)?;
        let top = workspace.forecaster.layers.len() - 1;
        let batch = workspace.forecaster.top().batch;
        let enter = |mut entry: StateGradient<'_, T>| {
            if entry.layer == top {
                let images = entry.step * batch..(entry.step + 1) * batch;
                entry.gradient.add(d_states.images(images))?;
            }
            Ok(())
        };
        let layers = &mut gradients.forecaster.layers;
        stack.sequence(&prepared.forecaster, &mut workspace.forecaster, enter, layers, false, scratch)?;
        let states = &workspace.forecaster.top().states;
        head_gradients(prepared, states, &d_logits, gradients, scratch)?;
        Ok(ForecasterBackward { stack, d_first_input: None })
    }

    /// A prediction is the next step's input: the gradient of step `t + 1`'s input enters at
    /// the prediction of step `t`, unless a true frame was read.
    fn unroll_step_by_step(
        &self,
        workspace: &EncoderForecasterWorkspace<T>,
        prepared: &Prepared<'_, T>,
        d_logits: Tensor<T>,
        gradients: &mut EncoderForecasterParameters<T>,
        want_input: bool,
        scratch: &mut Scratchpad<T>,
    ) -> Result<ForecasterBackward<T>> {
        let layer = workspace.forecaster.top();
        let extent = workspace.forecaster.inputs.extent();
        let steps = layer.steps();
        let mut stack = StackBackward::step_by_step(&prepared.forecaster, &workspace.forecaster)?;
        let mut d_logit_maps = FeatureMaps::from_nchw(extent, d_logits.as_slice())?;
        let mut d_input = FeatureMaps::zeros(extent.with_batch(layer.batch))?;
        let mut d_fed_back = vec![T::ZERO; d_input.extent().len()];
        for t in (0..steps).rev() {
            let images = layer.images(t..t + 1);
            if t + 1 < steps && !workspace.forced[t + 1] {
                d_input.as_ref().write_nchw(&mut d_fed_back)?;
                self.activation().scale_by_derivative(workspace.predictions.slice(t), &mut d_fed_back);
                d_logit_maps.images_mut(images.clone()).add_nchw(&d_fed_back)?;
            }
            let top = stack.layers.last_mut().expect("a validated configuration has a layer");
            let d_prediction = d_logit_maps.images(images);
            conv::input_gradient(
                &prepared.head,
                d_prediction,
                top.d_hidden.as_mut(),
                WriteMode::Add,
                scratch,
            )?;
            let reads_prediction = t > 0 && !workspace.forced[t];
            let target = (reads_prediction || (t == 0 && want_input)).then(|| {
                d_input.set_zero();
                &mut d_input
            });
            stack.step(&prepared.forecaster, &workspace.forecaster, t, target, scratch)?;
        }
        stack.weight_gradients(
            &prepared.forecaster,
            &workspace.forecaster,
            &mut gradients.forecaster.layers,
            scratch,
        )?;
        head_gradients(prepared, &layer.states, &d_logit_maps, gradients, scratch)?;
        Ok(ForecasterBackward { stack, d_first_input: want_input.then_some(d_input) })
    }
}

/// The forecaster after its way back.
struct ForecasterBackward<T> {
    /// Its `d_hidden` are the gradients of the states it started from.
    stack: StackBackward<T>,
    /// The gradient of the first step's input, the last frame that was read.
    d_first_input: Option<FeatureMaps<T>>,
}

fn head_gradients<T: Scalar>(
    prepared: &Prepared<'_, T>,
    states: &FeatureMaps<T>,
    d_logits: &FeatureMaps<T>,
    gradients: &mut EncoderForecasterParameters<T>,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let head = &mut gradients.head;
    let d_weight = head.weight.as_mut_slice();
    conv::weight_gradient(&prepared.head.shape(), states.as_ref(), d_logits.as_ref(), d_weight, scratch)?;
    if let Some(d_bias) = &mut head.bias {
        conv::bias_gradient(d_logits.as_ref(), d_bias.as_mut_slice())?;
    }
    Ok(())
}
