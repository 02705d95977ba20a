//! The fused engine: convolutional GRUs as fast as the machine computes them.

pub(crate) mod bidirectional;
pub(crate) mod cell;
pub(crate) mod conv_gru;
mod conv_gru_cell;
pub(crate) mod recurrence;
pub(crate) mod stack;

pub use crate::sequence::Sequence;
pub use crate::sequence::StateGradient;
pub(crate) use crate::sequence::expect_steps;
pub use bidirectional::{
    BidirectionalBackward, BidirectionalConvGru, BidirectionalConvGruParameters, BidirectionalOutput,
    BidirectionalOutputGradients, BidirectionalWorkspace, Directions,
};
pub use cell::CellParameters;
pub use conv_gru::ConvGruStream;
pub use conv_gru::{
    ConvGru, ConvGruBackward, ConvGruOutput, ConvGruOutputGradients, ConvGruParameters, ConvGruSequences,
    ConvGruWorkspace, InputGradient, MemoryBudget, Outputs,
};
pub use conv_gru_cell::{CellBackward, CellOutputGradients, ConvGruCell};
