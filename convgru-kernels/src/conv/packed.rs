//! Weights in the order a kernel reads them.
//!
//! Unsafe: Threads fill panels that do not overlap.

use super::algorithm::Algorithm;
use super::geometry::Geometry;
use super::winograd;
use crate::aligned::Aligned;
use crate::error::Result;
use crate::isa::Isa;
use crate::parallel::{Disjoint, for_each_range};
use crate::real::Real;
use crate::simd::{Simd, TileKernel};

/// Weights of a convolution of stride 1 in panels of output channels.
///
/// A panel holds `panel_blocks` blocks of output channels (the last one may hold fewer). Of a
/// direct convolution, and of one whose weights are transformed panel by panel, it has for each block of
/// input channels and each tap one row of the panel for each input channel; of Winograd's filtering
/// otherwise, for each element of a transformed tile and each block of input channels.
#[derive(Debug, Clone)]
pub(crate) struct Packed<T> {
    pub(super) geometry: Geometry,
    pub(super) algorithm: Algorithm,
    pub(super) isa: Isa,
    pub(super) panel_blocks: usize,
    panel_len: usize,
    data: Aligned<T>,
}

impl<T: Real> Packed<T> {
    /// Packs weights; `weight(output, input, tap)` is one of them.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) if the system does not give the memory.
    pub(super) fn new(
        geometry: Geometry,
        algorithm: Algorithm,
        isa: Isa,
        weight: &(impl Fn(usize, usize, usize) -> T + Sync),
    ) -> Result<Self> {
        let panel_blocks = T::dispatch_tile(isa, PanelBlocks);
        let slices = match algorithm {
            Algorithm::Winograd(tile) => tile.transformed().pow(2),
            _ => geometry.taps(),
        };
        let panel_len = slices * geometry.input.blocks() * T::BLOCK * panel_blocks * T::BLOCK;
        let panels = geometry.output.blocks().div_ceil(panel_blocks);
        let mut packed = Self { geometry, algorithm, isa, panel_blocks, panel_len, data: Aligned::default() };
        let mut data = Aligned::unspecified("packed weights", panels * panel_len)?;
        let parts = Disjoint::new(&mut data);
        for_each_range(panels, panel_len, |range| {
            for index in range {
                // SAFETY: the ranges of `for_each_range` do not overlap, so that every panel is visited once.
                let panel = unsafe { parts.part(index * panel_len..(index + 1) * panel_len) };
                panel.fill(T::ZERO);
                match algorithm {
                    Algorithm::Winograd(tile) => winograd::pack_panel(tile, &packed, index, panel, weight),
                    _ => packed.pack_direct(index, panel, weight),
                }
            }
        });
        packed.data = data;
        Ok(packed)
    }

    fn pack_direct(&self, index: usize, panel: &mut [T], weight: &impl Fn(usize, usize, usize) -> T) {
        let (input, output) = (&self.geometry.input, &self.geometry.output);
        let (blocks, taps) = (self.blocks_of(index), self.geometry.taps());
        let width = blocks.len() * T::BLOCK;
        for (at, block) in blocks.enumerate() {
            for in_block in 0..input.blocks() {
                let first = in_block * taps * T::BLOCK * width + at * T::BLOCK;
                // The weights of a pair of channels lie next to each other, and the weights of the rows of a block are written to
                // a first-level cache.
                for (lane, o) in output.of_block(block).enumerate() {
                    for (row, i) in input.of_block(in_block).enumerate() {
                        let start = first + row * width + lane;
                        for tap in 0..taps {
                            panel[start + tap * T::BLOCK * width] = weight(o, i, tap);
                        }
                    }
                }
            }
        }
    }

    /// The blocks of output channels of a panel.
    #[inline]
    pub(super) fn blocks_of(&self, panel: usize) -> std::ops::Range<usize> {
        let first = panel * self.panel_blocks;
        first..self.geometry.output.blocks().min(first + self.panel_blocks)
    }

    /// The weights of a panel.
    pub(super) fn panel(&self, index: usize) -> &[T] {
        &self.data[index * self.panel_len..(index + 1) * self.panel_len]
    }

    /// Elements of the widest row of a panel.
    pub(super) fn panel_width(&self) -> usize {
        self.panel_blocks.min(self.geometry.output.blocks()) * T::BLOCK
    }
}

/// Asks an instruction set how many blocks of channels the sums in registers span.
pub(super) struct PanelBlocks;

impl<T: Real> TileKernel<T> for PanelBlocks {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, _: S) -> usize {
        COLUMNS / BLOCK
    }
}
