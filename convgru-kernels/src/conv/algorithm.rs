//! The algorithms of convolutions.

use std::fmt;

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// A matrix of patches and a matrix product: any stride.
    Patches,
    /// Every tap where it lies, sums in registers.
    Direct,
    /// Winograd's minimal filtering in tiles, of weights that are transformed once.
    Winograd(Tile),
    /// The same with weights that are not transformed in memory: each use transforms them, a panel of output channels at a time.
    WinogradByPanel(Tile),
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
    ///
    /// [`Algorithm::of`] chooses `F(4x4, 3x3)` for kernels of 3x3 and `F(4x4, 5x5)` for kernels of 5x5. It chooses
    /// `F(6x6, 3x3)` for no shape:
    /// [`PackedWeights::with_algorithm`](super::PackedWeights::with_algorithm) and
    /// [`weight_gradient_by`](super::weight_gradient_by) compute with it where they are asked to, as
    /// `tests/winograd.rs` and `cargo xtask bench --plan` do.
    pub const ALL: [Self; 3] =
        [Self { output: 4, kernel: 3 }, Self { output: 6, kernel: 3 }, Self { output: 4, kernel: 5 }];

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
            Self::WinogradByPanel(Tile { output: m, kernel: k }) => write!(f, "F({m}x{m}, {k}x{k}) by panel"),
        }
    }
}
