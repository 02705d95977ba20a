//! The models by their equations, as obvious loops: the specification.
//!
//! Nothing here is fast, and nothing here may become clever. Everything is
//! generic over [`Number`](convgru_kernels::reference::Number), so that with dual
//! numbers it gives exact derivatives; the [gradient checker](crate::gradcheck)
//! compares the shipped backward passes with them.

mod array;
mod bidirectional;
mod cell;
mod encoder_forecaster;
mod forecast;
mod forecaster;
mod layer;
mod mlcast;
mod operations;
mod pyramid;
mod recurrent_forecaster;

pub use array::{Array, NamedArrays};
pub(crate) use bidirectional::bidirectional;
pub(crate) use cell::{
    CellOptions, CellParameters, cell_gates, cell_step, stack_forward, stack_forward_of_lengths, zero_states,
};
pub use encoder_forecaster::encoder_forecaster;
pub use forecast::PredictionArrays;
pub use forecaster::forecaster;
pub use layer::{activation, bilinear, conv2d, nearest, pixel_shuffle, pixel_unshuffle};
pub use mlcast::mlcast;
pub(crate) use operations::Plain;
pub use pyramid::pyramid;
pub use recurrent_forecaster::recurrent_forecaster;
