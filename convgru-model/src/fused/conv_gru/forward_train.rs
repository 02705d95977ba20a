//! The forward pass of training, and what it keeps.

use convgru_kernels::{Extent, Scalar, Scratchpad};

use super::{ConvGru, StackSpec};
use crate::config::ResetGate;
use crate::error::Result;
use crate::fused::blocks::steps_of_block;
use crate::fused::cell::{self, CellParameters};
use crate::fused::stack::StackWorkspace;
use crate::memory;
use crate::sequence::{MemoryBudget, Output, ReturnLayers, SavedPass, Sequence, Workspace};
use crate::tensor::Tensor;

/// The forward pass of a stack, for its backward pass.
#[derive(Debug)]
pub(crate) struct StackPass<T> {
    pub(crate) workspace: StackWorkspace<T>,
    /// The layers whose states were returned.
    pub(crate) return_layers: ReturnLayers,
    /// Whether the gradient of the input is asked for.
    pub(crate) input_gradient: bool,
}

impl<T: Scalar> SavedPass for StackPass<T> {
    fn bytes(&self) -> usize {
        self.workspace.bytes()
    }
}

impl<T: Scalar> ConvGru<T> {
    /// A whole sequence, keeping what [`backward`](Self::backward) needs. The memory of the workspace is used again where the
    /// shapes are the same.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    ///
    /// ```
    /// use convgru_model::{ConvGru, ConvGruConfig, OutputGradients, Parameters, Tensor, Workspace};
    ///
    /// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
    /// let mut gradients = network.parameters().zeros_like();
    /// let mut workspace = Workspace::default();
    /// for _ in 0..3 {
    ///     let frames = Tensor::zeros(&[5, 1, 2, 6, 7]);
    ///     let states = network.forward_train(&frames, &mut workspace)?;
    ///     let d_states = OutputGradients { outputs: vec![Some(&states.outputs[0])], ..Default::default() };
    ///     network.backward(&mut workspace, &d_states, &mut gradients)?;
    /// }
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn forward_train<'a>(
        &self,
        sequence: impl Into<Sequence<'a, T>>,
        workspace: &mut Workspace<T>,
    ) -> Result<Output<T>> {
        let (sequence, layers) = (sequence.into(), &self.parameters.layers);
        workspace.write(self.spec.stamp, |kept| self.spec.forward_train(layers, sequence, kept))
    }
}

impl StackSpec {
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

    /// [`ConvGru::forward_train`] with the given weights.
    pub(crate) fn forward_train<T: Scalar>(
        &self,
        layers: &[CellParameters<T>],
        sequence: Sequence<'_, T>,
        kept: &mut Option<StackPass<T>>,
    ) -> Result<Output<T>> {
        let Sequence { states, lengths, return_layers, input_gradient, .. } = sequence;
        let (step, steps) = self.extent(sequence)?;
        let stack = self.prepared(layers)?;
        self.expect_initial(step, states)?;
        let first = self.first_of(return_layers);
        let mut result = Output { outputs: Vec::new(), last: Vec::new() };
        for hidden in &self.config.hidden_channels[first..] {
            result.outputs.push(Tensor::try_zeros(&[steps, step.batch, *hidden, step.height, step.width])?);
        }
        let gates = self.kept_steps::<T>(step, steps);
        let fits =
            |pass: &StackPass<T>| stack.owns(&pass.workspace) && pass.workspace.fits(step, steps, gates);
        let mut workspace = match kept.take().filter(fits) {
            Some(pass) => pass.workspace,
            None => stack.workspace_keeping(step, steps, gates)?,
        };
        workspace.inputs.as_mut().read_nchw(sequence.frames()?.as_slice())?;
        workspace.layers.iter_mut().for_each(|layer| layer.clear_initial());
        match lengths {
            Some(lengths) => workspace.set_lengths(lengths, 0),
            None => workspace.clear_lengths(),
        }
        self.set_initial(&mut workspace, states)?;
        stack.into_forward(&mut workspace, steps, &mut Scratchpad::new())?;
        for (layer, output) in workspace.layers[first..].iter().zip(&mut result.outputs) {
            layer.states.as_ref().write_nchw(output.as_mut_slice())?;
        }
        for layer in &workspace.layers {
            result.last.push(layer.state_tensor(steps - 1)?);
        }
        *kept = Some(StackPass { workspace, return_layers, input_gradient });
        Ok(result)
    }
}
