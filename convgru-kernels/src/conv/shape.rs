//! What a convolution is, apart from its data.

use crate::error::{Error, Result};
use crate::feature_maps::{Extent, count};

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
    /// For an even dilated kernel the odd row or column goes below and to the right. Of a kernel that reaches
    /// over more pixels than can be counted the padding is too large for every convolution
    /// ([`ConvShape::validate`]).
    pub fn same(kernel: [usize; 2], dilation: [usize; 2]) -> Self {
        let [rows, columns] = [0, 1].map(|axis| count(&[dilation[axis], kernel[axis].saturating_sub(1)]));
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
    /// Products and sums as in the definition; the error is the error of a sum of as many terms.
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

    /// Most rows or columns of a kernel with what lies between its taps, of a stride, a dilation or a padding.
    pub const MOST_PIXELS: usize = 1 << 24;

    /// The number of weights: `out_channels * in_channels * kh * kw`, or `usize::MAX` where that is more.
    pub fn weight_len(&self) -> usize {
        count(&[self.out_channels, self.in_channels, self.kernel[0], self.kernel[1]])
    }

    /// The number of products that are summed into one output: `in_channels * kh * kw`, or `usize::MAX` where
    /// that is more.
    pub fn reduction(&self) -> usize {
        count(&[self.in_channels, self.kernel[0], self.kernel[1]])
    }

    /// The number of kernel taps: `kh * kw`, or `usize::MAX` where that is more.
    pub fn taps(&self) -> usize {
        count(&self.kernel)
    }

    /// Fails unless there is such a convolution. Every call that takes a convolution asks this; what passes has
    /// sizes that can be counted, in whatever order kernels hold its weights.
    ///
    /// # Errors
    /// [`Error::Geometry`] if a kernel size, stride or dilation is zero, or one of them, the distance of the outer
    /// taps or a padding is more than [`MOST_PIXELS`](Self::MOST_PIXELS); [`Error::Channels`] if there is no output
    /// channel; [`Error::Division`] if the output channels are not `out_sections` equal parts;
    /// [`Error::Overflow`] if there are more weights than memory has addresses.
    ///
    /// ```
    /// use convgru_kernels::conv::ConvShape;
    ///
    /// assert!(ConvShape::same(3, 8, [5, 5]).validate().is_ok());
    /// let error = ConvShape { dilation: [1 << 57, 1], ..ConvShape::same(1, 1, [129, 1]) }.validate().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "dilation of a convolution is [144115188075855872, 1]; both values must be from 1 to 16777216"
    /// );
    /// ```
    pub fn validate(&self) -> Result<()> {
        let Self { in_channels, out_channels, kernel, stride, dilation, padding, out_sections, .. } = *self;
        let [rows, columns] = [0, 1].map(|axis| self.reach(axis));
        let ranges = [
            ("kernel", kernel, 1),
            ("stride", stride, 1),
            ("dilation", dilation, 1),
            ("the reach of the kernel", [rows, columns], 1),
            ("the padding above and below", [padding.top, padding.bottom], 0),
            ("the padding left and right", [padding.left, padding.right], 0),
        ];
        for (field, got, least) in ranges {
            if got.iter().any(|&value| value < least || value > Self::MOST_PIXELS) {
                return Err(Error::Geometry { field, got, least, most: Self::MOST_PIXELS });
            }
        }
        if out_channels == 0 {
            return Err(Error::Channels { in_channels, out_channels });
        }
        if out_sections == 0 || !out_channels.is_multiple_of(out_sections) {
            let what = "output of a convolution";
            return Err(Error::Division { what, channels: out_channels, sections: out_sections });
        }
        // Whole blocks and panels of channels, and the taps of a kernel or the elements of a tile, in 8 bytes each.
        let whole = |channels: usize, sections: usize| {
            let of_section = (channels / sections).checked_next_multiple_of(16)?;
            of_section.checked_mul(sections)?.checked_add(4 * 16)
        };
        let sizes =
            [whole(in_channels, 1), whole(out_channels, out_sections), Some(self.taps().max(64)), Some(8)];
        let bytes = sizes.into_iter().try_fold(1usize, |bytes, size| bytes.checked_mul(size?));
        if bytes.is_none_or(|bytes| bytes > isize::MAX as usize) {
            let extent = [out_channels, in_channels, kernel[0], kernel[1]];
            return Err(Error::Overflow { what: "weights of the convolution", extent });
        }
        Ok(())
    }

    /// Rows or columns from the first tap to the last, both included.
    fn reach(&self, axis: usize) -> usize {
        count(&[self.dilation[axis], self.kernel[axis].saturating_sub(1)]).saturating_add(1)
    }

    /// Height and width of the output for an input of the given height and width.
    ///
    /// # Errors
    /// The errors of [`validate`](Self::validate), [`Error::KernelTooLarge`] if the kernel does not fit into the padded
    /// input, and [`Error::Overflow`] if the padded input has more rows or columns than can be counted.
    pub fn output_size(&self, input: [usize; 2]) -> Result<[usize; 2]> {
        self.validate()?;
        let Padding { top, bottom, left, right } = self.padding;
        let (height, width) = (input[0].checked_add(top + bottom), input[1].checked_add(left + right));
        let Some((height, width)) = height.zip(width) else {
            let extent = [1, self.in_channels, input[0], input[1]];
            return Err(Error::Overflow { what: "padded input of the convolution", extent });
        };
        let (padded, reach) = ([height, width], [0, 1].map(|axis| self.reach(axis)));
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

    #[test]
    fn convolutions_that_cannot_be_are_refused_with_their_numbers() {
        let same = ConvShape::same(2, 6, [3, 3]);
        let padding = |padding| ConvShape { padding, ..same };
        let wrapped = Padding { top: usize::MAX, bottom: 3, ..Padding::default() };
        let cases = [
            (ConvShape { out_channels: 0, ..same }, "from 2 to 0 channels"),
            (ConvShape { out_sections: 0, ..same }, "6 channels cannot be 0 equal sections"),
            (ConvShape { out_sections: 4, ..same }, "6 channels cannot be 4 equal sections"),
            (ConvShape { stride: [1, 0], ..same }, "stride of a convolution is [1, 0]"),
            (
                ConvShape { stride: [usize::MAX, 1], ..same },
                "stride of a convolution is [18446744073709551615, 1]",
            ),
            (ConvShape { kernel: [129, 1], dilation: [1 << 57, 1], ..same }, "dilation of a convolution"),
            (ConvShape { kernel: [1 << 20, 1], dilation: [1 << 20, 1], ..same }, "the reach of the kernel"),
            (padding(wrapped), "the padding above and below"),
            (
                padding(Padding { right: isize::MAX as usize, ..Padding::default() }),
                "the padding left and right",
            ),
            (padding(Padding::same([usize::MAX; 2], [usize::MAX; 2])), "the padding above and below"),
            (
                ConvShape { in_channels: 1 << 62, ..same },
                "weights of the convolution: the number of elements",
            ),
            (ConvShape { in_channels: 0, out_channels: 1 << 62, ..same }, "weights of the convolution"),
            (ConvShape { in_channels: usize::MAX, out_sections: 3, ..same }, "weights of the convolution"),
            (
                ConvShape { kernel: [1 << 24, 1 << 24], in_channels: 1 << 20, ..same },
                "weights of the convolution",
            ),
        ];
        for (shape, says) in cases {
            let error = shape.validate().unwrap_err();
            assert!(error.to_string().contains(says), "{shape:?}: {error}");
            assert_eq!(shape.output_size([5, 5]), Err(error));
        }
        let error = same.output_size([usize::MAX, 5]).unwrap_err();
        assert!(matches!(error, Error::Overflow { what: "padded input of the convolution", .. }), "{error}");
        let huge = ConvShape { in_channels: 1 << 60, kernel: [1 << 20, 1 << 20], ..same };
        assert_eq!([huge.weight_len(), huge.reduction(), huge.taps()], [usize::MAX, usize::MAX, 1 << 40]);
    }
}
