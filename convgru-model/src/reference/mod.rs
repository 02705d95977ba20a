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
mod forecaster;
mod layer;
#[cfg(feature = "gradcheck")]
mod operations;
mod pyramid;

pub use array::{Array, NamedArrays};
pub use bidirectional::{BothWays, bidirectional};
#[cfg(feature = "gradcheck")]
pub(crate) use cell::cell_gates;
pub use cell::{
    CellOptions, CellParameters, cell_step, stack_forward, stack_forward_of_lengths, stack_step, zero_states,
};
pub use encoder_forecaster::encoder_forecaster;
pub use forecaster::{Forcing, Forecast, forecaster};
pub use layer::{activation, bilinear, conv2d, nearest, pixel_shuffle, pixel_unshuffle};
#[cfg(feature = "gradcheck")]
pub(crate) use operations::Plain;
pub use pyramid::pyramid;
