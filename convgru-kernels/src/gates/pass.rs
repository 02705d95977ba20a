//! What the passes over gates share.

use super::GATES;
use crate::conv::PackedWeights;
use crate::conv::epilogue::Sums;
use crate::error::{Error, Result};
use crate::feature_maps::{Extent, RowPlace, Rows, RowsMut, expect_extent};
use crate::isa::Isa;
use crate::scalar::Scalar;
use crate::simd::{Kernel, Simd};

/// Fails unless a buffer of gates belongs to a state.
pub(super) fn expect_gates(what: &'static str, state: Extent, got: Extent) -> Result<()> {
    expect_extent(what, state.with_channels(GATES * state.channels), got)
}

/// Fails unless the convolution keeps the size of images and has the given channels.
pub(super) fn expect_weights<T: Scalar>(
    what: &'static str,
    weights: &PackedWeights<'_, T>,
    state: Extent,
    gates: usize,
) -> Result<()> {
    let shape = weights.shape();
    if shape.stride != [1, 1] {
        return Err(Error::Geometry { field: "stride", got: shape.stride });
    }
    let expected = state.with_channels(gates * state.channels);
    expect_extent(what, expected, shape.output_extent(state)?)
}

/// Fails unless the convolution of an input gives gates of the size of a state.
pub(super) fn expect_weights_of_input<T: Scalar>(
    weights: &PackedWeights<'_, T>,
    input: Extent,
    state: Extent,
) -> Result<()> {
    let expected = state.with_channels(GATES * state.channels);
    expect_extent("convolution of the input", expected, weights.shape().output_extent(input)?)
}

/// Some pixels of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixels {
    pub(super) place: RowPlace,
    pub(super) column: usize,
    pub(super) count: usize,
}

impl Pixels {
    /// The pixels that sums belong to.
    pub(super) fn of<T>(sums: &Sums<T>) -> Self {
        Self { place: sums.place, column: sums.column, count: sums.count }
    }

    /// The same pixels of another block.
    pub(super) fn of_block(self, block: usize) -> Self {
        Self { place: RowPlace { block, ..self.place }, ..self }
    }

    /// The address of the pixels, to be read.
    #[inline(always)]
    pub(super) fn read<T: Scalar>(self, maps: &Rows<'_, T>) -> *const T {
        maps.part(self.place, self.column, self.count).as_ptr()
    }

    /// The address of the pixels, to be written.
    ///
    /// # Safety
    /// The pixels must be nobody else's.
    #[inline(always)]
    pub(super) unsafe fn write<T: Scalar>(self, maps: &RowsMut<'_, T>) -> *mut T {
        // SAFETY: the caller's promise is that of `part`.
        unsafe { maps.part(self.place, self.column, self.count) }.as_mut_ptr()
    }
}

/// Work on whole rows that follows no convolution.
pub(super) trait RowWork<T: Scalar>: Sync {
    /// # Safety
    /// The pixels must be nobody else's while the call lasts.
    unsafe fn work<S: Simd<T>>(&self, simd: S, pixels: Pixels);
}

/// Runs work on every row of a block of an extent.
pub(super) fn for_each_row<T: Scalar>(
    isa: Isa,
    layout: &crate::feature_maps::Layout,
    work: &impl RowWork<T>,
) {
    let count = layout.extent.width;
    crate::feature_maps::for_each_row(layout, layout.blocks(), |place| {
        T::dispatch(isa, OfRow { work, pixels: Pixels { place, column: 0, count } });
    });
}

struct OfRow<'a, W> {
    work: &'a W,
    pixels: Pixels,
}

impl<T: Scalar, W: RowWork<T>> Kernel<T> for OfRow<'_, W> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, s: S) {
        // SAFETY: `for_each_row` visits every row once.
        unsafe { self.work.work(s, self.pixels) }
    }
}
