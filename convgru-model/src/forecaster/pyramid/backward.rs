//! The backward pass.

use convgru_kernels::{FeatureMaps, Scalar, Scratchpad};

use super::super::encoder_forecaster::OutputGradient;
use super::carried::CarriedRead;
use super::{Prepared, Pyramid, PyramidParameters, PyramidWorkspace};
use crate::config::Residual;
use crate::error::{Result, expect_count};
use crate::fused::cell::CellParameters;
use crate::fused::stack::{PreparedStack, StackBackward, StackWorkspace};
use crate::parameters::expect_gradients;
use crate::sequence::StateGradient;
use crate::tensor::{Tensor, expect_shape};

impl<T: Scalar> Pyramid<T> {
    /// Adds the gradients of all parameters and returns that of the input frames: zero of those before a
    /// [truncation](Self::set_truncation). What [`Residual::Motion`] carries on is constant: no gradient comes through it.
    ///
    /// # Shapes
    /// result: `[T_in, N, C, H, W]`
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) or [`Error::Count`](crate::Error::Count) if the gradient
    /// does not fit the prediction, or `gradients` the network; [`Error::Workspace`](crate::Error::Workspace) for a workspace of another
    /// network or of weights that were changed since. Nothing has changed then.
    pub fn backward(
        &self,
        workspace: &mut PyramidWorkspace<T>,
        gradient: OutputGradient<'_, T>,
        gradients: &mut PyramidParameters<T>,
    ) -> Result<Tensor<T>> {
        let d_input = self.run_backward(workspace, gradient, gradients, true)?;
        Ok(d_input.expect("the gradient of the input was asked for"))
    }

    /// Adds the gradients of all parameters; that of the input frames, which are data, is not computed.
    ///
    /// # Errors
    /// As [`backward`](Self::backward).
    pub fn backward_parameters(
        &self,
        workspace: &mut PyramidWorkspace<T>,
        gradient: OutputGradient<'_, T>,
        gradients: &mut PyramidParameters<T>,
    ) -> Result<()> {
        self.run_backward(workspace, gradient, gradients, false).map(drop)
    }

    fn run_backward(
        &self,
        workspace: &mut PyramidWorkspace<T>,
        gradient: OutputGradient<'_, T>,
        gradients: &mut PyramidParameters<T>,
        want_input: bool,
    ) -> Result<Option<Tensor<T>>> {
        expect_gradients(&self.parameters, gradients)?;
        self.expect_workspace(workspace)?;
        let (OutputGradient::Output(given) | OutputGradient::Logits(given)) = gradient;
        expect_shape("gradient of the predicted frames", given.shape(), workspace.output.shape())?;
        let mut d_logits = given.clone();
        if matches!(gradient, OutputGradient::Output(_)) {
            self.activation().scale_by_derivative(workspace.output.as_slice(), d_logits.as_mut_slice());
        }
        let (prepared, mut scratch) = (self.prepared()?, Scratchpad::new());
        let d_states = prepared.head_backward(workspace, &d_logits, gradients, &mut scratch)?;
        let d_starts = prepared.forecaster_backward(workspace, d_states, gradients, &mut scratch)?;
        let d_patches =
            prepared.encoder_backward(workspace, d_starts, gradients, want_input, &mut scratch)?;
        let Some(d_patches) = d_patches else { return Ok(None) };
        let steps = workspace.frames_read;
        let mut d_input = Tensor::zeros(&workspace.frames.shape(steps));
        let before = steps - workspace.encoder[0].top().steps();
        let with_gradient = &mut d_input.as_mut_slice()[before * workspace.frames.extent.len()..];
        workspace.frames.to_frames(&d_patches, with_gradient)?;
        if let Some(addition) = self.addition().filter(|_| self.config.residual == Residual::LastFrame) {
            addition.backward(&workspace.last_frame, &d_logits, d_input.slice_mut(steps - 1));
        }
        Ok(Some(d_input))
    }

    /// Fails unless the workspace is of this network with its weights as they are.
    fn expect_workspace(&self, workspace: &PyramidWorkspace<T>) -> Result<()> {
        let scales = &self.config.scales;
        for (what, stacks) in [("encoder", &workspace.encoder), ("forecaster", &workspace.forecaster)] {
            expect_count(&format!("scales of the {what} in the workspace"), scales.len(), stacks.len())?;
            for (index, (scale, stack)) in scales.iter().zip(stacks).enumerate() {
                let what = format!("layers of scale {index} of the {what} in the workspace");
                expect_count(&what, scale.layers, stack.layers.len())?;
                let what = format!("channels of states of scale {index} in the workspace");
                expect_count(&what, scale.channels, stack.top().state_extent().channels)?;
                let what = format!("channels read at scale {index} in the workspace");
                let own = stack.inputs.extent().channels;
                expect_count(&what, if own == 0 { 0 } else { scale.features() }, own)?;
            }
        }
        let patches = workspace.patches.extent().channels;
        expect_count("channels of patches in the workspace", self.config.patch_channels(), patches)?;
        let carried = [self.config.reads_carried(), workspace.carried.is_some()].map(usize::from);
        expect_count("sequences of carried frames in the workspace", carried[0], carried[1])?;
        let hidden = workspace.hidden.as_ref().map_or(0, |maps| maps.extent().channels);
        expect_count("channels of the output in the workspace", self.config.head_channels, hidden)?;
        self.stamp.expect(workspace.stamp)
    }
}

/// What enters a scale of the encoder from the forecaster.
struct Start<T> {
    /// Of the encoder's last state of each layer.
    last: Vec<FeatureMaps<T>>,
    /// Of what the encoder read of the last frame.
    d_read: Option<FeatureMaps<T>>,
}

impl<T: Scalar> Prepared<'_, T> {
    /// From the gradient of the output to that of the forecaster's finest states.
    fn head_backward(
        &self,
        workspace: &PyramidWorkspace<T>,
        d_logits: &Tensor<T>,
        gradients: &mut PyramidParameters<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<FeatureMaps<T>> {
        let predicted = workspace.frames.of_members(self.config.members);
        let d_patches = predicted.to_patches(d_logits.as_slice(), self.output.halo())?;
        let states = workspace.forecaster[0].top().states.as_ref();
        let head = &mut gradients.head;
        let read = workspace.hidden.as_ref().map_or(states, FeatureMaps::as_ref);
        self.output.weight_gradients(read, d_patches.as_ref(), &mut head.output, scratch)?;
        let mut d_read = self.output.input_gradient(d_patches.as_ref(), scratch)?;
        if let (Some(link), Some(hidden), Some(gradients)) =
            (&self.hidden, &workspace.hidden, &mut head.hidden)
        {
            d_read.as_mut().leaky_relu_backward(hidden.as_ref(), self.slope())?;
            link.weight_gradients(states, d_read.as_ref(), gradients, scratch)?;
            d_read = link.input_gradient(d_read.as_ref(), scratch)?;
        }
        Ok(d_read)
    }

    /// From the finest scale to the coarsest.
    fn forecaster_backward(
        &self,
        workspace: &mut PyramidWorkspace<T>,
        mut d_states: FeatureMaps<T>,
        gradients: &mut PyramidParameters<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<Vec<Start<T>>> {
        let mut starts = Vec::new();
        for (scale, of_scale) in self.forecaster.iter().enumerate() {
            let above = self.forecaster.get(scale + 1).and_then(|above| above.up.as_ref());
            let (stack, d_top) = (&mut workspace.forecaster[scale], Some(&d_states));
            let layers = &mut gradients.forecaster[scale].cells.layers;
            let way = Way { d_top, last: &[], want_input: above.is_some() };
            let mut back = way.back(&of_scale.cells, stack, layers, scratch)?;
            let d_inputs = back.take_input_gradient();
            let mut start = Start { last: back.into_initial_gradients(), d_read: None };
            if let (Some(up), Some(mut d_inputs)) = (above, d_inputs) {
                d_inputs.as_mut().leaky_relu_backward(stack.inputs.as_ref(), self.slope())?;
                let carried = workspace.carried.as_deref().filter(|_| scale == 0);
                if self.config.skip && carried.is_none() {
                    start.d_read = Some(sum_over_steps(&d_inputs, stack.top().batch)?);
                }
                let states = &workspace.forecaster[scale + 1].top().states;
                let d_deep = self.d_patches_above(scale + 1, &d_inputs, up.halo())?;
                if let Some(gradients) = &mut gradients.forecaster[scale + 1].up {
                    up.weight_gradients(states.as_ref(), d_deep.as_ref(), gradients, scratch)?;
                }
                d_states = up.input_gradient(d_deep.as_ref(), scratch)?;
                if let Some(CarriedRead { patches, features }) = carried {
                    d_inputs.as_mut().leaky_relu_backward(features.as_ref(), self.slope())?;
                    let gradients = &mut gradients.encoder[0].down;
                    let down = &self.encoder[0].down;
                    down.weight_gradients(patches.as_ref(), d_inputs.as_ref(), gradients, scratch)?;
                }
            }
            starts.push(start);
        }
        Ok(starts)
    }

    /// From the coarsest scale to the finest; the gradient of the patches of the frames, where it is wanted.
    fn encoder_backward(
        &self,
        workspace: &mut PyramidWorkspace<T>,
        starts: Vec<Start<T>>,
        gradients: &mut PyramidParameters<T>,
        want_input: bool,
        scratch: &mut Scratchpad<T>,
    ) -> Result<Option<FeatureMaps<T>>> {
        let mut d_states: Option<FeatureMaps<T>> = None;
        for (scale, start) in starts.into_iter().enumerate().rev() {
            let of_scale = &self.encoder[scale];
            let stack = &mut workspace.encoder[scale];
            let of_parameters = &mut gradients.encoder[scale];
            let way = Way { d_top: d_states.as_ref(), last: &start.last, want_input: true };
            let mut back = way.back(&of_scale.cells, stack, &mut of_parameters.cells.layers, scratch)?;
            let mut d_inputs =
                back.take_input_gradient().expect("the gradient of what is read was asked for");
            if let Some(d_read) = &start.d_read {
                let layer = stack.top();
                let last = layer.images(layer.steps() - 1..layer.steps());
                d_inputs.images_mut(last).add(d_read.as_ref())?;
            }
            d_inputs.as_mut().leaky_relu_backward(stack.inputs.as_ref(), self.slope())?;
            let below = match scale {
                0 => None,
                _ => Some(self.patches_below(scale, &workspace.encoder[scale - 1].top().states)?),
            };
            let read = below.as_ref().unwrap_or(&workspace.patches).as_ref();
            let down = &of_scale.down;
            down.weight_gradients(read, d_inputs.as_ref(), &mut of_parameters.down, scratch)?;
            if scale == 0 {
                return want_input.then(|| down.input_gradient(d_inputs.as_ref(), scratch)).transpose();
            }
            let d_deep = down.input_gradient(d_inputs.as_ref(), scratch)?;
            let mut d_below = FeatureMaps::zeros(workspace.encoder[scale - 1].top().states.extent())?;
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
        let extent = convgru_kernels::Extent {
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

/// What enters a stack on its way back, and what is wanted of it.
struct Way<'a, T> {
    /// Of all states of the topmost layer.
    d_top: Option<&'a FeatureMaps<T>>,
    /// Of the last state of each layer.
    last: &'a [FeatureMaps<T>],
    want_input: bool,
}

impl<T: Scalar> Way<'_, T> {
    /// Goes back over all steps.
    fn back(
        &self,
        cells: &PreparedStack<'_, T>,
        stack: &mut StackWorkspace<T>,
        gradients: &mut [CellParameters<T>],
        scratch: &mut Scratchpad<T>,
    ) -> Result<StackBackward<T>> {
        let mut back = StackBackward::new(cells, stack)?;
        for (layer, last) in back.layers.iter_mut().zip(self.last) {
            layer.d_hidden.as_mut().copy_from(last.as_ref())?;
        }
        let (top, batch) = (stack.layers.len() - 1, stack.top().batch);
        let enter = |mut entry: StateGradient<'_, T>| {
            let d_top = self.d_top.filter(|_| entry.layer == top);
            if let Some(d_top) = d_top {
                entry.gradient.add(d_top.images(entry.step * batch..(entry.step + 1) * batch))?;
            }
            Ok(())
        };
        back.sequence(cells, stack, enter, gradients, self.want_input, scratch)?;
        Ok(back)
    }
}

/// The sum of the steps of maps, `[T N, C, H, W] -> [N, C, H, W]`.
fn sum_over_steps<T: Scalar>(maps: &FeatureMaps<T>, batch: usize) -> Result<FeatureMaps<T>> {
    let mut sum = FeatureMaps::zeros(maps.extent().with_batch(batch))?;
    for step in 0..maps.extent().batch / batch {
        sum.as_mut().add(maps.images(step * batch..(step + 1) * batch))?;
    }
    Ok(sum)
}
