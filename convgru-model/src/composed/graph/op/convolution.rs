//! Convolution with the kernels of this project.

use std::ops::Range;

use convgru_kernels::conv::{self, ConvShape, PackedWeights, Padding, Precision, WriteMode};
use convgru_kernels::{Extent, FeatureMaps, Scalar, Scratchpad};
use rayon::prelude::*;

use super::pointwise::CHUNK;
use super::{Operands, Sink, grouped, images_of};
use crate::error::Result;
use crate::tensor::{Tensor, expect_shape};

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

    fn extents<T: Scalar>(&self, x: &Tensor<T>, kernel: &Tensor<T>) -> Result<[Extent; 2]> {
        let [batch, channels, height, width] = images_of("input of a convolution", x)?;
        let shape = self.shape(kernel.shape());
        let expected = [batch, shape.in_channels, height, width];
        expect_shape("input of a convolution", x.shape(), &expected)?;
        let input = Extent { batch, channels, height, width };
        Ok([input, shape.output_extent(input)?])
    }

    pub(super) fn forward<T: Scalar>(&self, operands: &Operands<'_, '_, T>) -> Result<Tensor<T>> {
        let (x, kernel) = (operands.values[0], operands.values[1]);
        let [of_input, of_output] = self.extents(x, kernel)?;
        let mut output = Tensor::try_zeros(&of_output.dims())?;
        match operands.packed {
            Some(packed) => {
                let maps = FeatureMaps::from_nchw(of_input, x.as_slice())?;
                let mut result = FeatureMaps::zeros(of_output)?;
                let scratch = &mut Scratchpad::new();
                conv::forward(packed, maps.as_ref(), result.as_mut(), WriteMode::Overwrite, scratch)?;
                result.as_ref().write_nchw(output.as_mut_slice())?;
            }
            None => grouped::forward(&self.grouped(kernel), [of_input, of_output], x, &mut output),
        }
        if let Some(bias) = operands.values.get(2) {
            expect_shape("bias of a convolution", bias.shape(), &[self.rows.len()])?;
            let pixels = of_output.pixels().max(1);
            let planes = output.as_mut_slice().par_chunks_exact_mut(pixels).enumerate();
            planes.with_min_len(CHUNK.div_ceil(pixels)).for_each(|(plane, values)| {
                let bias = bias.as_slice()[plane % self.rows.len()];
                values.iter_mut().for_each(|value| *value += bias);
            });
        }
        Ok(output)
    }

    fn grouped<'k, T: Scalar>(&self, kernel: &'k Tensor<T>) -> grouped::Grouped<'k, T> {
        let rows = self.elements(kernel.shape());
        grouped::Grouped {
            shape: self.shape(kernel.shape()),
            groups: self.groups,
            kernel: &kernel.as_slice()[rows],
        }
    }

    pub(super) fn backward<T: Scalar>(
        &self,
        operands: &Operands<'_, '_, T>,
        d_output: &Tensor<T>,
        sink: &mut impl Sink<T>,
    ) -> Result<()> {
        let (x, kernel) = (operands.values[0], operands.values[1]);
        let extents @ [of_input, of_output] = self.extents(x, kernel)?;
        if operands.values.len() > 2 && sink.wants(2) {
            let pixels = of_output.pixels().max(1);
            let d_bias = sink.gradient(2).as_mut_slice();
            for (plane, d) in d_output.as_slice().chunks_exact(pixels).enumerate() {
                d_bias[plane % self.rows.len()] += d.iter().copied().sum();
            }
        }
        let Some(packed) = operands.packed else {
            let grouped = self.grouped(kernel);
            if sink.wants(0) {
                grouped::input_gradient(&grouped, extents, d_output, sink.gradient(0));
            }
            if sink.wants(1) {
                let d_kernel = &mut sink.gradient(1).as_mut_slice()[self.elements(kernel.shape())];
                grouped::weight_gradient(&grouped, extents, [x, d_output], d_kernel);
            }
            return Ok(());
        };
        let d_result = FeatureMaps::from_nchw(of_output, d_output.as_slice())?;
        if sink.wants(0) {
            let scratch = &mut Scratchpad::new();
            let mut d_maps = FeatureMaps::zeros(of_input)?;
            conv::input_gradient(packed, d_result.as_ref(), d_maps.as_mut(), WriteMode::Overwrite, scratch)?;
            let mut d_x = Tensor::zeros(x.shape());
            d_maps.as_ref().write_nchw(d_x.as_mut_slice())?;
            sink.give(0, d_x)?;
        }
        if sink.wants(1) {
            sink.weight_gradient(self, extents, d_result)?;
        }
        Ok(())
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
