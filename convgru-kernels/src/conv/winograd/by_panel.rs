//! A convolution in tiles with weights that are not transformed in memory: each use transforms them, panel by panel.
//!
//! Transformed weights have four times the bytes of the weights (`F(4x4, 3x3)`). Where they are larger than a cache and tiles are
//! few, reading them takes longer than the products. Here an item of work is a panel of output channels: it transforms the weights of
//! some input channels into a second-level cache and multiplies all tiles with them, before it goes on to the next input channels.
//!
//! Unsafe: Items of work have parts of the transformed input, or panels, that no other has, so that the epilogue meets each pixel of
//! each block once.

use std::ops::Range;

use super::back::WayBack;
use super::tiles::{InputTransform, TileColumns, Tiles, Transformed};
use super::weights::PanelTransform;
use crate::aligned::Aligned;
use crate::conv::algorithm::Tile;
use crate::conv::convolve::{ConvSource, ConvSources, Region};
use crate::conv::epilogue::Epilogue;
use crate::conv::multiply::{ProductSegments, RowProduct, Segment, Term};
use crate::feature_maps::count;
use crate::parallel::{Disjoint, for_each_item};
use crate::real::Real;
use crate::scratchpad::{Requirement, Scratch};
use crate::simd::{Simd, TileKernel};

/// Bytes of the weights that an item holds transformed: a part of a second-level cache.
const WEIGHT_BYTES: usize = 320 << 10;

/// Most tiles that are transformed together. Weights are transformed once for so many.
const MOST_TILES: usize = 96;

/// A convolution, of which items of work take a panel of output channels each.
pub(in crate::conv) struct PanelConvolution<'a, T> {
    sources: ConvSources<'a, T>,
    region: &'a Region,
    tiles: Tiles,
    /// Tiles of a group, all panels of which follow each other.
    per_group: usize,
    /// Blocks of input channels whose weights are transformed at a time.
    per_chunk: usize,
    /// The transformed input of a group, of the blocks of a chunk.
    transformed: Transformed,
    /// The products of a group with one panel.
    products: Transformed,
    /// Elements from the transformed weights of an element of a tile to the weights of the next element.
    weight_stride: usize,
}

/// Blocks of input channels of a source whose weights are transformed together.
struct Chunk<'a, T> {
    source: &'a ConvSource<'a, T>,
    blocks: Range<usize>,
}

impl<'a, T: Real> PanelConvolution<'a, T> {
    /// The halo of the inputs is as wide as the geometry asks for. Results do not depend on how the work is cut.
    pub(in crate::conv) fn new(tile: Tile, sources: ConvSources<'a, T>, region: &'a Region) -> Self {
        let (tiles, width) = (Tiles::new(tile, region), sources.last.packed.panel_width());
        let elements = tile.transformed().pow(2);
        let per_chunk = (WEIGHT_BYTES / (elements * T::BLOCK * width * size_of::<T>())).max(1);
        // Groups of nearly equal size.
        let groups = tiles.count().div_ceil(MOST_TILES).max(1);
        let per_group = tiles.count().div_ceil(groups).max(1);
        Self {
            sources,
            region,
            tiles,
            per_group,
            per_chunk,
            transformed: Transformed::new::<T>(per_group, per_chunk),
            products: Transformed::new::<T>(per_group, width / T::BLOCK),
            // An odd number of cache lines apart, so that the elements fall into different sets.
            weight_stride: ((per_chunk * width) | 1) * T::BLOCK,
        }
    }

    /// The chunks of all sources.
    fn chunks(&self) -> impl Iterator<Item = Chunk<'a, T>> {
        let per_chunk = self.per_chunk;
        self.sources.all.iter().flat_map(move |source| {
            let blocks = source.blocks();
            (0..blocks)
                .step_by(per_chunk)
                .map(move |first| Chunk { source, blocks: first..blocks.min(first + per_chunk) })
        })
    }

    /// Numbers of each part of the memory of an item: transformed weights, products and sums.
    fn parts(&self) -> [usize; 3] {
        let tile = self.tiles.tile;
        let weights = tile.transformed().pow(2) * self.weight_stride;
        let sums = self.per_group * tile.output.pow(2) * self.sources.last.packed.panel_width();
        [weights, self.products.len(tile), sums]
    }

    pub(in crate::conv) fn scratch(&self) -> Requirement {
        let tile = self.tiles.tile;
        let window = tile.transformed().pow(2) * T::BLOCK;
        Requirement {
            lane: self.parts().iter().sum::<usize>().max(window),
            shared: self.chunks().count() * self.transformed.len(tile),
            segments: self.sources.blocks(),
        }
    }

    /// Convolves every image.
    ///
    /// # Safety
    /// While the call lasts nothing else may read or write what the epilogue writes.
    pub(in crate::conv) unsafe fn run<E: Epilogue<T>>(&self, epilogue: &E, memory: Scratch<'_, T>) {
        let Scratch { lanes, shared, segments } = memory;
        let of_chunks = self.chunks().flat_map(|chunk| {
            let (input, room) = (chunk.source.packed.geometry.input, self.per_group * T::BLOCK);
            chunk
                .blocks
                .enumerate()
                .map(move |(at, block)| Segment { offset: at * room, len: input.of_block(block).len() })
        });
        segments.iter_mut().zip(of_chunks).for_each(|(place, segment)| *place = segment);
        let Self { tiles, sources, region, products, .. } = self;
        let back = WayBack { tiles, sources: *sources, region, m_stride: products.stride };
        let panels = region.blocks.div_ceil(sources.last.packed.panel_blocks);
        for first in (0..tiles.count()).step_by(self.per_group) {
            let group = first..tiles.count().min(first + self.per_group);
            self.transform(&group, shared, lanes);
            let input = &*shared;
            for_each_item(panels, self.operations(group.len()), lanes, |panel, lane| {
                let [of_weights, of_products, _] = self.parts();
                let (weights, rest) = lane.split_at_mut(of_weights);
                let (products, sums) = rest.split_at_mut(of_products);
                self.multiply(group.len(), panel, segments, input, weights, products);
                // SAFETY: `for_each_item` runs each item once, and groups have tiles that no other has. By the contract
                // nothing but the epilogue has what it writes.
                unsafe { back.finish(&group, panel, products, sums, epilogue) };
            });
        }
    }

    /// Multiplications and additions of some tiles.
    fn operations(&self, tiles: usize) -> usize {
        let elements = self.tiles.tile.transformed().pow(2);
        count(&[tiles, elements, self.sources.channels(), self.region.extent.channels])
    }

    /// Transforms the inputs of the tiles of a group, chunk after chunk.
    fn transform(&self, group: &Range<usize>, to: &mut [T], lanes: &mut [Aligned<T>]) {
        let len = self.transformed.len(self.tiles.tile);
        let chunks = self.chunks().count();
        let to = Disjoint::new(to);
        let operations = count(&[group.len(), chunks, len / self.per_group]);
        for_each_item(chunks, operations, lanes, |index, window| {
            let Some(Chunk { source, blocks }) = self.chunks().nth(index) else { return };
            // SAFETY: `for_each_item` runs each item once, and the parts of chunks do not overlap.
            let to = unsafe { to.part(index * len..(index + 1) * len) };
            let transform = InputTransform {
                tiles: self.tiles,
                geometry: &source.packed.geometry,
                input: source.input,
                blocks,
                first_block: 0,
                first: group.start,
                count: group.len(),
                columns: TileColumns::All,
                transformed: self.transformed,
                to,
                window,
            };
            T::dispatch(self.sources.isa(), transform);
        });
    }

    /// Multiplies the transformed inputs of `count` tiles with a panel.
    fn multiply(
        &self,
        count: usize,
        panel: usize,
        mut segments: &[Segment],
        input: &[T],
        weights: &mut [T],
        products: &mut [T],
    ) {
        let (tile, isa) = (self.tiles.tile, self.sources.isa());
        let blocks = self.sources.last.blocks_of(panel).len();
        let inputs = input.chunks_exact(self.transformed.len(tile));
        for (index, (chunk, v)) in self.chunks().zip(inputs).enumerate() {
            let rows = T::BLOCK * blocks * T::BLOCK;
            let taps = tile.kernel.pow(2) * rows;
            let from = &chunk.source.panel(panel)[chunk.blocks.start * taps..chunk.blocks.end * taps];
            let to = &mut *weights;
            let transform = PanelTransform {
                tile,
                from,
                blocks: chunk.blocks.len(),
                rows,
                to,
                stride: self.weight_stride,
            };
            T::dispatch(isa, transform);
            let (of_chunk, others) = segments.split_at(chunk.blocks.len());
            segments = others;
            let product = ChunkProduct {
                elements: tile.transformed().pow(2),
                count,
                v,
                v_stride: self.transformed.stride,
                segments: ProductSegments::new(of_chunk),
                u: weights,
                u_stride: self.weight_stride,
                m: &mut *products,
                m_stride: self.products.stride,
                blocks,
                begin: index == 0,
            };
            T::dispatch_tile(isa, product);
        }
    }
}

/// The products of some transformed tiles with the transformed weights of some input channels, added up over these.
struct ChunkProduct<'a, T> {
    elements: usize,
    count: usize,
    v: &'a [T],
    v_stride: usize,
    segments: ProductSegments<'a>,
    u: &'a [T],
    u_stride: usize,
    m: &'a mut [T],
    m_stride: usize,
    /// Blocks of the panel.
    blocks: usize,
    /// Whether these are the first channels.
    begin: bool,
}

impl<T: Real> TileKernel<T> for ChunkProduct<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, s: S) {
        let Self { elements, segments, blocks, begin, .. } = self;
        for element in 0..elements {
            let weights = |element: usize| &self.u[element * self.u_stride..][..self.u_stride];
            let term = Term {
                a: &self.v[element * self.v_stride..][..self.v_stride],
                segments,
                b: weights(element),
                next: weights((element + 1).min(elements - 1)).as_ptr(),
            };
            let c = &mut self.m[element * self.m_stride..][..self.m_stride];
            let product = RowProduct { rows: self.count, terms: &[term], c, blocks, begin };
            product.multiply::<S, ROWS, COLUMNS, BLOCK>(s);
        }
    }
}
