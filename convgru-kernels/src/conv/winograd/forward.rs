//! A convolution in tiles: transform, multiply, transform back.

use std::ops::Range;

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

/// Bytes of transformed weights up to which they are read again for every item of work: they stay
/// in a cache.
const WEIGHT_BYTES: usize = 2 << 20;

/// How a convolution is cut.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// Tiles of an item of work.
    tiles: usize,
    /// Panels whose products are computed element by element before any is transformed back.
    panels: usize,
}

impl Cut {
    /// Results do not depend on it.
    ///
    /// Weights that stay in a cache are read panel by panel, for as many tiles as leave their
    /// transformed input in a second-level cache. Larger ones are read once for each item, element by
    /// element, for as many tiles as leave a part of the products in a third-level cache.
    fn new<T: Scalar>(packed: &Packed<T>, elements: usize, total: usize) -> Self {
        let (inputs, outputs) = (packed.geometry.input.blocks(), packed.geometry.output.blocks());
        let bytes = |blocks: usize| elements * blocks * T::BLOCK * size_of::<T>();
        let large = bytes(inputs) * outputs * T::BLOCK > WEIGHT_BYTES;
        let (most, panels) = match large {
            true => ((2 << 20) / bytes(inputs.max(outputs)).max(1), packed.panels()),
            false => ((320 << 10) / bytes(inputs).max(1), 1),
        };
        // Items of nearly equal size, an even number of them where there are few.
        let items = total.div_ceil(most.clamp(12, 56));
        let items = if items < 16 { items.next_multiple_of(2) } else { items };
        Self { tiles: total.div_ceil(items).max(1), panels }
    }
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
    let Cut { tiles: per_item, panels: at_once } = Cut::new(packed, elements, tiles.count());
    let transformed = Transformed::new::<T>(per_item, in_blocks);
    let products = Transformed::new::<T>(per_item, packed.panel_blocks);
    let pixels = tile.output * tile.output;
    let sizes = [
        transformed.len(tile),
        products.len(tile) * at_once,
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
        for start in (0..packed.panels()).step_by(at_once) {
            let panels = start..packed.panels().min(start + at_once);
            let (v, v_stride, m_stride) = (&*v, transformed.stride, products.stride);
            let product = TileProducts {
                tile,
                packed,
                panels: panels.clone(),
                count,
                v,
                v_stride,
                segments,
                m,
                m_stride,
            };
            T::dispatch(packed.isa, product);
            for panel in panels {
                let blocks = packed.blocks_of(panel);
                let m = &m[(panel - start) * products.len(tile)..][..products.len(tile)];
                T::dispatch(
                    packed.isa,
                    TransformBack { tile, count, m, m_stride, blocks: blocks.len(), sums },
                );
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
        }
    });
}

/// The products of some transformed tiles with some panels.
struct TileProducts<'a, T> {
    tile: Tile,
    packed: &'a Packed<T>,
    panels: Range<usize>,
    count: usize,
    v: &'a [T],
    v_stride: usize,
    segments: &'a [Segment],
    /// For each panel the products of each element, `m_stride` apart.
    m: &'a mut [T],
    m_stride: usize,
}

impl<T: Scalar> Kernel<T> for TileProducts<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, s: S) {
        let elements = self.tile.transformed().pow(2);
        assert!(self.v.len() >= elements * self.v_stride);
        assert!(self.m.len() >= self.panels.len() * elements * self.m_stride);
        for element in 0..elements {
            for (index, panel) in self.panels.clone().enumerate() {
                let blocks = self.packed.blocks_of(panel).len();
                let slice = self.segments.len() * T::BLOCK * blocks * T::BLOCK;
                let weights = &self.packed.panel(panel)[element * slice..(element + 1) * slice];
                // SAFETY: the assertions make sure that each element of the tiles has its part of
                // the tiles of every segment and of the products.
                unsafe {
                    let product = Rows {
                        rows: self.count,
                        a: self.v.as_ptr().add(element * self.v_stride),
                        segments: self.segments,
                        b: weights.as_ptr(),
                        c: self.m.as_mut_ptr().add((index * elements + element) * self.m_stride),
                        blocks,
                    };
                    product.multiply::<S, ROWS, COLUMNS, BLOCK>(s);
                }
            }
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

impl<T: Scalar> Kernel<T> for TransformBack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, s: S) {
        with_tile!(self.tile, transform_back::<T, S>(self, s));
    }
}

#[inline(always)]
fn transform_back<T: Scalar, S: Simd<T>, const N: usize, const M: usize, const R: usize>(
    work: TransformBack<'_, T>,
    s: S,
) {
    let width = work.blocks * T::BLOCK;
    assert!(work.sums.len() >= work.count * M * M * width && work.m.len() >= N * N * work.m_stride);
    let (from, to) = (work.m.as_ptr(), work.sums.as_mut_ptr());
    for tile in 0..work.count {
        for lane in (0..width).step_by(S::LANES) {
            // SAFETY: the assertion makes sure of every element, tile and lane of the products and
            // of the pixels of every tile.
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
