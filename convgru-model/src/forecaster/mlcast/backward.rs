//! The backward pass.

use convgru_kernels::{FeatureMaps, Scalar};

use super::{BackwardPass, Mlcast, transpose};
use crate::config::MLCAST_DOWN;
use crate::error::Result;
use crate::forecaster::sizes::sequence;
use crate::forecaster::way::{StatesGradient, Way, sum_over_batches};
use crate::tensor::Tensor;

impl<T: Scalar> Mlcast<'_, T> {
    pub(super) fn run_backward(
        &self,
        back: &mut BackwardPass<'_, T>,
        d_logits: Tensor<T>,
    ) -> Result<Option<Tensor<T>>> {
        let sizes = &back.pass.sizes;
        let mut d_frames = vec![T::ZERO; d_logits.len()];
        let (members, batch) = (self.config.members, sizes.image.batch);
        transpose(d_logits.as_slice(), [batch, members], sizes.image.image_len(), &mut d_frames);
        drop(d_logits);
        if self.config.signed {
            let half = T::from_f64(0.5);
            d_frames.iter_mut().for_each(|d| *d *= half);
        }
        let d_last = self.decoder_backward(back, d_frames)?;
        let Some(d_inputs) = self.encoder_backward(back, d_last)? else { return Ok(None) };
        let (sizes, steps) = (&back.pass.sizes, back.pass.encoder[0].top().steps());
        let mut d_frames = Tensor::try_zeros(&sequence(sizes.frame, steps))?;
        self.of_input(sizes).to_frames(d_inputs.as_ref(), d_frames.as_mut_slice())?;
        if self.config.signed {
            d_frames.as_mut_slice().iter_mut().for_each(|d| *d += *d);
        }
        Ok(Some(d_frames))
    }

    /// From the finest block to the coarsest: the gradient of the encoder's last state of each block, from the gradient of the frames of
    /// all members, `[steps members N, C, H, W]`.
    fn decoder_backward(
        &self,
        back: &mut BackwardPass<'_, T>,
        mut d_frames: Vec<T>,
    ) -> Result<Vec<FeatureMaps<T>>> {
        let BackwardPass { pass, gradients, scratch } = back;
        let mut d_last = Vec::new();
        let mut d_states: Option<FeatureMaps<T>> = None;
        for block in 0..self.config.blocks {
            let (from, above) = pass.decoder.split_at_mut(block + 1);
            let stack = &mut from[block];
            let releases_inputs = !stack.has_inputs();
            if let Some(above) = above.first().filter(|_| releases_inputs) {
                let mut inputs = stack.new_inputs()?;
                inputs.as_mut().depth_to_space(above.top().states.as_ref(), MLCAST_DOWN)?;
                stack.inputs = inputs;
            }
            let layers = gradients.cells_mut(&format!("forecaster.{block}"));
            let d_top = match &d_states {
                Some(d_states) => StatesGradient::Maps(d_states),
                None => StatesGradient::Frames(&d_frames, self.of_output(&pass.sizes)),
            };
            let way = Way { d_top: Some(d_top), last: &[], want_input: block + 1 < self.config.blocks };
            let mut of_stack = way.back(&self.own_decoder(block), stack, layers, scratch)?;
            if releases_inputs {
                stack.release_inputs()?;
            }
            let d_inputs = of_stack.take_input_gradient();
            // All members start from the same state.
            let last = pass.encoder[block].top().state_extent();
            let mut d_start = FeatureMaps::zeros(last)?;
            for d_members in of_stack.into_initial_gradients() {
                let d_patches = sum_over_batches(&d_members, last.batch)?;
                d_start.as_mut().depth_to_space(d_patches.as_ref(), MLCAST_DOWN)?;
            }
            d_last.push(d_start);
            d_frames = Vec::new();
            if let Some(d_inputs) = d_inputs {
                let mut d_above = FeatureMaps::zeros(pass.decoder[block + 1].top().states.extent())?;
                d_above.as_mut().space_to_depth(d_inputs.as_ref(), MLCAST_DOWN)?;
                d_states = Some(d_above);
            }
        }
        Ok(d_last)
    }

    /// From the coarsest block to the finest; the gradient of the frames at the finest scale, where it is wanted.
    fn encoder_backward(
        &self,
        back: &mut BackwardPass<'_, T>,
        d_last: Vec<FeatureMaps<T>>,
    ) -> Result<Option<FeatureMaps<T>>> {
        let BackwardPass { pass, gradients, scratch } = back;
        let mut d_states: Option<FeatureMaps<T>> = None;
        for (block, d_last) in d_last.into_iter().enumerate().rev() {
            let releases_inputs = !pass.encoder[block].has_inputs();
            if releases_inputs {
                pass.encoder[block].inputs =
                    self.encoder_inputs(&pass.sizes, &pass.frames, &pass.encoder, block)?;
            }
            let (stack, cells) = (&mut pass.encoder[block], self.own_encoder(block));
            let layers = gradients.cells_mut(&format!("encoder.{block}"));
            let want_input = block > 0 || pass.input_gradient;
            let way = Way { d_top: d_states.as_ref().map(StatesGradient::Maps), last: &[d_last], want_input };
            let mut of_stack = way.back(&cells, stack, layers, scratch)?;
            if releases_inputs {
                stack.release_inputs()?;
            }
            let d_inputs = of_stack.take_input_gradient();
            if block == 0 {
                return Ok(d_inputs);
            }
            if let Some(d_inputs) = d_inputs {
                let mut d_below = FeatureMaps::zeros(pass.encoder[block - 1].top().states.extent())?;
                d_below.as_mut().depth_to_space(d_inputs.as_ref(), MLCAST_DOWN)?;
                d_states = Some(d_below);
            }
        }
        Ok(None)
    }
}
