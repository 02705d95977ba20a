//! Weights of a convolution in the order its kernels read them.

use super::shape::ConvShape;
use crate::error::Result;
use crate::feature_maps::expect_len;
use crate::scalar::Scalar;

/// Weights of a convolution, brought into the order its kernels read them.
///
/// Weights are packed once after each change and then used for any number of
/// images; packing is what `prepare` of a model does ahead of streaming.
#[derive(Debug, Clone)]
pub struct PackedWeights<T> {
    shape: ConvShape,
    weights: Vec<T>,
}

impl<T: Scalar> PackedWeights<T> {
    /// Packs weights.
    ///
    /// # Shapes
    /// `weights`: `[out_channels, in_channels, kh, kw]` in memory order.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the slice has another length.
    pub fn new(shape: ConvShape, weights: &[T]) -> Result<Self> {
        expect_len("weights of the convolution", shape.weight_len(), weights.len())?;
        Ok(Self { shape, weights: weights.to_vec() })
    }

    /// The convolution the weights belong to.
    pub fn shape(&self) -> ConvShape {
        self.shape
    }

    /// The weights as a matrix `[out_channels, in_channels * kh * kw]`, row-major.
    pub(super) fn matrix(&self) -> &[T] {
        &self.weights
    }
}
