//! Convolutions with their weights packed: between scales, and of the output.

use convgru_kernels::conv::{self, PackedWeights, WriteMode};
use convgru_kernels::{FeatureMaps, FeatureMapsMut, FeatureMapsRef, Scalar, Scratchpad};

use crate::config::Precision;
use crate::error::Result;
use crate::layer::{Conv2dConfig, Conv2dParameters};
use crate::memory;
use crate::tensor::Tensor;

/// A convolution whose weights are packed for the kernels.
#[derive(Debug)]
pub(super) struct PackedConvolution<'w, T> {
    weights: PackedWeights<'w, T>,
}

impl<'w, T: Scalar> PackedConvolution<'w, T> {
    /// A convolution whose output lies in `sections` sections.
    pub(super) fn new(
        config: Conv2dConfig,
        parameters: &'w Conv2dParameters<T>,
        sections: usize,
        precision: Precision,
    ) -> Result<Self> {
        let mut shape = config.shape();
        (shape.out_sections, shape.precision) = (sections, precision.into());
        let weights = PackedWeights::new(shape, parameters.weight.as_slice())?
            .with_bias(parameters.bias.as_ref().map(Tensor::as_slice))?;
        Ok(Self { weights })
    }

    /// The same convolution for forward passes only, which no longer borrows its weights.
    pub(super) fn into_forward_only(self) -> Result<PackedConvolution<'static, T>> {
        Ok(PackedConvolution { weights: self.weights.into_forward_only()? })
    }

    /// Rows and columns that the kernel reaches over the edge of an image.
    pub(super) fn halo(&self) -> [usize; 2] {
        self.weights.shape().kernel.map(|size| size / 2)
    }

    /// The convolution, and the leaky rectifier behind it where a slope below zero is given.
    pub(super) fn forward(
        &self,
        input: FeatureMapsRef<'_, T>,
        output: FeatureMapsMut<'_, T>,
        slope: Option<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        match slope {
            Some(slope) => conv::forward_rectified(&self.weights, input, None, output, slope, scratch)?,
            None => conv::forward(&self.weights, input, output, WriteMode::Overwrite, scratch)?,
        }
        Ok(())
    }

    /// [`forward`](Self::forward) into maps of its own.
    pub(super) fn convolve(
        &self,
        input: FeatureMapsRef<'_, T>,
        halo: [usize; 2],
        slope: Option<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<FeatureMaps<T>> {
        let shape = self.weights.shape();
        let extent = input.extent().with_channels(shape.out_channels);
        memory::expect_bytes("the output of a convolution", memory::bytes_of::<T>(&extent.dims()))?;
        let mut output = FeatureMaps::sectioned(extent, shape.out_sections, halo)?;
        self.forward(input, output.as_mut(), slope, scratch)?;
        Ok(output)
    }

    /// The gradient of the input from the gradient of the output.
    pub(super) fn input_gradient(
        &self,
        d_output: FeatureMapsRef<'_, T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<FeatureMaps<T>> {
        let extent = d_output.extent().with_channels(self.weights.shape().in_channels);
        memory::expect_bytes("the gradient of a convolution", memory::bytes_of::<T>(&extent.dims()))?;
        let mut d_input = FeatureMaps::zeros(extent)?;
        conv::input_gradient(&self.weights, d_output, d_input.as_mut(), WriteMode::Overwrite, scratch)?;
        Ok(d_input)
    }

    /// Adds the gradient of the input to `d_input`.
    pub(super) fn add_input_gradient(
        &self,
        d_output: FeatureMapsRef<'_, T>,
        d_input: FeatureMapsMut<'_, T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        Ok(conv::input_gradient(&self.weights, d_output, d_input, WriteMode::Add, scratch)?)
    }

    /// Adds the gradients of weights and bias.
    pub(super) fn weight_gradients(
        &self,
        input: FeatureMapsRef<'_, T>,
        d_output: FeatureMapsRef<'_, T>,
        gradients: &mut Conv2dParameters<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let d_weight = gradients.weight.as_mut_slice();
        conv::weight_gradient(&self.weights.shape(), input, d_output, d_weight, scratch)?;
        if let Some(d_bias) = &mut gradients.bias {
            conv::bias_gradient(d_output, d_bias.as_mut_slice())?;
        }
        Ok(())
    }
}
