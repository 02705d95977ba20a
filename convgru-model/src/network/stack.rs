//! Layers on top of each other, forward and backward, in the kernels' layout.

use convgru_kernels::conv::Output;
use convgru_kernels::{Extent, FeatureMaps, Scalar, Scratchpad};

use crate::cell::{CellParameters, PreparedCell};
use crate::error::Result;
use crate::sequence::{LayerBackward, LayerWorkspace};

/// The cells of a stack with their weights packed.
#[derive(Debug)]
pub(super) struct PreparedStack<T> {
    pub(super) cells: Vec<PreparedCell<T>>,
}

impl<T: Scalar> PreparedStack<T> {
    pub(super) fn new(layers: &[CellParameters<T>]) -> Result<Self> {
        Ok(Self { cells: layers.iter().map(PreparedCell::new).collect::<Result<_>>()? })
    }

    /// Memory for `steps` steps of inputs of the extent of one step, `[N, in_channels, H, W]`.
    pub(super) fn workspace(&self, step: Extent, steps: usize) -> Result<StackWorkspace<T>> {
        Ok(StackWorkspace {
            inputs: FeatureMaps::zeros(step.with_batch(step.batch * steps))?,
            layers: self
                .cells
                .iter()
                .map(|cell| LayerWorkspace::new(cell, step, steps))
                .collect::<Result<_>>()?,
        })
    }

    /// The first `steps` steps, layer after layer, each layer's input convolution in one call.
    pub(super) fn forward(
        &self,
        workspace: &mut StackWorkspace<T>,
        steps: usize,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        for (index, cell) in self.cells.iter().enumerate() {
            let (below, layer) = workspace.layer_and_input(index);
            let images = layer.images(0..steps);
            layer.convolve_input(cell, below.images(images), 0..steps, scratch)?;
            for t in 0..steps {
                layer.recur(cell, t, scratch)?;
            }
        }
        Ok(())
    }

    /// Step `t` of all layers, whose input has been written.
    pub(super) fn step(
        &self,
        workspace: &mut StackWorkspace<T>,
        t: usize,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        for (index, cell) in self.cells.iter().enumerate() {
            let (below, layer) = workspace.layer_and_input(index);
            let images = layer.images(t..t + 1);
            layer.convolve_input(cell, below.images(images), t..t + 1, scratch)?;
            layer.recur(cell, t, scratch)?;
        }
        Ok(())
    }
}

/// What a stack writes on its way forward and reads on its way backward.
#[derive(Debug)]
pub(super) struct StackWorkspace<T> {
    /// `[T N, in_channels, H, W]`
    pub(super) inputs: FeatureMaps<T>,
    pub(super) layers: Vec<LayerWorkspace<T>>,
}

impl<T: Scalar> StackWorkspace<T> {
    /// The workspace of a layer and the sequence it reads.
    fn layer_and_input(&mut self, index: usize) -> (&FeatureMaps<T>, &mut LayerWorkspace<T>) {
        let (below, from) = self.layers.split_at_mut(index);
        (below.last().map_or(&self.inputs, |layer| &layer.states), &mut from[0])
    }

    /// The sequence a layer reads.
    fn input_of(&self, index: usize) -> &FeatureMaps<T> {
        if index == 0 { &self.inputs } else { &self.layers[index - 1].states }
    }

    /// The topmost layer.
    pub(super) fn top(&self) -> &LayerWorkspace<T> {
        self.layers.last().expect("a validated configuration has a layer")
    }
}

/// The gradients of a stack on the way back through its steps.
#[derive(Debug)]
pub(super) struct StackBackward<T> {
    pub(super) layers: Vec<LayerBackward<T>>,
}

impl<T: Scalar> StackBackward<T> {
    /// Starts from zero gradients of the last states.
    pub(super) fn new(workspace: &StackWorkspace<T>) -> Result<Self> {
        Ok(Self { layers: workspace.layers.iter().map(LayerBackward::new).collect::<Result<_>>()? })
    }

    /// Goes back over step `t` of all layers. The gradients that enter at the states after
    /// the step have been added; with `d_input` the gradient of the step's input is added to it.
    pub(super) fn step(
        &mut self,
        stack: &PreparedStack<T>,
        workspace: &StackWorkspace<T>,
        t: usize,
        mut d_input: Option<&mut FeatureMaps<T>>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        for index in (0..self.layers.len()).rev() {
            let (cell, layer) = (&stack.cells[index], &workspace.layers[index]);
            let (below, from) = self.layers.split_at_mut(index);
            let back = &mut from[0];
            back.step(cell, layer, t, scratch)?;
            let images = layer.images(t..t + 1);
            let d_below = match below.last_mut() {
                Some(below) => Some(below.d_hidden.as_mut()),
                None => d_input.as_mut().map(|maps| maps.as_mut()),
            };
            if let Some(d_below) = d_below {
                back.input_gradient(cell, images, d_below, Output::Add, scratch)?;
            }
        }
        Ok(())
    }

    /// Goes back over all steps, layer after layer, and adds all gradients of weights.
    ///
    /// `enter(layer, t, d_hidden)` adds the gradients that enter at the state of a layer
    /// after step `t`. The result is the gradient of the inputs, `[T N, in_channels, H, W]`,
    /// where it is asked for.
    pub(super) fn sequence(
        &mut self,
        stack: &PreparedStack<T>,
        workspace: &StackWorkspace<T>,
        mut enter: impl FnMut(usize, usize, &mut FeatureMaps<T>) -> Result<()>,
        gradients: &mut [CellParameters<T>],
        want_input: bool,
        scratch: &mut Scratchpad<T>,
    ) -> Result<Option<FeatureMaps<T>>> {
        let mut from_above: Option<FeatureMaps<T>> = None;
        for index in (0..self.layers.len()).rev() {
            let (cell, layer) = (&stack.cells[index], &workspace.layers[index]);
            let back = &mut self.layers[index];
            for t in (0..layer.steps()).rev() {
                enter(index, t, &mut back.d_hidden)?;
                if let Some(d_states) = &from_above {
                    back.d_hidden.as_mut().add(d_states.images(layer.images(t..t + 1)))?;
                }
                back.step(cell, layer, t, scratch)?;
            }
            let input = workspace.input_of(index);
            back.weight_gradients(cell, layer, input, &mut gradients[index], scratch)?;
            from_above = None;
            if index > 0 || want_input {
                let mut d_input = FeatureMaps::zeros(input.extent())?;
                let images = 0..input.extent().batch;
                back.input_gradient(cell, images, d_input.as_mut(), Output::Overwrite, scratch)?;
                from_above = Some(d_input);
            }
        }
        Ok(from_above)
    }

    /// Adds all gradients of weights after [`step`](Self::step) for every step.
    pub(super) fn weight_gradients(
        &self,
        stack: &PreparedStack<T>,
        workspace: &StackWorkspace<T>,
        gradients: &mut [CellParameters<T>],
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        for (index, back) in self.layers.iter().enumerate() {
            let layer = &workspace.layers[index];
            let input = workspace.input_of(index);
            back.weight_gradients(&stack.cells[index], layer, input, &mut gradients[index], scratch)?;
        }
        Ok(())
    }
}
