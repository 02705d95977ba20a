//! Two-dimensional convolution and its two gradients.
//!
//! A patch matrix of a part of an image is multiplied with the weights by the
//! [`gemm`](crate::gemm) seam. Items of work are parts of images, cut by shape
//! alone, so results are the same bits for any number of threads.

mod forward;
mod im2col;
mod input_gradient;
mod shape;
mod weight_gradient;
mod weights;

use std::ops::Range;

pub use forward::forward;
pub use input_gradient::input_gradient;
pub use shape::{ConvShape, Padding};
pub use weight_gradient::{bias_gradient, weight_gradient};
pub use weights::PackedWeights;

/// What a kernel does with the numbers already in its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Replace them; they are not read.
    Overwrite,
    /// Add to them.
    Add,
}

/// Elements of a patch matrix that are held at a time: three quarters of a
/// megabyte in `f32`, which leaves room beside it in a second-level cache.
const PATCH_ELEMENTS: usize = 192 * 1024;

/// The pixels of an output image that are computed together.
///
/// Depends on the image and the convolution alone, not on the number of images,
/// so that one frame gives the same bits alone and within a sequence.
#[derive(Debug, Clone, Copy)]
struct PixelChunks {
    pixels: usize,
    chunk: usize,
}

impl PixelChunks {
    fn new(pixels: usize, reduction: usize) -> Self {
        let fitting = (PATCH_ELEMENTS / reduction.max(1)).clamp(64, 2048);
        let count = pixels.div_ceil(fitting).max(1);
        let chunk = pixels.div_ceil(count).next_multiple_of(16);
        Self { pixels, chunk: chunk.max(1) }
    }

    fn count(self) -> usize {
        self.pixels.div_ceil(self.chunk)
    }

    fn range(self, index: usize) -> Range<usize> {
        index * self.chunk..self.pixels.min((index + 1) * self.chunk)
    }
}
