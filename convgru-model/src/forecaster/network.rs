//! What one kind of network does; everything else of a forecaster is shared.

use std::fmt::Debug;
use std::ops::Range;

use convgru_kernels::{Extent, FeatureMaps, Scalar, Scratchpad};

use super::parameters::ForecasterParameters;
use super::sizes::Sizes;
use super::training::ForecasterWorkspace;
use crate::error::Result;
use crate::fused::stack::{PreparedStack, StackWorkspace};
use crate::tensor::Tensor;

/// A network of one kind with its weights packed: its encoder, its forecaster and the way back through both. Its configuration
/// is a [`NetworkConfig`](crate::config::NetworkConfig).
pub(super) trait Network<T: Scalar>: Debug + Send + Sync {
    /// The stacks of the encoder, the finest scale first.
    fn encoder(&self, sizes: &Sizes) -> Vec<Stack<'_, T>>;

    /// The stacks of the forecaster, the finest scale first.
    fn forecaster(&self, sizes: &Sizes) -> Vec<Stack<'_, T>>;

    /// Frames of the input before a forecast that it needs, besides the states of the encoder.
    fn frames_needed(&self) -> usize {
        1
    }

    /// The last frame carried on to each of the next steps, where the network does that: constants of a training step.
    ///
    /// # Shapes
    /// `last_frames`: `[T, N, C, H, W]`; result: `[steps, N, C, H, W]`
    fn extrapolate(&self, _last_frames: &Tensor<T>, _steps: usize) -> Result<Option<Tensor<T>>> {
        Ok(None)
    }

    /// Reads frames `[T, N, C, H, W]`, from the states that the stacks start from, which have room for `T` steps.
    fn encode(
        &self,
        sizes: &Sizes,
        frames: &[T],
        stacks: &mut [StackWorkspace<T>],
        kept: &mut Kept<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()>;

    /// Writes to `logits` the frames of some steps before the output activation, `[steps, N, K C, H, W]`. The steps are places
    /// of the stacks; a network that reads its predictions is asked for one at a time.
    fn decode(
        &self,
        read: &Read<'_, T>,
        steps: Range<usize>,
        stacks: &mut [StackWorkspace<T>],
        logits: &mut [T],
        kept: &mut Kept<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()>;

    /// Adds the gradients of all parameters, given that of the frames before the output activation; that of the input is
    /// written to `d_input`, `[T, N, C, H, W]`, which holds zeros, where it is asked for.
    fn backward(
        &self,
        workspace: &mut ForecasterWorkspace<T>,
        d_logits: &Tensor<T>,
        gradients: &mut ForecasterParameters<T>,
        d_input: Option<&mut Tensor<T>>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()>;
}

/// A stack of cells, and one step of what it reads.
#[derive(Debug)]
pub(super) struct Stack<'a, T> {
    pub(super) cells: &'a PreparedStack<'a, T>,
    pub(super) step: Extent,
}

impl<T: Scalar> Stack<'_, T> {
    /// Channels of the widest state.
    pub(super) fn widest(&self) -> usize {
        self.cells.cells.iter().map(|cell| cell.shape().hidden_channels).max().unwrap_or(1)
    }
}

/// What a forecaster may read at some steps.
#[derive(Debug)]
pub(super) struct Read<'a, T> {
    pub(super) sizes: &'a Sizes,
    /// The stacks of the encoder after the last frame.
    pub(super) encoder: &'a [StackWorkspace<T>],
    /// The last frame of the input, `[N, C, H, W]`.
    pub(super) last_frame: &'a [T],
    /// The frame before the first of the steps: the last one of the input, a prediction or a true frame.
    pub(super) frame_before: &'a [T],
    /// What [`Network::extrapolate`] gives for the steps.
    pub(super) extrapolated: Option<&'a [T]>,
}

/// What a network keeps for its way back besides the workspaces of its stacks.
#[derive(Debug)]
pub(super) struct Kept<T> {
    /// The patches of the frames of the input, where a convolution reads them.
    pub(super) patches: Option<FeatureMaps<T>>,
    /// What lies between two convolutions of the output.
    pub(super) hidden: Option<FeatureMaps<T>>,
    /// Patches of the frames that are carried on, and what a convolution makes of them.
    pub(super) extrapolated: Option<[FeatureMaps<T>; 2]>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { patches: None, hidden: None, extrapolated: None }
    }
}
