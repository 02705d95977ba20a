//! Tiles of images: which there are, and their transforms.
//!
//! Unsafe: Windows and targets are slices whose lengths are compared with a tile before its transform.

use std::ops::Range;

use super::plane::{self, VectorGrid};
use super::transform::{InputMatrix, OutputMatrixTransposed};
use crate::conv::algorithm::Tile;
use crate::conv::convolve::Region;
use crate::conv::geometry::Geometry;
use crate::feature_maps::{Extent, Rows, count};
use crate::real::Real;
use crate::simd::{Kernel, Simd};

/// Calls a function with the sizes of a tile as constants: transformed, output, kernel.
macro_rules! with_tile {
    ($tile:expr, $function:ident::<$($types:ty),*>($($arguments:expr),*)) => {
        match ($tile.output, $tile.kernel) {
            (4, 3) => $function::<$($types),*, 6, 4, 3>($($arguments),*),
            (6, 3) => $function::<$($types),*, 8, 6, 3>($($arguments),*),
            (4, 5) => $function::<$($types),*, 8, 4, 5>($($arguments),*),
            _ => unreachable!("there are no transforms for {:?}", $tile),
        }
    };
}
pub(super) use with_tile;

/// The tiles of some rows of the output of a convolution, counted over all images.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    pub(super) tile: Tile,
    pub(super) output: Extent,
    /// The rows of an image: the first, and the one behind the last.
    rows: [usize; 2],
    /// Rows and columns of tiles in those of an image.
    counts: [usize; 2],
}

/// Where a tile of the output begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct TilePlace {
    pub(super) image: usize,
    pub(super) row: usize,
    pub(super) column: usize,
}

impl Tiles {
    pub(super) fn new(tile: Tile, region: &Region) -> Self {
        let (output, rows) = (region.extent, &region.rows);
        let counts = [rows.len().div_ceil(tile.output), output.width.div_ceil(tile.output)];
        Self { tile, output, rows: [rows.start, rows.end], counts }
    }

    /// Tiles of all images.
    pub(super) fn count(&self) -> usize {
        self.output.batch * self.counts[0] * self.counts[1]
    }

    pub(super) fn place(&self, index: usize) -> TilePlace {
        let [rows, columns] = self.counts;
        let size = self.tile.output;
        TilePlace {
            image: index / (rows * columns),
            row: self.rows[0] + index / columns % rows * size,
            column: index % columns * size,
        }
    }

    /// Rows and columns of a tile that lie in the image.
    pub(super) fn inside(&self, place: TilePlace) -> [usize; 2] {
        let size = self.tile.output;
        [size.min(self.rows[1] - place.row), size.min(self.output.width - place.column)]
    }
}

/// TileColumns of the elements of a transformed tile. The sides are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TileColumns {
    All,
    Left,
    Right,
}

impl TileColumns {
    /// TileColumns of all, or of each of both sides.
    pub(super) fn of_sides(sides: usize) -> &'static [Self] {
        if sides == 1 { &[Self::All] } else { &[Self::Left, Self::Right] }
    }

    /// The columns of a tile.
    pub(super) fn of(self, tile: Tile) -> Range<usize> {
        let all = tile.transformed();
        match self {
            Self::All => 0..all,
            Self::Left => 0..all / 2,
            Self::Right => all / 2..all,
        }
    }
}

/// Transformed tiles: for each element of a tile and each block of channels, the blocks of all tiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transformed {
    /// Tiles there is room for.
    pub(super) tiles: usize,
    /// Elements from an element of the tiles to the next.
    pub(super) stride: usize,
}

impl Transformed {
    pub(super) fn new<T: Real>(tiles: usize, blocks: usize) -> Self {
        // An odd number of cache lines apart, so that a tile's elements fall into different sets.
        Self { tiles, stride: ((tiles * blocks) | 1) * T::BLOCK }
    }

    /// Elements of all tiles.
    pub(super) fn len(&self, tile: Tile) -> usize {
        self.len_of(tile, TileColumns::All)
    }

    /// Elements of some columns of all tiles.
    pub(super) fn len_of(&self, tile: Tile, columns: TileColumns) -> usize {
        tile.transformed() * columns.of(tile).len() * self.stride
    }

    /// Fails loudly where memory has no block for each of some elements, blocks of channels and tiles.
    #[inline(always)]
    fn expect_within<T: Real>(&self, elements: usize, blocks: usize, tiles: usize, memory: &[T]) {
        assert!(
            tiles <= self.tiles && count(&[blocks, self.tiles, T::BLOCK]) <= self.stride,
            "more tiles than there is room"
        );
        assert!(count(&[elements, self.stride]) <= memory.len(), "too little memory for {elements} elements");
    }
}

/// Transforms the input of some tiles: `B^T X B`. Its blocks become those from `first_block` on.
pub(super) struct InputTransform<'a, T> {
    pub(super) tiles: Tiles,
    pub(super) geometry: &'a Geometry,
    pub(super) input: Rows<'a, T>,
    /// The blocks of channels to transform.
    pub(super) blocks: Range<usize>,
    pub(super) first_block: usize,
    /// The tiles to transform.
    pub(super) first: usize,
    pub(super) count: usize,
    /// The elements that are wanted.
    pub(super) columns: TileColumns,
    /// `transformed.len_of(tile, columns)` elements.
    pub(super) transformed: Transformed,
    pub(super) to: &'a mut [T],
    /// Memory for a window that reaches over the edge of the memory.
    pub(super) window: &'a mut [T],
}

impl<T: Real> Kernel<T> for InputTransform<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, s: S) {
        match (self.tiles.tile.transformed(), self.columns) {
            (6, TileColumns::All) => self.transform::<S, 6, 0, 1>(s),
            (6, TileColumns::Left) => self.transform::<S, 6, 0, 2>(s),
            (6, TileColumns::Right) => self.transform::<S, 6, 1, 2>(s),
            (_, TileColumns::All) => self.transform::<S, 8, 0, 1>(s),
            (_, TileColumns::Left) => self.transform::<S, 8, 0, 2>(s),
            (_, TileColumns::Right) => self.transform::<S, 8, 1, 2>(s),
        }
    }
}

impl<T: Real> InputTransform<'_, T> {
    #[inline(always)]
    fn transform<S: Simd<T>, const N: usize, const PART: usize, const PARTS: usize>(&mut self, s: S) {
        let layout = *self.input.layout();
        let (halo, extent, row_stride) = (layout.halo(), layout.extent(), layout.row_stride());
        let size = [extent.height + 2 * halo[0], extent.width + 2 * halo[1]];
        let blocks = self.first_block + self.blocks.len();
        self.transformed.expect_within::<T>(N * N / PARTS, blocks, self.count, self.to);
        for index in 0..self.count {
            let place = self.tiles.place(self.first + index);
            let begin = |position: usize, axis: usize| {
                (position + halo[axis]).checked_add_signed(-self.geometry.before[axis]).unwrap_or(size[axis])
            };
            let (row, column) = (begin(place.row, 0), begin(place.column, 1));
            let inside = [size[0].saturating_sub(row).min(N), size[1].saturating_sub(column).min(N)];
            let image = self.input.image(place.image);
            for (of_target, block) in self.blocks.clone().enumerate() {
                let window = &image[block * layout.block_stride() + row * row_stride + column * T::BLOCK..];
                let (from, stride) = if inside == [N, N] {
                    (window, row_stride)
                } else {
                    copy_window::<T, N>(window, row_stride, inside, self.window);
                    (&*self.window, N * T::BLOCK)
                };
                assert!(from.len() >= (N - 1) * stride + N * T::BLOCK, "a window outside of the maps");
                let to = ((self.first_block + of_target) * self.transformed.tiles + index) * T::BLOCK;
                for lane in (0..T::BLOCK).step_by(S::LANES) {
                    // SAFETY: the assertion found N rows of N blocks in the window, and `expect_within` a block for
                    // each element of the part, block of channels and tile in the target.
                    unsafe {
                        let (row, column) = (N / PARTS * self.transformed.stride, self.transformed.stride);
                        let from =
                            VectorGrid { start: from.as_ptr().add(lane), row: stride, column: T::BLOCK };
                        let to = VectorGrid { start: self.to.as_mut_ptr().add(to + lane), row, column };
                        plane::transform_part::<T, S, InputMatrix, N, N, PART, PARTS>(s, from, to);
                    }
                }
            }
        }
    }
}

/// Copies the part of a window that exists, zeros around it. Rows of it lie `stride` elements apart.
///
/// # Panics
/// If the rows and columns inside do not lie in the slice.
#[inline(always)]
fn copy_window<T: Real, const N: usize>(from: &[T], stride: usize, inside: [usize; 2], window: &mut [T]) {
    window[..N * N * T::BLOCK].fill(T::ZERO);
    for row in 0..inside[0] {
        let len = inside[1] * T::BLOCK;
        window[row * N * T::BLOCK..][..len].copy_from_slice(&from[row * stride..][..len]);
    }
}

/// Transforms the gradients of the output of some tiles: `A dY A^T`.
pub(super) struct GradientTransform<'a, T> {
    pub(super) tiles: Tiles,
    /// The blocks of channels to transform.
    pub(super) blocks: Range<usize>,
    pub(super) d_output: Rows<'a, T>,
    pub(super) first: usize,
    pub(super) count: usize,
    /// The elements that are wanted.
    pub(super) columns: TileColumns,
    /// `transformed.len_of(tile, columns)` elements.
    pub(super) transformed: Transformed,
    pub(super) to: &'a mut [T],
    pub(super) window: &'a mut [T],
}

impl<T: Real> Kernel<T> for GradientTransform<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        with_tile!(self.tiles.tile, transform_columns::<T, S>(self, s));
    }
}

#[inline(always)]
fn transform_columns<T: Real, S: Simd<T>, const N: usize, const M: usize, const R: usize>(
    work: GradientTransform<'_, T>,
    s: S,
) {
    match work.columns {
        TileColumns::All => transform_gradient::<T, S, N, M, 0, 1>(work, s),
        TileColumns::Left => transform_gradient::<T, S, N, M, 0, 2>(work, s),
        TileColumns::Right => transform_gradient::<T, S, N, M, 1, 2>(work, s),
    }
}

#[inline(always)]
fn transform_gradient<
    T: Real,
    S: Simd<T>,
    const N: usize,
    const M: usize,
    const PART: usize,
    const PARTS: usize,
>(
    work: GradientTransform<'_, T>,
    s: S,
) {
    let layout = work.d_output.layout();
    let row_stride = layout.row_stride();
    work.transformed.expect_within::<T>(N * N / PARTS, work.blocks.len(), work.count, work.to);
    for index in 0..work.count {
        let place = work.tiles.place(work.first + index);
        let inside = work.tiles.inside(place);
        let image = work.d_output.image(place.image);
        for (of_target, block) in work.blocks.clone().enumerate() {
            let tile = &image[layout.offset(0, block, place.row, place.column)..];
            let (from, stride) = if inside == [M, M] {
                (tile, row_stride)
            } else {
                copy_window::<T, M>(tile, row_stride, inside, work.window);
                (&*work.window, M * T::BLOCK)
            };
            assert!(from.len() >= (M - 1) * stride + M * T::BLOCK, "a tile outside of the maps");
            let to = (of_target * work.transformed.tiles + index) * T::BLOCK;
            for lane in (0..T::BLOCK).step_by(S::LANES) {
                // SAFETY: the assertion found M rows of M blocks in the tile, and `expect_within` a block for each
                // element of the part, block of channels and tile in the target.
                unsafe {
                    let (row, column) = (N / PARTS * work.transformed.stride, work.transformed.stride);
                    let from = VectorGrid { start: from.as_ptr().add(lane), row: stride, column: T::BLOCK };
                    let to = VectorGrid { start: work.to.as_mut_ptr().add(to + lane), row, column };
                    plane::transform_part::<T, S, OutputMatrixTransposed, M, N, PART, PARTS>(s, from, to);
                }
            }
        }
    }
}
