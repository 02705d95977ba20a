//! A convolution in tiles: transform, multiply, transform back.
//!
//! Unsafe: Items of work have tiles that no other has, so that the epilogue meets each pixel of each block once;
//! products and sums are slices whose lengths are compared before a transform.

use super::plane::{self, Plane};
use super::tiles::{Columns, InputTransform, Tiles, Transformed, with_tile};
use crate::conv::algorithm::Tile;
use crate::conv::convolve::{MOST, Region, Source, segments_of};
use crate::conv::epilogue::{Epilogue, Finish, Finished};
use crate::conv::multiply::{Rows, Segment, Segments, Term};
use crate::error::Result;
use crate::feature_maps::{RowPlace, count};
use crate::parallel::for_each_item;
use crate::real::Real;
use crate::scratchpad::Scratchpad;
use crate::simd::{Kernel, Simd, TileKernel};
use std::ops::Range;

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
    fn new<T: Real>(sources: &[Source<'_, T>], region: &Region, tiles: &Tiles) -> Self {
        let inputs: usize = sources.iter().map(Source::blocks).sum();
        let (outputs, elements, total) = (region.blocks, tiles.tile.transformed().pow(2), tiles.count());
        let panel_blocks = sources.last().map_or(1, |source| source.packed.panel_blocks);
        let bytes = |blocks: usize| elements * blocks * T::BLOCK * size_of::<T>();
        let large = bytes(inputs) * outputs * T::BLOCK > WEIGHT_BYTES;
        let (most, panels) = match large {
            true => ((2 << 20) / bytes(inputs.max(outputs)).max(1), outputs.div_ceil(panel_blocks)),
            false => ((320 << 10) / bytes(inputs).max(1), 1),
        };
        // Items of nearly equal size, an even number of them where there are few.
        let items = total.div_ceil(most.clamp(12, 56));
        let items = if items < 16 { items.next_multiple_of(2) } else { items };
        Self { tiles: total.div_ceil(items).max(1), panels }
    }
}

/// Convolves every image. The halo of the inputs is as wide as the geometry asks for.
///
/// # Safety
/// While the call lasts nothing else may read or write what the epilogue writes.
pub(in crate::conv) unsafe fn convolve<T: Real, E: Epilogue<T>>(
    tile: Tile,
    sources: &[Source<'_, T>],
    region: &Region,
    epilogue: &E,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let Some(last) = sources.last().filter(|_| T::WINOGRAD) else { return Ok(()) };
    let packed = last.packed;
    let tiles = Tiles::new(tile, region);
    let elements = tile.transformed().pow(2);
    let in_blocks = sources.iter().map(Source::blocks).sum();
    let Cut { tiles: per_item, panels: at_once } = Cut::new(sources, region, &tiles);
    let transformed = Transformed::new::<T>(per_item, in_blocks);
    let products = Transformed::new::<T>(per_item, packed.panel_blocks);
    let pixels = tile.output * tile.output;
    let sizes = [
        transformed.len(tile),
        products.len(tile) * at_once,
        per_item * pixels * packed.panel_width(),
        elements * T::BLOCK,
    ];
    let channels: usize = sources.iter().map(|source| source.packed.geometry.input.count).sum();
    let operations = count(&[tiles.count(), elements, channels, region.extent.channels]);
    let memory = scratch.parts(sizes.iter().sum(), 0)?;
    memory.segments.clear();
    let blocks_of_inputs = sources.iter().flat_map(|source| {
        let input = source.packed.geometry.input;
        (0..input.blocks()).map(move |block| input.of_block(block).len())
    });
    memory.segments.extend(
        blocks_of_inputs.enumerate().map(|(at, len)| Segment { offset: at * per_item * T::BLOCK, len }),
    );
    let segments = segments_of(sources, memory.segments, 1);
    for_each_item(tiles.count().div_ceil(per_item), operations, memory.lanes, |item, lane| {
        let (first, count) = (item * per_item, per_item.min(tiles.count() - item * per_item));
        let (v, rest) = lane.split_at_mut(sizes[0]);
        let (m, rest) = rest.split_at_mut(sizes[1]);
        let (sums, window) = rest.split_at_mut(sizes[2]);
        let mut first_block = 0;
        for source in sources {
            let (input, geometry) = (source.input, &source.packed.geometry);
            let transform = InputTransform {
                tiles,
                geometry,
                input,
                blocks: 0..source.blocks(),
                first_block,
                first,
                count,
                columns: Columns::All,
                transformed,
                to: &mut *v,
                window: &mut *window,
            };
            T::dispatch(packed.isa, transform);
            first_block += source.blocks();
        }
        let all = region.blocks.div_ceil(packed.panel_blocks);
        for start in (0..all).step_by(at_once) {
            let panels = start..all.min(start + at_once);
            let (v, v_stride, m_stride) = (&*v, transformed.stride, products.stride);
            let product = TileProducts {
                tile,
                sources,
                panels: panels.clone(),
                count,
                v,
                v_stride,
                segments,
                m: &mut *m,
                m_stride,
            };
            T::dispatch_tile(packed.isa, product);
            for panel in panels {
                let blocks = last.blocks_of(panel);
                let m = &m[(panel - start) * products.len(tile)..][..products.len(tile)];
                T::dispatch(
                    packed.isa,
                    TransformBack { tile, count, m, m_stride, blocks: blocks.len(), sums: &mut *sums },
                );
                for index in 0..count {
                    let place = tiles.place(first + index);
                    let finished = Finished {
                        width: blocks.len(),
                        blocks: blocks.len().min(region.blocks - blocks.start),
                        place: RowPlace { image: place.image, block: blocks.start, row: place.row },
                        column: place.column,
                        size: tiles.inside(place),
                        row_columns: tile.output,
                    };
                    let values = &sums[index * pixels * blocks.len() * T::BLOCK..];
                    // SAFETY: `for_each_item` runs each item once, an item has tiles that no other has, and it
                    // meets each of them once for each panel. By the contract nothing but the epilogue has
                    // what it writes.
                    let finish = unsafe { Finish::new(epilogue, values, finished) };
                    T::dispatch(packed.isa, finish);
                }
            }
        }
    });
    Ok(())
}

/// The products of some transformed tiles with some panels.
struct TileProducts<'a, T> {
    tile: Tile,
    sources: &'a [Source<'a, T>],
    panels: Range<usize>,
    count: usize,
    v: &'a [T],
    v_stride: usize,
    segments: [Segments<'a>; MOST],
    /// For each panel the products of each element, `m_stride` apart.
    m: &'a mut [T],
    m_stride: usize,
}

impl<T: Real> TileKernel<T> for TileProducts<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, s: S) {
        let elements = self.tile.transformed().pow(2);
        let Some(last) = self.sources.last() else { return };
        for element in 0..elements {
            for (index, panel) in self.panels.clone().enumerate() {
                let blocks = last.blocks_of(panel).len();
                // The product after this one, of the next panel or of the first with the next element,
                // where weights are read from far away.
                let next = match panel + 1 {
                    _ if self.panels.len() == 1 => (element, panel),
                    next if next < self.panels.end => (element, next),
                    _ => ((element + 1) % elements, self.panels.start),
                };
                let mut terms = [Term::NONE; MOST];
                for ((source, term), segments) in self.sources.iter().zip(&mut terms).zip(self.segments) {
                    let weights = |(element, panel): (usize, usize)| {
                        let blocks = last.blocks_of(panel).len();
                        let slice = segments.count() * T::BLOCK * blocks * T::BLOCK;
                        &source.panel(panel)[element * slice..(element + 1) * slice]
                    };
                    let a = &self.v[element * self.v_stride..][..self.v_stride];
                    let next = weights(next).as_ptr();
                    *term = Term { a, segments, b: weights((element, panel)), next };
                }
                let c = &mut self.m[(index * elements + element) * self.m_stride..][..self.m_stride];
                let product = Rows { rows: self.count, terms: &terms[..self.sources.len()], c, blocks };
                product.multiply::<S, ROWS, COLUMNS, BLOCK>(s);
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
                let from = Plane { start: from.add(tile * width + lane), row, column };
                let start = to.add(tile * M * M * width + lane);
                let to = Plane { start, row: M * width, column: width };
                plane::transform::<T, S, plane::Output, N, M>(s, from, to);
            }
        }
    }
}
