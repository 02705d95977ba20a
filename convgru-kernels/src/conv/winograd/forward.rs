//! A convolution in tiles: transform, multiply, transform back.
//!
//! Unsafe: Items of work have tiles that no other has, so that the epilogue meets each pixel of each block once.

use super::back::WayBack;
use super::tiles::{InputTransform, TileColumns, Tiles, Transformed};
use crate::conv::algorithm::Tile;
use crate::conv::convolve::{ConvSources, MOST, Region};
use crate::conv::epilogue::Epilogue;
use crate::conv::multiply::{ProductSegments, RowProduct, Segment, Term};
use crate::feature_maps::count;
use crate::parallel::for_each_item;
use crate::real::Real;
use crate::scratchpad::{Requirement, Scratch};
use crate::simd::{Simd, TileKernel};
use std::ops::Range;

/// Bytes of transformed weights up to which they are read again for every item of work: they stay
/// in a cache.
const WEIGHT_BYTES: usize = 2 << 20;

/// A convolution, of which items of work take some tiles each.
pub(in crate::conv) struct WinogradConvolution<'a, T> {
    sources: ConvSources<'a, T>,
    region: &'a Region,
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
}

impl<'a, T: Real> WinogradConvolution<'a, T> {
    /// The halo of the inputs is as wide as the geometry asks for. Results do not depend on how the work is cut.
    ///
    /// Weights that stay in a cache are read panel by panel, for as many tiles as leave their
    /// transformed input in a second-level cache. Larger ones are read once for each item, element by
    /// element, for as many tiles as leave a part of the products in a third-level cache.
    pub(in crate::conv) fn new(tile: Tile, sources: ConvSources<'a, T>, region: &'a Region) -> Self {
        let (tiles, panel_blocks) = (Tiles::new(tile, region), sources.last.packed.panel_blocks);
        let (inputs, outputs) = (sources.blocks(), region.blocks);
        let (elements, total, panels) =
            (tile.transformed().pow(2), tiles.count(), outputs.div_ceil(panel_blocks));
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
        let transformed = Transformed::new::<T>(per_item, inputs);
        let products = Transformed::new::<T>(per_item, panel_blocks);
        Self { sources, region, tiles, per_item, panels, at_once, transformed, products }
    }

    /// Numbers of each part of the memory of an item: transformed input, products, sums, and a window that reaches
    /// over the edge of the memory.
    fn parts(&self) -> [usize; 4] {
        let tile = self.tiles.tile;
        let sums = self.per_item * tile.output.pow(2) * self.sources.last.packed.panel_width();
        let window = tile.transformed().pow(2) * T::BLOCK;
        [self.transformed.len(tile), self.products.len(tile) * self.at_once, sums, window]
    }

    pub(in crate::conv) fn scratch(&self) -> Requirement {
        let segments = self.sources.blocks();
        Requirement { lane: self.parts().iter().sum(), segments, ..Requirement::default() }
    }

    /// Convolves every image.
    ///
    /// # Safety
    /// While the call lasts nothing else may read or write what the epilogue writes.
    pub(in crate::conv) unsafe fn run<E: Epilogue<T>>(&self, epilogue: &E, memory: Scratch<'_, T>) {
        let [of_input, of_products, of_sums, _] = self.parts();
        memory.segments.iter_mut().zip(self.segments()).for_each(|(place, segment)| *place = segment);
        let segments = self.sources.segments(memory.segments, 1);
        let items = self.tiles.count().div_ceil(self.per_item);
        let Self { tiles, sources, region, products, .. } = self;
        let back = WayBack { tiles, sources: *sources, region, m_stride: products.stride };
        for_each_item(items, self.operations(), memory.lanes, |item, lane| {
            let tiles = item * self.per_item..self.tiles.count().min((item + 1) * self.per_item);
            let (input, rest) = lane.split_at_mut(of_input);
            let (products, rest) = rest.split_at_mut(of_products);
            let (sums, window) = rest.split_at_mut(of_sums);
            self.transform(&tiles, input, window);
            for start in (0..self.panels).step_by(self.at_once) {
                let panels = start..self.panels.min(start + self.at_once);
                self.multiply(tiles.len(), panels.clone(), segments, input, products);
                let of_panels = products.chunks_exact(self.products.len(self.tiles.tile));
                for (panel, products) in panels.zip(of_panels) {
                    // SAFETY: `for_each_item` runs each item once, an item has tiles that no other has, and it meets
                    // each panel once. By the contract nothing but the epilogue has what it writes.
                    unsafe { back.finish(&tiles, panel, products, sums, epilogue) };
                }
            }
        });
    }

    /// The blocks of all inputs, as they lie in the transformed input of an item.
    fn segments(&self) -> impl Iterator<Item = Segment> {
        let blocks = self.sources.all.iter().flat_map(|source| {
            let input = source.packed.geometry.input;
            (0..input.blocks()).map(move |block| input.of_block(block).len())
        });
        blocks.enumerate().map(|(at, len)| Segment { offset: at * self.per_item * T::BLOCK, len })
    }

    /// Multiplications and additions of the whole convolution.
    fn operations(&self) -> usize {
        let elements = self.tiles.tile.transformed().pow(2);
        count(&[self.tiles.count(), elements, self.sources.channels(), self.region.extent.channels])
    }

    /// Transforms the inputs of some tiles.
    fn transform(&self, tiles: &Range<usize>, to: &mut [T], window: &mut [T]) {
        let mut first_block = 0;
        for source in self.sources.all {
            let transform = InputTransform {
                tiles: self.tiles,
                geometry: &source.packed.geometry,
                input: source.input,
                blocks: 0..source.blocks(),
                first_block,
                first: tiles.start,
                count: tiles.len(),
                columns: TileColumns::All,
                transformed: self.transformed,
                to: &mut *to,
                window: &mut *window,
            };
            T::dispatch(self.sources.isa(), transform);
            first_block += source.blocks();
        }
    }

    /// Multiplies the transformed inputs of `count` tiles with some panels.
    fn multiply(
        &self,
        count: usize,
        panels: Range<usize>,
        segments: [ProductSegments<'_>; MOST],
        input: &[T],
        products: &mut [T],
    ) {
        let product = TileProducts {
            tile: self.tiles.tile,
            sources: self.sources,
            panels,
            count,
            v: input,
            v_stride: self.transformed.stride,
            segments,
            m: products,
            m_stride: self.products.stride,
        };
        T::dispatch_tile(self.sources.isa(), product);
    }
}

/// The products of some transformed tiles with some panels.
struct TileProducts<'a, T> {
    tile: Tile,
    sources: ConvSources<'a, T>,
    panels: Range<usize>,
    count: usize,
    v: &'a [T],
    v_stride: usize,
    segments: [ProductSegments<'a>; MOST],
    /// For each panel the products of each element, `m_stride` apart.
    m: &'a mut [T],
    m_stride: usize,
}

impl<T: Real> TileKernel<T> for TileProducts<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, s: S) {
        let elements = self.tile.transformed().pow(2);
        let ConvSources { all, last } = self.sources;
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
                for ((source, term), segments) in all.iter().zip(&mut terms).zip(self.segments) {
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
                let terms = &terms[..all.len()];
                let product = RowProduct { rows: self.count, terms, c, blocks, begin: true };
                product.multiply::<S, ROWS, COLUMNS, BLOCK>(s);
            }
        }
    }
}
