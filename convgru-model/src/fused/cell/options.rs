//! What a cell computes, apart from its tensors.

use convgru_kernels::conv::Precision;
use convgru_kernels::gates::Activations;

use crate::config::ConvGruConfig;
use crate::error::Result;

/// What a cell computes with its tensors, whose shapes tell nothing of it.
///
/// Where the reset gate acts decides which tensors there are and belongs to the parameters; this belongs to the
/// configuration: parameters and gradients are the same things whatever it says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellOptions {
    /// Rows and columns from tap to tap of the kernels over the state.
    pub(super) dilation: [usize; 2],
    /// Rows and columns from tap to tap of the kernels over the input.
    pub(super) input_dilation: [usize; 2],
    pub(super) activations: Activations,
    pub(super) precision: Precision,
}

impl CellOptions {
    /// Options of every layer of a stack.
    pub(crate) fn of(config: &ConvGruConfig) -> Result<Self> {
        Ok(Self {
            dilation: config.dilation,
            input_dilation: config.dilation_of_input(),
            activations: config.activations()?,
            precision: config.precision.into(),
        })
    }
}
