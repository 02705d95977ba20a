//! Where the gradient of a loss enters a backward pass.

use std::fmt::{Debug, Formatter};

use convgru_kernels::{Extent, FeatureMaps, FeatureMapsMut, FeatureMapsRef, Scalar};

use super::OutputGradients;
use crate::error::Result;
use crate::tensor::{Tensor, expect_shape};

/// The gradient of a loss with respect to the states of a sequence: tensors of the whole sequence, or a function that is
/// called for one state after the other.
///
/// The function is called for every layer and step once, for the steps of a layer from the last to the first. It may
/// read the state and adds the gradient of the loss with respect to it; where it adds nothing the gradient is zero. No tensor of a whole
/// sequence is needed then, neither of gradients nor, with [`ReturnLayers::None`](super::ReturnLayers::None), of states. Its first
/// error ends the backward pass, which leaves the gradients half added.
///
/// The mean of the squares of the top layer's states, one state in memory at a time:
///
/// ```
/// use convgru_model::{ConvGru, ConvGruConfig, ReturnLayers, Parameters, Sequence, StateGradient, Tensor, Workspace};
///
/// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[8, 4]), 0)?;
/// let mut gradients = network.parameters().zeros_like();
/// let (mut workspace, mut loss) = (Workspace::default(), 0.0);
/// let frames = Tensor::from_fn(&[5, 1, 2, 6, 7], |i| (i % 7) as f32 / 7.0);
/// network.forward_train(Sequence { return_layers: ReturnLayers::None, ..Sequence::from(&frames) }, &mut workspace)?;
/// let mut state = Tensor::zeros(&[1, 4, 6, 7]);
/// let numbers = (5 * state.len()) as f32;
/// let mut enter = |mut entry: StateGradient<'_, f32>| {
///     if entry.layer() == 1 {
///         entry.read_state(&mut state)?;
///         for value in state.as_mut_slice() {
///             loss += *value * *value / numbers;
///             *value *= 2.0 / numbers;
///         }
///         entry.add(&state)?;
///     }
///     Ok(())
/// };
/// network.backward(&mut workspace, &mut enter, &mut gradients)?;
/// assert!(loss > 0.0);
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub enum LossGradient<'a, T> {
    /// Of whole sequences: `&OutputGradients` becomes this.
    Tensors(&'a OutputGradients<'a, T>),
    /// Of one state after the other: a `&mut` of a function becomes this.
    States(&'a mut (dyn FnMut(StateGradient<'_, T>) -> Result<()> + 'a)),
}

impl<T: Debug> Debug for LossGradient<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tensors(gradients) => f.debug_tuple("Tensors").field(gradients).finish(),
            Self::States(_) => f.debug_tuple("States").finish_non_exhaustive(),
        }
    }
}

impl<'a, T> From<&'a OutputGradients<'a, T>> for LossGradient<'a, T> {
    fn from(gradients: &'a OutputGradients<'a, T>) -> Self {
        Self::Tensors(gradients)
    }
}

impl<'a, T, F: FnMut(StateGradient<'_, T>) -> Result<()> + 'a> From<&'a mut F> for LossGradient<'a, T> {
    fn from(enter: &'a mut F) -> Self {
        Self::States(enter)
    }
}

/// The state of a layer after one step, met on the way back through a sequence, and its gradient, to
/// which the loss adds its part ([`LossGradient`]).
///
/// A layer is a place in [`Output::outputs`](super::Output::outputs) with [`ReturnLayers::All`](super::ReturnLayers::All).
#[derive(Debug)]
pub struct StateGradient<'a, T> {
    pub(crate) layer: usize,
    pub(crate) step: usize,
    pub(crate) state: FeatureMapsRef<'a, T>,
    pub(crate) gradient: FeatureMapsMut<'a, T>,
}

impl<T: Scalar> StateGradient<'_, T> {
    /// The layer, counted from the input up.
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// The step whose state this is, counted from the first frame.
    pub fn step(&self) -> usize {
        self.step
    }

    /// The shape of the state and of its gradient, `[N, hidden, H, W]`. Lines have one row, and planes of volumes
    /// follow each other along `N`.
    pub fn shape(&self) -> [usize; 4] {
        self.state.extent().dims()
    }

    /// Reads the state.
    ///
    /// # Shapes
    /// `state`: `[N, hidden, H, W]`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) if the tensor has another shape.
    pub fn read_state(&self, state: &mut Tensor<T>) -> Result<()> {
        expect_shape("tensor for the state", state.shape(), &self.shape())?;
        Ok(self.state.write_nchw(state.as_mut_slice())?)
    }

    /// Adds to the gradient.
    ///
    /// # Shapes
    /// `gradient`: `[N, hidden, H, W]`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) if the tensor has another shape.
    pub fn add(&mut self, gradient: &Tensor<T>) -> Result<()> {
        expect_shape("gradient of the state", gradient.shape(), &self.shape())?;
        self.add_images(gradient.as_slice())
    }

    /// Adds images `[N, hidden, H, W]` in memory order.
    pub(crate) fn add_images(&mut self, images: &[T]) -> Result<()> {
        Ok(self.gradient.add_nchw(images)?)
    }
}

/// The gradient that `enter` adds at a state `[N, C, H, W]` that lies in memory as a tensor does.
pub(crate) fn gradient_of_state<T: Scalar>(
    enter: &mut dyn FnMut(StateGradient<'_, T>) -> Result<()>,
    [layer, step]: [usize; 2],
    shape: &[usize],
    state: &[T],
) -> Result<Vec<T>> {
    let &[batch, channels, height, width] = shape else { unreachable!("states are images") };
    let extent = Extent { batch, channels, height, width };
    let (state, mut gradient) = (FeatureMaps::from_nchw(extent, state)?, FeatureMaps::zeros(extent)?);
    enter(StateGradient { layer, step, state: state.as_ref(), gradient: gradient.as_mut() })?;
    let mut numbers = vec![T::ZERO; extent.len()];
    gradient.as_ref().write_nchw(&mut numbers)?;
    Ok(numbers)
}
