//! What a convolution is, apart from its data.

use crate::error::{Error, Result};
use crate::feature_maps::Extent;

/// Rows and columns of zeros around an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// The padding that keeps height and width at stride 1.
    ///
    /// For an even dilated kernel the odd row or column goes below and to the right.
    pub fn same(kernel: [usize; 2], dilation: [usize; 2]) -> Self {
        let [rows, columns] = [0, 1].map(|axis| dilation[axis] * kernel[axis].saturating_sub(1));
        Self { top: rows / 2, bottom: rows - rows / 2, left: columns / 2, right: columns - columns / 2 }
    }

    /// The same number of rows on both sides, and of columns on both sides.
    pub fn symmetric(rows: usize, columns: usize) -> Self {
        Self { top: rows, bottom: rows, left: columns, right: columns }
    }
}

/// How exactly convolutions in `f32` are to be computed. `f64` is always exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// Products and sums as in the definition; the error is that of a sum of as many terms.
    Exact,
    /// Winograd's minimal filtering where it pays (docs/numerics.md): two to six times fewer
    /// multiplications, an error of a few 1e-6 of the result's 2-norm.
    #[default]
    Fast,
}

/// Channels, kernel, stride, dilation and padding of a two-dimensional convolution.
///
/// The convolution is a cross-correlation, as in every framework:
/// `y[o, i, j] = b[o] + sum over c, u, v of w[o, c, u, v] * x[c, i*s + u*d - top, j*s + v*d - left]`,
/// with zeros outside the image.
///
/// # Shapes
/// weights `[out_channels, in_channels, kernel height, kernel width]`,
/// input `[N, in_channels, H, W]`, output `[N, out_channels, H', W']` with
/// `H' = (H + top + bottom - dilation * (kernel - 1) - 1) / stride + 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Channels of the input; may be zero, which leaves the bias alone.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Vertical and horizontal distance of neighbouring outputs, in input pixels.
    pub stride: [usize; 2],
    /// Vertical and horizontal distance of neighbouring kernel taps, in input pixels.
    pub dilation: [usize; 2],
    /// Zeros around the input.
    pub padding: Padding,
    /// Equal parts of the output channels that lie apart in memory
    /// ([`FeatureMaps::sectioned`](crate::FeatureMaps::sectioned)), such as the gates of a cell.
    pub out_sections: usize,
    /// How exactly to compute in `f32`.
    pub precision: Precision,
}

impl ConvShape {
    /// A convolution of stride 1 that keeps height and width, exact, its output in one section.
    pub fn same(in_channels: usize, out_channels: usize, kernel: [usize; 2]) -> Self {
        Self {
            in_channels,
            out_channels,
            kernel,
            stride: [1, 1],
            dilation: [1, 1],
            padding: Padding::same(kernel, [1, 1]),
            out_sections: 1,
            precision: Precision::Exact,
        }
    }

    /// The number of weights: `out_channels * in_channels * kh * kw`.
    pub fn weight_len(&self) -> usize {
        self.out_channels * self.reduction()
    }

    /// The number of products that are summed into one output: `in_channels * kh * kw`.
    pub fn reduction(&self) -> usize {
        self.in_channels * self.taps()
    }

    /// The number of kernel taps: `kh * kw`.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Height and width of the output for an input of the given height and width.
    ///
    /// # Errors
    /// [`Error::Geometry`] if kernel, stride or dilation has a zero,
    /// [`Error::KernelTooLarge`] if the kernel does not fit into the padded input.
    pub fn output_size(&self, input: [usize; 2]) -> Result<[usize; 2]> {
        for (field, got) in [("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation)] {
            if got.contains(&0) {
                return Err(Error::Geometry { field, got });
            }
        }
        let padded = [
            input[0] + self.padding.top + self.padding.bottom,
            input[1] + self.padding.left + self.padding.right,
        ];
        let reach = [0, 1].map(|axis| self.dilation[axis] * (self.kernel[axis] - 1) + 1);
        if reach[0] > padded[0] || reach[1] > padded[1] {
            return Err(Error::KernelTooLarge { kernel: reach, input: padded });
        }
        Ok([0, 1].map(|axis| (padded[axis] - reach[axis]) / self.stride[axis] + 1))
    }

    /// The extent of the output for an input of the given extent.
    ///
    /// # Errors
    /// As [`output_size`](Self::output_size), and [`Error::Extent`] if the input has
    /// other channels than [`in_channels`](Self::in_channels).
    pub fn output_extent(&self, input: Extent) -> Result<Extent> {
        if input.channels != self.in_channels {
            let expected = Extent { channels: self.in_channels, ..input };
            return Err(Error::Extent {
                what: "input of the convolution",
                expected: expected.dims(),
                got: input.dims(),
            });
        }
        let [height, width] = self.output_size([input.height, input.width])?;
        Ok(Extent { batch: input.batch, channels: self.out_channels, height, width })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_keeps_the_size_for_odd_and_even_kernels() {
        for kernel in [[1, 1], [3, 5], [2, 4], [7, 1]] {
            let shape = ConvShape::same(2, 3, kernel);
            assert_eq!(shape.output_size([6, 9]), Ok([6, 9]));
        }
    }

    #[test]
    fn impossible_convolutions_say_why() {
        let mut shape = ConvShape::same(1, 1, [3, 3]);
        shape.padding = Padding::default();
        let error = shape.output_size([2, 8]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the kernel reaches over [3, 3] pixels but the padded input has only [2, 8]"
        );
        shape.stride = [0, 1];
        assert!(matches!(shape.output_size([8, 8]), Err(Error::Geometry { field: "stride", .. })));
    }
}
