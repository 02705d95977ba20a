//! Convolution with the kernels of this project, forward and backward.

use convgru_kernels::conv::{self, WriteMode};
use convgru_kernels::{Extent, FeatureMaps, Scalar, Scratchpad};
use rayon::prelude::*;

use super::convolution::Convolution;
use super::grouped;
use super::operands::{Operands, Sink, images_of};
use super::pointwise::CHUNK;
use crate::error::Result;
use crate::tensor::{Tensor, expect_shape};

impl Convolution {
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
