//! A layer's backward pass through time.

use std::ops::Range;

use convgru_kernels::conv::Output;
use convgru_kernels::{FeatureMaps, FeatureMapsMut, Scalar, Scratchpad};

use super::LayerWorkspace;
use crate::cell::{CellParameters, PreparedCell, RecurrentImages, StepBackward};
use crate::error::Result;
use crate::tensor::Tensor;

/// The gradients of a layer on the way back through its steps.
#[derive(Debug)]
pub(crate) struct LayerBackward<T> {
    /// Before the activations, of all steps, `[T N, 3 hidden, H, W]`.
    pub(crate) d_gates: FeatureMaps<T>,
    /// Of the state after the step that comes next on the way back, `[N, hidden, H, W]`.
    pub(crate) d_hidden: FeatureMaps<T>,
    /// Scratch for the gradient of `r.h` of one step.
    d_reset_hidden: FeatureMaps<T>,
}

impl<T: Scalar> LayerBackward<T> {
    /// Starts from a zero gradient of the last state.
    pub(crate) fn new(workspace: &LayerWorkspace<T>) -> Result<Self> {
        Ok(Self {
            d_gates: FeatureMaps::zeros(workspace.gates.extent())?,
            d_hidden: FeatureMaps::zeros(workspace.state_extent())?,
            d_reset_hidden: FeatureMaps::zeros(workspace.state_extent())?,
        })
    }

    /// Goes back over step `t`. The gradients that enter at the state after the step
    /// have been added to `d_hidden`.
    pub(crate) fn step(
        &mut self,
        cell: &PreparedCell<T>,
        workspace: &LayerWorkspace<T>,
        t: usize,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let images = workspace.images(t..t + 1);
        let step = StepBackward {
            gates: workspace.gates.images(images.clone()),
            hidden: workspace.state_before(t),
            d_hidden: self.d_hidden.as_mut(),
            d_gates: self.d_gates.images_mut(images),
            d_reset_hidden: self.d_reset_hidden.as_mut(),
        };
        cell.recur_backward(step, scratch)
    }

    /// The gradient of the inputs of some steps, after [`step`](Self::step) for them.
    pub(crate) fn input_gradient(
        &self,
        cell: &PreparedCell<T>,
        images: Range<usize>,
        d_input: FeatureMapsMut<'_, T>,
        mode: Output,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        cell.input_gradient(self.d_gates.images(images), d_input, mode, scratch)
    }

    /// Adds the gradients of all weights, after [`step`](Self::step) for every step.
    /// `input` is `[T N, in_channels, H, W]`.
    pub(crate) fn weight_gradients(
        &self,
        cell: &PreparedCell<T>,
        workspace: &LayerWorkspace<T>,
        input: &FeatureMaps<T>,
        gradients: &mut CellParameters<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        cell.input_weight_gradients(input.as_ref(), self.d_gates.as_ref(), gradients, scratch)?;
        // The first step starts from the initial state, the others from the step before.
        let (batch, all) = (workspace.batch, workspace.states.extent().batch);
        if let Some(hidden) = workspace.state_before(0) {
            let images = RecurrentImages {
                gates: workspace.gates.images(0..batch),
                hidden,
                d_gates: self.d_gates.images(0..batch),
            };
            let mut products = FeatureMaps::zeros(images.hidden.extent())?;
            cell.hidden_weight_gradients(images, products.as_mut(), gradients, scratch)?;
        }
        if all > batch {
            let images = RecurrentImages {
                gates: workspace.gates.images(batch..all),
                hidden: workspace.states.images(0..all - batch),
                d_gates: self.d_gates.images(batch..all),
            };
            let mut products = FeatureMaps::zeros(images.hidden.extent())?;
            cell.hidden_weight_gradients(images, products.as_mut(), gradients, scratch)?;
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
