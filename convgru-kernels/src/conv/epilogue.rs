//! What happens to the sums of a convolution before they are stored.
//!
//! Unsafe: Sums hold a block for each of their pixels, which is checked when they are made; an epilogue touches the
//! pixels and blocks of its sums alone.

use crate::feature_maps::{RowPlace, Rows, RowsMut};
use crate::real::Real;
use crate::simd::{Kernel, Simd};

/// What a kernel does with the numbers already in its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Replace them; they are not read.
    Overwrite,
    /// Add to them.
    Add,
}

/// Sums of some neighbouring output pixels: one block of channels each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sums<'a, T> {
    values: &'a [T],
    stride: usize,
    place: RowPlace,
    column: usize,
    count: usize,
}

impl<'a, T: Real> Sums<'a, T> {
    /// The sums of `count` pixels from a column on, `stride` elements apart.
    ///
    /// # Panics
    /// If there are fewer values.
    #[inline(always)]
    fn new(values: &'a [T], stride: usize, place: RowPlace, column: usize, count: usize) -> Self {
        let behind = count.saturating_sub(1).saturating_mul(stride);
        assert!(values.len() >= behind.saturating_add(T::BLOCK), "sums of {count} pixels");
        Self { values, stride, place, column, count }
    }

    /// The row and the block of the pixels.
    #[inline(always)]
    pub(crate) fn place(&self) -> RowPlace {
        self.place
    }

    /// The column of the first pixel.
    #[inline(always)]
    pub(crate) fn column(&self) -> usize {
        self.column
    }

    /// Pixels.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The vector at `lane` of the block of pixel `pixel`.
    ///
    /// # Safety
    /// The pixel must be below the count, and the lanes within the block.
    #[inline(always)]
    pub(crate) unsafe fn load<S: Simd<T>>(&self, s: S, pixel: usize, lane: usize) -> S::Vector {
        debug_assert!(pixel < self.count && lane + S::LANES <= T::BLOCK);
        // SAFETY: `new` found a block for each of `count` pixels in the values.
        unsafe { s.load(self.values.as_ptr().add(pixel * self.stride + lane)) }
    }
}

/// What a convolution does with its sums.
///
/// An implementation reads and writes the pixels of the sums alone, and of each call blocks that no call for
/// another block touches.
pub(crate) trait Epilogue<T: Real>: Sync {
    /// Takes the sums of some pixels of a row of one block.
    ///
    /// # Safety
    /// No other call for the same block of these pixels may run at the same time, and nothing else may read or
    /// write what the epilogue writes.
    unsafe fn finish<S: Simd<T>>(&self, simd: S, sums: Sums<'_, T>);
}

/// Stores sums, to which it adds a bias, the numbers of the output and other maps as asked, and applies the leaky rectifier.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoreSums<'a, T> {
    pub(super) output: RowsMut<'a, T>,
    pub(super) mode: WriteMode,
    /// One number for each lane of each block of the output.
    pub(super) bias: Option<&'a [T]>,
    /// Maps with the extent and the sections of the output.
    pub(super) addend: Option<Rows<'a, T>>,
    /// The slope of the leaky rectifier below zero; none for the identity.
    pub(super) slope: Option<T>,
}

impl<'a, T> StoreSums<'a, T> {
    /// Stores sums without a bias, an addend or a rectifier.
    pub(super) fn new(output: RowsMut<'a, T>, mode: WriteMode) -> Self {
        Self { output, mode, bias: None, addend: None, slope: None }
    }
}

impl<T: Real> Epilogue<T> for StoreSums<'_, T> {
    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(&self, s: S, sums: Sums<'_, T>) {
        let out = self.output.address(sums.place, sums.column, sums.count);
        let bias = self.bias.map(|bias| &bias[sums.place.block * T::BLOCK..][..T::BLOCK]);
        let addend = self.addend.map(|maps| maps.part(sums.place, sums.column, sums.count));
        // SAFETY: `address` and `part` found a block for each of the pixels in the output and in the addend, the bias is
        // a block as well, and the sums have the same pixels and lanes. By the contract no other thread has the pixels.
        unsafe {
            for lane in (0..T::BLOCK).step_by(S::LANES) {
                let bias = match bias {
                    Some(bias) => s.load(bias.as_ptr().add(lane)),
                    None => s.splat(T::ZERO),
                };
                for pixel in 0..sums.count {
                    let at = pixel * T::BLOCK + lane;
                    let mut value = s.add(sums.load(s, pixel, lane), bias);
                    if self.mode == WriteMode::Add {
                        value = s.add(s.load(out.add(at)), value);
                    }
                    if let Some(addend) = addend {
                        value = s.add(s.load(addend.as_ptr().add(at)), value);
                    }
                    if let Some(slope) = self.slope {
                        value = s.where_negative(value, s.mul(s.splat(slope), value), value);
                    }
                    s.store(out.add(at), value);
                }
            }
        }
    }
}

/// Some pixels of some rows, for which a panel has sums.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished {
    /// Blocks of the panel.
    pub(super) width: usize,
    /// The first blocks, as many as are wanted.
    pub(super) blocks: usize,
    /// The first block and row.
    pub(super) place: RowPlace,
    pub(super) column: usize,
    /// Rows and columns that exist.
    pub(super) size: [usize; 2],
    /// Columns from a row of sums to the next.
    pub(super) row_columns: usize,
}

/// Runs an epilogue on every block of a panel, for some pixels of some rows.
pub(super) struct Finish<'a, T, E> {
    epilogue: &'a E,
    /// Sums of the first pixel; a pixel holds the blocks of the panel one after the other.
    values: &'a [T],
    pixels: Finished,
}

impl<'a, T, E> Finish<'a, T, E> {
    /// # Safety
    /// While the value is used, no other may stand for one of the same blocks of the same pixels of the epilogue,
    /// and nothing else may read or write what the epilogue writes.
    #[inline(always)]
    pub(super) unsafe fn new(epilogue: &'a E, values: &'a [T], pixels: Finished) -> Self {
        Self { epilogue, values, pixels }
    }
}

impl<T: Real, E: Epilogue<T>> Kernel<T> for Finish<'_, T, E> {
    type Output = ();

    /// # Panics
    /// If there are fewer sums.
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Finished { width, blocks, place, column, size: [rows, count], row_columns } = self.pixels;
        let stride = width * T::BLOCK;
        for block in 0..blocks {
            for row in 0..rows {
                let place = RowPlace { block: place.block + block, row: place.row + row, ..place };
                let values = &self.values[row * row_columns * stride + block * T::BLOCK..];
                let sums = Sums::new(values, stride, place, column, count);
                // SAFETY: `new` was told that these blocks of these pixels are of this value alone, and it
                // takes one after the other.
                unsafe { self.epilogue.finish(s, sums) }
            }
        }
    }
}
