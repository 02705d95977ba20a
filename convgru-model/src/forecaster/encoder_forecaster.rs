//! Two stacks at one scale: an encoder that reads frames and a forecaster that continues them.

use std::ops::Range;

use convgru_kernels::{FeatureMaps, FeatureMapsRef, Scalar, Scratchpad};

use super::convolution::PackedConvolution;
use super::network::{Kept, Network, Read, Stack};
use super::parameters::ForecasterParameters;
use super::sizes::{Sizes, sequence};
use super::training::ForecasterWorkspace;
use crate::StateGradient;
use crate::config::{EncoderForecasterConfig, Feedback, Precision};
use crate::error::Result;
use crate::fused::stack::{PreparedStack, StackBackward, StackWorkspace};
use crate::layer::{Activation, PixelShuffle, PixelUnshuffle};
use crate::tensor::Tensor;

/// An encoder-forecaster with its weights packed: see [`EncoderForecasterConfig`].
#[derive(Debug)]
pub(super) struct EncoderForecaster<'a, T> {
    config: &'a EncoderForecasterConfig,
    encoder: PreparedStack<'a, T>,
    forecaster: PreparedStack<'a, T>,
    head: PackedConvolution<'a, T>,
}

impl<'a, T: Scalar> EncoderForecaster<'a, T> {
    pub(super) fn new(
        config: &'a EncoderForecasterConfig,
        parameters: &'a ForecasterParameters<T>,
    ) -> Result<Self> {
        let (encoder, forecaster) = (parameters.cells("encoder"), parameters.cells("forecaster"));
        Ok(Self {
            config,
            encoder: PreparedStack::new("encoder.", encoder, &config.encoder())?,
            forecaster: PreparedStack::new("forecaster.", forecaster, &config.forecaster())?,
            head: PackedConvolution::new(config.head(), parameters.convolution("head"), 1, Precision::Exact)?,
        })
    }

    /// The patches of frames as channels: `[T, N, C, H, W] -> [T, N, C p^2, H/p, W/p]`.
    fn patches(&self, shape: &[usize], frames: &[T]) -> Result<Tensor<T>> {
        PixelUnshuffle { factor: self.config.patch }.forward(&Tensor::from_vec(shape, frames.to_vec())?)
    }

    /// The frames of patches, the inverse of [`patches`](Self::patches).
    fn frames(&self, maps: FeatureMapsRef<'_, T>) -> Result<Tensor<T>> {
        let mut patches = Tensor::try_zeros(&maps.extent().dims())?;
        maps.write_nchw(patches.as_mut_slice())?;
        PixelShuffle { factor: self.config.patch }.forward(&patches)
    }
}

impl<T: Scalar> Network<T> for EncoderForecaster<'_, T> {
    fn encoder(&self, sizes: &Sizes) -> Vec<Stack<'_, T>> {
        vec![Stack { cells: &self.encoder, step: sizes.of_scale(0, self.config.patch_channels()) }]
    }

    fn forecaster(&self, sizes: &Sizes) -> Vec<Stack<'_, T>> {
        let step = sizes.of_scale(0, self.config.forecaster().in_channels);
        vec![Stack { cells: &self.forecaster, step }]
    }

    fn encode(
        &self,
        sizes: &Sizes,
        frames: &[T],
        stacks: &mut [StackWorkspace<T>],
        _kept: &mut Kept<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let steps = frames.len() / sizes.frame.len();
        let patches = self.patches(&sequence(sizes.frame, steps), frames)?;
        stacks[0].inputs.as_mut().read_nchw(patches.as_slice())?;
        self.encoder.forward(&mut stacks[0], steps, scratch)
    }

    fn decode(
        &self,
        read: &Read<'_, T>,
        steps: Range<usize>,
        stacks: &mut [StackWorkspace<T>],
        logits: &mut [T],
        _kept: &mut Kept<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let stack = &mut stacks[0];
        let images = stack.top().images(steps.clone());
        match self.config.feedback {
            Feedback::Unconditioned => self.forecaster.forward(stack, steps.end, scratch)?,
            Feedback::Predictions => {
                let patches = self.patches(&read.sizes.frame.dims(), read.frame_before)?;
                stack.inputs.images_mut(images.clone()).read_nchw(patches.as_slice())?;
                self.forecaster.step(stack, steps.start, scratch)?;
            }
        }
        let patches = self.head.convolve(stack.top().states.images(images), [0, 0], scratch)?;
        logits.copy_from_slice(self.frames(patches.as_ref())?.as_slice());
        Ok(())
    }

    fn backward(
        &self,
        workspace: &mut ForecasterWorkspace<T>,
        d_logits: &Tensor<T>,
        gradients: &mut ForecasterParameters<T>,
        d_input: Option<&mut Tensor<T>>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let d_logits = self.patches(d_logits.shape(), d_logits.as_slice())?;
        let extent = workspace.forecaster[0].top().states.extent();
        let extent = extent.with_channels(self.config.head().out_channels);
        let d_logits = FeatureMaps::from_nchw(extent, d_logits.as_slice())?;
        let (forecaster, d_first) = match self.config.feedback {
            Feedback::Unconditioned => {
                (self.backward_at_once(workspace, d_logits, gradients, scratch)?, None)
            }
            Feedback::Predictions => {
                let want_input = d_input.is_some();
                self.backward_step_by_step(workspace, d_logits, gradients, want_input, scratch)?
            }
        };

        // The forecaster started from the encoder's last states.
        let mut encoder = StackBackward::new(&self.encoder, &workspace.encoder[0])?;
        for (layer, above) in encoder.layers.iter_mut().zip(&forecaster.layers) {
            layer.d_hidden.as_mut().copy_from(above.d_hidden.as_ref())?;
        }
        let d_patches = encoder.sequence(
            &self.encoder,
            &mut workspace.encoder[0],
            |_| Ok(()),
            gradients.cells_mut("encoder"),
            d_input.is_some(),
            scratch,
        )?;
        if let (Some(d_input), Some(d_patches)) = (d_input, d_patches) {
            let d_frames = self.frames(d_patches.as_ref())?;
            let before = d_input.len() - d_frames.len();
            d_input.as_mut_slice()[before..].copy_from_slice(d_frames.as_slice());
            if let Some(d_first) = d_first {
                let d_last = self.frames(d_first.as_ref())?;
                let before = d_input.len() - d_last.len();
                let totals = d_input.as_mut_slice()[before..].iter_mut();
                totals.zip(d_last.as_slice()).for_each(|(total, &d)| *total += d);
            }
        }
        Ok(())
    }
}

impl<T: Scalar> EncoderForecaster<'_, T> {
    /// No step reads another's prediction: the head goes back over all steps in one call. The result's `d_hidden` are the
    /// gradients of the states the forecaster started from.
    fn backward_at_once(
        &self,
        workspace: &mut ForecasterWorkspace<T>,
        d_logits: FeatureMaps<T>,
        gradients: &mut ForecasterParameters<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<StackBackward<T>> {
        let stack = &mut workspace.forecaster[0];
        let d_states = self.head.input_gradient(d_logits.as_ref(), scratch)?;
        let mut back = StackBackward::new(&self.forecaster, stack)?;
        let (top, batch) = (stack.layers.len() - 1, stack.top().batch);
        let enter = |mut entry: StateGradient<'_, T>| {
            if entry.layer == top {
                let images = entry.step * batch..(entry.step + 1) * batch;
                entry.gradient.add(d_states.images(images))?;
            }
            Ok(())
        };
        let layers = gradients.cells_mut("forecaster");
        back.sequence(&self.forecaster, stack, enter, layers, false, scratch)?;
        let states = stack.top().states.as_ref();
        self.head.weight_gradients(states, d_logits.as_ref(), gradients.convolution_mut("head"), scratch)?;
        Ok(back)
    }

    /// A prediction is the next step's input: the gradient of step `t + 1`'s input enters at the prediction of step `t`,
    /// unless a true frame was read. The result is that of [`backward_at_once`](Self::backward_at_once), and the gradient of
    /// the patches of the last frame of the input where it is asked for.
    fn backward_step_by_step(
        &self,
        workspace: &ForecasterWorkspace<T>,
        mut d_logits: FeatureMaps<T>,
        gradients: &mut ForecasterParameters<T>,
        want_input: bool,
        scratch: &mut Scratchpad<T>,
    ) -> Result<(StackBackward<T>, Option<FeatureMaps<T>>)> {
        let (stack, forced) = (&workspace.forecaster[0], &workspace.forced);
        let activation = Activation::from(self.config.output_activation);
        let predictions = self.patches(workspace.output.shape(), workspace.output.as_slice())?;
        let layer = stack.top();
        let steps = layer.steps();
        let mut back = StackBackward::step_by_step(&self.forecaster, stack)?;
        let mut d_input = FeatureMaps::zeros(stack.inputs.extent().with_batch(layer.batch))?;
        let mut d_fed_back = vec![T::ZERO; d_input.extent().len()];
        for t in (0..steps).rev() {
            let images = layer.images(t..t + 1);
            if t + 1 < steps && !forced[t + 1] {
                d_input.as_ref().write_nchw(&mut d_fed_back)?;
                activation.scale_by_derivative(predictions.slice(t), &mut d_fed_back);
                d_logits.images_mut(images.clone()).add_nchw(&d_fed_back)?;
            }
            let top = back.layers.last_mut().expect("a validated configuration has a layer");
            self.head.add_input_gradient(d_logits.images(images), top.d_hidden.as_mut(), scratch)?;
            let reads_prediction = t > 0 && !forced[t];
            let target = (reads_prediction || (t == 0 && want_input)).then(|| {
                d_input.set_zero();
                &mut d_input
            });
            back.step(&self.forecaster, stack, t, target, scratch)?;
        }
        back.weight_gradients(&self.forecaster, stack, gradients.cells_mut("forecaster"), scratch)?;
        let head = gradients.convolution_mut("head");
        self.head.weight_gradients(layer.states.as_ref(), d_logits.as_ref(), head, scratch)?;
        Ok((back, want_input.then_some(d_input)))
    }
}
