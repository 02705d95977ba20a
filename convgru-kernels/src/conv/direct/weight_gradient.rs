//! The gradient of the weights of a direct convolution.
//!
//! Unsafe: Items of work have tiles of sums that do not overlap.

use std::ops::Range;

use super::band_rows;
use crate::conv::geometry::Geometry;
use crate::conv::multiply::{Outer, PixelRun};
use crate::conv::packed::PanelBlocks;
use crate::feature_maps::{Rows, count};
use crate::isa::Isa;
use crate::parallel::{Disjoint, for_each_item};
use crate::real::Real;
use crate::scratchpad::{Requirement, Scratch};

/// Items of work, and partial sums over images, that a call is cut into where it can be.
/// A constant, so that the order of summation does not depend on the number of threads.
const MIN_ITEMS: usize = 8;

/// Rows whose places are described at a time.
const RUNS: usize = 16;

/// The gradient of the weights of a convolution of some images.
pub(in crate::conv) struct DirectWeightGradient<'a, T> {
    geometry: &'a Geometry,
    isa: Isa,
    input: Rows<'a, T>,
    d_output: Rows<'a, T>,
    /// Blocks of a panel of output channels, and panels.
    panel_blocks: usize,
    panels: usize,
    /// Parts of the rows of all images with sums of their own.
    parts: usize,
}

impl<'a, T: Real> DirectWeightGradient<'a, T> {
    /// The halo of the input is as wide as the geometry asks for.
    pub(in crate::conv) fn new(
        geometry: &'a Geometry,
        isa: Isa,
        input: Rows<'a, T>,
        d_output: Rows<'a, T>,
    ) -> Self {
        let extent = d_output.layout().extent();
        let panel_blocks = T::dispatch_tile(isa, PanelBlocks);
        let panels = geometry.output.blocks().div_ceil(panel_blocks);
        let tiles = geometry.input.blocks() * panels;
        let parts = MIN_ITEMS.div_ceil(tiles).min(extent.batch * extent.height);
        Self { geometry, isa, input, d_output, panel_blocks, panels, parts }
    }

    /// Tiles of sums of a part: each a block of input channels with a panel of output channels.
    fn tiles(&self) -> usize {
        self.geometry.input.blocks() * self.panels
    }

    /// Sums of a tile, of all taps.
    fn tile_len(&self) -> usize {
        self.geometry.taps() * T::BLOCK * self.panel_blocks * T::BLOCK
    }

    /// The block of input channels of an item, and its blocks of output channels.
    fn blocks_of(&self, item: usize) -> (usize, Range<usize>) {
        let (in_blocks, tile) = (self.geometry.input.blocks(), item % self.tiles());
        let first = tile / in_blocks * self.panel_blocks;
        (tile % in_blocks, first..self.geometry.output.blocks().min(first + self.panel_blocks))
    }

    /// Sums of all items.
    pub(in crate::conv) fn scratch(&self) -> Requirement {
        Requirement { shared: self.parts * self.tiles() * self.tile_len(), ..Requirement::default() }
    }

    /// Adds the gradient of the weights to the one that is there.
    pub(in crate::conv) fn run(&self, d_weights: &mut [T], memory: Scratch<'_, T>) {
        memory.shared.fill(T::ZERO);
        let (extent, tile_len) = (self.d_output.layout().extent(), self.tile_len());
        let (items, rows) = (self.parts * self.tiles(), extent.batch * extent.height);
        let operations = count(&[extent.len(), self.geometry.input.count, self.geometry.taps()]);
        let sums = Disjoint::new(&mut *memory.shared);
        for_each_item(items, operations, memory.lanes, |item, _| {
            let part = item / self.tiles();
            // SAFETY: `for_each_item` runs each item once, and the tiles of items do not overlap.
            let sums = unsafe { sums.part(item * tile_len..(item + 1) * tile_len) };
            self.add_up(item, part * rows / self.parts..(part + 1) * rows / self.parts, sums);
        });
        for item in 0..items {
            self.bring_back(item, &memory.shared[item * tile_len..(item + 1) * tile_len], d_weights);
        }
    }

    /// Adds the products of some rows, counted over all images, to the sums of an item.
    fn add_up(&self, item: usize, rows: Range<usize>, sums: &mut [T]) {
        let Self { geometry, input: x, d_output: dy, .. } = self;
        let (in_layout, out_layout) = (x.layout(), dy.layout());
        let extent = out_layout.extent();
        let row_bytes = (in_layout.row_stride() + out_layout.row_stride()) * size_of::<T>();
        let band = band_rows(usize::MAX, row_bytes * 4).min(RUNS);
        let (in_block, blocks) = self.blocks_of(item);
        let (channels, width) = (geometry.input.of_block(in_block).len(), blocks.len() * T::BLOCK);
        let mut row = rows.start;
        while row < rows.end {
            let (image, first) = (row / extent.height, row % extent.height);
            let count = band.min(rows.end - row).min(extent.height - first);
            for tap in 0..geometry.taps() {
                let [u, v] = [tap / geometry.kernel[1], tap % geometry.kernel[1]];
                let shift = u * geometry.dilation[0] * in_layout.row_stride()
                    + v * geometry.dilation[1] * in_layout.lanes();
                let mut runs = [PixelRun { a: 0, b: 0 }; RUNS];
                for (index, run) in runs[..count].iter_mut().enumerate() {
                    run.a = geometry.first_tap(in_layout, first + index, 0) + shift;
                    run.b = index * out_layout.row_stride();
                }
                let outer = Outer {
                    channels,
                    a: &x.image(image)[in_block * in_layout.block_stride()..][..in_layout.block_stride()],
                    b: &dy.image(image)[out_layout.offset(0, blocks.start, first, 0)..],
                    b_block_stride: out_layout.block_stride(),
                    runs: &runs[..count],
                    len: extent.width,
                    c: &mut sums[tap * T::BLOCK * width..][..T::BLOCK * width],
                    c_stride: width,
                    blocks: blocks.len(),
                    begin: false,
                };
                T::dispatch_tile(self.isa, outer);
            }
            row += count;
        }
    }

    /// Adds the sums of an item to the gradient of the weights.
    fn bring_back(&self, item: usize, sums: &[T], d_weights: &mut [T]) {
        let (geometry, taps) = (self.geometry, self.geometry.taps());
        let (in_block, blocks) = self.blocks_of(item);
        let width = blocks.len() * T::BLOCK;
        for (at, block) in blocks.enumerate() {
            for (lane, o) in geometry.output.of_block(block).enumerate() {
                for (row, i) in geometry.input.of_block(in_block).enumerate() {
                    let weights = &mut d_weights[(o * geometry.input.count + i) * taps..][..taps];
                    for (tap, weight) in weights.iter_mut().enumerate() {
                        *weight += sums[(tap * T::BLOCK + row) * width + at * T::BLOCK + lane];
                    }
                }
            }
        }
    }
}
