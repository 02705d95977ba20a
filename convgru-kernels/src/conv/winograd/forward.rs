//! A convolution in tiles: transform, multiply, transform back.
//!
//! Unsafe: Items of work have tiles that no other has, so that the epilogue meets each pixel of each block once;
//! products and sums are slices whose lengths are compared before a transform.

use super::plane::{self, Plane};
use super::tiles::{Columns, InputTransform, Tiles, Transformed, with_tile};
use super::transform::OutputMatrix;
use crate::conv::algorithm::Tile;
use crate::conv::convolve::{MOST, Region, Source, segments_of};
use crate::conv::epilogue::{Epilogue, Finish, Finished};
use crate::conv::multiply::{Rows, Segment, Segments, Term};
use crate::conv::packed::Packed;
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

/// How a convolution is cut into items of work, and the memory that an item takes.
#[derive(Debug, Clone, Copy)]
struct ForwardPlan {
    tiles: Tiles,
    /// Tiles of an item of work.
    per_item: usize,
    /// Panels of the output.
    panels: usize,
    /// Panels whose products are computed element by element before any is transformed back.
    at_once: usize,
    /// The transformed input of an item.
    transformed: Transformed,
    /// The products of an item with one panel.
    products: Transformed,
    /// Numbers of the sums of an item with one panel.
    sums: usize,
}

impl ForwardPlan {
    /// Results do not depend on the cut.
    ///
    /// Weights that stay in a cache are read panel by panel, for as many tiles as leave their
    /// transformed input in a second-level cache. Larger ones are read once for each item, element by
    /// element, for as many tiles as leave a part of the products in a third-level cache.
    fn new<T: Real>(tile: Tile, sources: &[Source<'_, T>], last: &Packed<T>, region: &Region) -> Self {
        let tiles = Tiles::new(tile, region);
        let inputs: usize = sources.iter().map(Source::blocks).sum();
        let (outputs, elements, total) = (region.blocks, tile.transformed().pow(2), tiles.count());
        let panels = outputs.div_ceil(last.panel_blocks);
        let bytes = |blocks: usize| elements * blocks * T::BLOCK * size_of::<T>();
        let large = bytes(inputs) * outputs * T::BLOCK > WEIGHT_BYTES;
        let (most, at_once) = match large {
            true => ((2 << 20) / bytes(inputs.max(outputs)).max(1), panels),
            false => ((320 << 10) / bytes(inputs).max(1), 1),
        };
        // Items of nearly equal size, an even number of them where there are few.
        let items = total.div_ceil(most.clamp(12, 56));
        let items = if items < 16 { items.next_multiple_of(2) } else { items };
        let per_item = total.div_ceil(items).max(1);
        Self {
            tiles,
            per_item,
            panels,
            at_once,
            transformed: Transformed::new::<T>(per_item, inputs),
            products: Transformed::new::<T>(per_item, last.panel_blocks),
            sums: per_item * tile.output.pow(2) * last.panel_width(),
        }
    }

    fn tile(&self) -> Tile {
        self.tiles.tile
    }

    /// Items of work.
    fn items(&self) -> usize {
        self.tiles.count().div_ceil(self.per_item)
    }

    /// The tiles of an item.
    fn tiles_of(&self, item: usize) -> Range<usize> {
        item * self.per_item..self.tiles.count().min((item + 1) * self.per_item)
    }

    /// Numbers of each part of the memory of an item: transformed input, products, sums, and a window that reaches
    /// over the edge of the memory.
    fn parts<T: Real>(&self) -> [usize; 4] {
        let tile = self.tile();
        let window = tile.transformed().pow(2) * T::BLOCK;
        [self.transformed.len(tile), self.products.len(tile) * self.at_once, self.sums, window]
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
    let plan = ForwardPlan::new(tile, sources, last.packed, region);
    let [of_input, of_products, of_sums, of_window] = plan.parts::<T>();
    let memory = scratch.parts(of_input + of_products + of_sums + of_window, 0)?;
    memory.segments.clear();
    memory.segments.extend(segments(sources, plan.per_item));
    let work =
        Convolution { plan, sources, last, region, segments: segments_of(sources, memory.segments, 1) };
    for_each_item(plan.items(), work.operations(), memory.lanes, |item, lane| {
        let tiles = plan.tiles_of(item);
        let (input, rest) = lane.split_at_mut(of_input);
        let (products, rest) = rest.split_at_mut(of_products);
        let (sums, window) = rest.split_at_mut(of_sums);
        work.transform(&tiles, input, window);
        for start in (0..plan.panels).step_by(plan.at_once) {
            let panels = start..plan.panels.min(start + plan.at_once);
            work.multiply(tiles.len(), panels.clone(), input, products);
            for (panel, products) in panels.zip(products.chunks_exact(plan.products.len(tile))) {
                // SAFETY: `for_each_item` runs each item once, an item has tiles that no other has, and it meets
                // each panel once. By the contract nothing but the epilogue has what it writes.
                unsafe { work.finish(&tiles, panel, products, sums, epilogue) };
            }
        }
    });
    Ok(())
}

/// The blocks of all inputs, as they lie in the transformed input of an item.
fn segments<T: Real>(sources: &[Source<'_, T>], per_item: usize) -> impl Iterator<Item = Segment> {
    let blocks = sources.iter().flat_map(|source| {
        let input = source.packed.geometry.input;
        (0..input.blocks()).map(move |block| input.of_block(block).len())
    });
    blocks.enumerate().map(move |(at, len)| Segment { offset: at * per_item * T::BLOCK, len })
}

/// A convolution, of which items of work take some tiles each.
struct Convolution<'a, T> {
    plan: ForwardPlan,
    sources: &'a [Source<'a, T>],
    last: &'a Source<'a, T>,
    region: &'a Region,
    segments: [Segments<'a>; MOST],
}

impl<T: Real> Convolution<'_, T> {
    /// Multiplications and additions of the whole convolution.
    fn operations(&self) -> usize {
        let channels: usize = self.sources.iter().map(|source| source.packed.geometry.input.count).sum();
        let elements = self.plan.tile().transformed().pow(2);
        count(&[self.plan.tiles.count(), elements, channels, self.region.extent.channels])
    }

    /// Transforms the inputs of some tiles.
    fn transform(&self, tiles: &Range<usize>, to: &mut [T], window: &mut [T]) {
        let mut first_block = 0;
        for source in self.sources {
            let transform = InputTransform {
                tiles: self.plan.tiles,
                geometry: &source.packed.geometry,
                input: source.input,
                blocks: 0..source.blocks(),
                first_block,
                first: tiles.start,
                count: tiles.len(),
                columns: Columns::All,
                transformed: self.plan.transformed,
                to: &mut *to,
                window: &mut *window,
            };
            T::dispatch(self.last.packed.isa, transform);
            first_block += source.blocks();
        }
    }

    /// Multiplies the transformed inputs of `count` tiles with some panels.
    fn multiply(&self, count: usize, panels: Range<usize>, input: &[T], products: &mut [T]) {
        let product = TileProducts {
            tile: self.plan.tile(),
            sources: self.sources,
            panels,
            count,
            v: input,
            v_stride: self.plan.transformed.stride,
            segments: self.segments,
            m: products,
            m_stride: self.plan.products.stride,
        };
        T::dispatch_tile(self.last.packed.isa, product);
    }

    /// Transforms the products of some tiles with a panel back and hands the sums to the epilogue.
    ///
    /// # Safety
    /// No other call for these tiles and this panel may run at the same time, and nothing else may read or write
    /// what the epilogue writes.
    unsafe fn finish<E: Epilogue<T>>(
        &self,
        tiles: &Range<usize>,
        panel: usize,
        products: &[T],
        sums: &mut [T],
        epilogue: &E,
    ) {
        let (tile, isa) = (self.plan.tile(), self.last.packed.isa);
        let blocks = self.last.blocks_of(panel);
        let (count, m_stride) = (tiles.len(), self.plan.products.stride);
        let back =
            TransformBack { tile, count, m: products, m_stride, blocks: blocks.len(), sums: &mut *sums };
        T::dispatch(isa, back);
        let pixels = tile.output.pow(2) * blocks.len() * T::BLOCK;
        for (index, place) in tiles.clone().map(|index| self.plan.tiles.place(index)).enumerate() {
            let finished = Finished {
                width: blocks.len(),
                blocks: blocks.len().min(self.region.blocks - blocks.start),
                place: RowPlace { image: place.image, block: blocks.start, row: place.row },
                column: place.column,
                size: self.plan.tiles.inside(place),
                row_columns: tile.output,
            };
            // SAFETY: by the contract the blocks of the panel of these pixels are of this call alone, which meets each
            // tile once, and nothing but the epilogue has what it writes.
            let finish = unsafe { Finish::new(epilogue, &sums[index * pixels..], finished) };
            T::dispatch(isa, finish);
        }
    }
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
                plane::transform::<T, S, OutputMatrix, N, M>(s, from, to);
            }
        }
    }
}
