//! A layer's backward pass through time.

use std::ops::Range;

use convgru_kernels::conv::WriteMode;
use convgru_kernels::{FeatureMaps, FeatureMapsMut, Scalar, Scratchpad};

use super::LayerWorkspace;
use crate::error::Result;
use crate::fused::cell::{CellParameters, CellStepBackward, GATES, PreparedCell, RecurrentImages};
use crate::tensor::Tensor;

/// The gradients of a layer on the way back through its steps.
///
/// Gradients before the activations are kept for a block of steps at a time: [`step`](Self::step)
/// for each of them, last to first, then [`weight_gradients`](Self::weight_gradients) and
/// [`input_gradient`](Self::input_gradient) for the block.
#[derive(Debug)]
pub(crate) struct LayerBackward<T> {
    /// Before the activations, of the steps of a block, `[steps N, 3 hidden, H, W]`.
    d_gates: FeatureMaps<T>,
    /// Of the state after the step that comes next on the way back, `[N, hidden, H, W]`.
    pub(crate) d_hidden: FeatureMaps<T>,
    /// Memory for `r.h` of the steps of a block, or the gradient of `u` where the reset gate acts
    /// after that, `[steps N, hidden, H, W]`.
    products: FeatureMaps<T>,
    /// Memory for the gradients of states that a step leaves as they are, `[N, hidden, H, W]`, where
    /// samples have ends of their own.
    held: Option<FeatureMaps<T>>,
}

impl<T: Scalar> LayerBackward<T> {
    /// Starts from a zero gradient of the last state, with room for blocks of at most `steps` steps.
    pub(crate) fn new(
        cell: &PreparedCell<'_, T>,
        workspace: &LayerWorkspace<T>,
        steps: usize,
    ) -> Result<Self> {
        let state = workspace.state_extent();
        let block = state.with_batch(state.batch * steps);
        let (halo, of_input) = (cell.halo(), cell.input_halo());
        let widest = [0, 1].map(|axis| halo[axis].max(of_input[axis]));
        Ok(Self {
            d_gates: FeatureMaps::sectioned(block.with_channels(GATES * state.channels), GATES, widest)?,
            d_hidden: FeatureMaps::zeros(state)?,
            products: FeatureMaps::with_halo(block, halo)?,
            held: workspace.lengths.are_given().then(|| FeatureMaps::zeros(state)).transpose()?,
        })
    }

    /// Goes back over step `t` of a block. The gradients that enter at the state after the step
    /// have been added to `d_hidden`.
    ///
    /// For samples that ended before the step, the gradient of the state after it is that of the state before it, and
    /// to the step itself comes a gradient of zero.
    pub(crate) fn step(
        &mut self,
        cell: &PreparedCell<'_, T>,
        workspace: &LayerWorkspace<T>,
        block: &Range<usize>,
        t: usize,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        if let Some(held) = &mut self.held {
            for samples in workspace.lengths.ended(t) {
                held.images_mut(samples.clone()).copy_from(self.d_hidden.images(samples.clone()))?;
                self.d_hidden.images_mut(samples).set_zero();
            }
        }
        let images = workspace.images(t..t + 1);
        let of_block = workspace.images(t - block.start..t + 1 - block.start);
        let step = CellStepBackward {
            gates: workspace.gates.images(workspace.gate_images(images.clone())),
            hidden: workspace.state_before(t),
            memory: workspace.memory(images),
            d_hidden: self.d_hidden.as_mut(),
            d_gates: self.d_gates.images_mut(of_block.clone()),
            products: self.products.images_mut(of_block),
        };
        cell.recur_backward(step, scratch)?;
        if let Some(held) = &self.held {
            for samples in workspace.lengths.ended(t) {
                self.d_hidden.images_mut(samples.clone()).copy_from(held.images(samples))?;
            }
        }
        Ok(())
    }

    /// The gradient of the inputs of some steps of a block, after [`step`](Self::step) for them.
    pub(crate) fn input_gradient(
        &self,
        cell: &PreparedCell<'_, T>,
        images: Range<usize>,
        d_input: FeatureMapsMut<'_, T>,
        mode: WriteMode,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        cell.input_gradient(self.d_gates.images(images), d_input, mode, scratch)
    }

    /// Adds the gradients of all weights over a block, after [`step`](Self::step) for each of its
    /// steps. `input` is `[T N, in_channels, H, W]`.
    pub(crate) fn weight_gradients(
        &mut self,
        cell: &PreparedCell<'_, T>,
        workspace: &LayerWorkspace<T>,
        input: &FeatureMaps<T>,
        block: &Range<usize>,
        gradients: &mut CellParameters<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let all = workspace.images(block.clone());
        let d_gates = self.d_gates.images(0..all.len());
        cell.input_weight_gradients(input.images(all.clone()), d_gates, gradients, scratch)?;
        cell.hidden_bias_gradient(self.products.images(0..all.len()), gradients)?;
        // The first step starts from the initial state, the others from the step before.
        let batch = workspace.batch;
        let mut rest = all.clone();
        if block.start == 0 {
            if let Some(hidden) = workspace.state_before(0) {
                let images = RecurrentImages {
                    gates: workspace.gates.images(workspace.gate_images(0..batch)),
                    hidden,
                    d_gates: self.d_gates.images(0..batch),
                };
                let products = self.products.images_mut(0..batch);
                cell.hidden_weight_gradients(images, products, gradients, scratch)?;
            }
            rest.start = batch;
        }
        if !rest.is_empty() {
            let of_block = rest.start - all.start..rest.end - all.start;
            let images = RecurrentImages {
                gates: workspace.gates.images(workspace.gate_images(rest.clone())),
                hidden: workspace.states.images(rest.start - batch..rest.end - batch),
                d_gates: self.d_gates.images(of_block.clone()),
            };
            cell.hidden_weight_gradients(images, self.products.images_mut(of_block), gradients, scratch)?;
        }
        Ok(())
    }

    /// The gradient of the state before the first step, `[N, hidden, H, W]`, at the end of the way back.
    pub(crate) fn d_initial(&self) -> Result<Tensor<T>> {
        let mut tensor = Tensor::zeros(&self.d_hidden.extent().dims());
        self.d_hidden.as_ref().write_nchw(tensor.as_mut_slice())?;
        Ok(tensor)
    }
}
