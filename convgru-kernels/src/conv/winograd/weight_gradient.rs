//! The gradient of the weights, summed over tiles in the transformed domain.

use std::ops::Range;

use super::tiles::{GradientTransform, InputTransform, Tiles, Transformed};
use super::weights::KernelGradient;
use crate::aligned::Aligned;
use crate::conv::convolve::Region;
use crate::conv::geometry::Geometry;
use crate::conv::multiply::{Outer, Run};
use crate::conv::packed::PanelBlocks;
use crate::conv::plan::Tile;
use crate::feature_maps::{FeatureMapsRef, Rows};
use crate::isa::Isa;
use crate::parallel::{Disjoint, for_each_item, for_each_range};
use crate::scalar::Scalar;
use crate::scratchpad::Scratchpad;

/// Bytes of transformed tiles that are held at a time: a part of a third-level cache.
const TRANSFORMED_BYTES: usize = 4 << 20;

/// Bytes of sums that are held at a time. In the transformed domain they are four times the weights.
const SUMS_BYTES: usize = 2 << 20;

/// Most tiles that are held: a block of channels of all of them fits into a first-level cache
/// beside another.
const MAX_TILES: usize = 192;

/// Tiles that an item of work transforms.
const TILES_PER_ITEM: usize = 12;

/// Adds the gradient of the weights. The halo of the input is as wide as the geometry asks for.
pub(in crate::conv) fn weight_gradient<T: Scalar>(
    tile: Tile,
    geometry: &Geometry,
    isa: Isa,
    input: FeatureMapsRef<'_, T>,
    d_output: FeatureMapsRef<'_, T>,
    d_weights: &mut [T],
    scratch: &mut Scratchpad<T>,
) {
    if !T::WINOGRAD {
        return;
    }
    let tiles = Tiles::new(tile, &Region::all(&d_output.layout()));
    let cut = Cut::new::<T>(tile, geometry, T::dispatch(isa, PanelBlocks), tiles.count());
    let x = Transformed::new::<T>(cut.tiles, geometry.input.blocks());
    let d = Transformed::new::<T>(cut.tiles, cut.panels * cut.panel_blocks);
    let (input, d_output) = (input.rows(), d_output.rows());
    let work = WeightGradient { tile, geometry, isa, tiles, cut, input, d_output, x, d };

    let elements = tile.transformed().pow(2);
    let sums_len = elements * cut.panels * work.panel_len();
    let memory = scratch.parts(elements * T::BLOCK, x.len(tile) + d.len(tile) + sums_len);
    let (x_tiles, rest) = memory.shared.split_at_mut(x.len(tile));
    let (d_tiles, sums) = rest.split_at_mut(d.len(tile));
    let panels = geometry.output.blocks().div_ceil(cut.panel_blocks);
    let all_at_once = panels <= cut.panels;
    for start in (0..tiles.count()).step_by(cut.tiles) {
        let tiles = start..tiles.count().min(start + cut.tiles);
        work.transform_input(tiles.clone(), x_tiles, memory.lanes);
        for first in (0..panels).step_by(cut.panels) {
            let panels = first..panels.min(first + cut.panels);
            let sums_of = Sums { panels: panels.clone(), begin: start == 0 || !all_at_once };
            work.transform_gradient(tiles.clone(), work.blocks_of(&panels), d_tiles, memory.lanes);
            work.add_products(tiles.len(), &sums_of, [x_tiles, d_tiles], sums, memory.lanes);
            if tiles.end == work.tiles.count() || !all_at_once {
                work.bring_back(&panels, sums, d_weights);
            }
        }
    }
}

/// How the sums over tiles are cut: a function of the shape alone, for the bits depend on it.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// Blocks of output channels of a panel.
    panel_blocks: usize,
    /// Panels whose sums are held at a time. Where these are not all, the sums over a number of tiles
    /// are brought back before those of the next panels begin.
    panels: usize,
    /// Tiles that are transformed at a time.
    tiles: usize,
}

impl Cut {
    fn new<T: Scalar>(tile: Tile, geometry: &Geometry, panel_blocks: usize, tiles: usize) -> Self {
        let bytes = |blocks: usize| tile.transformed().pow(2) * blocks * T::BLOCK * size_of::<T>();
        let inputs = geometry.input.blocks();
        // Both in parts of nearly equal size.
        let panels = geometry.output.blocks().div_ceil(panel_blocks);
        let most = (SUMS_BYTES / (bytes(panel_blocks) * inputs * T::BLOCK)).max(1);
        let at_once = panels.div_ceil(panels.div_ceil(most));
        let most = TRANSFORMED_BYTES / bytes(inputs + at_once * panel_blocks);
        let chunks = tiles.div_ceil(most.clamp(TILES_PER_ITEM, MAX_TILES));
        Self { panel_blocks, panels: at_once, tiles: tiles.div_ceil(chunks) }
    }
}

/// What some products are added to.
struct Sums {
    panels: Range<usize>,
    /// Whether these are the first products: the sums are unspecified before.
    begin: bool,
}

/// The gradient of the weights of a convolution of some images.
struct WeightGradient<'a, T> {
    tile: Tile,
    geometry: &'a Geometry,
    isa: Isa,
    tiles: Tiles,
    cut: Cut,
    input: Rows<'a, T>,
    d_output: Rows<'a, T>,
    /// Transformed tiles of the input.
    x: Transformed,
    /// Transformed tiles of the gradient of the output, of the blocks of some panels.
    d: Transformed,
}

impl<T: Scalar> WeightGradient<'_, T> {
    /// Elements of a transformed tile.
    fn elements(&self) -> usize {
        self.tile.transformed().pow(2)
    }

    /// Sums of a panel for one element of a tile: a row of output channels for each input channel.
    fn panel_len(&self) -> usize {
        self.geometry.input.blocks() * T::BLOCK * self.cut.panel_blocks * T::BLOCK
    }

    /// The blocks of output channels of some panels.
    fn blocks_of(&self, panels: &Range<usize>) -> Range<usize> {
        let [start, end] = [panels.start, panels.end].map(|panel| panel * self.cut.panel_blocks);
        start..self.geometry.output.blocks().min(end)
    }

    fn transform_input(&self, of: Range<usize>, to: &mut [T], lanes: &mut [Aligned<T>]) {
        let &Self { tiles, geometry, input, x: transformed, .. } = self;
        let operations = of.len() * self.elements() * geometry.input.count;
        let to = Disjoint::new(to);
        for_each_item(of.len().div_ceil(TILES_PER_ITEM), operations, lanes, |item, window| {
            let at = item * TILES_PER_ITEM;
            let (first, count) = (of.start + at, TILES_PER_ITEM.min(of.len() - at));
            let to = to.start();
            let work = InputTransform {
                tiles,
                geometry,
                input,
                first_block: 0,
                first,
                count,
                at,
                transformed,
                to,
                window,
            };
            T::dispatch(self.isa, work);
        });
    }

    fn transform_gradient(
        &self,
        of: Range<usize>,
        blocks: Range<usize>,
        to: &mut [T],
        lanes: &mut [Aligned<T>],
    ) {
        let &Self { tiles, d_output, d: transformed, .. } = self;
        let operations = of.len() * self.elements() * blocks.len() * T::BLOCK;
        let to = Disjoint::new(to);
        for_each_item(of.len().div_ceil(TILES_PER_ITEM), operations, lanes, |item, window| {
            let at = item * TILES_PER_ITEM;
            let (first, count) = (of.start + at, TILES_PER_ITEM.min(of.len() - at));
            let (blocks, to) = (blocks.clone(), to.start());
            let work =
                GradientTransform { tiles, blocks, d_output, first, count, at, transformed, to, window };
            T::dispatch(self.isa, work);
        });
    }

    /// Adds the products of the first `count` tiles that are transformed, `[input, gradient]`, to the
    /// sums of some panels.
    fn add_products(
        &self,
        count: usize,
        Sums { panels, begin }: &Sums,
        [x_tiles, d_tiles]: [&[T]; 2],
        sums: &mut [T],
        lanes: &mut [Aligned<T>],
    ) {
        let (input, panel_len) = (&self.geometry.input, self.panel_len());
        let first_block = self.blocks_of(panels).start;
        let operations =
            count * self.elements() * input.count * panels.len() * self.cut.panel_blocks * T::BLOCK;
        let (block_stride, runs) = (self.cut.tiles * T::BLOCK, [Run { a: 0, b: 0, len: count }]);
        let sums = Disjoint::new(sums);
        for_each_item(self.elements() * panels.len(), operations, lanes, |item, _| {
            let (element, of_panels) = (item / panels.len(), item % panels.len());
            let panel = panels.start + of_panels;
            let blocks = self.blocks_of(&(panel..panel + 1));
            let width = blocks.len() * T::BLOCK;
            // SAFETY: each item has a part of the sums of its own.
            let sums = unsafe { sums.part(item * panel_len..(item + 1) * panel_len) };
            if *begin {
                sums.fill(T::ZERO);
            }
            let d_tiles = &d_tiles[element * self.d.stride + (blocks.start - first_block) * block_stride..];
            for in_block in 0..input.blocks() {
                let x_tiles = &x_tiles[element * self.x.stride + in_block * block_stride..];
                let outer = Outer {
                    channels: input.of_block(in_block).len(),
                    a: x_tiles[..count * T::BLOCK].as_ptr(),
                    b: d_tiles.as_ptr(),
                    b_block_stride: block_stride,
                    runs: &runs,
                    c: sums[in_block * T::BLOCK * width..][..T::BLOCK * width].as_mut_ptr(),
                    c_stride: width,
                    blocks: blocks.len(),
                };
                T::dispatch(self.isa, outer);
            }
        });
    }

    /// Adds the sums of some panels to the gradient of the weights.
    fn bring_back(&self, panels: &Range<usize>, sums: &[T], d_weights: &mut [T]) {
        let &Self { tile, geometry, .. } = self;
        let (in_blocks, panel_len) = (geometry.input.blocks(), self.panel_len());
        let (stride, taps) = (panels.len() * panel_len, tile.kernel * tile.kernel);
        let d_weights = Disjoint::new(d_weights);
        for_each_range(panels.len() * in_blocks, self.elements() * panel_len, |range| {
            for index in range {
                let (of_panels, in_block) = (index / in_blocks, index % in_blocks);
                let panel = panels.start + of_panels;
                let blocks = self.blocks_of(&(panel..panel + 1));
                let width = blocks.len() * T::BLOCK;
                for (row, i) in geometry.input.of_block(in_block).enumerate() {
                    for (at, block) in blocks.clone().enumerate() {
                        let row = (in_block * T::BLOCK + row) * width + at * T::BLOCK;
                        let from = &sums[of_panels * panel_len + row..];
                        let mut gradient = KernelGradient::taps();
                        T::dispatch(self.isa, KernelGradient { tile, from, stride, taps: &mut gradient });
                        for (lane, o) in geometry.output.of_block(block).enumerate() {
                            let start = (o * geometry.input.count + i) * taps;
                            // SAFETY: every pair of channels is visited once.
                            let weights = unsafe { d_weights.part(start..start + taps) };
                            for (tap, weight) in weights.iter_mut().enumerate() {
                                *weight += gradient[tap * T::BLOCK + lane];
                            }
                        }
                    }
                }
            }
        });
    }
}
