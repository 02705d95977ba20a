//! Where the packed weights of a network come from.

use convgru_kernels::Scalar;

use super::convolution::PackedConvolution;
use super::parameters::ForecasterParameters;
use crate::composed::graph::Tensors;
use crate::config::{ConvGruConfig, Precision};
use crate::error::Result;
use crate::fused::cell::CellInput;
use crate::fused::stack::PreparedStack;
use crate::layer::Conv2dConfig;

/// Weights that a network is packed from, which fit its configuration.
#[derive(Debug)]
pub(super) enum Weights<'a, T> {
    /// For forward and backward passes: weights are packed when a pass first needs them.
    Borrowed(&'a ForecasterParameters<T>),
    /// For forward passes only: weights are packed at once, and each tensor is dropped as soon as it is packed.
    Owned(ForecasterParameters<T>),
}

impl<'a, T: Scalar> Weights<'a, T> {
    /// The stack of cells `name`.
    pub(super) fn stack(
        &mut self,
        name: &str,
        config: &ConvGruConfig,
        lowest: CellInput,
    ) -> Result<PreparedStack<'a, T>> {
        let prefix = format!("{name}.");
        match self {
            Self::Borrowed(parameters) => PreparedStack::new(&prefix, parameters.cells(name), config, lowest),
            Self::Owned(parameters) => {
                PreparedStack::forward_only(&prefix, parameters.take_cells(name), config, lowest)
            }
        }
    }

    /// The tensors of the composed stages `name`.
    pub(super) fn stages(self, name: &str) -> Tensors<'a, T> {
        match self {
            Self::Borrowed(parameters) => Tensors::Borrowed(parameters.stages(name).named()),
            Self::Owned(mut parameters) => Tensors::Shared(parameters.take_stages(name).into()),
        }
    }

    /// The convolution `name`, whose output lies in `sections` sections.
    pub(super) fn convolution(
        &mut self,
        name: &str,
        config: Conv2dConfig,
        sections: usize,
        precision: Precision,
    ) -> Result<PackedConvolution<'a, T>> {
        match self {
            Self::Borrowed(parameters) => {
                PackedConvolution::new(config, parameters.convolution(name), sections, precision)
            }
            Self::Owned(parameters) => {
                PackedConvolution::new(config, parameters.convolution(name), sections, precision)?
                    .into_forward_only()
            }
        }
    }
}
