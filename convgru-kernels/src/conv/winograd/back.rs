//! From the products of tiles to pixels.
//!
//! Unsafe: Products and sums are slices whose lengths are compared before a transform; who finishes tiles knows that the
//! epilogue alone has what it writes.

use std::ops::Range;

use super::plane::{self, VectorGrid};
use super::tiles::{Tiles, with_tile};
use super::transform::OutputMatrix;
use crate::conv::algorithm::Tile;
use crate::conv::convolve::{ConvSources, Region};
use crate::conv::epilogue::{Epilogue, Finish, Finished};
use crate::feature_maps::{RowPlace, count};
use crate::real::Real;
use crate::simd::{Kernel, Simd};

/// How the products of tiles become pixels of the output.
pub(super) struct WayBack<'a, T> {
    pub(super) tiles: &'a Tiles,
    pub(super) sources: ConvSources<'a, T>,
    pub(super) region: &'a Region,
    /// Elements from the products of an element of the tiles to the products of the next element.
    pub(super) m_stride: usize,
}

impl<T: Real> WayBack<'_, T> {
    /// Transforms the products of some tiles with a panel back and hands the sums to the epilogue.
    ///
    /// # Safety
    /// No other call for these tiles and this panel may run at the same time, and nothing else may read or write
    /// what the epilogue writes.
    pub(super) unsafe fn finish<E: Epilogue<T>>(
        &self,
        tiles: &Range<usize>,
        panel: usize,
        products: &[T],
        sums: &mut [T],
        epilogue: &E,
    ) {
        let (tile, isa) = (self.tiles.tile, self.sources.isa());
        let blocks = self.sources.last.blocks_of(panel);
        let (count, m_stride) = (tiles.len(), self.m_stride);
        let back =
            TransformBack { tile, count, m: products, m_stride, blocks: blocks.len(), sums: &mut *sums };
        T::dispatch(isa, back);
        let pixels = tile.output.pow(2) * blocks.len() * T::BLOCK;
        for (index, place) in tiles.clone().map(|index| self.tiles.place(index)).enumerate() {
            let finished = Finished {
                width: blocks.len(),
                blocks: blocks.len().min(self.region.blocks - blocks.start),
                place: RowPlace { image: place.image, block: blocks.start, row: place.row },
                column: place.column,
                size: self.tiles.inside(place),
                row_columns: tile.output,
            };
            // SAFETY: by the contract the blocks of the panel of these pixels are of this call alone, which meets each
            // tile once, and nothing but the epilogue has what it writes.
            let finish = unsafe { Finish::new(epilogue, &sums[index * pixels..], finished) };
            T::dispatch(isa, finish);
        }
    }
}

/// Transforms the products of some tiles with a panel back: `A^T M A`.
struct TransformBack<'a, T> {
    tile: Tile,
    count: usize,
    m: &'a [T],
    m_stride: usize,
    /// Blocks of the panel.
    blocks: usize,
    /// The pixels of each tile, a row of the panel each.
    sums: &'a mut [T],
}

impl<T: Real> Kernel<T> for TransformBack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        with_tile!(self.tile, transform_back::<T, S>(self, s));
    }
}

#[inline(always)]
fn transform_back<T: Real, S: Simd<T>, const N: usize, const M: usize, const R: usize>(
    work: TransformBack<'_, T>,
    s: S,
) {
    let width = work.blocks * T::BLOCK;
    let (products, pixels) = (count(&[work.count, width]), count(&[work.count, M * M, width]));
    let elements = count(&[N * N, work.m_stride]);
    assert!(work.sums.len() >= pixels && work.m_stride >= products && work.m.len() >= elements);
    let (from, to) = (work.m.as_ptr(), work.sums.as_mut_ptr());
    for tile in 0..work.count {
        for lane in (0..width).step_by(S::LANES) {
            // SAFETY: the assertion found N x N elements of the products `m_stride` apart, each with a row of the
            // panel for every tile, and M x M rows of the panel for every tile in the sums.
            unsafe {
                let (row, column) = (N * work.m_stride, work.m_stride);
                let from = VectorGrid { start: from.add(tile * width + lane), row, column };
                let start = to.add(tile * M * M * width + lane);
                let to = VectorGrid { start, row: M * width, column: width };
                plane::transform::<T, S, OutputMatrix, N, M>(s, from, to);
            }
        }
    }
}
