//! The work of one kind of network of fused stacks; all kinds share the rest of a forecaster.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use convgru_kernels::{Extent, Scalar, Scratchpad};

use super::noise::Noise;
use super::parameters::ForecasterParameters;
use super::pass::{Activations, ForecastPass};
use super::recurrent::RecurrentNetwork;
use super::sizes::Sizes;
use crate::config::NetworkConfig;
use crate::error::Result;
use crate::fused::recurrence::LayerWorkspace;
use crate::fused::stack::{PreparedStack, StackWorkspace};
use crate::tensor::Tensor;

/// A network at hand, by the engine that computes it.
#[derive(Debug)]
pub(super) enum Packed<'a, T> {
    /// Stacks of fused cells, with their weights packed.
    Fused(Arc<dyn PackedNetwork<T> + 'a>),
    /// Composed cells, whose kernels are packed when they are first needed.
    Composed(Arc<RecurrentNetwork<'a, T>>),
}

impl<T> Clone for Packed<'_, T> {
    fn clone(&self) -> Self {
        match self {
            Self::Fused(network) => Self::Fused(Arc::clone(network)),
            Self::Composed(network) => Self::Composed(Arc::clone(network)),
        }
    }
}

impl<T: Scalar> Packed<'_, T> {
    /// The configuration of the network.
    pub(super) fn config(&self) -> &dyn NetworkConfig {
        match self {
            Self::Fused(network) => network.config(),
            Self::Composed(network) => &network.config,
        }
    }
}

/// A network of fused stacks of one kind with its weights packed: its encoder, its decoder and the backward pass through both.
pub(super) trait PackedNetwork<T: Scalar>: Debug + Send + Sync {
    /// What the network is.
    fn config(&self) -> &dyn NetworkConfig;

    /// The stacks of the encoder, the finest scale first.
    fn encoder(&self, sizes: &Sizes) -> Vec<Stack<'_, T>>;

    /// The stacks of the decoder, the finest scale first.
    fn decoder(&self, sizes: &Sizes) -> Vec<Stack<'_, T>>;

    /// Frames of the input before a forecast that it needs, besides the states of the encoder.
    fn frames_needed(&self) -> usize {
        1
    }

    /// The last frame carried on to each of the next steps, where the network does that: constants of a training step.
    ///
    /// # Shapes
    /// `last_frames`: `[T, N, C, H, W]` as they are read; result: `[steps, N, C, H, W]` without a mask
    fn extrapolate(
        &self,
        _sizes: &Sizes,
        _last_frames: &Tensor<T>,
        _steps: usize,
    ) -> Result<Option<Tensor<T>>> {
        Ok(None)
    }

    /// Reads frames `[T, N, C, H, W]`, from the states that the stacks start from, which have room for `T` steps.
    fn encode(&self, sizes: &Sizes, frames: &[T], memory: &mut PassMemory<'_, T>) -> Result<()>;

    /// Starts the decoder from the encoder after the last frame: each layer from the last state of the same layer, unless the
    /// network does something else.
    fn start(&self, encoder: &[StackWorkspace<T>], decoder: &mut [StackWorkspace<T>]) -> Result<()> {
        start_from(encoder, decoder)
    }

    /// Writes to `logits` the frames of some steps before the output activation, `[steps, N, K C, H, W]`. A network that reads
    /// its predictions is asked for one step at a time.
    fn decode(&self, read: &Read<'_, T>, memory: &mut PassMemory<'_, T>, logits: &mut [T]) -> Result<()>;

    /// Adds the gradients of all parameters, given the gradient of the frames before the output activation, and returns the gradient of
    /// the frames that were encoded, `[T, N, C, H, W]`, where the pass asks for it.
    fn backward(&self, back: &mut BackwardPass<'_, T>, d_logits: Tensor<T>) -> Result<Option<Tensor<T>>>;
}

/// A stack of cells, and one step of what it reads.
#[derive(Debug)]
pub(super) struct Stack<'a, T> {
    pub(super) cells: &'a PreparedStack<'a, T>,
    pub(super) step: Extent,
    /// Whether a training pass keeps the inputs; otherwise the way back makes them again.
    pub(super) keeps_inputs: bool,
}

impl<T: Scalar> Stack<'_, T> {
    /// Memory for so many steps of a forecast. Large gates are there only while the stack works.
    pub(super) fn workspace(&self, steps: usize) -> Result<StackWorkspace<T>> {
        let mut workspace = self.cells.workspace_without_gates(self.step, steps)?;
        workspace.layers.iter_mut().try_for_each(LayerWorkspace::release_gates)?;
        Ok(workspace)
    }

    /// Channels of the widest state.
    pub(super) fn widest(&self) -> usize {
        self.cells.cells.iter().map(|cell| cell.shape().hidden_channels).max().unwrap_or(1)
    }
}

/// What the encoder or the decoder writes on its way forward.
#[derive(Debug)]
pub(super) struct PassMemory<'m, T> {
    /// The finest scale first.
    pub(super) stacks: &'m mut [StackWorkspace<T>],
    pub(super) activations: &'m mut Activations<T>,
    pub(super) scratch: &'m mut Scratchpad<T>,
    /// Whether this is the only pass with the weights as they are, but for a way back: each stack gives its packed weights back when
    /// it has taken all steps.
    pub(super) once: bool,
}

/// What a decoder may read at some steps.
#[derive(Debug)]
pub(super) struct Read<'a, T> {
    pub(super) sizes: &'a Sizes,
    /// The steps, as places of the stacks.
    pub(super) steps: Range<usize>,
    /// Which step of the forecast the first of them is.
    pub(super) first_step: usize,
    /// The stacks of the encoder after the last frame.
    pub(super) encoder: &'a [StackWorkspace<T>],
    /// The last frame of the input, `[N, C, H, W]`.
    pub(super) last_frame: &'a [T],
    /// The frame before the first of the steps: the last one of the input, a prediction or a true frame.
    pub(super) frame_before: &'a [T],
    /// What [`PackedNetwork::extrapolate`] gives for the steps.
    pub(super) extrapolated: Option<&'a [T]>,
    /// The noise of the forecast.
    pub(super) noise: &'a Noise<T>,
}

/// A way back through a network: its forward pass, and where the gradients of the weights are added.
#[derive(Debug)]
pub(super) struct BackwardPass<'a, T> {
    pub(super) pass: &'a mut ForecastPass<T>,
    pub(super) gradients: &'a mut ForecasterParameters<T>,
    pub(super) scratch: &'a mut Scratchpad<T>,
}

/// Starts each layer of some stacks from the last state of the same layer of others.
pub(super) fn start_from<T: Scalar>(
    before: &[StackWorkspace<T>],
    stacks: &mut [StackWorkspace<T>],
) -> Result<()> {
    for (stack, before) in stacks.iter_mut().zip(before) {
        for (layer, before) in stack.layers.iter_mut().zip(&before.layers) {
            layer.set_initial(before.state(before.steps() - 1))?;
        }
    }
    Ok(())
}
