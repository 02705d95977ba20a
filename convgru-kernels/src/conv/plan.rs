//! Which algorithm computes a convolution: a fixed function of its shape.

use std::fmt;

use super::geometry::Geometry;
use super::shape::{ConvShape, Padding, Precision};
use crate::error::{Error, Result};
use crate::feature_maps::count;
use crate::scalar::Scalar;

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// A matrix of patches and a matrix product: any stride.
    Patches,
    /// Every tap where it lies, sums in registers.
    Direct,
    /// Winograd's minimal filtering in tiles.
    Winograd(Tile),
}

/// A tile of Winograd's minimal filtering `F(output x output, kernel x kernel)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Rows and columns of output pixels of a tile.
    pub output: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
}

impl Tile {
    /// The tiles there are kernels for.
    pub const ALL: [Self; 4] = [
        Self { output: 4, kernel: 3 },
        Self { output: 6, kernel: 3 },
        Self { output: 2, kernel: 5 },
        Self { output: 4, kernel: 5 },
    ];

    /// Rows and columns of a transformed tile, the square root of the products for each tile and pair of channels;
    /// `usize::MAX` where they cannot be counted.
    pub fn transformed(self) -> usize {
        self.output.saturating_add(self.kernel.saturating_sub(1))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Patches => f.write_str("patches"),
            Self::Direct => f.write_str("direct"),
            Self::Winograd(Tile { output: m, kernel: k }) => write!(f, "F({m}x{m}, {k}x{k})"),
        }
    }
}

impl Algorithm {
    /// The algorithm for the convolution and the gradient of its input. Those with a stride, and those that reach
    /// further than 256 pixels over the edge of an image, go by patches.
    pub fn of<T: Scalar>(shape: &ConvShape) -> Self {
        if shape.stride != [1, 1] || !is_near(shape) {
            return Self::Patches;
        }
        Self::of_products::<T>(shape, &Geometry::forward::<T>(shape))
    }

    /// The algorithm for the gradient of the weights.
    pub fn of_weight_gradient<T: Scalar>(shape: &ConvShape) -> Self {
        Self::of::<T>(shape)
    }

    /// Fails unless there is such a convolution and the algorithm can compute it.
    pub(super) fn expect_computable<T: Scalar>(self, what: &'static str, shape: &ConvShape) -> Result<()> {
        shape.validate()?;
        let possible = match self {
            Self::Patches => true,
            Self::Direct => shape.stride == [1, 1] && is_near(shape),
            Self::Winograd(tile) => {
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

    fn of_products<T: Scalar>(shape: &ConvShape, geometry: &Geometry) -> Self {
        let winograd = T::WINOGRAD && shape.precision == Precision::Fast && shape.dilation == [1, 1];
        // Transforms are paid for by products over the channels of the other side.
        let enough = geometry.input.count >= MIN_CHANNELS && geometry.output.count >= MIN_CHANNELS;
        if !winograd || !enough {
            return Self::Direct;
        }
        match shape.kernel {
            [3, 3] => Self::Winograd(Tile { output: 4, kernel: 3 }),
            [5, 5] => Self::Winograd(Tile { output: 4, kernel: 5 }),
            _ => Self::Direct,
        }
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
