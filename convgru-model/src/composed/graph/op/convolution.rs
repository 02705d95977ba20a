//! What a convolution is.

use std::ops::Range;

use convgru_kernels::Scalar;
use convgru_kernels::conv::{ConvShape, PackedWeights, Padding, Precision};

use crate::error::Result;
use crate::tensor::Tensor;

/// A convolution by some rows of a kernel: `[rows, channels / groups, (depth,) kh, kw]`, whose depth
/// counts as channels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Convolution {
    /// The rows of the kernel, which are the channels of the result; a bias has as many numbers.
    pub(crate) rows: Range<usize>,
    pub(crate) stride: [usize; 2],
    pub(crate) dilation: [usize; 2],
    /// Rows above and below, and columns on either side, of zeros.
    pub(crate) padding: [usize; 2],
    pub(crate) groups: usize,
    pub(crate) precision: Precision,
}

impl Convolution {
    /// Of stride 1, dense, by all rows of a kernel, with zeros that keep the size of images.
    pub(crate) fn same(kernel: &[usize], precision: Precision) -> Self {
        let [kh, kw] = kernel_of(kernel);
        Self {
            rows: 0..kernel[0],
            stride: [1, 1],
            dilation: [1, 1],
            padding: [kh / 2, kw / 2],
            groups: 1,
            precision,
        }
    }

    /// The convolution as the kernels describe it.
    pub(crate) fn shape(&self, kernel: &[usize]) -> ConvShape {
        ConvShape {
            stride: self.stride,
            dilation: self.dilation,
            padding: Padding::symmetric(self.padding[0], self.padding[1]),
            precision: self.precision,
            ..ConvShape::same(self.groups * columns_of(kernel), self.rows.len(), kernel_of(kernel))
        }
    }

    /// The rows of a kernel, packed.
    pub(crate) fn pack<'w, T: Scalar>(&self, kernel: &'w Tensor<T>) -> Result<Option<PackedWeights<'w, T>>> {
        if self.groups > 1 {
            return Ok(None);
        }
        let rows = self.elements(kernel.shape());
        let slice = kernel.as_slice().get(rows).unwrap_or_default();
        Ok(Some(PackedWeights::new(self.shape(kernel.shape()), slice)?))
    }

    /// Where the rows lie in the kernel.
    pub(crate) fn elements(&self, kernel: &[usize]) -> Range<usize> {
        let size: usize = kernel[1..].iter().product();
        self.rows.start * size..self.rows.end * size
    }
}

/// Height and width of a kernel `[rows, channels, (depth,) kh, kw]`.
pub(crate) fn kernel_of(shape: &[usize]) -> [usize; 2] {
    let last = shape.len() - 2;
    [shape[last], shape[last + 1]]
}

/// Channels of a group that a kernel reads, depth included.
fn columns_of(shape: &[usize]) -> usize {
    shape[1..shape.len() - 2].iter().product()
}
