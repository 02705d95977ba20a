//! A convolution in tiles: transform, multiply, transform back.

use super::plane::{self, Plane};
use super::tiles::{InputTransform, Tiles, Transformed, with_tile};
use crate::conv::epilogue::{Epilogue, Finish};
use crate::conv::multiply::{Rows, Segment};
use crate::conv::packed::Packed;
use crate::conv::plan::Tile;
use crate::feature_maps::{Extent, RowPlace, Rows as FeatureRows};
use crate::parallel::for_each_item;
use crate::scalar::Scalar;
use crate::scratchpad::Scratchpad;
use crate::simd::{Kernel, Simd};

/// Bytes of transformed input that an item of work holds: most of a small second-level cache.
const TRANSFORMED_BYTES: usize = 320 * 1024;

/// Most tiles of an item.
const MAX_TILES: usize = 56;

/// Tiles of an item: as many as fit, in items of nearly equal size, an even number of them where
/// there are few. Results do not depend on it.
fn tiles_per_item(total: usize, bytes_of_tile: usize) -> usize {
    let most = (TRANSFORMED_BYTES / bytes_of_tile.max(1)).clamp(12, MAX_TILES);
    let items = total.div_ceil(most);
    let items = if items < 16 { items.next_multiple_of(2) } else { items };
    total.div_ceil(items).max(1)
}

/// Convolves every image. The halo of the input is as wide as the geometry asks for.
pub(in crate::conv) fn convolve<T: Scalar, E: Epilogue<T>>(
    tile: Tile,
    packed: &Packed<T>,
    input: FeatureRows<'_, T>,
    output: Extent,
    epilogue: &E,
    scratch: &mut Scratchpad<T>,
) {
    if !T::WINOGRAD {
        return;
    }
    let geometry = &packed.geometry;
    let tiles = Tiles::new(tile, output);
    let elements = tile.transformed().pow(2);
    let in_blocks = geometry.input.blocks();
    let per_item = tiles_per_item(tiles.count(), elements * in_blocks * T::BLOCK * size_of::<T>());
    let transformed = Transformed::new::<T>(per_item, in_blocks);
    let products = Transformed::new::<T>(per_item, packed.panel_blocks);
    let pixels = tile.output * tile.output;
    let sizes = [
        transformed.len(tile),
        products.len(tile),
        per_item * pixels * packed.panel_width(),
        elements * T::BLOCK,
    ];
    let operations = tiles.count() * elements * geometry.input.count * geometry.output.count;
    let memory = scratch.parts(sizes.iter().sum(), 0);
    memory.segments.clear();
    memory.segments.extend((0..in_blocks).map(|block| Segment {
        offset: block * per_item * T::BLOCK,
        len: geometry.input.of_block(block).len(),
    }));
    let segments = &*memory.segments;
    for_each_item(tiles.count().div_ceil(per_item), operations, memory.lanes, |item, lane| {
        let (first, count) = (item * per_item, per_item.min(tiles.count() - item * per_item));
        let (v, rest) = lane.split_at_mut(sizes[0]);
        let (m, rest) = rest.split_at_mut(sizes[1]);
        let (sums, window) = rest.split_at_mut(sizes[2]);
        let to = v.as_mut_ptr();
        let transform =
            InputTransform { tiles, geometry, input, first, count, at: 0, transformed, to, window };
        T::dispatch(packed.isa, transform);
        for panel in 0..packed.panels() {
            let blocks = packed.blocks_of(panel);
            let product = TileProducts {
                tile,
                count,
                v: &*v,
                v_stride: transformed.stride,
                segments,
                weights: packed.panel(panel),
                m,
                m_stride: products.stride,
                blocks: blocks.len(),
                sums,
            };
            T::dispatch(packed.isa, product);
            for index in 0..count {
                let place = tiles.place(first + index);
                let finish = Finish {
                    epilogue,
                    values: sums[index * pixels * blocks.len() * T::BLOCK..].as_ptr(),
                    blocks: blocks.len(),
                    place: RowPlace { image: place.image, block: blocks.start, row: place.row },
                    column: place.column,
                    size: tiles.inside(place),
                    row_columns: tile.output,
                };
                T::dispatch(packed.isa, finish);
            }
        }
    });
}

/// The products of some transformed tiles with one panel, transformed back.
struct TileProducts<'a, T> {
    tile: Tile,
    count: usize,
    v: &'a [T],
    v_stride: usize,
    segments: &'a [Segment],
    weights: &'a [T],
    m: &'a mut [T],
    m_stride: usize,
    /// Blocks of the panel.
    blocks: usize,
    /// The pixels of each tile, a row of the panel each.
    sums: &'a mut [T],
}

impl<T: Scalar> Kernel<T> for TileProducts<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, s: S) {
        let elements = self.tile.transformed().pow(2);
        let width = self.blocks * T::BLOCK;
        let slice = self.segments.len() * T::BLOCK * width;
        assert!(self.weights.len() >= elements * slice && self.v.len() >= elements * self.v_stride);
        assert!(self.m.len() >= elements * self.m_stride);
        let (v, m) = (self.v.as_ptr(), self.m.as_mut_ptr());
        for element in 0..elements {
            // SAFETY: the assertions make sure that each element of the tiles has its part of all
            // three operands; a part of `v` holds the tiles of every segment.
            unsafe {
                let product = Rows {
                    rows: self.count,
                    a: v.add(element * self.v_stride),
                    segments: self.segments,
                    b: self.weights.as_ptr().add(element * slice),
                    c: m.add(element * self.m_stride),
                    blocks: self.blocks,
                };
                product.multiply::<S, ROWS, COLUMNS, BLOCK>(s);
            }
        }
        with_tile!(self.tile, transform_back::<T, S>(self, s));
    }
}

#[inline(always)]
fn transform_back<T: Scalar, S: Simd<T>, const N: usize, const M: usize, const R: usize>(
    work: TileProducts<'_, T>,
    s: S,
) {
    let width = work.blocks * T::BLOCK;
    assert!(work.sums.len() >= work.count * M * M * width);
    let (from, to) = (work.m.as_ptr(), work.sums.as_mut_ptr());
    for tile in 0..work.count {
        for lane in (0..width).step_by(S::LANES) {
            // SAFETY: `m` was just written for every element, tile and lane, and the assertion
            // makes room for the pixels of every tile.
            unsafe {
                let (row, column) = (N * work.m_stride, work.m_stride);
                let from = Plane { start: from.add(tile * width + lane), row, column };
                let start = to.add(tile * M * M * width + lane);
                let to = Plane { start, row: M * width, column: width };
                plane::transform::<T, S, plane::Output, N, M>(s, from, to);
            }
        }
    }
}
