//! A stage at work: packed weights, and the memory for its result.

use convgru_kernels::conv::{self, ConvShape, PackedWeights};
use convgru_kernels::{Extent, FeatureMaps, Scalar, Scratchpad};

use super::ChainStage;
use crate::composed::ConvStageConfig;
use crate::error::{Error, Result};
use crate::fused::cell::{CellInput, GATES, PreparedCell};
use crate::fused::recurrence::LayerWorkspace;
use crate::layer::{Activation, Conv2dParameters};
use crate::memory;
use crate::tensor::Tensor;

/// A stage whose weights are packed, before it has memory.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a network has few stages")]
pub(super) enum Packed<'a, T> {
    Cell(Box<PreparedCell<'a, T>>),
    Convolution(PackedWeights<'a, T>, Slope),
    Residual([PackedWeights<'a, T>; 2], Slope),
}

/// A stage with the memory of its results.
#[derive(Debug)]
pub(super) struct Running<'a, T> {
    packed: Packed<'a, T>,
    memory: Memory<T>,
}

#[derive(Debug)]
enum Memory<T> {
    Cell(Box<LayerWorkspace<T>>),
    Convolution(FeatureMaps<T>),
    /// Between the two convolutions, and the result.
    Residual([FeatureMaps<T>; 2]),
}

/// The function after a convolution, as the slope below zero of a leaky rectifier; none for the identity.
pub(super) type Slope = Option<f64>;

/// The slope of a function that stages have.
///
/// # Errors
/// [`Error::InvalidConfig`] for other functions.
pub(crate) fn slope_of(activation: Activation) -> Result<Slope> {
    match activation {
        Activation::Identity => Ok(None),
        Activation::Relu => Ok(Some(0.0)),
        Activation::LeakyRelu(slope) => Ok(Some(slope)),
        other => Err(Error::InvalidConfig {
            field: "activation".into(),
            reason: format!("a ConvGruChain has no {other} after a convolution"),
        }),
    }
}

impl<'a, T: Scalar> Packed<'a, T> {
    pub(super) fn new(stage: &'a ChainStage<T>) -> Result<Self> {
        Ok(match stage {
            ChainStage::Cell(parameters, options) => {
                Self::Cell(Box::new(PreparedCell::new(parameters, *options, CellInput::Read)?))
            }
            ChainStage::Convolution(config, parameters) => {
                Self::Convolution(packed(config, parameters)?, slope_of(config.activation)?)
            }
            ChainStage::Residual(config, [first, second]) => {
                let both = [packed(config, first)?, packed(config, second)?];
                Self::Residual(both, slope_of(config.activation)?)
            }
        })
    }

    /// Rows and columns of zeros that the stage needs around its input.
    pub(super) fn halo(&self) -> [usize; 2] {
        match self {
            Self::Cell(cell) => cell.input_halo(),
            Self::Convolution(weights, _) | Self::Residual([weights, _], _) => {
                weights.shape().kernel.map(|size| size / 2)
            }
        }
    }

    /// The extent of the result, and the bytes that the stage keeps, but for borders of images.
    pub(super) fn output(&self, input: Extent) -> Result<(Extent, u128)> {
        let (extent, maps) = match self {
            // State before and after, gates, and the product of state and reset gate.
            Self::Cell(cell) => (input.with_channels(cell.shape().hidden_channels), GATES + 3),
            Self::Convolution(weights, _) => (weights.shape().output_extent(input)?, 1),
            Self::Residual([weights, _], _) => (weights.shape().output_extent(input)?, 2),
        };
        // Channels lie in blocks of 64 bytes.
        let stored = extent.with_channels(extent.channels.next_multiple_of(64 / size_of::<T>()));
        Ok((extent, memory::bytes_of::<T>(&stored.dims()).saturating_mul(maps as u128)))
    }

    /// The stage with memory for results of an extent, with so much around them as the next stage needs.
    pub(super) fn running(self, output: Extent, halo: [usize; 2]) -> Result<Running<'a, T>> {
        let memory = match &self {
            Self::Cell(cell) => {
                let mut layer = LayerWorkspace::new(cell, output, 1, 1, halo)?;
                layer.discard_gates();
                Memory::Cell(Box::new(layer))
            }
            Self::Convolution(..) => Memory::Convolution(FeatureMaps::with_halo(output, halo)?),
            Self::Residual(..) => {
                let inner = FeatureMaps::with_halo(output, self.halo())?;
                Memory::Residual([inner, FeatureMaps::with_halo(output, halo)?])
            }
        };
        Ok(Running { packed: self, memory })
    }
}

impl<T: Scalar> Running<'_, T> {
    /// The output of the last step.
    pub(super) fn output(&self) -> &FeatureMaps<T> {
        match &self.memory {
            Memory::Cell(layer) => &layer.states,
            Memory::Convolution(output) | Memory::Residual([_, output]) => output,
        }
    }

    /// The memory of a cell.
    pub(super) fn layer(&self) -> Option<&LayerWorkspace<T>> {
        match &self.memory {
            Memory::Cell(layer) => Some(layer),
            _ => None,
        }
    }

    /// As [`layer`](Self::layer), to be changed.
    pub(super) fn layer_mut(&mut self) -> Option<&mut LayerWorkspace<T>> {
        match &mut self.memory {
            Memory::Cell(layer) => Some(layer),
            _ => None,
        }
    }

    /// One step over the output of the stage below.
    pub(super) fn step(&mut self, input: &FeatureMaps<T>, scratch: &mut Scratchpad<T>) -> Result<()> {
        match (&self.packed, &mut self.memory) {
            (Packed::Cell(cell), Memory::Cell(layer)) => layer.run(cell, input, 0..1, scratch),
            (Packed::Convolution(weights, slope), Memory::Convolution(output)) => {
                convolve(weights, input, None, output, (*slope, scratch))
            }
            (Packed::Residual([first, second], slope), Memory::Residual([inner, output])) => {
                convolve(first, input, None, inner, (*slope, scratch))?;
                convolve(second, inner, Some(input), output, (*slope, scratch))
            }
            _ => unreachable!("a stage has the memory that was made for it"),
        }
    }
}

/// A convolution, the addition of other maps and the function behind it.
fn convolve<T: Scalar>(
    weights: &PackedWeights<'_, T>,
    input: &FeatureMaps<T>,
    addend: Option<&FeatureMaps<T>>,
    output: &mut FeatureMaps<T>,
    (slope, scratch): (Slope, &mut Scratchpad<T>),
) -> Result<()> {
    // The identity is the slope 1.
    let slope = T::from_f64(slope.unwrap_or(1.0));
    let addend = addend.map(FeatureMaps::as_ref);
    Ok(conv::forward_rectified(weights, input.as_ref(), addend, output.as_mut(), slope, scratch)?)
}

fn packed<'a, T: Scalar>(
    config: &ConvStageConfig,
    parameters: &'a Conv2dParameters<T>,
) -> Result<PackedWeights<'a, T>> {
    let shape = ConvShape {
        stride: config.stride,
        precision: config.precision.into(),
        ..ConvShape::same(config.in_channels, config.out_channels, config.kernel_size)
    };
    let weights = PackedWeights::new(shape, parameters.weight.as_slice())?;
    Ok(weights.with_bias(parameters.bias.as_ref().map(Tensor::as_slice))?)
}
