//! Convolutions with a stride, by matrices of patches and the [`gemm`](crate::gemm) seam.
//!
//! Images are brought into `[C, H, W]` order first. Items of work are parts of images,
//! cut by shape alone.

mod im2col;
mod product;

pub(super) use product::StridedConvolution;

use std::ops::Range;

/// Elements of a patch matrix that are held at a time: three quarters of a
/// megabyte in `f32`, which leaves room beside it in a second-level cache.
const PATCH_ELEMENTS: usize = 192 * 1024;

/// The pixels of an output image that are computed together.
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

    fn ranges(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.pixels).step_by(self.chunk).map(move |start| start..self.pixels.min(start + self.chunk))
    }
}
