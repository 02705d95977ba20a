//! A convolution of stride 1 as kernels see it: forward, or backward to the input.

use super::shape::ConvShape;
use crate::feature_maps::{Channels, Extent, MapLayout};
use crate::real::Real;

/// A convolution of stride 1: output pixel `(i, j)` sums `w[u, v] x[i + u d - top, j + v d - left]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) input: Channels,
    pub(super) output: Channels,
    pub(super) kernel: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// Rows above and columns to the left of the first output pixel that the kernel reaches.
    pub(super) before: [isize; 2],
}

impl Geometry {
    /// The convolution itself.
    pub(super) fn forward<T: Real>(shape: &ConvShape) -> Self {
        let lanes = T::BLOCK;
        Self {
            input: Channels { count: shape.in_channels, sections: 1, lanes },
            output: Channels { count: shape.out_channels, sections: shape.out_sections, lanes },
            kernel: shape.kernel,
            dilation: shape.dilation,
            before: [shape.padding.top as isize, shape.padding.left as isize],
        }
    }

    /// The convolution of the output's gradient with the turned kernel that gives the input's.
    pub(super) fn backward<T: Real>(shape: &ConvShape) -> Self {
        let forward = Self::forward::<T>(shape);
        let before = [0, 1].map(|axis| forward.reach()[axis] as isize - forward.before[axis]);
        Self { input: forward.output, output: forward.input, before, ..forward }
    }

    /// Rows and columns from the first tap to the last.
    pub(super) fn reach(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.dilation[axis] * (self.kernel[axis] - 1))
    }

    /// Kernel taps.
    pub(super) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The halo the input needs for an output of the given size to be read in place.
    pub(super) fn halo(&self, input: Extent, output: [usize; 2]) -> [usize; 2] {
        let size = [input.height, input.width];
        [0, 1].map(|axis| {
            let after =
                (output[axis] + self.reach()[axis]) as isize - self.before[axis] - size[axis] as isize;
            self.before[axis].max(after).max(0) as usize
        })
    }

    /// Where in its plane the first tap of output pixel `(row, column)` lies, the halo included.
    pub(super) fn first_tap(&self, layout: &MapLayout, row: usize, column: usize) -> usize {
        let place =
            |position: usize, axis: usize| (position + layout.halo()[axis]) as isize - self.before[axis];
        let (row, column) = (place(row, 0), place(column, 1));
        debug_assert!(row >= 0 && column >= 0, "the halo is too narrow");
        row as usize * layout.row_stride() + column as usize * layout.lanes()
    }
}
