//! The backward pass.

use convgru_kernels::{Extent, FeatureMaps, Scalar};

use super::{BackwardPass, Pyramid};
use crate::config::Residual;
use crate::error::Result;
use crate::forecaster::sizes::sequence;
use crate::forecaster::way::{StatesGradient, Way, sum_over_batches};
use crate::tensor::Tensor;

/// What enters a scale of the encoder from the decoder.
struct Start<T> {
    /// Of the encoder's last state of each layer.
    last: Vec<FeatureMaps<T>>,
    /// Of what the encoder read of the last frame.
    d_read: Option<FeatureMaps<T>>,
}

impl<T: Scalar> Pyramid<'_, T> {
    pub(super) fn run_backward(
        &self,
        back: &mut BackwardPass<'_, T>,
        d_logits: &Tensor<T>,
    ) -> Result<Option<Tensor<T>>> {
        let d_states = self.head_backward(back, d_logits)?;
        let d_starts = self.decoder_backward(back, d_states)?;
        let Some(d_patches) = self.encoder_backward(back, d_starts)? else { return Ok(None) };
        let (sizes, steps) = (&back.pass.sizes, back.pass.encoder[0].top().steps());
        let mut d_frames = Tensor::try_zeros(&sequence(sizes.frame, steps))?;
        self.patches_of(sizes, sizes.frame).to_frames(d_patches.as_ref(), d_frames.as_mut_slice())?;
        let addition = self.addition(sizes).filter(|_| self.config.residual == Residual::LastFrame);
        if let Some(addition) = addition {
            let last_image = sizes.without_mask(&back.pass.last_frame);
            let mut d_image = vec![T::ZERO; last_image.len()];
            addition.backward(&last_image, d_logits.as_slice(), &mut d_image);
            sizes.add_to_images(d_frames.slice_mut(steps - 1), &d_image);
        }
        Ok(Some(d_frames))
    }

    /// From the gradient of the output to the gradient of the decoder's finest states.
    fn head_backward(&self, back: &mut BackwardPass<'_, T>, d_logits: &Tensor<T>) -> Result<FeatureMaps<T>> {
        let BackwardPass { pass, gradients, scratch } = back;
        let predicted = self.patches_of(&pass.sizes, pass.sizes.predicted);
        let d_patches = predicted.to_patches(d_logits.as_slice(), self.output.halo())?;
        let states = pass.decoder[0].top().states.as_ref();
        let hidden = pass.activations.hidden.as_ref();
        let read = hidden.map_or(states, FeatureMaps::as_ref);
        let of_output = gradients.convolution_mut("head.output");
        self.output.weight_gradients(read, d_patches.as_ref(), of_output, scratch)?;
        let mut d_read = self.output.input_gradient(d_patches.as_ref(), scratch)?;
        if let (Some(convolution), Some(hidden)) = (&self.hidden, hidden) {
            d_read.as_mut().leaky_relu_backward(hidden.as_ref(), self.slope())?;
            let of_hidden = gradients.convolution_mut("head.hidden");
            convolution.weight_gradients(states, d_read.as_ref(), of_hidden, scratch)?;
            d_read = convolution.input_gradient(d_read.as_ref(), scratch)?;
        }
        Ok(d_read)
    }

    /// From the finest scale to the coarsest.
    fn decoder_backward(
        &self,
        back: &mut BackwardPass<'_, T>,
        mut d_states: FeatureMaps<T>,
    ) -> Result<Vec<Start<T>>> {
        let BackwardPass { pass, gradients, scratch } = back;
        let mut starts = Vec::new();
        for (scale, of_scale) in self.decoder.iter().enumerate() {
            let above = self.decoder.get(scale + 1).and_then(|above| above.up.as_ref());
            let (stack, d_top) = (&mut pass.decoder[scale], Some(StatesGradient::Maps(&d_states)));
            let layers = gradients.cells_mut(&format!("forecaster.{scale}"));
            let way = Way { d_top, last: &[], want_input: above.is_some() };
            let mut of_stack = way.back(&of_scale.cells, stack, layers, scratch)?;
            let d_inputs = of_stack.take_input_gradient();
            let mut start = Start { last: of_stack.into_initial_gradients(), d_read: None };
            if let (Some(up), Some(mut d_inputs)) = (above, d_inputs) {
                d_inputs.as_mut().leaky_relu_backward(stack.inputs.as_ref(), self.slope())?;
                let extrapolated = pass.activations.extrapolated.as_ref().filter(|_| scale == 0);
                if self.config.skip && extrapolated.is_none() {
                    start.d_read = Some(sum_over_batches(&d_inputs, stack.top().batch)?);
                }
                let states = &pass.decoder[scale + 1].top().states;
                let d_deep = self.d_patches_above(scale + 1, &d_inputs, up.halo())?;
                let of_up = gradients.convolution_mut(&format!("forecaster.{}.up", scale + 1));
                up.weight_gradients(states.as_ref(), d_deep.as_ref(), of_up, scratch)?;
                d_states = up.input_gradient(d_deep.as_ref(), scratch)?;
                if let Some([patches, features]) = extrapolated {
                    d_inputs.as_mut().leaky_relu_backward(features.as_ref(), self.slope())?;
                    let of_down = gradients.convolution_mut("encoder.0.down");
                    let down = &self.encoder[0].down;
                    down.weight_gradients(patches.as_ref(), d_inputs.as_ref(), of_down, scratch)?;
                }
            }
            starts.push(start);
        }
        Ok(starts)
    }

    /// From the coarsest scale to the finest; the gradient of the patches of the frames, where it is wanted.
    fn encoder_backward(
        &self,
        back: &mut BackwardPass<'_, T>,
        starts: Vec<Start<T>>,
    ) -> Result<Option<FeatureMaps<T>>> {
        let BackwardPass { pass, gradients, scratch } = back;
        let mut d_states: Option<FeatureMaps<T>> = None;
        for (scale, start) in starts.into_iter().enumerate().rev() {
            let of_scale = &self.encoder[scale];
            let stack = &mut pass.encoder[scale];
            let name = format!("encoder.{scale}");
            let d_top = d_states.as_ref().map(StatesGradient::Maps);
            let way = Way { d_top, last: &start.last, want_input: true };
            let mut of_stack = way.back(&of_scale.cells, stack, gradients.cells_mut(&name), scratch)?;
            let mut d_inputs =
                of_stack.take_input_gradient().expect("the gradient of what is read was asked for");
            if let Some(d_read) = &start.d_read {
                let layer = stack.top();
                let last = layer.images(layer.steps() - 1..layer.steps());
                d_inputs.images_mut(last).add(d_read.as_ref())?;
            }
            d_inputs.as_mut().leaky_relu_backward(stack.inputs.as_ref(), self.slope())?;
            let below = match scale {
                0 => None,
                _ => Some(self.patches_below(scale, &pass.encoder[scale - 1].top().states)?),
            };
            let read = below.as_ref().or(pass.activations.patches.as_ref());
            let read = read.expect("the patches of the frames were kept on the way forward").as_ref();
            let down = &of_scale.down;
            let of_down = gradients.convolution_mut(&format!("{name}.down"));
            down.weight_gradients(read, d_inputs.as_ref(), of_down, scratch)?;
            if scale == 0 {
                let wanted = pass.input_gradient;
                return wanted.then(|| down.input_gradient(d_inputs.as_ref(), scratch)).transpose();
            }
            let d_deep = down.input_gradient(d_inputs.as_ref(), scratch)?;
            let mut d_below = FeatureMaps::zeros(pass.encoder[scale - 1].top().states.extent())?;
            d_below.as_mut().depth_to_space(d_deep.as_ref(), self.config.scales[scale].down)?;
            d_states = Some(d_below);
        }
        Ok(None)
    }

    /// The patches of gradients of the scale below `scale`, as its convolution upwards had them.
    fn d_patches_above(
        &self,
        scale: usize,
        d_inputs: &FeatureMaps<T>,
        halo: [usize; 2],
    ) -> Result<FeatureMaps<T>> {
        let down = self.config.scales[scale].down;
        let below = d_inputs.extent();
        let extent = Extent {
            batch: below.batch,
            channels: below.channels * down * down,
            height: below.height / down,
            width: below.width / down,
        };
        let mut patches = FeatureMaps::sectioned(extent, down * down, halo)?;
        patches.as_mut().space_to_depth(d_inputs.as_ref(), down)?;
        Ok(patches)
    }
}
