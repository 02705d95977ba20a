//! The fused engine: convolutional GRUs as fast as the machine computes them.

pub(crate) mod bidirectional;
pub(crate) mod blocks;
pub(crate) mod cell;
pub(crate) mod chain;
pub(crate) mod conv_gru;
pub(crate) mod recurrence;
pub(crate) mod stack;

pub use bidirectional::{BidirectionalConvGru, Directions};
pub use cell::CellParameters;
pub use chain::{ChainStream, ConvGruChain};
pub use conv_gru::{ConvGru, ConvGruParameters, Prepared, Stream};
