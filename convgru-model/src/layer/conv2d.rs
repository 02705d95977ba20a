//! A convolution as a layer.

use convgru_kernels::conv::{self, ConvShape, PackedWeights, WriteMode};
use convgru_kernels::{Extent, FeatureMaps, Scalar, Scratchpad};
use serde::{Deserialize, Serialize};

use super::images::{images, with_image};
use crate::config::{Initializer, MAX_PARAMETERS, invalid};
use crate::error::{Error, Result};
use crate::init;
use crate::memory;
use crate::parameters::{Parameters, Take, expect_gradients};
use crate::random::Random;
use crate::tensor::{Tensor, expect_shape};

/// Zeros around the input of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// As much as keeps height and width at stride 1.
    #[default]
    Same,
    /// `[top, bottom, left, right]`.
    Explicit([usize; 4]),
}

/// What a [`Conv2d`] is, apart from its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2dConfig {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Height and width of the kernel.
    pub kernel_size: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Vertical and horizontal distance of kernel taps.
    pub dilation: [usize; 2],
    /// Zeros around the input.
    pub padding: Padding,
    /// Whether a bias is added to each output channel.
    pub bias: bool,
}

impl Conv2dConfig {
    /// Stride 1, no dilation, padding that keeps the size, with bias.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: [usize; 2]) -> Self {
        Self {
            in_channels,
            out_channels,
            kernel_size,
            stride: [1, 1],
            dilation: [1, 1],
            padding: Padding::Same,
            bias: true,
        }
    }

    /// The convolution as the kernels describe it.
    pub fn shape(&self) -> ConvShape {
        let padding = match self.padding {
            Padding::Same => conv::Padding::same(self.kernel_size, self.dilation),
            Padding::Explicit([top, bottom, left, right]) => conv::Padding { top, bottom, left, right },
        };
        ConvShape {
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            kernel: self.kernel_size,
            stride: self.stride,
            dilation: self.dilation,
            padding,
            ..ConvShape::same(self.in_channels, self.out_channels, self.kernel_size)
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] with the name of the field, its value and what would be right.
    pub fn validate(&self) -> Result<()> {
        let positive = [
            ("in_channels", [self.in_channels; 2]),
            ("out_channels", [self.out_channels; 2]),
            ("kernel_size", self.kernel_size),
            ("stride", self.stride),
            ("dilation", self.dilation),
        ];
        for (field, values) in positive {
            if values.iter().any(|v| !(1..=65_536).contains(v)) {
                return invalid(field, format!("{values:?} is not within 1 to {MOST}"));
            }
        }
        if let Padding::Explicit(padding) = self.padding
            && padding.iter().any(|&side| side > MOST)
        {
            return invalid("padding", format!("{padding:?} is not within 0 to {MOST}"));
        }
        // None of these products overflows: each factor is below 2^17.
        let [rows, columns] = [0, 1].map(|axis| self.dilation[axis] * (self.kernel_size[axis] - 1) + 1);
        if rows.max(columns) > MOST {
            let reason = format!(
                "{:?} pixels from tap to tap of a kernel of {:?} reach over {rows}x{columns} pixels; {MOST} are possible",
                self.dilation, self.kernel_size
            );
            return invalid("dilation", reason);
        }
        let [kh, kw] = self.kernel_size;
        let sizes = [self.out_channels, self.in_channels, kh, kw];
        let weights = sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
        if weights.is_none_or(|weights| weights > MAX_PARAMETERS) {
            let reason = format!("weights of {sizes:?} are more than {MAX_PARAMETERS} numbers");
            return invalid("out_channels", reason);
        }
        Ok(())
    }
}

/// The largest number of channels, rows and columns of anything about a convolution.
const MOST: usize = 65_536;

/// Weights and bias of a [`Conv2d`].
#[derive(Debug, Clone, PartialEq)]
pub struct Conv2dParameters<T> {
    /// `[out_channels, in_channels, kh, kw]`
    pub weight: Tensor<T>,
    /// `[out_channels]`
    pub bias: Option<Tensor<T>>,
}

impl<T: Scalar> Conv2dParameters<T> {
    /// Fails unless the tensors fit a configuration; `name` is the name of the convolution, if it has one.
    pub(crate) fn expect(&self, name: &str, config: &Conv2dConfig) -> Result<()> {
        let what = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
        let [kh, kw] = config.kernel_size;
        let expected = [config.out_channels, config.in_channels, kh, kw];
        expect_shape(&what("weight"), self.weight.shape(), &expected)?;
        match &self.bias {
            Some(bias) if config.bias => expect_shape(&what("bias"), bias.shape(), &[config.out_channels]),
            None if !config.bias => Ok(()),
            other => {
                let have = if other.is_some() { "have" } else { "lack" };
                invalid(what("bias"), format!("{} but the weights {have} a bias", config.bias))
            }
        }
    }
}

impl<T: Scalar> Parameters<T> for Conv2dParameters<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        visit("weight", &self.weight);
        if let Some(bias) = &self.bias {
            visit("bias", bias);
        }
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        visit("weight", &mut self.weight);
        if let Some(bias) = &mut self.bias {
            visit("bias", bias);
        }
    }
}

/// A two-dimensional convolution with optional bias.
///
/// ```
/// use convgru_model::{Tensor, layer::{Conv2d, Conv2dConfig}};
///
/// let config = Conv2dConfig { stride: [2, 2], ..Conv2dConfig::new(3, 8, [3, 3]) };
/// let halve = Conv2d::<f32>::new(config, 1)?;
/// let frames = Tensor::zeros(&[2, 3, 17, 20]);
/// assert_eq!(halve.forward(&frames)?.shape(), [2, 8, 9, 10]);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Conv2d<T> {
    config: Conv2dConfig,
    parameters: Conv2dParameters<T>,
}

impl<T: Scalar> Conv2d<T> {
    /// A layer with weights by [`Initializer::Xavier`] and zero bias.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if a field cannot work.
    pub fn new(config: Conv2dConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let [kh, kw] = config.kernel_size;
        let sizes = [config.out_channels, config.in_channels, kh, kw];
        memory::expect_bytes("the weights", memory::bytes_of::<T>(&sizes))?;
        let mut random = Random::new(seed, 0);
        Ok(Self { config, parameters: draw(&config, &mut random) })
    }

    /// A layer around existing weights.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] or [`Error::ShapeMismatch`] if configuration and weights do not fit.
    pub fn from_parameters(config: Conv2dConfig, parameters: Conv2dParameters<T>) -> Result<Self> {
        config.validate()?;
        parameters.expect("", &config)?;
        Ok(Self { config, parameters })
    }

    /// What the layer is.
    pub fn config(&self) -> &Conv2dConfig {
        &self.config
    }

    /// Its weights.
    pub fn parameters(&self) -> &Conv2dParameters<T> {
        &self.parameters
    }

    /// Its weights, to be changed.
    pub fn parameters_mut(&mut self) -> &mut Conv2dParameters<T> {
        &mut self.parameters
    }

    /// Convolves every image.
    ///
    /// # Shapes
    /// `[.., in_channels, H, W] -> [.., out_channels, H', W']`
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for an input of other channels and [`Error::Kernel`] where the
    /// kernel does not fit into the padded image.
    pub fn forward(&self, input: &Tensor<T>) -> Result<Tensor<T>> {
        let extents = self.extents(input.shape())?;
        let maps = FeatureMaps::from_nchw(extents.input, input.as_slice())?;
        let mut result = FeatureMaps::zeros(extents.output)?;
        let weights = self.packed()?.with_bias(self.parameters.bias.as_ref().map(Tensor::as_slice))?;
        conv::forward(
            &weights,
            maps.as_ref(),
            result.as_mut(),
            WriteMode::Overwrite,
            &mut Scratchpad::new(),
        )?;
        let mut output = Tensor::try_zeros(&extents.output_shape)?;
        result.as_ref().write_nchw(output.as_mut_slice())?;
        Ok(output)
    }

    /// Adds the gradients of weights and bias and returns the gradient of the input.
    ///
    /// # Shapes
    /// `input`: `[.., in_channels, H, W]`; `d_output`: `[.., out_channels, H', W']`;
    /// result: as `input`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and [`Error::ShapeMismatch`] or [`Error::Count`] if the
    /// gradient does not belong to an output for this input, or `gradients` to this layer.
    pub fn backward(
        &self,
        input: &Tensor<T>,
        d_output: &Tensor<T>,
        gradients: &mut Conv2dParameters<T>,
    ) -> Result<Tensor<T>> {
        expect_gradients(&self.parameters, gradients)?;
        let packed = self.packed()?;
        let extents = self.extents(input.shape())?;
        expect_shape("gradient of the output of the convolution", d_output.shape(), &extents.output_shape)?;
        let maps = FeatureMaps::from_nchw(extents.input, input.as_slice())?;
        let d_result = FeatureMaps::from_nchw(extents.output, d_output.as_slice())?;
        let mut scratch = Scratchpad::new();
        let d_weight = gradients.weight.as_mut_slice();
        conv::weight_gradient(
            &self.config.shape(),
            maps.as_ref(),
            d_result.as_ref(),
            d_weight,
            &mut scratch,
        )?;
        if let Some(d_bias) = &mut gradients.bias {
            conv::bias_gradient(d_result.as_ref(), d_bias.as_mut_slice())?;
        }
        let mut d_maps = maps;
        conv::input_gradient(
            &packed,
            d_result.as_ref(),
            d_maps.as_mut(),
            WriteMode::Overwrite,
            &mut scratch,
        )?;
        let mut d_input = Tensor::zeros(input.shape());
        d_maps.as_ref().write_nchw(d_input.as_mut_slice())?;
        Ok(d_input)
    }

    fn packed(&self) -> Result<PackedWeights<'_, T>> {
        self.parameters.expect("", &self.config)?;
        Ok(PackedWeights::new(self.config.shape(), self.parameters.weight.as_slice())?)
    }

    /// Fails if the images with their padding, or what comes of them, are more than the machine can hold.
    fn expect_memory(&self, input: Extent) -> Result<()> {
        let padding = match self.config.padding {
            Padding::Same => conv::Padding::same(self.config.kernel_size, self.config.dilation),
            Padding::Explicit([top, bottom, left, right]) => conv::Padding { top, bottom, left, right },
        };
        let height = input.height.saturating_add(padding.top + padding.bottom);
        let width = input.width.saturating_add(padding.left + padding.right);
        let most = |size: usize, stride: usize| size.div_ceil(stride);
        let [rows, columns] = [most(height, self.config.stride[0]), most(width, self.config.stride[1])];
        let padded = memory::bytes_of::<T>(&[input.batch, input.channels, height, width]);
        let output = memory::bytes_of::<T>(&[input.batch, self.config.out_channels, rows, columns]);
        memory::expect_bytes("a convolution", padded.max(output))
    }

    fn extents(&self, shape: &[usize]) -> Result<Extents> {
        let (batch, [channels, height, width]) = images("input of the convolution", shape)?;
        if channels != self.config.in_channels {
            return Err(Error::ShapeMismatch {
                what: "input of the convolution".into(),
                expected: format!("[.., {}, H, W]", self.config.in_channels),
                got: shape.to_vec(),
            });
        }
        let input = Extent { batch, channels, height, width };
        self.expect_memory(input)?;
        let output = self.config.shape().output_extent(input)?;
        let output_shape = with_image(shape, [output.channels, output.height, output.width]);
        Ok(Extents { input, output, output_shape })
    }
}

struct Extents {
    input: Extent,
    output: Extent,
    output_shape: Vec<usize>,
}

/// Takes the parameters of a convolution.
pub(crate) fn take<T: Scalar>(config: &Conv2dConfig, take: &mut Take<'_, T>) -> Result<Conv2dParameters<T>> {
    let [kh, kw] = config.kernel_size;
    let mut fitting = |name: &str, shape: &[usize]| -> Result<Tensor<T>> {
        let tensor = take(name, shape)?;
        expect_shape(name, tensor.shape(), shape)?;
        Ok(tensor)
    };
    Ok(Conv2dParameters {
        weight: fitting("weight", &[config.out_channels, config.in_channels, kh, kw])?,
        bias: config.bias.then(|| fitting("bias", &[config.out_channels])).transpose()?,
    })
}

/// Xavier weights and zero bias for a convolution.
pub(crate) fn draw<T: Scalar>(config: &Conv2dConfig, random: &mut Random) -> Conv2dParameters<T> {
    let [kh, kw] = config.kernel_size;
    let reduction = config.in_channels * kh * kw;
    let weights = init::draw(
        Initializer::Xavier,
        [config.out_channels, reduction],
        config.out_channels * kh * kw,
        random,
    );
    let weight = Tensor::from_vec(&[config.out_channels, config.in_channels, kh, kw], weights)
        .expect("one weight was drawn for each place");
    Conv2dParameters { weight, bias: config.bias.then(|| Tensor::zeros(&[config.out_channels])) }
}
