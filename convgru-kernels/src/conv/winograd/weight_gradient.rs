//! The gradient of the weights, summed over tiles in the transformed domain.

use super::tiles::{GradientTransform, InputTransform, Tiles, Transformed};
use super::weights::KernelGradient;
use crate::conv::convolve::Region;
use crate::conv::geometry::Geometry;
use crate::conv::multiply::{Outer, Run};
use crate::conv::packed::PanelBlocks;
use crate::conv::plan::Tile;
use crate::feature_maps::FeatureMapsRef;
use crate::isa::Isa;
use crate::parallel::{Disjoint, for_each_item, for_each_range};
use crate::scalar::Scalar;
use crate::scratchpad::Scratchpad;

/// Bytes of transformed tiles that are held at a time: a part of a third-level cache.
const TRANSFORMED_BYTES: usize = 8 << 20;

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
    let elements = tile.transformed().pow(2);
    let panel_blocks = T::dispatch(isa, PanelBlocks);
    let (in_blocks, out_blocks) = (geometry.input.blocks(), geometry.output.blocks());
    let panels = out_blocks.div_ceil(panel_blocks);
    let bytes_of_tile = elements * (in_blocks + out_blocks) * T::BLOCK * size_of::<T>();
    let most = (TRANSFORMED_BYTES / bytes_of_tile).clamp(TILES_PER_ITEM, MAX_TILES);
    let chunks = tiles.count().div_ceil(most);
    let chunk = tiles.count().div_ceil(chunks);
    let (x, d) = (Transformed::new::<T>(chunk, in_blocks), Transformed::new::<T>(chunk, out_blocks));
    // Sums: for each element of a tile and each panel, a row for each input channel.
    let panel_len = in_blocks * T::BLOCK * panel_blocks * T::BLOCK;
    let sums_len = elements * panels * panel_len;
    let memory = scratch.parts(elements * T::BLOCK, x.len(tile) + d.len(tile) + sums_len);
    let (x_tiles, rest) = memory.shared.split_at_mut(x.len(tile));
    let (d_tiles, sums) = rest.split_at_mut(d.len(tile));
    sums.fill(T::ZERO);
    let (input, d_output) = (input.rows(), d_output.rows());

    for start in (0..tiles.count()).step_by(chunk) {
        let count = chunk.min(tiles.count() - start);
        let (to_x, to_d) = (Disjoint::new(x_tiles), Disjoint::new(d_tiles));
        let operations = count * bytes_of_tile;
        for_each_item(count.div_ceil(TILES_PER_ITEM), operations, memory.lanes, |item, window| {
            let at = item * TILES_PER_ITEM;
            let (first, count) = (start + at, TILES_PER_ITEM.min(count - at));
            let to = to_x.start();
            T::dispatch(
                isa,
                InputTransform {
                    tiles,
                    geometry,
                    input,
                    first_block: 0,
                    first,
                    count,
                    at,
                    transformed: x,
                    to,
                    window,
                },
            );
            let (blocks, to) = (out_blocks, to_d.start());
            T::dispatch(
                isa,
                GradientTransform { tiles, blocks, d_output, first, count, at, transformed: d, to, window },
            );
        });
        let operations = count * elements * geometry.input.count * geometry.output.count;
        let (x_tiles, d_tiles, parts) = (&*x_tiles, &*d_tiles, Disjoint::new(sums));
        let runs = [Run { a: 0, b: 0, len: count }];
        for_each_item(elements * panels, operations, memory.lanes, |item, _| {
            let (element, panel) = (item / panels, item % panels);
            let blocks = panel * panel_blocks..out_blocks.min((panel + 1) * panel_blocks);
            let width = blocks.len() * T::BLOCK;
            // SAFETY: each item has a part of the sums of its own.
            let sums = unsafe { parts.part(item * panel_len..(item + 1) * panel_len) };
            for in_block in 0..in_blocks {
                let outer = Outer {
                    channels: geometry.input.of_block(in_block).len(),
                    a: x_tiles[element * x.stride + in_block * chunk * T::BLOCK..][..count * T::BLOCK]
                        .as_ptr(),
                    b: d_tiles[element * d.stride + blocks.start * chunk * T::BLOCK..].as_ptr(),
                    b_block_stride: chunk * T::BLOCK,
                    runs: &runs,
                    c: sums[in_block * T::BLOCK * width..][..T::BLOCK * width].as_mut_ptr(),
                    c_stride: width,
                    blocks: blocks.len(),
                };
                T::dispatch(isa, outer);
            }
        });
    }

    let (sums, d_weights) = (&*sums, Disjoint::new(d_weights));
    let (stride, taps) = (panels * panel_len, tile.kernel * tile.kernel);
    for_each_range(panels * in_blocks, elements * panel_len, |range| {
        for index in range {
            let (panel, in_block) = (index / in_blocks, index % in_blocks);
            let blocks = panel * panel_blocks..out_blocks.min((panel + 1) * panel_blocks);
            let width = blocks.len() * T::BLOCK;
            for (row, i) in geometry.input.of_block(in_block).enumerate() {
                for (at, block) in blocks.clone().enumerate() {
                    let from =
                        &sums[panel * panel_len + (in_block * T::BLOCK + row) * width + at * T::BLOCK..];
                    let mut gradient = KernelGradient::taps();
                    T::dispatch(isa, KernelGradient { tile, from, stride, taps: &mut gradient });
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
