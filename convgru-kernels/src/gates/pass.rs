//! What the passes over gates share.
//!
//! Unsafe: Rows of a layout are visited once; who starts a pass knows that the work alone has what it writes.

use crate::conv::algorithm::Algorithm;
use crate::conv::epilogue::Sums;
use crate::conv::shape::ConvShape;
use crate::conv::weights::PackedWeights;
use crate::error::{Error, Result};
use crate::feature_maps::{Extent, MapLayout, RowPlace, Rows, RowsMut, expect_extent, expect_layout};
use crate::isa::Isa;
use crate::real::Real;
use crate::simd::{Kernel, Simd};

/// The number of sections of a buffer of gates.
pub const GATES: usize = 3;

/// Fails unless the maps have the layout of a state.
pub(super) fn expect_state(what: &'static str, state: Extent, got: &MapLayout) -> Result<()> {
    expect_layout(what, got, state, 1)
}

/// Fails unless a buffer of gates belongs to a state.
pub(super) fn expect_gates(what: &'static str, state: Extent, got: &MapLayout) -> Result<()> {
    expect_layout(what, got, state.with_channels(GATES * state.channels), GATES)
}

/// Fails unless the convolution keeps the size of images, has the channels of some gates in a section for
/// each, and is computed where its sums can be finished.
pub(super) fn expect_weights<T: Real>(
    what: &'static str,
    weights: &PackedWeights<'_, T>,
    state: Extent,
    gates: usize,
) -> Result<()> {
    let shape = weights.shape();
    if shape.stride != [1, 1] {
        return Err(Error::Geometry { field: "stride", got: shape.stride, least: 1, most: 1 });
    }
    let expected = state.with_channels(gates * state.channels);
    expect_extent(what, expected, shape.output_extent(state)?)?;
    expect_sections(what, &shape, gates)?;
    let (algorithm, ConvShape { kernel, stride, dilation, .. }) = (weights.algorithm(), shape);
    match algorithm {
        Algorithm::Patches => {
            Err(Error::Algorithm { what, algorithm, kernel, stride, dilation, number: T::NAME })
        }
        _ => Ok(()),
    }
}

/// Fails unless the convolution of an input gives gates of the size of a state.
pub(super) fn expect_weights_of_input<T: Real>(
    weights: &PackedWeights<'_, T>,
    input: &MapLayout,
    state: Extent,
) -> Result<()> {
    let (what, shape) = ("convolution of the input", weights.shape());
    let expected = state.with_channels(GATES * state.channels);
    expect_layout("input", input, input.extent(), 1)?;
    expect_extent(what, expected, shape.output_extent(input.extent())?)?;
    expect_sections(what, &shape, GATES)
}

/// Fails unless the output of a convolution has as many sections.
fn expect_sections(what: &'static str, shape: &ConvShape, expected: usize) -> Result<()> {
    let &ConvShape { out_channels: channels, out_sections: got, .. } = shape;
    if got == expected { Ok(()) } else { Err(Error::Sections { what, channels, expected, got }) }
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
    #[inline(always)]
    pub(super) fn of<T: Real>(sums: &Sums<'_, T>) -> Self {
        Self { place: sums.place(), column: sums.column(), count: sums.count() }
    }

    /// The same pixels of another block.
    #[inline(always)]
    pub(super) fn of_block(self, block: usize) -> Self {
        Self { place: RowPlace { block, ..self.place }, ..self }
    }

    /// The address of the pixels, to be read: a block for each of them.
    ///
    /// # Panics
    /// If the pixels do not lie in the maps.
    #[inline(always)]
    pub(super) fn read<T: Real>(self, maps: &Rows<'_, T>) -> *const T {
        maps.part(self.place, self.column, self.count).as_ptr()
    }

    /// The address of the pixels, to be written or read: a block for each of them.
    ///
    /// # Panics
    /// If the pixels do not lie in the maps.
    #[inline(always)]
    pub(super) fn write<T: Real>(self, maps: &RowsMut<'_, T>) -> *mut T {
        maps.address(self.place, self.column, self.count)
    }
}

/// Work on whole rows that follows no convolution.
///
/// An implementation reads and writes the pixels it is given alone, and of each call blocks that no call for
/// another block touches.
pub(super) trait RowWork<T: Real>: Sync {
    /// # Safety
    /// No other call for the same block of these pixels may run at the same time, and nothing else may read or
    /// write what the work writes.
    unsafe fn work<S: Simd<T>>(&self, simd: S, pixels: Pixels);
}

/// Runs work on every row of a block of a layout, each of them once.
///
/// # Safety
/// While the call lasts nothing else may read or write what the work writes.
pub(super) unsafe fn for_each_row<T: Real>(isa: Isa, layout: &MapLayout, work: &impl RowWork<T>) {
    let count = layout.extent().width;
    crate::feature_maps::for_each_row(layout, layout.blocks(), |place| {
        // SAFETY: every row of a block is visited once, and by the contract the work alone has what it writes.
        let row = unsafe { RowPass::new(work, Pixels { place, column: 0, count }) };
        T::dispatch(isa, row);
    });
}

struct RowPass<'a, W> {
    work: &'a W,
    pixels: Pixels,
}

impl<'a, W> RowPass<'a, W> {
    /// # Safety
    /// While the value is used, no other may stand for the same block of the same pixels of the work, and nothing
    /// else may read or write what the work writes.
    #[inline(always)]
    unsafe fn new(work: &'a W, pixels: Pixels) -> Self {
        Self { work, pixels }
    }
}

impl<T: Real, W: RowWork<T>> Kernel<T> for RowPass<'_, W> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // SAFETY: `new` was told that this block of these pixels is of this value alone.
        unsafe { self.work.work(s, self.pixels) }
    }
}
