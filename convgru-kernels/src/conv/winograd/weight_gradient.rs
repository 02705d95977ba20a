//! The gradient of the weights, summed over tiles in the transformed domain.
//!
//! Unsafe: Items of work have parts of the sums, and pairs of channels of the weights, that do not overlap.

use std::ops::Range;

use super::tiles::{GradientTransform, InputTransform, TileColumns, Tiles, Transformed};
use super::weights::KernelGradient;
use crate::aligned::Aligned;
use crate::conv::algorithm::Tile;
use crate::conv::convolve::Region;
use crate::conv::geometry::Geometry;
use crate::conv::multiply::{Outer, PixelRun};
use crate::conv::packed::PanelBlocks;
use crate::feature_maps::{Rows, count};
use crate::isa::Isa;
use crate::parallel::{Disjoint, for_each_item, for_each_range};
use crate::real::Real;
use crate::scratchpad::{Requirement, Scratch};

/// Bytes of transformed tiles that a thread holds at a time: a part of a second-level cache.
const TRANSFORMED_BYTES: usize = 512 << 10;

/// Bytes of sums that are held at a time. In the transformed domain they are four times the weights.
const SUMS_BYTES: usize = 4 << 20;

/// Panels and blocks of input channels of an item, where the sums of one panel alone are more than half of [`SUMS_BYTES`]: the sums of
/// an item stay in a second-level cache.
const OF_WIDE: [usize; 2] = [4, 4];

/// Most tiles that are held: a block of channels of all of them fits into a first-level cache
/// beside another.
const MAX_TILES: usize = 192;

/// Fewest tiles that are held: sums are read and written once for so many.
const MIN_TILES: usize = 12;

/// Tiles from which on each half of them has sums of its own, so that each of two threads reads half of the maps.
const TILES_OF_HALVES: usize = 1024;

/// Most input channels of a block.
const MOST_ROWS: usize = 16;

/// Adds the second to the first.
fn add<T: Real>(sums: &mut [T], others: &[T]) {
    let len = sums.len();
    let sums = Disjoint::new(sums);
    for_each_range(len, 1, |range| {
        // SAFETY: the ranges of `for_each_range` do not overlap.
        let part = unsafe { sums.part(range.clone()) };
        part.iter_mut().zip(&others[range]).for_each(|(sum, &other)| *sum += other);
    });
}

/// How the work is cut. Halves are a function of the shape. All else changes no bit, for every sum is that of all
/// tiles of a half in their order.
///
/// What a thread transforms it multiplies itself: transformed tiles are many times as large as what they are made
/// from, and would have to go from the caches of one thread into those of another.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// Blocks of output channels of a panel.
    panel_blocks: usize,
    /// Panels whose sums are held at a time.
    panels: usize,
    /// Parts of the tiles with sums of their own.
    halves: usize,
    /// Parts into which the elements of tiles are cut, of different items.
    sides: usize,
    /// The panels of an item.
    panels_of_item: usize,
    /// Blocks of input channels of an item.
    inputs_of_item: usize,
    /// Tiles that an item transforms at a time.
    tiles: usize,
}

impl Cut {
    fn new<T: Real>(
        tile: Tile,
        geometry: &Geometry,
        panel_blocks: usize,
        tiles: usize,
        threads: usize,
    ) -> Self {
        let bytes = |blocks: usize| tile.transformed().pow(2) * blocks * T::BLOCK * size_of::<T>();
        let inputs = geometry.input.blocks();
        let panels = geometry.output.blocks().div_ceil(panel_blocks);
        let sums = bytes(panel_blocks) * inputs * T::BLOCK;
        let halves = if tiles >= TILES_OF_HALVES && 2 * panels * sums <= SUMS_BYTES { 2 } else { 1 };
        // All in parts of nearly equal size. Threads share out halves of the tiles, then the elements of tiles,
        // panels, and inputs.
        let threads = threads.div_ceil(halves);
        let sides = threads.min(2);
        let most = (SUMS_BYTES / (halves * sums)).max(threads.div_ceil(sides));
        let wide = 2 * sums > SUMS_BYTES;
        let most = if wide { OF_WIDE[0] } else { most };
        let at_once = panels.div_ceil(panels.div_ceil(most));
        let panels_of_item = if wide { at_once } else { at_once.div_ceil(threads.div_ceil(sides)) };
        let items = sides * at_once.div_ceil(panels_of_item);
        let inputs_of_item = if wide { OF_WIDE[1] } else { inputs.div_ceil(threads.div_ceil(items)) };
        let most = sides * TRANSFORMED_BYTES / bytes(inputs_of_item + panels_of_item * panel_blocks);
        let chunks = tiles.div_ceil(halves).div_ceil(most.clamp(MIN_TILES, MAX_TILES));
        let tiles = tiles.div_ceil(halves).div_ceil(chunks);
        Self { panel_blocks, panels: at_once, halves, sides, panels_of_item, inputs_of_item, tiles }
    }
}

/// The gradient of the weights of a convolution of some images.
pub(in crate::conv) struct WinogradWeightGradient<'a, T> {
    tile: Tile,
    geometry: &'a Geometry,
    isa: Isa,
    tiles: Tiles,
    cut: Cut,
    input: Rows<'a, T>,
    d_output: Rows<'a, T>,
    /// Transformed tiles of the input.
    x: Transformed,
    /// Transformed tiles of the gradient of the output, of the blocks of the panels of an item.
    d: Transformed,
}

/// What an item adds up.
struct ItemSums {
    /// Those of all images.
    tiles: Range<usize>,
    /// The elements of a tile.
    columns: TileColumns,
    /// Blocks of input channels.
    inputs: Range<usize>,
    /// The panels, the first of those whose sums are held, and how many these are.
    panels: Range<usize>,
    first: usize,
    held: usize,
    /// Where the sums of the half of the tiles begin.
    sums: usize,
}

impl<'a, T: Real> WinogradWeightGradient<'a, T> {
    /// The halo of the input is as wide as the geometry asks for.
    pub(in crate::conv) fn new(
        tile: Tile,
        geometry: &'a Geometry,
        isa: Isa,
        input: Rows<'a, T>,
        d_output: Rows<'a, T>,
    ) -> Self {
        assert!(T::WINOGRAD, "a gradient of weights of {} in tiles", T::NAME);
        let tiles = Tiles::new(tile, &Region::all(d_output.layout()));
        let panel_blocks = T::dispatch_tile(isa, PanelBlocks);
        let cut = Cut::new::<T>(tile, geometry, panel_blocks, tiles.count(), rayon::current_num_threads());
        let x = Transformed::new::<T>(cut.tiles, cut.inputs_of_item);
        let d = Transformed::new::<T>(cut.tiles, cut.panels_of_item * panel_blocks);
        Self { tile, geometry, isa, tiles, cut, input, d_output, x, d }
    }

    /// Transformed tiles and a window for each thread, and sums for all.
    pub(in crate::conv) fn scratch(&self) -> Requirement {
        let widest = TileColumns::of_sides(self.cut.sides)[0];
        let tiles = self.x.len_of(self.tile, widest) + self.d.len_of(self.tile, widest);
        Requirement {
            lane: tiles + self.elements() * T::BLOCK,
            shared: self.cut.halves * self.elements() * self.cut.panels * self.panel_len(),
            ..Requirement::default()
        }
    }

    /// Adds the gradient of the weights to the one that is there.
    pub(in crate::conv) fn run(&self, d_weights: &mut [T], memory: Scratch<'_, T>) {
        let panels = self.geometry.output.blocks().div_ceil(self.cut.panel_blocks);
        for first in (0..panels).step_by(self.cut.panels) {
            let panels = first..panels.min(first + self.cut.panels);
            let len = self.cut.halves * self.elements() * panels.len() * self.panel_len();
            let sums = &mut memory.shared[..len];
            self.add_up(&panels, sums, memory.lanes);
            if self.cut.halves > 1 {
                let (sums, others) = sums.split_at_mut(len / 2);
                add(sums, others);
            }
            self.bring_back(&panels, sums, d_weights);
        }
    }

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
        let [start, end] = [panels.start * self.cut.panel_blocks, panels.end * self.cut.panel_blocks];
        start..self.geometry.output.blocks().min(end)
    }

    /// The sums of some panels over all tiles.
    fn add_up(&self, panels: &Range<usize>, sums: &mut [T], lanes: &mut [Aligned<T>]) {
        let sides = TileColumns::of_sides(self.cut.sides);
        let in_blocks = self.geometry.input.blocks();
        let of_panels = panels.len().div_ceil(self.cut.panels_of_item);
        let items_of_half = sides.len() * of_panels * in_blocks.div_ceil(self.cut.inputs_of_item);
        let tiles = self.tiles.count().div_ceil(self.cut.halves);
        let sums_of_half = self.elements() * panels.len() * self.panel_len();
        let outputs = panels.len() * self.cut.panel_blocks * T::BLOCK;
        let operations = count(&[self.tiles.count(), self.elements(), self.geometry.input.count, outputs]);
        let sums = Disjoint::new(sums);
        for_each_item(self.cut.halves * items_of_half, operations, lanes, |item, lane| {
            let (half, item) = (item / items_of_half, item % items_of_half);
            let (columns, rest) = (sides[item % sides.len()], item / sides.len());
            let first = panels.start + rest % of_panels * self.cut.panels_of_item;
            let input = rest / of_panels * self.cut.inputs_of_item;
            let part = ItemSums {
                tiles: half * tiles..self.tiles.count().min((half + 1) * tiles),
                columns,
                inputs: input..in_blocks.min(input + self.cut.inputs_of_item),
                panels: first..panels.end.min(first + self.cut.panels_of_item),
                first: panels.start,
                held: panels.len(),
                sums: half * sums_of_half,
            };
            let (x, rest) = lane.split_at_mut(self.x.len_of(self.tile, part.columns));
            let (d, window) = rest.split_at_mut(self.d.len_of(self.tile, part.columns));
            for start in part.tiles.clone().step_by(self.cut.tiles) {
                let tiles = start..part.tiles.end.min(start + self.cut.tiles);
                self.transform(&part, tiles.clone(), [x, d], window);
                self.add_products(&part, tiles, [x, d], sums);
            }
        });
    }

    /// Transforms the input and the gradient of some tiles.
    fn transform(&self, part: &ItemSums, of: Range<usize>, [x, d]: [&mut [T]; 2], window: &mut [T]) {
        let (first, count) = (of.start, of.len());
        let input = InputTransform {
            tiles: self.tiles,
            geometry: self.geometry,
            input: self.input,
            blocks: part.inputs.clone(),
            first_block: 0,
            first,
            count,
            columns: part.columns,
            transformed: self.x,
            to: x,
            window: &mut *window,
        };
        T::dispatch(self.isa, input);
        let gradient = GradientTransform {
            tiles: self.tiles,
            blocks: self.blocks_of(&part.panels),
            d_output: self.d_output,
            first,
            count,
            columns: part.columns,
            transformed: self.d,
            to: d,
            window,
        };
        T::dispatch(self.isa, gradient);
    }

    /// Adds the products of some transformed tiles to the sums, the first of which they replace.
    fn add_products(&self, part: &ItemSums, of: Range<usize>, [x, d]: [&[T]; 2], sums: Disjoint<'_, T>) {
        let (input, panel_len) = (&self.geometry.input, self.panel_len());
        let first_block = self.blocks_of(&part.panels).start;
        let block_stride = self.cut.tiles * T::BLOCK;
        let runs = [PixelRun { a: 0, b: 0 }];
        let columns = part.columns.of(self.tile);
        for index in 0..self.tile.transformed() * columns.len() {
            let (row, column) = (index / columns.len(), columns.start + index % columns.len());
            let element = row * self.tile.transformed() + column;
            for panel in part.panels.clone() {
                let blocks = self.blocks_of(&(panel..panel + 1));
                let width = blocks.len() * T::BLOCK;
                let rows_len = T::BLOCK * width;
                let start = part.sums + (element * part.held + panel - part.first) * panel_len;
                let rows = start + part.inputs.start * rows_len..start + part.inputs.end * rows_len;
                // SAFETY: `for_each_item` runs each item once. Items differ in the half, the elements, the panels or
                // the inputs, and so do the parts of the sums.
                let sums = unsafe { sums.part(rows) };
                let d = &d[index * self.d.stride + (blocks.start - first_block) * block_stride..];
                for (at, in_block) in part.inputs.clone().enumerate() {
                    let x = &x[index * self.x.stride + at * block_stride..];
                    let outer = Outer {
                        channels: input.of_block(in_block).len(),
                        a: &x[..of.len() * T::BLOCK],
                        b: d,
                        b_block_stride: block_stride,
                        runs: &runs,
                        len: of.len(),
                        c: &mut sums[at * rows_len..][..rows_len],
                        c_stride: width,
                        blocks: blocks.len(),
                        begin: of.start == part.tiles.start,
                    };
                    T::dispatch_tile(self.isa, outer);
                }
            }
        }
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
                let rows = geometry.input.of_block(in_block);
                for (at, block) in blocks.clone().enumerate() {
                    let mut gradients = [KernelGradient::taps(); MOST_ROWS];
                    for (row, gradient) in gradients.iter_mut().enumerate().take(rows.len()) {
                        let row = (in_block * T::BLOCK + row) * width + at * T::BLOCK;
                        let from = &sums[of_panels * panel_len + row..];
                        T::dispatch(self.isa, KernelGradient { tile, from, stride, taps: gradient });
                    }
                    for (lane, o) in geometry.output.of_block(block).enumerate() {
                        let start = (o * geometry.input.count + rows.start) * taps;
                        // SAFETY: the ranges of `for_each_range` do not overlap, and pairs of a panel and a block of
                        // inputs have no weights in common.
                        let weights = unsafe { d_weights.part(start..start + rows.len() * taps) };
                        for (weights, gradient) in weights.chunks_exact_mut(taps).zip(&gradients) {
                            let of_lane = gradient[lane..].iter().step_by(T::BLOCK);
                            weights.iter_mut().zip(of_lane).for_each(|(weight, &value)| *weight += value);
                        }
                    }
                }
            }
        });
    }
}
