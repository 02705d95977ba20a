//! A single cell.

use convgru_kernels::Scalar;

use super::conv_gru::{
    ConvGru, ConvGruOutputGradients, ConvGruParameters, ConvGruWorkspace, InputGradient, Outputs,
};
use crate::config::ConvGruConfig;
use crate::error::{Error, Result};
use crate::fused::cell::CellParameters;
use crate::tensor::Tensor;

/// One convolutional GRU cell: a [`ConvGru`] of one layer, without the lists.
///
/// ```
/// use convgru_model::{ConvGruCell, ConvGruConfig, Tensor};
///
/// let cell = ConvGruCell::<f32>::new(ConvGruConfig::new(3, &[8]), 0)?;
/// let frame = Tensor::zeros(&[2, 3, 5, 7]);
/// let state = cell.step(&frame, None)?;
/// let state = cell.step(&frame, Some(&state))?;
/// assert_eq!(state.shape(), [2, 8, 5, 7]);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConvGruCell<T>(ConvGru<T>);

/// The gradients of the loss with respect to the states of a cell over a sequence.
#[derive(Debug, Clone, Copy, Default)]
pub struct CellOutputGradients<'a, T> {
    /// Of the states after every step, `[T, N, hidden, H, W]`; `None` is zero.
    pub output: Option<&'a Tensor<T>>,
    /// Of the state after the last step, `[N, hidden, H, W]`; `None` is zero.
    pub last: Option<&'a Tensor<T>>,
}

/// What [`ConvGruCell::backward`] returns.
#[derive(Debug, Clone)]
pub struct CellBackward<T> {
    /// Gradient of the input, `[T, N, in_channels, H, W]`.
    pub d_input: Tensor<T>,
    /// Gradient of the initial state, `[N, hidden, H, W]`, where one was given.
    pub d_initial: Option<Tensor<T>>,
}

impl<T: Scalar> ConvGruCell<T> {
    /// A cell with weights drawn as the configuration says.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if a field cannot work or there is not exactly one layer.
    pub fn new(config: ConvGruConfig, seed: u64) -> Result<Self> {
        one_layer(&config)?;
        Ok(Self(ConvGru::new(config, seed)?))
    }

    /// A cell around existing weights.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] or [`Error::ShapeMismatch`] if they do not fit the configuration.
    pub fn from_parameters(config: ConvGruConfig, parameters: CellParameters<T>) -> Result<Self> {
        one_layer(&config)?;
        Ok(Self(ConvGru::from_parameters(config, ConvGruParameters { layers: vec![parameters] })?))
    }

    /// What the cell is.
    pub fn config(&self) -> &ConvGruConfig {
        self.0.config()
    }

    /// Its weights.
    pub fn parameters(&self) -> &CellParameters<T> {
        &self.0.parameters().layers[0]
    }

    /// Its weights, to be changed. Workspaces of forward passes before are no longer this cell's.
    pub fn parameters_mut(&mut self) -> &mut CellParameters<T> {
        &mut self.0.parameters_mut().layers[0]
    }

    /// One frame: the state after it.
    ///
    /// # Shapes
    /// `input`: `[N, in_channels, H, W]`; `state` and result: `[N, hidden, H, W]`. `None` is
    /// a zero state and costs no hidden convolution.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if an argument does not fit.
    pub fn step(&self, input: &Tensor<T>, state: Option<&Tensor<T>>) -> Result<Tensor<T>> {
        let mut states = self.0.step(input, state.map(std::slice::from_ref))?;
        Ok(states.swap_remove(0))
    }

    /// A whole sequence: the states after every step.
    ///
    /// # Shapes
    /// `input`: `[T, N, in_channels, H, W]`; `state`: `[N, hidden, H, W]`; result:
    /// `[T, N, hidden, H, W]`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if an argument does not fit.
    pub fn forward(&self, input: &Tensor<T>, state: Option<&Tensor<T>>) -> Result<Tensor<T>> {
        let mut result = self.0.forward(input, state.map(std::slice::from_ref), Outputs::Top)?;
        Ok(result.outputs.swap_remove(0))
    }

    /// A whole sequence, keeping what [`backward`](Self::backward) needs.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_train(
        &self,
        input: &Tensor<T>,
        state: Option<&Tensor<T>>,
    ) -> Result<(Tensor<T>, ConvGruWorkspace<T>)> {
        let (mut result, workspace) = self.0.forward_train(input, state.map(std::slice::from_ref))?;
        Ok((result.outputs.swap_remove(0), workspace))
    }

    /// Adds the gradients of the weights and returns those of the input and the initial state.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if a gradient does not fit the sequence.
    pub fn backward(
        &self,
        workspace: &mut ConvGruWorkspace<T>,
        d_states: CellOutputGradients<'_, T>,
        gradients: &mut CellParameters<T>,
    ) -> Result<CellBackward<T>> {
        let d_outputs = ConvGruOutputGradients { outputs: vec![d_states.output], last: vec![d_states.last] };
        let layers = std::slice::from_mut(gradients);
        let back = self.0.backward_layers(workspace, &d_outputs, InputGradient::Compute, layers)?;
        let d_input = back.d_input.expect("the gradient of the input was asked for");
        Ok(CellBackward { d_input, d_initial: back.d_initial.map(|mut layers| layers.swap_remove(0)) })
    }
}

fn one_layer(config: &ConvGruConfig) -> Result<()> {
    if config.layers() == 1 {
        return Ok(());
    }
    let reason = format!("{} layers where a cell is exactly one; use ConvGru", config.layers());
    Err(Error::InvalidConfig { field: "hidden_channels".into(), reason })
}
