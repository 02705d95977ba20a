//! Two-dimensional convolution and its two gradients.
//!
//! Convolutions of stride 1 read feature maps where they lie: `direct` takes every tap as it
//! is, `winograd` transforms tiles. Those with a stride go through a matrix of patches
//! (`strided`). Which one is a fixed function of the shape ([`Algorithm`]), and results are
//! the same bits for any number of threads.

mod api;
mod convolve;
mod direct;
pub(crate) mod entry;
pub(crate) mod epilogue;
mod geometry;
mod multiply;
mod packed;
mod plan;
mod shape;
mod strided;
mod weights;
mod winograd;

pub use api::{bias_gradient, forward, input_gradient, weight_gradient, weight_gradient_by};
pub(crate) use convolve::{Region, Source, convolve};
pub(crate) use multiply::Segment;
pub(crate) use packed::Packed;
pub use plan::{Algorithm, Tile};
pub use shape::{ConvShape, Padding, Precision};
pub use weights::PackedWeights;
pub(crate) use weights::pack;

/// What a kernel does with the numbers already in its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Replace them; they are not read.
    Overwrite,
    /// Add to them.
    Add,
}
