//! The forward pass of training, and what it keeps.

use convgru_kernels::{Extent, Scalar, Scratchpad};

use super::super::stack::{StackWorkspace, steps_of_block};
use super::{Blueprint, ConvGru, ConvGruOutput, Outputs};
use crate::config::ResetGate;
use crate::error::Result;
use crate::fused::cell::{self, CellParameters};
use crate::memory;
use crate::parameters::Stamp;
use crate::sequence::{Sequence, expect_steps};
use crate::tensor::{Tensor, expect_shape};

/// How much memory a forward pass may keep for the backward pass.
///
/// The gates are three quarters of it. Where they do not fit, those of a block of steps are computed
/// anew when the backward pass comes to it, with the same bits: less memory for one more forward
/// pass (docs/numerics.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemoryBudget {
    /// Everything is kept.
    #[default]
    Unlimited,
    /// Gates of all steps are kept where all that is kept fits into so many bytes.
    Bytes(usize),
}

/// What [`ConvGru::forward_train`] keeps for [`ConvGru::backward`].
///
/// It holds the inputs once and, of each layer, four times its hidden states: for `T`
/// steps of `N` samples `T N H W (in_channels + sum over layers of 4 hidden)` numbers, channels
/// rounded up to a multiple of 16 (`f64`: 8) and a border for the kernels added. Training steps of the
/// same shapes use it again ([`ConvGru::forward_train_into`]). What a pass needs besides, packed weights
/// and a few steps of gradients, it takes and gives back, so that the passes do not add up.
#[derive(Debug)]
pub struct ConvGruWorkspace<T> {
    pub(crate) forward: StackWorkspace<T>,
    /// Of the weights of the forward pass.
    pub(crate) stamp: Stamp,
}

impl<T: Scalar> ConvGruWorkspace<T> {
    /// The number of layers.
    pub fn layers(&self) -> usize {
        self.forward.layers.len()
    }

    /// The number of steps of the sequence.
    pub fn steps(&self) -> usize {
        self.forward.top().steps()
    }

    /// The shape of a layer's state, `[N, hidden, H, W]`.
    ///
    /// # Panics
    /// If there is no such layer, as slices do.
    pub fn state_shape(&self, layer: usize) -> [usize; 4] {
        self.forward.layers[layer].state_extent().dims()
    }

    /// Reads the state of a layer after step `t`.
    ///
    /// With [`Outputs::None`] a forward pass writes no sequence of states beside those that are
    /// kept for the backward pass; whoever needs them one after the other reads them here.
    ///
    /// # Shapes
    /// `state`: `[N, hidden, H, W]`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) if the tensor has another shape.
    ///
    /// # Panics
    /// If there is no such layer or step, as slices do.
    pub fn read_state(&self, layer: usize, t: usize, state: &mut Tensor<T>) -> Result<()> {
        expect_shape("tensor for the state", state.shape(), &self.state_shape(layer))?;
        Ok(self.forward.layers[layer].state(t).write_nchw(state.as_mut_slice())?)
    }
}

impl<T: Scalar> ConvGru<T> {
    /// Limits what [`forward_train`](Self::forward_train) keeps for the backward pass.
    pub fn set_memory_budget(&mut self, budget: MemoryBudget) {
        self.blueprint.memory_budget = budget;
    }

    /// A whole sequence, keeping what [`backward`](Self::backward) needs.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward); the states of every layer are returned.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_train(
        &self,
        input: &Tensor<T>,
        states: Option<&[Tensor<T>]>,
    ) -> Result<(ConvGruOutput<T>, ConvGruWorkspace<T>)> {
        let mut workspace = None;
        let output = self.forward_train_into(input, states, Outputs::AllLayers, &mut workspace)?;
        Ok((output, workspace.expect("a forward pass leaves a workspace")))
    }

    /// [`forward_train`](Self::forward_train) into the workspace of a step before, whose memory is
    /// used again where the shapes are the same; `None` takes memory anew.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    ///
    /// ```
    /// use convgru_model::{ConvGru, ConvGruConfig, ConvGruOutputGradients, InputGradient, Outputs, Parameters, Tensor};
    ///
    /// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
    /// let mut gradients = network.parameters().zeros_like();
    /// let mut workspace = None;
    /// for _ in 0..3 {
    ///     let frames = Tensor::zeros(&[5, 1, 2, 6, 7]);
    ///     let states = network.forward_train_into(&frames, None, Outputs::Top, &mut workspace)?;
    ///     let d_outputs = ConvGruOutputGradients { outputs: vec![Some(&states.outputs[0])], last: vec![None] };
    ///     if let Some(workspace) = &mut workspace {
    ///         network.backward(workspace, &d_outputs, InputGradient::Skip, &mut gradients)?;
    ///     }
    /// }
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn forward_train_into(
        &self,
        input: &Tensor<T>,
        states: Option<&[Tensor<T>]>,
        outputs: Outputs,
        workspace: &mut Option<ConvGruWorkspace<T>>,
    ) -> Result<ConvGruOutput<T>> {
        self.forward_train_sequence(Sequence { states, outputs, ..Sequence::new(input) }, workspace)
    }

    /// [`forward_train_into`](Self::forward_train_into) for a sequence whose samples may be of different lengths.
    ///
    /// The gradients that [`backward`](Self::backward) takes are those of all states of [`Sequence`], past the ends of
    /// samples too: a state there is the one at the end, to which its gradient goes. A loss over the
    /// frames that are there gives zeros past the end.
    ///
    /// # Errors
    /// As [`forward_sequence`](Self::forward_sequence).
    ///
    /// ```
    /// use convgru_model::{
    ///     ConvGru, ConvGruConfig, ConvGruOutputGradients, InputGradient, Parameters, Sequence, Tensor,
    /// };
    ///
    /// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
    /// let frames = Tensor::from_fn(&[5, 2, 2, 6, 7], |i| (i % 7) as f32 / 7.0);
    /// let mut workspace = None;
    /// let sequence = Sequence { lengths: Some(&[5, 3]), ..Sequence::new(&frames) };
    /// let states = network.forward_train_sequence(sequence, &mut workspace)?;
    /// if let Some(workspace) = &mut workspace {
    ///     let mut gradients = network.parameters().zeros_like();
    ///     let d_outputs = ConvGruOutputGradients { outputs: vec![None], last: vec![Some(&states.last[0])] };
    ///     let back = network.backward(workspace, &d_outputs, InputGradient::Compute, &mut gradients)?;
    ///     let d_padding = back.d_input.map(|d_input| d_input.index(3).slice(1).to_vec());
    ///     assert_eq!(d_padding, Some(vec![0.0; 2 * 6 * 7]));
    /// }
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn forward_train_sequence(
        &self,
        sequence: Sequence<'_, T>,
        workspace: &mut Option<ConvGruWorkspace<T>>,
    ) -> Result<ConvGruOutput<T>> {
        self.blueprint.forward_train(&self.parameters.layers, sequence, workspace)
    }
}

impl Blueprint {
    /// Steps whose gates a forward pass keeps for the backward pass.
    fn kept_steps<T: Scalar>(&self, step: Extent, steps: usize) -> usize {
        let MemoryBudget::Bytes(bytes) = self.memory_budget else { return steps };
        let hidden: usize = self.config.hidden_channels.iter().sum();
        // Gates and states, and the convolution of the state where the reset gate acts after it.
        let kept = cell::GATES + 1 + usize::from(self.config.reset == ResetGate::After);
        let channels = self.config.in_channels + kept * hidden;
        let of_step = memory::bytes_of::<T>(&step.with_channels(channels).dims());
        let needed = of_step.saturating_mul(steps as u128);
        let widest = self.config.hidden_channels.iter().max().copied().unwrap_or(1);
        if needed <= bytes as u128 { steps } else { steps_of_block(step, widest, steps) }
    }

    /// [`ConvGru::forward_train_sequence`] with the given weights.
    pub(crate) fn forward_train<T: Scalar>(
        &self,
        layers: &[CellParameters<T>],
        sequence: Sequence<'_, T>,
        workspace: &mut Option<ConvGruWorkspace<T>>,
    ) -> Result<ConvGruOutput<T>> {
        let Sequence { input, states, lengths, outputs } = sequence;
        let step = self.frame_extent(input.shape(), &["T", "N", "C", "H", "W"])?;
        let steps = input.shape()[0];
        sequence.expect_lengths(steps, step.batch)?;
        if step.channels == 0 {
            expect_steps("steps without input", steps)?;
        }
        let stack = self.prepared(layers)?;
        self.expect_initial(step, states)?;
        let first = self.first_of(outputs);
        let mut result = ConvGruOutput { outputs: Vec::new(), last: Vec::new() };
        for hidden in &self.config.hidden_channels[first..] {
            result.outputs.push(Tensor::try_zeros(&[steps, step.batch, *hidden, step.height, step.width])?);
        }
        let gates = self.kept_steps::<T>(step, steps);
        let kept = workspace
            .take()
            .filter(|kept| stack.owns(&kept.forward) && kept.forward.fits(step, steps, gates));
        let mut kept = match kept {
            Some(kept) => kept,
            None => {
                ConvGruWorkspace { forward: stack.workspace_keeping(step, steps, gates)?, stamp: self.stamp }
            }
        };
        kept.stamp = self.stamp;
        kept.forward.inputs.as_mut().read_nchw(input.as_slice())?;
        kept.forward.layers.iter_mut().for_each(|layer| layer.clear_initial());
        match lengths {
            Some(lengths) => kept.forward.set_ends(lengths, 0),
            None => kept.forward.clear_ends(),
        }
        self.set_initial(&mut kept.forward, states)?;
        stack.into_forward(&mut kept.forward, steps, &mut Scratchpad::new())?;
        for (layer, output) in kept.forward.layers[first..].iter().zip(&mut result.outputs) {
            layer.states.as_ref().write_nchw(output.as_mut_slice())?;
        }
        for layer in &kept.forward.layers {
            result.last.push(layer.state_tensor(steps - 1)?);
        }
        *workspace = Some(kept);
        Ok(result)
    }
}
