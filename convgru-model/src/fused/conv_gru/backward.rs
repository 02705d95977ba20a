//! The backward pass of the stack.

use convgru_kernels::{Scalar, Scratchpad};

use super::super::stack::{StackBackward, StackWorkspace};
use super::{Blueprint, ConvGru, ConvGruParameters, ConvGruWorkspace};
use crate::error::{Result, expect_count};
use crate::fused::cell::{CellParameters, expect_layers};
use crate::sequence::StateGradient;
use crate::tensor::{Tensor, expect_shape};

/// Whether a backward pass computes the gradient of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputGradient {
    /// Computed and returned.
    Compute,
    /// Not needed: the input is data.
    Skip,
}

/// The gradients of the loss with respect to the states of a sequence.
#[derive(Debug, Clone)]
pub struct ConvGruOutputGradients<'a, T> {
    /// Of the states after every step, one `[T, N, hidden, H, W]` for each layer; `None` is zero.
    pub outputs: Vec<Option<&'a Tensor<T>>>,
    /// Of the state after the last step, one `[N, hidden, H, W]` for each layer; `None` is
    /// zero. Added to that of `outputs` at the last step.
    pub last: Vec<Option<&'a Tensor<T>>>,
}

/// What [`ConvGru::backward`] returns.
#[derive(Debug, Clone)]
pub struct ConvGruBackward<T> {
    /// Gradient of the input, `[T, N, in_channels, H, W]`, where asked for.
    pub d_input: Option<Tensor<T>>,
    /// Gradient of each layer's initial state, `[N, hidden, H, W]`, where states were
    /// given. Without them no hidden convolution was done whose gradient could be taken;
    /// give zeros to have it.
    pub d_initial: Option<Vec<Tensor<T>>>,
}

impl<T: Scalar> ConvGru<T> {
    /// Adds the gradients of all weights and returns those of the input and the initial states.
    ///
    /// The equations are those of docs/math.md; weight gradients and the gradient of the input
    /// are one convolution over all steps. The weights must be those of `forward_train`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) or [`Error::Count`](crate::Error::Count) if a gradient does not fit the sequence,
    /// [`Error::Workspace`](crate::Error::Workspace) for a workspace of another network or of weights that were changed since. Nothing
    /// has changed then.
    pub fn backward(
        &self,
        workspace: &mut ConvGruWorkspace<T>,
        d_outputs: &ConvGruOutputGradients<'_, T>,
        input_gradient: InputGradient,
        gradients: &mut ConvGruParameters<T>,
    ) -> Result<ConvGruBackward<T>> {
        self.backward_layers(workspace, d_outputs, input_gradient, &mut gradients.layers)
    }

    /// [`backward`](Self::backward) with gradients of states that enter one after the other: no tensor
    /// of a whole sequence is needed for them, nor one for the states if they are read here.
    ///
    /// `enter` is called for every layer and step once, for the steps of a layer from the last to the
    /// first. It may read the state and adds the gradient of the loss with respect to it; where it
    /// adds nothing that is zero.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) or [`Error::Count`](crate::Error::Count)
    /// if `gradients` do not fit the network, [`Error::Workspace`](crate::Error::Workspace) for a workspace of another network or of
    /// weights that were changed since, and the first error of `enter`, which alone leaves the gradients half added.
    ///
    /// The mean of the squares of the top layer's states, one state in memory at a time:
    ///
    /// ```
    /// use convgru_model::{
    ///     ConvGru, ConvGruConfig, InputGradient, Outputs, Parameters, StateGradient, Tensor,
    /// };
    ///
    /// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[8, 4]), 0)?;
    /// let mut gradients = network.parameters().zeros_like();
    /// let (mut workspace, mut loss) = (None, 0.0);
    /// let frames = Tensor::from_fn(&[5, 1, 2, 6, 7], |i| (i % 7) as f32 / 7.0);
    /// network.forward_train_into(&frames, None, Outputs::None, &mut workspace)?;
    /// if let Some(workspace) = &mut workspace {
    ///     let mut state = Tensor::zeros(&workspace.state_shape(1));
    ///     let numbers = (workspace.steps() * state.len()) as f32;
    ///     let enter = |mut entry: StateGradient<'_, f32>| {
    ///         if entry.layer() == 1 {
    ///             entry.read_state(&mut state)?;
    ///             for value in state.as_mut_slice() {
    ///                 loss += *value * *value / numbers;
    ///                 *value *= 2.0 / numbers;
    ///             }
    ///             entry.add(&state)?;
    ///         }
    ///         Ok(())
    ///     };
    ///     network.backward_with(workspace, enter, InputGradient::Skip, &mut gradients)?;
    /// }
    /// assert!(loss > 0.0);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn backward_with(
        &self,
        workspace: &mut ConvGruWorkspace<T>,
        enter: impl FnMut(StateGradient<'_, T>) -> Result<()>,
        input_gradient: InputGradient,
        gradients: &mut ConvGruParameters<T>,
    ) -> Result<ConvGruBackward<T>> {
        self.blueprint.expect_layers(workspace, &gradients.layers)?;
        let run = BackwardRun { layers: &self.parameters.layers, workspace, input_gradient };
        self.blueprint.run_backward(run, enter, &mut gradients.layers)
    }

    /// [`backward`](Self::backward) into gradients that lie in a slice.
    pub(crate) fn backward_layers(
        &self,
        workspace: &mut ConvGruWorkspace<T>,
        d_outputs: &ConvGruOutputGradients<'_, T>,
        input_gradient: InputGradient,
        gradients: &mut [CellParameters<T>],
    ) -> Result<ConvGruBackward<T>> {
        let run = BackwardRun { layers: &self.parameters.layers, workspace, input_gradient };
        self.blueprint.backward(run, d_outputs, gradients)
    }
}

/// A way back through a stack: its weights, what its forward pass kept, and what is asked for.
pub(crate) struct BackwardRun<'a, T> {
    pub(crate) layers: &'a [CellParameters<T>],
    pub(crate) workspace: &'a mut ConvGruWorkspace<T>,
    pub(crate) input_gradient: InputGradient,
}

impl Blueprint {
    /// [`ConvGru::backward`] with the given weights.
    pub(crate) fn backward<T: Scalar>(
        &self,
        run: BackwardRun<'_, T>,
        d_outputs: &ConvGruOutputGradients<'_, T>,
        gradients: &mut [CellParameters<T>],
    ) -> Result<ConvGruBackward<T>> {
        self.expect_layers(run.workspace, gradients)?;
        self.expect_output_gradients(&run.workspace.forward, d_outputs)?;
        let last = run.workspace.steps() - 1;
        let enter = |mut entry: StateGradient<'_, T>| {
            if let Some(d_last) = d_outputs.last[entry.layer].filter(|_| entry.step == last) {
                entry.add_images(d_last.as_slice())?;
            }
            if let Some(d_output) = d_outputs.outputs[entry.layer] {
                entry.add_images(d_output.slice(entry.step))?;
            }
            Ok(())
        };
        self.run_backward(run, enter, gradients)
    }

    fn run_backward<T: Scalar>(
        &self,
        run: BackwardRun<'_, T>,
        enter: impl FnMut(StateGradient<'_, T>) -> Result<()>,
        gradients: &mut [CellParameters<T>],
    ) -> Result<ConvGruBackward<T>> {
        let BackwardRun { layers, workspace, input_gradient } = run;
        let workspace = &mut workspace.forward;
        let (stack, mut scratch) = (self.prepared(layers)?, Scratchpad::new());
        let mut back = StackBackward::new(&stack, workspace)?;
        let want_input = input_gradient == InputGradient::Compute;
        let d_maps = back.sequence(&stack, workspace, enter, gradients, want_input, &mut scratch)?;
        let d_input = match d_maps {
            Some(maps) => {
                let [images, c, h, w] = maps.extent().dims();
                let batch = workspace.top().batch;
                let mut tensor = Tensor::zeros(&[images / batch, batch, c, h, w]);
                maps.as_ref().write_nchw(tensor.as_mut_slice())?;
                Some(tensor)
            }
            None => None,
        };
        let given = workspace.top().state_before(0).is_some();
        let d_initial = given
            .then(|| back.layers.iter().map(|layer| layer.d_initial()).collect::<Result<_>>())
            .transpose()?;
        Ok(ConvGruBackward { d_input, d_initial })
    }

    /// Fails unless the workspace is of this network with its weights as they are, and the gradients of its layers.
    pub(crate) fn expect_layers<T: Scalar>(
        &self,
        workspace: &ConvGruWorkspace<T>,
        gradients: &[CellParameters<T>],
    ) -> Result<()> {
        let layers = self.config.layers();
        expect_count("layers of the workspace", layers, workspace.layers())?;
        self.stamp.expect(workspace.stamp)?;
        expect_layers("gradients.", &self.config, gradients)
    }

    fn expect_output_gradients<T: Scalar>(
        &self,
        workspace: &StackWorkspace<T>,
        d_outputs: &ConvGruOutputGradients<'_, T>,
    ) -> Result<()> {
        let layers = self.config.layers();
        expect_count("gradients of outputs", layers, d_outputs.outputs.len())?;
        expect_count("gradients of last states", layers, d_outputs.last.len())?;
        for (index, layer) in workspace.layers.iter().enumerate() {
            let [n, c, h, w] = layer.state_extent().dims();
            if let Some(d_output) = d_outputs.outputs[index] {
                let what = format!("gradient of the outputs of layer {index}");
                expect_shape(&what, d_output.shape(), &[layer.steps(), n, c, h, w])?;
            }
            if let Some(d_last) = d_outputs.last[index] {
                let what = format!("gradient of the last state of layer {index}");
                expect_shape(&what, d_last.shape(), &[n, c, h, w])?;
            }
        }
        Ok(())
    }
}
