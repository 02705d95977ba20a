//! Which algorithm computes a convolution: a fixed function of its shape.

use super::algorithm::{Algorithm, Tile};
use super::geometry::Geometry;
use super::shape::{ConvShape, Padding, Precision};
use crate::error::{Error, Result};
use crate::feature_maps::count;
use crate::real::Real;

impl Algorithm {
    /// The algorithm for the convolution and the gradient of its input. Those with a stride, and those that reach
    /// further than 256 pixels over the edge of an image, go by patches.
    pub fn of<T: Real>(shape: &ConvShape) -> Self {
        if shape.stride != [1, 1] || !is_near(shape) {
            return Self::Patches;
        }
        Self::of_products::<T>(shape, &Geometry::forward::<T>(shape))
    }

    /// The algorithm for the gradient of the weights.
    pub fn of_weight_gradient<T: Real>(shape: &ConvShape) -> Self {
        Self::of::<T>(shape)
    }

    /// Fails unless there is such a convolution and the algorithm can compute it.
    pub(super) fn expect_computable<T: Real>(self, what: &'static str, shape: &ConvShape) -> Result<()> {
        shape.validate()?;
        let possible = match self {
            Self::Patches => true,
            Self::Direct => shape.stride == [1, 1] && is_near(shape),
            Self::Winograd(tile) | Self::WinogradByPanel(tile) => {
                T::WINOGRAD
                    && Tile::ALL.contains(&tile)
                    && shape.stride == [1, 1]
                    && is_near(shape)
                    && shape.dilation == [1, 1]
                    && shape.kernel == [tile.kernel; 2]
            }
        };
        let &ConvShape { kernel, stride, dilation, .. } = shape;
        let refused = Error::Algorithm { what, algorithm: self, kernel, stride, dilation, number: T::NAME };
        if possible { Ok(()) } else { Err(refused) }
    }

    fn of_products<T: Real>(shape: &ConvShape, geometry: &Geometry) -> Self {
        let winograd = T::WINOGRAD && shape.precision == Precision::Fast && shape.dilation == [1, 1];
        // Transforms are paid for by products over the channels of the other side.
        let enough = geometry.input.count >= MIN_CHANNELS && geometry.output.count >= MIN_CHANNELS;
        if !winograd || !enough {
            return Self::Direct;
        }
        let tile = match shape.kernel {
            [3, 3] => Tile { output: 4, kernel: 3 },
            [5, 5] => Tile { output: 4, kernel: 5 },
            _ => return Self::Direct,
        };
        let elements = tile.transformed().pow(2);
        let transformed = count(&[geometry.input.count, geometry.output.count, elements, size_of::<T>()]);
        if transformed > MOST_TRANSFORMED { Self::WinogradByPanel(tile) } else { Self::Winograd(tile) }
    }
}

/// Whether kernels that read maps where they lie can compute a convolution: a wider halo would take more memory than
/// the maps.
fn is_near(shape: &ConvShape) -> bool {
    let Padding { top, bottom, left, right } = shape.padding;
    let reach = [0, 1].map(|axis| count(&[shape.dilation[axis], shape.kernel[axis].saturating_sub(1)]));
    [top, bottom, left, right].iter().chain(&reach).all(|&pixels| pixels <= MOST_HALO)
}

/// Most rows or columns of zeros that kernels read around a map.
const MOST_HALO: usize = 256;

/// Channels on both sides from which on Winograd's filtering is faster.
const MIN_CHANNELS: usize = 8;

/// Bytes that transformed weights take at most. Maps of so many channels have few pixels: each step would read all of these bytes
/// from memory for a handful of tiles, where the weights as they are have a quarter of the bytes and are transformed in a cache.
const MOST_TRANSFORMED: usize = 16 << 20;
