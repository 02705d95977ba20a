//! What happens to the sums of a convolution before they are stored.

use super::Output;
use crate::feature_maps::{RowPlace, RowsMut};
use crate::scalar::Scalar;
use crate::simd::{Kernel, Simd};

/// Sums of some neighbouring output pixels: one block of channels each, `stride` elements apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sums<T> {
    pub(crate) values: *const T,
    pub(crate) stride: usize,
    pub(crate) place: RowPlace,
    pub(crate) column: usize,
    pub(crate) count: usize,
}

impl<T: Scalar> Sums<T> {
    /// The vector at `lane` of the block of pixel `pixel`.
    ///
    /// # Safety
    /// The pixel must be below the count, and the lanes within the block.
    #[inline(always)]
    pub(crate) unsafe fn load<S: Simd<T>>(&self, s: S, pixel: usize, lane: usize) -> S::Vector {
        // SAFETY: the maker of the sums vouches for `count` blocks behind `values`.
        unsafe { s.load(self.values.add(pixel * self.stride + lane)) }
    }
}

/// What a convolution does with its sums.
pub(crate) trait Epilogue<T: Scalar>: Sync {
    /// Takes the sums of some pixels of a row of one block.
    ///
    /// # Safety
    /// The sums must be valid to read, and the pixels they belong to must be nobody
    /// else's while the call lasts.
    unsafe fn finish<S: Simd<T>>(&self, simd: S, sums: Sums<T>);
}

/// Stores sums, with a bias or to what is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Store<'a, T> {
    pub(super) output: RowsMut<'a, T>,
    pub(super) mode: Output,
    /// One number for each lane of each block of the output.
    pub(super) bias: Option<&'a [T]>,
}

impl<T: Scalar> Epilogue<T> for Store<'_, T> {
    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(&self, s: S, sums: Sums<T>) {
        // SAFETY: the caller makes the pixels exclusive and vouches for the sums.
        unsafe {
            let out = self.output.part(sums.place, sums.column, sums.count).as_mut_ptr();
            for lane in (0..T::BLOCK).step_by(S::LANES) {
                let bias = match self.bias {
                    Some(bias) => s.load(bias[sums.place.block * T::BLOCK..][..T::BLOCK].as_ptr().add(lane)),
                    None => s.splat(T::ZERO),
                };
                for pixel in 0..sums.count {
                    let out = out.add(pixel * T::BLOCK + lane);
                    let mut value = s.add(sums.load(s, pixel, lane), bias);
                    if self.mode == Output::Add {
                        value = s.add(s.load(out), value);
                    }
                    s.store(out, value);
                }
            }
        }
    }
}

/// Runs an epilogue on every block of a panel, for some pixels of some rows.
pub(super) struct Finish<'a, T, E> {
    pub(super) epilogue: &'a E,
    /// Sums of the first pixel; a pixel holds the blocks of the panel one after the other.
    pub(super) values: *const T,
    /// Blocks of the panel.
    pub(super) width: usize,
    /// Those of its blocks that are wanted: the first ones.
    pub(super) blocks: usize,
    /// The first block and row.
    pub(super) place: RowPlace,
    pub(super) column: usize,
    /// Rows and columns that exist.
    pub(super) size: [usize; 2],
    /// Columns from a row of sums to the next.
    pub(super) row_columns: usize,
}

impl<T: Scalar, E: Epilogue<T>> Kernel<T> for Finish<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, s: S) {
        let stride = self.width * T::BLOCK;
        for block in 0..self.blocks {
            for row in 0..self.size[0] {
                let place =
                    RowPlace { block: self.place.block + block, row: self.place.row + row, ..self.place };
                // SAFETY: the maker of the value vouches for the sums of these pixels and
                // that they are its own.
                unsafe {
                    let values = self.values.add(row * self.row_columns * stride + block * T::BLOCK);
                    let (column, count) = (self.column, self.size[1]);
                    self.epilogue.finish(s, Sums { values, stride, place, column, count });
                }
            }
        }
    }
}
