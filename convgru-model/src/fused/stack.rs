//! Layers on top of each other, forward and backward, in the kernels' layout.

use convgru_kernels::conv::WriteMode;
use convgru_kernels::{Extent, FeatureMaps, Scalar, Scratchpad};

use crate::config::ConvGruConfig;
use crate::error::Result;
use crate::fused::blocks::{blocks, steps_of_block};
use crate::fused::cell::{CellInput, CellOptions, CellParameters, GATES, PreparedCell, expect_layers};
use crate::fused::recurrence::{LayerBackward, LayerWorkspace};
use crate::memory;
use crate::sequence::StateGradient;

/// The cells of a stack with their weights packed.
#[derive(Debug, Clone)]
pub(crate) struct PreparedStack<'w, T> {
    pub(crate) cells: Vec<PreparedCell<'w, T>>,
}

impl<'w, T: Scalar> PreparedStack<'w, T> {
    /// Layers whose names begin with `prefix`. The weights of an input that is always zero get no gradient.
    pub(crate) fn new(
        prefix: &str,
        layers: &'w [CellParameters<T>],
        config: &ConvGruConfig,
        lowest: CellInput,
    ) -> Result<Self> {
        expect_layers(prefix, config, layers)?;
        let options = CellOptions::of(config)?;
        let cells = layers.iter().zip(lowest.and_above());
        let cells = cells.map(|(layer, input)| PreparedCell::new(layer, options, input));
        Ok(Self { cells: cells.collect::<Result<_>>()? })
    }

    /// As [`new`](Self::new), for forward passes only. Each tensor is dropped as soon as it is packed.
    pub(crate) fn forward_only(
        prefix: &str,
        layers: Vec<CellParameters<T>>,
        config: &ConvGruConfig,
        lowest: CellInput,
    ) -> Result<PreparedStack<'static, T>> {
        expect_layers(prefix, config, &layers)?;
        let options = CellOptions::of(config)?;
        let cells = layers.into_iter().zip(lowest.and_above());
        let cells = cells.map(|(layer, input)| PreparedCell::forward_only(layer, options, input));
        Ok(PreparedStack { cells: cells.collect::<Result<_>>()? })
    }

    /// As [`workspace`](Self::workspace), for a forward pass that no backward pass follows.
    pub(crate) fn workspace_without_gates(&self, step: Extent, steps: usize) -> Result<StackWorkspace<T>> {
        let mut workspace = self.workspace(step, steps)?;
        workspace.layers.iter_mut().for_each(LayerWorkspace::discard_gates);
        Ok(workspace)
    }

    /// Memory for `steps` steps of inputs of the extent of one step, `[N, in_channels, H, W]`.
    pub(crate) fn workspace(&self, step: Extent, steps: usize) -> Result<StackWorkspace<T>> {
        self.workspace_keeping(step, steps, steps)
    }

    /// As [`workspace`](Self::workspace), with gates of `kept` steps at a time.
    pub(crate) fn workspace_keeping(
        &self,
        step: Extent,
        steps: usize,
        kept: usize,
    ) -> Result<StackWorkspace<T>> {
        memory::expect_bytes("what a network keeps of its steps", self.bytes_of(step, steps, kept))?;
        let halo_of_input = |index: usize| self.cells.get(index).map_or([0, 0], |cell| cell.input_halo());
        let layers = self.cells.iter().enumerate();
        Ok(StackWorkspace {
            inputs: FeatureMaps::with_halo(step.with_batch(step.batch * steps), halo_of_input(0))?,
            layers: layers
                .map(|(index, cell)| LayerWorkspace::new(cell, step, steps, kept, halo_of_input(index + 1)))
                .collect::<Result<_>>()?,
        })
    }

    /// As [`workspace_keeping`](Self::workspace_keeping), without inputs: see [`StackWorkspace::new_inputs`].
    pub(crate) fn workspace_without_inputs(
        &self,
        step: Extent,
        steps: usize,
        kept: usize,
    ) -> Result<StackWorkspace<T>> {
        let halo = self.cells.first().map_or([0, 0], PreparedCell::input_halo);
        let workspace = self.workspace_keeping(step.with_channels(0), steps, kept)?;
        Ok(StackWorkspace { inputs: FeatureMaps::with_halo(step.with_batch(0), halo)?, ..workspace })
    }

    /// Bytes of a workspace, but for borders around images. Channels lie in blocks of 64 bytes.
    pub(crate) fn bytes_of(&self, step: Extent, steps: usize, kept: usize) -> u128 {
        let bytes = |channels: usize, steps: usize| {
            let step = step.with_channels(channels.next_multiple_of(64 / size_of::<T>())).dims();
            memory::bytes_of::<T>(&step).saturating_mul(steps as u128)
        };
        let of_cell = |cell: &PreparedCell<'_, T>| {
            let hidden = cell.shape().hidden_channels;
            bytes(hidden, steps).saturating_add(bytes(hidden, kept).saturating_mul(GATES as u128))
        };
        let layers = self.cells.iter().map(of_cell).fold(0, u128::saturating_add);
        layers.saturating_add(bytes(step.channels, steps))
    }

    /// Whether a workspace was made for cells of the same shapes.
    pub(crate) fn owns(&self, workspace: &StackWorkspace<T>) -> bool {
        let layers = self.cells.iter().zip(&workspace.layers);
        self.cells.len() == workspace.layers.len() && layers.into_iter().all(|(cell, layer)| layer.fits(cell))
    }

    /// The first `steps` steps, layer after layer, each layer's input convolution in one call.
    pub(crate) fn forward(
        &self,
        workspace: &mut StackWorkspace<T>,
        steps: usize,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        for (index, cell) in self.cells.iter().enumerate() {
            let (below, layer) = workspace.layer_and_input(index);
            layer.provide_gates()?;
            for block in blocks(steps, layer.kept()) {
                layer.run(cell, below, block, scratch)?;
            }
            layer.release_gates()?;
        }
        Ok(())
    }

    /// As [`forward`](Self::forward), for the last time: packed weights are given back as soon as no step
    /// needs them.
    pub(crate) fn into_forward(
        self,
        workspace: &mut StackWorkspace<T>,
        steps: usize,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        for (index, mut cell) in self.cells.into_iter().enumerate() {
            let (below, layer) = workspace.layer_and_input(index);
            layer.provide_gates()?;
            for block in blocks(steps, layer.kept()) {
                let input = layer.convolve_input(&cell, below, block.clone(), scratch)?;
                if block.end == steps && input.is_none() {
                    cell.release_input();
                }
                layer.recur(&cell, input, block, scratch)?;
            }
            layer.release_gates()?;
        }
        Ok(())
    }

    /// Step `t` of all layers, whose input has been written.
    pub(crate) fn step(
        &self,
        workspace: &mut StackWorkspace<T>,
        t: usize,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        for (index, cell) in self.cells.iter().enumerate() {
            let (below, layer) = workspace.layer_and_input(index);
            layer.provide_gates()?;
            layer.run(cell, below, t..t + 1, scratch)?;
        }
        Ok(())
    }
}

/// What a stack writes on its way forward and reads on its way backward.
#[derive(Debug)]
pub(crate) struct StackWorkspace<T> {
    /// `[T N, in_channels, H, W]`, or no images where the inputs are made again for the way back.
    pub(crate) inputs: FeatureMaps<T>,
    pub(crate) layers: Vec<LayerWorkspace<T>>,
}

impl<T: Scalar> StackWorkspace<T> {
    /// The workspace of a layer and the sequence it reads.
    fn layer_and_input(&mut self, index: usize) -> (&FeatureMaps<T>, &mut LayerWorkspace<T>) {
        let (below, from) = self.layers.split_at_mut(index);
        (below.last().map_or(&self.inputs, |layer| &layer.states), &mut from[0])
    }

    /// Every sample takes all steps.
    pub(crate) fn clear_lengths(&mut self) {
        self.layers.iter_mut().for_each(|layer| layer.lengths.clear());
    }

    /// Samples of the given lengths, of which `before` steps have gone. Inputs past an end become zero: what was
    /// read there must not reach a result, not even as a product of zero and a NaN.
    pub(crate) fn set_lengths(&mut self, lengths: &[usize], before: usize) {
        for layer in &mut self.layers {
            layer.lengths.set(lengths, before);
        }
        let Self { inputs, layers } = self;
        let Some(layer) = layers.first() else { return };
        for t in 0..layer.steps() {
            for samples in layer.lengths.ended(t) {
                let first = layer.images(t..t + 1).start;
                inputs.images_mut(first + samples.start..first + samples.end).set_zero();
            }
        }
    }

    /// Memory for the inputs of all steps, to be written and put in their place.
    pub(crate) fn new_inputs(&self) -> Result<FeatureMaps<T>> {
        let top = self.top();
        let all = self.inputs.extent().with_batch(top.batch * top.steps());
        Ok(FeatureMaps::with_halo(all, self.inputs.halo())?)
    }

    /// Whether the inputs of all steps are there.
    pub(crate) fn has_inputs(&self) -> bool {
        let top = self.top();
        self.inputs.extent().batch == top.batch * top.steps()
    }

    /// Gives the memory of the inputs back: they are made again before the way back.
    pub(crate) fn release_inputs(&mut self) -> Result<()> {
        self.inputs = FeatureMaps::with_halo(self.inputs.extent().with_batch(0), self.inputs.halo())?;
        Ok(())
    }

    /// Bytes of its numbers, without borders around images.
    pub(crate) fn bytes(&self) -> usize {
        let numbers: usize = self.layers.iter().map(LayerWorkspace::numbers).sum();
        (self.inputs.extent().len() + numbers) * size_of::<T>()
    }

    /// The sequence a layer reads.
    fn input_of(&self, index: usize) -> &FeatureMaps<T> {
        if index == 0 { &self.inputs } else { &self.layers[index - 1].states }
    }

    /// Whether the workspace is the one that [`PreparedStack::workspace`] would make.
    pub(crate) fn fits(&self, step: Extent, steps: usize, kept: usize) -> bool {
        let top = self.top();
        self.inputs.extent() == step.with_batch(step.batch * steps)
            && top.batch == step.batch
            && top.kept() == kept
    }

    /// The topmost layer.
    pub(crate) fn top(&self) -> &LayerWorkspace<T> {
        self.layers.last().expect("a validated configuration has a layer")
    }
}

/// The gradients of a stack on the way back through its steps, and their memory.
#[derive(Debug)]
pub(crate) struct StackBackward<T> {
    pub(crate) layers: Vec<LayerBackward<T>>,
    /// Gradients of the steps of a block of what each layer reads, `[steps N, channels, H, W]`, but
    /// those of the lowest layer of all steps, made when first needed.
    d_inputs: Vec<Option<FeatureMaps<T>>>,
    /// Steps of a block.
    steps: usize,
}

impl<T: Scalar> StackBackward<T> {
    /// Starts from zero gradients of the last states, to go back over a
    /// [`sequence`](Self::sequence) in blocks of steps.
    pub(crate) fn new(stack: &PreparedStack<'_, T>, workspace: &StackWorkspace<T>) -> Result<Self> {
        let widest = workspace.layers.iter().map(|layer| layer.state_extent().channels).max();
        let (step, steps) = (workspace.top().state_extent(), workspace.top().steps());
        let block = steps_of_block(step, widest.unwrap_or(1), steps);
        Self::with_blocks(stack, workspace, block.min(workspace.top().kept()))
    }

    /// Starts from zero gradients of the last states, to go back over all layers
    /// [`step`](Self::step) by step.
    pub(crate) fn step_by_step(stack: &PreparedStack<'_, T>, workspace: &StackWorkspace<T>) -> Result<Self> {
        Self::with_blocks(stack, workspace, workspace.top().steps())
    }

    fn with_blocks(
        stack: &PreparedStack<'_, T>,
        workspace: &StackWorkspace<T>,
        steps: usize,
    ) -> Result<Self> {
        let layers = stack.cells.iter().zip(&workspace.layers);
        let layers = layers.map(|(cell, layer)| LayerBackward::new(cell, layer, steps));
        let d_inputs = stack.cells.iter().map(|_| None).collect();
        Ok(Self { layers: layers.collect::<Result<_>>()?, d_inputs, steps })
    }

    /// Goes back over step `t` of all layers. The gradients that enter at the states after
    /// the step have been added; with `d_input` the gradient of the step's input is added to it.
    pub(crate) fn step(
        &mut self,
        stack: &PreparedStack<'_, T>,
        workspace: &StackWorkspace<T>,
        t: usize,
        mut d_input: Option<&mut FeatureMaps<T>>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        for index in (0..self.layers.len()).rev() {
            let (cell, layer) = (&stack.cells[index], &workspace.layers[index]);
            let (below, from) = self.layers.split_at_mut(index);
            let back = &mut from[0];
            back.step(cell, layer, &(0..layer.steps()), t, scratch)?;
            let images = layer.images(t..t + 1);
            let d_below = match below.last_mut() {
                Some(below) => Some(below.d_hidden.as_mut()),
                None => d_input.as_mut().map(|maps| maps.as_mut()),
            };
            if let Some(d_below) = d_below {
                back.input_gradient(cell, images, d_below, WriteMode::Add, scratch)?;
            }
        }
        Ok(())
    }

    /// Goes back over all steps, block after block and in each layer after layer, and adds all
    /// gradients of weights. Gates that were not kept are computed again.
    ///
    /// `enter` adds the gradients that enter at a state: it is called for every layer and step once,
    /// for the steps of a layer from the last to the first. The result is the gradient of the inputs,
    /// `[T N, in_channels, H, W]`, where it is asked for.
    pub(crate) fn sequence(
        &mut self,
        stack: &PreparedStack<'_, T>,
        workspace: &mut StackWorkspace<T>,
        mut enter: impl FnMut(StateGradient<'_, T>) -> Result<()>,
        gradients: &mut [CellParameters<T>],
        want_input: bool,
        scratch: &mut Scratchpad<T>,
    ) -> Result<Option<&FeatureMaps<T>>> {
        self.take_memory_of_inputs(workspace, want_input)?;
        workspace.layers.iter_mut().try_for_each(LayerWorkspace::provide_gates)?;
        let steps = workspace.top().steps();
        for block in blocks(steps, self.steps).rev() {
            for index in (0..self.layers.len()).rev() {
                let (cell, back) = (&stack.cells[index], &mut self.layers[index]);
                let (below, layer) = workspace.layer_and_input(index);
                if layer.kept() < steps {
                    layer.run(cell, below, block.clone(), scratch)?;
                }
                let (of_layer, above) = self.d_inputs.split_at_mut(index + 1);
                let d_states = above.first().and_then(Option::as_ref);
                for t in block.clone().rev() {
                    let gradient = back.d_hidden.as_mut();
                    enter(StateGradient { layer: index, step: t, state: layer.state(t), gradient })?;
                    if let Some(d_states) = d_states {
                        let images = layer.images(t - block.start..t + 1 - block.start);
                        back.d_hidden.as_mut().add(d_states.images(images))?;
                    }
                    back.step(cell, layer, &block, t, scratch)?;
                }
                back.weight_gradients(cell, layer, below, &block, &mut gradients[index], scratch)?;
                if let Some(d_input) = of_layer[index].as_mut().filter(|_| index > 0 || want_input) {
                    let images = layer.images(0..block.len());
                    let target = if index > 0 { images.clone() } else { layer.images(block.clone()) };
                    let d_images = d_input.images_mut(target);
                    back.input_gradient(cell, images, d_images, WriteMode::Overwrite, scratch)?;
                }
            }
        }
        workspace.layers.iter_mut().try_for_each(LayerWorkspace::release_gates)?;
        Ok(self.d_inputs.first().and_then(Option::as_ref).filter(|_| want_input))
    }

    /// The gradient of the inputs that [`sequence`](Self::sequence) computed, to be kept.
    pub(crate) fn take_input_gradient(&mut self) -> Option<FeatureMaps<T>> {
        self.d_inputs.first_mut().and_then(Option::take)
    }

    /// The gradients of the states before the first step, at the end of the way back.
    pub(crate) fn into_initial_gradients(self) -> Vec<FeatureMaps<T>> {
        self.layers.into_iter().map(|layer| layer.d_hidden).collect()
    }

    fn take_memory_of_inputs(&mut self, workspace: &StackWorkspace<T>, want_input: bool) -> Result<()> {
        for (index, d_input) in self.d_inputs.iter_mut().enumerate() {
            if d_input.is_none() && (index > 0 || want_input) {
                let extent = workspace.input_of(index).extent();
                let block = self.steps * workspace.top().batch;
                let images = if index > 0 { block.min(extent.batch) } else { extent.batch };
                *d_input = Some(FeatureMaps::zeros(extent.with_batch(images))?);
            }
        }
        Ok(())
    }

    /// Adds all gradients of weights after [`step`](Self::step) for every step.
    pub(crate) fn weight_gradients(
        &mut self,
        stack: &PreparedStack<'_, T>,
        workspace: &StackWorkspace<T>,
        gradients: &mut [CellParameters<T>],
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        for (index, back) in self.layers.iter_mut().enumerate() {
            let layer = &workspace.layers[index];
            let input = workspace.input_of(index);
            let all = 0..layer.steps();
            back.weight_gradients(&stack.cells[index], layer, input, &all, &mut gradients[index], scratch)?;
        }
        Ok(())
    }
}
