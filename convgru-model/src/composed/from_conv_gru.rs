//! The fused stack, written as a network of composed cells.

#[cfg(feature = "onnx")]
use convgru_kernels::Scalar;

use super::{Bias, CellConfig, RecurrentConfig};
#[cfg(feature = "onnx")]
use super::{Recurrent, RecurrentParameters};
use crate::config::ConvGruConfig;
#[cfg(feature = "onnx")]
use crate::error::Result;
#[cfg(feature = "onnx")]
use crate::fused::CellParameters;
#[cfg(feature = "onnx")]
use crate::parameters::Parameters;

/// The chain of cells that a [`ConvGru`](crate::ConvGru) computes.
impl From<&ConvGruConfig> for RecurrentConfig {
    fn from(config: &ConvGruConfig) -> Self {
        let cell = |layer: usize| {
            let (kernel_size, of_input) =
                (config.kernel_size.of_layer(layer), config.input_kernel_size.as_ref());
            let of_input = of_input.map(|sizes| sizes.of_layer(layer));
            CellConfig {
                kernel_size,
                input_kernel_size: of_input.filter(|size| *size != kernel_size),
                dilation: config.dilation,
                input_dilation: config.dilation_of_input(),
                bias: if config.bias { Bias::Two } else { Bias::None },
                reset: config.reset,
                candidate_activation: config.candidate_activation,
                gate_activation: config.gate_activation,
                initializer: config.initializer,
                precision: config.precision,
                ..CellConfig::new(config.input_of_layer(layer), config.hidden_channels[layer])
            }
        };
        Self::chain((0..config.layers()).map(cell))
    }
}

/// The layers of a fused stack as a network of composed cells.
#[cfg(feature = "onnx")]
pub(crate) fn from_layers<T: Scalar>(
    config: &ConvGruConfig,
    layers: &[CellParameters<T>],
) -> Result<Recurrent<T>> {
    let mut named = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        layer.for_each(&mut |name, tensor| named.push((format!("stages.{index}.{name}"), tensor.clone())));
    }
    Recurrent::from_parameters(config.into(), RecurrentParameters::new(named))
}
