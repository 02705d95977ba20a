//! The gradient of the weights of a direct convolution.
//!
//! Unsafe: Items of work have tiles of sums that do not overlap.

use super::band_rows;
use crate::conv::geometry::Geometry;
use crate::conv::multiply::{Outer, Run};
use crate::conv::packed::PanelBlocks;
use crate::error::Result;
use crate::feature_maps::{FeatureMapsRef, count};
use crate::isa::Isa;
use crate::parallel::{Disjoint, for_each_item};
use crate::real::Real;
use crate::scratchpad::Scratchpad;

/// Items of work, and partial sums over images, that a call is cut into where it can be.
/// A constant, so that the order of summation does not depend on the number of threads.
const MIN_ITEMS: usize = 8;

/// Rows whose places are described at a time.
const RUNS: usize = 16;

/// Adds the gradient of the weights. The halo of the input is as wide as the geometry asks for.
pub(in crate::conv) fn weight_gradient<T: Real>(
    geometry: &Geometry,
    isa: Isa,
    input: FeatureMapsRef<'_, T>,
    d_output: FeatureMapsRef<'_, T>,
    d_weights: &mut [T],
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let (extent, taps) = (d_output.extent(), geometry.taps());
    let (in_layout, out_layout) = (input.layout(), d_output.layout());
    let panel_blocks = T::dispatch_tile(isa, PanelBlocks);
    let (in_blocks, out_blocks) = (geometry.input.blocks(), geometry.output.blocks());
    let panels = out_blocks.div_ceil(panel_blocks);
    // A tile of sums: all taps of a block of input channels and a panel of output channels.
    let (tiles, tile_len) = (in_blocks * panels, taps * T::BLOCK * panel_blocks * T::BLOCK);
    let parts = MIN_ITEMS.div_ceil(tiles).min(extent.batch * extent.height);
    let row_bytes = (in_layout.row_stride() + out_layout.row_stride()) * size_of::<T>();
    let band = band_rows(usize::MAX, row_bytes * 4).min(RUNS);
    let operations = count(&[extent.len(), geometry.input.count, taps]);
    let memory = scratch.parts(0, parts * tiles * tile_len)?;
    memory.shared.fill(T::ZERO);
    let (sums, x, dy) = (Disjoint::new(memory.shared), input.rows(), d_output.rows());

    let rows = extent.batch * extent.height;
    for_each_item(parts * tiles, operations, memory.lanes, |item, _| {
        let (part, tile) = (item / tiles, item % tiles);
        let (in_block, panel) = (tile % in_blocks, tile / in_blocks);
        let blocks = panel * panel_blocks..out_blocks.min((panel + 1) * panel_blocks);
        let channels = geometry.input.of_block(in_block).len();
        let width = blocks.len() * T::BLOCK;
        // SAFETY: `for_each_item` runs each item once, and the tiles of items do not overlap.
        let sums = unsafe { sums.part(item * tile_len..(item + 1) * tile_len) };
        let mut row = part * rows / parts;
        let end = (part + 1) * rows / parts;
        while row < end {
            let (image, first) = (row / extent.height, row % extent.height);
            let rows = band.min(end - row).min(extent.height - first);
            for tap in 0..taps {
                let [u, v] = [tap / geometry.kernel[1], tap % geometry.kernel[1]];
                let shift = u * geometry.dilation[0] * in_layout.row_stride()
                    + v * geometry.dilation[1] * in_layout.lanes();
                let mut runs = [Run { a: 0, b: 0 }; RUNS];
                for (index, run) in runs[..rows].iter_mut().enumerate() {
                    run.a = geometry.first_tap(&in_layout, first + index, 0) + shift;
                    run.b = index * out_layout.row_stride();
                }
                let outer = Outer {
                    channels,
                    a: &x.image(image)[in_block * in_layout.block_stride()..][..in_layout.block_stride()],
                    b: &dy.image(image)[out_layout.offset(0, blocks.start, first, 0)..],
                    b_block_stride: out_layout.block_stride(),
                    runs: &runs[..rows],
                    len: extent.width,
                    c: &mut sums[tap * T::BLOCK * width..][..T::BLOCK * width],
                    c_stride: width,
                    blocks: blocks.len(),
                    begin: false,
                };
                T::dispatch_tile(isa, outer);
            }
            row += rows;
        }
    });

    let sums = &*memory.shared;
    for item in 0..parts * tiles {
        let (in_block, panel) = (item % tiles % in_blocks, item % tiles / in_blocks);
        let blocks = panel * panel_blocks..out_blocks.min((panel + 1) * panel_blocks);
        let width = blocks.len() * T::BLOCK;
        let sums = &sums[item * tile_len..(item + 1) * tile_len];
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
    Ok(())
}
