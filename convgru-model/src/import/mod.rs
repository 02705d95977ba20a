//! Weights on their way in. Foreign conventions are converted here and nowhere else.

mod checkpoint;
mod float;
mod forecaster;
pub mod layout;
mod mxnet;
mod named;
pub mod network;
pub mod pytorch;
pub(crate) mod safetensors;
mod search;

pub use checkpoint::Checkpoint;
pub use float::NEEDS_64_BITS;
pub use forecaster::{FORECASTER_ENTRY, forecaster};
pub use named::{named_tensors, named_tensors_in_single_precision};
pub use safetensors::{SafetensorsWeights, from_safetensors, safetensors_metadata};
