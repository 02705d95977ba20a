//! Weights in the transformed domain, and their gradients out of it.
//!
//! Unsafe: Taps, panels and elements of a tile are slices whose lengths are compared before a transform.

use super::plane::{self, VectorGrid};
use super::tiles::with_tile;
use super::transform::{KernelMatrix, KernelMatrixTransposed};
use crate::conv::algorithm::Tile;
use crate::conv::packed::Packed;
use crate::feature_maps::count;
use crate::real::Real;
use crate::simd::{Kernel, Simd};

/// Kernel taps of a block of output channels: 5 x 5 of 16.
const TAPS: usize = 25 * 16;

/// Fills a panel with transformed weights, `G g G^T`: for each element of a tile and each input
/// channel a row of output channels.
pub(in crate::conv) fn pack_panel<T: Real>(
    tile: Tile,
    packed: &Packed<T>,
    index: usize,
    panel: &mut [T],
    weight: &impl Fn(usize, usize, usize) -> T,
) {
    if !T::WINOGRAD {
        return;
    }
    let (input, output) = (&packed.geometry.input, &packed.geometry.output);
    let blocks = packed.blocks_of(index);
    let width = blocks.len() * T::BLOCK;
    let stride = input.blocks() * T::BLOCK * width;
    for in_block in 0..input.blocks() {
        for (row, i) in input.of_block(in_block).enumerate() {
            for (at, block) in blocks.clone().enumerate() {
                let mut taps = [T::ZERO; TAPS];
                for (lane, o) in output.of_block(block).enumerate() {
                    for tap in 0..tile.kernel * tile.kernel {
                        taps[tap * T::BLOCK + lane] = weight(o, i, tap);
                    }
                }
                let to = &mut panel[(in_block * T::BLOCK + row) * width + at * T::BLOCK..];
                T::dispatch(packed.isa, KernelTransform { tile, taps: &taps, to, stride });
            }
        }
    }
}

/// Transforms one kernel for a block of output channels.
struct KernelTransform<'a, T> {
    tile: Tile,
    /// A block of channels for each tap.
    taps: &'a [T; TAPS],
    to: &'a mut [T],
    /// Elements from an element of the tile to the next.
    stride: usize,
}

impl<T: Real> Kernel<T> for KernelTransform<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        with_tile!(self.tile, transform_kernel::<T, S>(self, s));
    }
}

#[inline(always)]
fn transform_kernel<T: Real, S: Simd<T>, const N: usize, const M: usize, const R: usize>(
    work: KernelTransform<'_, T>,
    s: S,
) {
    let last = count(&[N * N - 1, work.stride]);
    assert!(work.to.len() >= last.saturating_add(T::BLOCK) && R * R * T::BLOCK <= TAPS);
    let to = work.to.as_mut_ptr();
    for lane in (0..T::BLOCK).step_by(S::LANES) {
        let from = VectorGrid { start: work.taps.as_ptr(), row: R * T::BLOCK, column: T::BLOCK };
        // SAFETY: the assertions found R x R blocks of taps, and N x N blocks `stride` apart to write.
        unsafe {
            let from = VectorGrid { start: from.start.add(lane), ..from };
            let to = VectorGrid { start: to.add(lane), row: N * work.stride, column: work.stride };
            plane::transform::<T, S, KernelMatrix, R, N>(s, from, to);
        }
    }
}

/// Transforms the kernels of a panel that lie as a direct convolution reads them: for each block of input channels and each tap
/// the rows of the panel.
pub(super) struct PanelTransform<'a, T> {
    pub(super) tile: Tile,
    pub(super) from: &'a [T],
    /// Blocks of input channels.
    pub(super) blocks: usize,
    /// Elements of the rows of a block.
    pub(super) rows: usize,
    /// For each element of a tile and each block of input channels the rows.
    pub(super) to: &'a mut [T],
    /// Elements from an element of the tile to the next.
    pub(super) stride: usize,
}

impl<T: Real> Kernel<T> for PanelTransform<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        with_tile!(self.tile, transform_panel::<T, S>(self, s));
    }
}

#[inline(always)]
fn transform_panel<T: Real, S: Simd<T>, const N: usize, const M: usize, const R: usize>(
    work: PanelTransform<'_, T>,
    s: S,
) {
    let PanelTransform { blocks, rows, stride, .. } = work;
    let len = count(&[blocks, rows]);
    assert!(rows.is_multiple_of(T::BLOCK) && work.from.len() >= count(&[len, R * R]));
    assert!(stride >= len && work.to.len() >= count(&[N * N, stride]));
    let (from, to) = (work.from.as_ptr(), work.to.as_mut_ptr());
    for block in 0..blocks {
        for at in (0..rows).step_by(S::LANES) {
            // SAFETY: the assertions found R x R times the rows of each block to read, and room for the rows of all blocks
            // of N x N elements `stride` apart.
            unsafe {
                let start = from.add(block * R * R * rows + at);
                let from = VectorGrid { start, row: R * rows, column: rows };
                let to = VectorGrid { start: to.add(block * rows + at), row: N * stride, column: stride };
                plane::transform::<T, S, KernelMatrix, R, N>(s, from, to);
            }
        }
    }
}

/// Brings one summed gradient back, `G^T dU G`, for a block of output channels.
pub(super) struct KernelGradient<'a, T> {
    pub(super) tile: Tile,
    pub(super) from: &'a [T],
    /// Elements from an element of the tile to the next.
    pub(super) stride: usize,
    /// A block of channels for each tap.
    pub(super) taps: &'a mut [T; TAPS],
}

impl<T: Real> KernelGradient<'_, T> {
    pub(super) fn taps() -> [T; TAPS] {
        [T::ZERO; TAPS]
    }
}

impl<T: Real> Kernel<T> for KernelGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        with_tile!(self.tile, transform_gradient::<T, S>(self, s));
    }
}

#[inline(always)]
fn transform_gradient<T: Real, S: Simd<T>, const N: usize, const M: usize, const R: usize>(
    work: KernelGradient<'_, T>,
    s: S,
) {
    let last = count(&[N * N - 1, work.stride]);
    assert!(work.from.len() >= last.saturating_add(T::BLOCK) && R * R * T::BLOCK <= TAPS);
    let (from, to) = (work.from.as_ptr(), work.taps.as_mut_ptr());
    for lane in (0..T::BLOCK).step_by(S::LANES) {
        // SAFETY: the assertion found N x N blocks `stride` apart to read, and room for R x R blocks of taps.
        unsafe {
            let from = VectorGrid { start: from.add(lane), row: N * work.stride, column: work.stride };
            let to = VectorGrid { start: to.add(lane), row: R * T::BLOCK, column: T::BLOCK };
            plane::transform::<T, S, KernelMatrixTransposed, N, R>(s, from, to);
        }
    }
}
