//! Where gradients of states enter on the way back.

use convgru_kernels::{FeatureMapsMut, FeatureMapsRef, Scalar};

use crate::error::Result;
use crate::tensor::{Tensor, expect_shape};

/// The state of a layer after one step, met on the way back through a sequence, and its gradient, to
/// which the loss adds its part ([`ConvGru::backward_with`](crate::ConvGru::backward_with)).
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

    /// The shape of the state and of its gradient, `[N, hidden, H, W]`.
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
