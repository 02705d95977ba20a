//! Two stacks at one scale: an encoder that reads frames and a decoder that continues them.

use convgru_kernels::{FeatureMaps, FeatureMapsRef, Scalar};

use super::convolution::PackedConvolution;
use super::packed::{BackwardPass, PackedNetwork, PassMemory, Read, Stack};
use super::sizes::{Sizes, sequence};
use super::weights::Weights;
use crate::StateGradient;
use crate::config::{EncoderForecasterConfig, Feedback, NetworkConfig, Precision};
use crate::error::Result;
use crate::fused::cell::CellInput;
use crate::fused::stack::{PreparedStack, StackBackward};
use crate::layer::{Activation, PixelShuffle, PixelUnshuffle};
use crate::tensor::Tensor;

/// An encoder-forecaster with its weights packed: see [`EncoderForecasterConfig`].
#[derive(Debug)]
pub(super) struct EncoderForecaster<'a, T> {
    config: EncoderForecasterConfig,
    encoder: PreparedStack<'a, T>,
    decoder: PreparedStack<'a, T>,
    head: PackedConvolution<'a, T>,
}

impl<'a, T: Scalar> EncoderForecaster<'a, T> {
    pub(super) fn new(config: &EncoderForecasterConfig, weights: &mut Weights<'a, T>) -> Result<Self> {
        Ok(Self {
            config: config.clone(),
            encoder: weights.stack("encoder", &config.encoder(), CellInput::Read)?,
            decoder: weights.stack("forecaster", &config.forecaster(), CellInput::Read)?,
            head: weights.convolution("head", config.head(), 1, Precision::Exact)?,
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

impl<T: Scalar> PackedNetwork<T> for EncoderForecaster<'_, T> {
    fn config(&self) -> &dyn NetworkConfig {
        &self.config
    }

    fn encoder(&self, sizes: &Sizes) -> Vec<Stack<'_, T>> {
        let step = sizes.of_scale(0, self.config.read_patch_channels());
        vec![Stack { cells: &self.encoder, step, keeps_inputs: true }]
    }

    fn decoder(&self, sizes: &Sizes) -> Vec<Stack<'_, T>> {
        let step = sizes.of_scale(0, self.config.forecaster().in_channels);
        vec![Stack { cells: &self.decoder, step, keeps_inputs: true }]
    }

    fn encode(&self, sizes: &Sizes, frames: &[T], memory: &mut PassMemory<'_, T>) -> Result<()> {
        let steps = frames.len() / sizes.frame.len();
        let patches = self.patches(&sequence(sizes.frame, steps), frames)?;
        memory.stacks[0].inputs.as_mut().read_nchw(patches.as_slice())?;
        self.encoder.forward(&mut memory.stacks[0], steps, memory.scratch)
    }

    fn decode(&self, read: &Read<'_, T>, memory: &mut PassMemory<'_, T>, logits: &mut [T]) -> Result<()> {
        let PassMemory { stacks, scratch, .. } = memory;
        let stack = &mut stacks[0];
        let images = stack.top().images(read.steps.clone());
        match self.config.feedback {
            Feedback::Unconditioned => self.decoder.forward(stack, read.steps.end, scratch)?,
            Feedback::Predictions => {
                let patches = self.patches(&read.sizes.frame.dims(), read.frame_before)?;
                stack.inputs.images_mut(images.clone()).read_nchw(patches.as_slice())?;
                self.decoder.step(stack, read.steps.start, scratch)?;
            }
        }
        let patches = self.head.convolve(stack.top().states.images(images), [0, 0], None, scratch)?;
        logits.copy_from_slice(self.frames(patches.as_ref())?.as_slice());
        Ok(())
    }

    fn backward(&self, back: &mut BackwardPass<'_, T>, d_logits: Tensor<T>) -> Result<Option<Tensor<T>>> {
        let d_logits = self.patches(d_logits.shape(), d_logits.as_slice())?;
        let extent = back.pass.decoder[0].top().states.extent();
        let extent = extent.with_channels(self.config.head().out_channels);
        let d_logits = FeatureMaps::from_nchw(extent, d_logits.as_slice())?;
        let (decoder, d_first) = match self.config.feedback {
            Feedback::Unconditioned => (self.backward_at_once(back, d_logits)?, None),
            Feedback::Predictions => self.backward_step_by_step(back, d_logits)?,
        };

        // The decoder started from the encoder's last states.
        let stack = &mut back.pass.encoder[0];
        let mut encoder = StackBackward::new(&self.encoder, stack)?;
        for (layer, above) in encoder.layers.iter_mut().zip(&decoder.layers) {
            layer.d_hidden.as_mut().copy_from(above.d_hidden.as_ref())?;
        }
        let (layers, want_input) = (back.gradients.cells_mut("encoder"), back.pass.input_gradient);
        let d_patches =
            encoder.sequence(&self.encoder, stack, |_| Ok(()), layers, want_input, back.scratch)?;
        let Some(d_patches) = d_patches else { return Ok(None) };
        let frame = back.pass.sizes.frame;
        let steps = d_patches.extent().batch / frame.batch;
        let mut d_frames = self.frames(d_patches.as_ref())?.reshape(&sequence(frame, steps))?;
        if let Some(d_first) = d_first {
            let d_last = self.frames(d_first.as_ref())?;
            let totals = d_frames.slice_mut(steps - 1).iter_mut();
            totals.zip(d_last.as_slice()).for_each(|(total, &d)| *total += d);
        }
        Ok(Some(d_frames))
    }
}

impl<T: Scalar> EncoderForecaster<'_, T> {
    /// No step reads another's prediction: the head goes back over all steps in one call. The result's `d_hidden` are the
    /// gradients of the states the decoder started from.
    fn backward_at_once(
        &self,
        back: &mut BackwardPass<'_, T>,
        d_logits: FeatureMaps<T>,
    ) -> Result<StackBackward<T>> {
        let BackwardPass { pass, gradients, scratch } = back;
        let stack = &mut pass.decoder[0];
        let d_states = self.head.input_gradient(d_logits.as_ref(), scratch)?;
        let mut decoder = StackBackward::new(&self.decoder, stack)?;
        let (top, batch) = (stack.layers.len() - 1, stack.top().batch);
        let enter = |mut entry: StateGradient<'_, T>| {
            if entry.layer == top {
                let images = entry.step * batch..(entry.step + 1) * batch;
                entry.gradient.add(d_states.images(images))?;
            }
            Ok(())
        };
        let layers = gradients.cells_mut("forecaster");
        decoder.sequence(&self.decoder, stack, enter, layers, false, scratch)?;
        let states = stack.top().states.as_ref();
        self.head.weight_gradients(states, d_logits.as_ref(), gradients.convolution_mut("head"), scratch)?;
        Ok(decoder)
    }

    /// A prediction is the next step's input: the gradient of step `t + 1`'s input enters at the prediction of step `t`,
    /// unless a true frame was read. The result equals the result of [`backward_at_once`](Self::backward_at_once), and the gradient of
    /// the patches of the last frame of the input where it is asked for.
    fn backward_step_by_step(
        &self,
        back: &mut BackwardPass<'_, T>,
        mut d_logits: FeatureMaps<T>,
    ) -> Result<(StackBackward<T>, Option<FeatureMaps<T>>)> {
        let BackwardPass { pass, gradients, scratch } = back;
        let (stack, forced, want_input) = (&pass.decoder[0], &pass.forced, pass.input_gradient);
        let activation = Activation::from(self.config.output_activation);
        let predictions = self.patches(pass.output.shape(), pass.output.as_slice())?;
        // The patches of the mask come after the patches of the image.
        let [read, image] = [self.config.read_patch_channels(), self.config.patch_channels()];
        let layer = stack.top();
        let steps = layer.steps();
        let mut decoder = StackBackward::step_by_step(&self.decoder, stack)?;
        let mut d_input = FeatureMaps::zeros(stack.inputs.extent().with_batch(layer.batch))?;
        let mut d_fed_back = vec![T::ZERO; d_input.extent().len()];
        for t in (0..steps).rev() {
            let images = layer.images(t..t + 1);
            if t + 1 < steps && !forced[t + 1] {
                d_input.as_ref().write_nchw(&mut d_fed_back)?;
                let pixels = d_fed_back.len() / (read * layer.batch);
                let d_images = d_fed_back.chunks_exact(read * pixels);
                let mut d_images: Vec<T> = d_images.flat_map(|d| &d[..image * pixels]).copied().collect();
                activation.scale_by_derivative(predictions.slice(t), &mut d_images);
                d_logits.images_mut(images.clone()).add_nchw(&d_images)?;
            }
            let top = decoder.layers.last_mut().expect("a validated configuration has a layer");
            self.head.add_input_gradient(d_logits.images(images), top.d_hidden.as_mut(), scratch)?;
            let reads_prediction = t > 0 && !forced[t];
            let target = (reads_prediction || (t == 0 && want_input)).then(|| {
                d_input.set_zero();
                &mut d_input
            });
            decoder.step(&self.decoder, stack, t, target, scratch)?;
        }
        decoder.weight_gradients(&self.decoder, stack, gradients.cells_mut("forecaster"), scratch)?;
        let head = gradients.convolution_mut("head");
        self.head.weight_gradients(layer.states.as_ref(), d_logits.as_ref(), head, scratch)?;
        Ok((decoder, want_input.then_some(d_input)))
    }
}
