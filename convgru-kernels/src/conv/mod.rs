//! Two-dimensional convolution and its two gradients.
//!
//! Convolutions of stride 1 read feature maps where they lie: `direct` takes every tap as it
//! is, `winograd` transforms tiles. Those with a stride go through a matrix of patches
//! (`strided`). Which one is a fixed function of the shape ([`Algorithm`]), and results are
//! the same bits for any number of threads.

pub(crate) mod algorithm;
pub(crate) mod convolve;
mod direct;
pub(crate) mod entry;
pub(crate) mod epilogue;
mod geometry;
pub(crate) mod multiply;
pub(crate) mod packed;
mod plan;
pub(crate) mod shape;
mod strided;
pub(crate) mod weights;
mod winograd;

pub use algorithm::{Algorithm, Tile};
pub use epilogue::WriteMode;
pub use shape::{ConvShape, Padding, Precision};
pub use weights::PackedWeights;

pub use crate::api::{
    bias_gradient, forward, forward_rectified, input_gradient, weight_gradient, weight_gradient_by,
};
