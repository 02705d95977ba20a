//! Weights on their way in. Foreign conventions are converted here and nowhere else.

mod detect;
mod float;
mod forecaster;
pub mod layout;
pub mod mlcast;
mod mxnet;
mod named_tensors;
pub mod network;
pub mod pytorch;
pub(crate) mod safetensors;
mod search;
mod weight_norm;
mod wrappers;

pub use detect::{Detected, detect};
pub use float::NEEDS_64_BITS;
pub use forecaster::{FORECASTER_ENTRY, forecaster};
pub use layout::detect::{DetectedStack, Direction};
pub use layout::stacking::Incomplete;
pub use mlcast::DetectedForecaster;
pub use named_tensors::{NamedTensors, named_tensors, named_tensors_in_single_precision};
pub use network::detect::DetectedNetwork;
pub use safetensors::{SafetensorsWeights, from_safetensors, safetensors_metadata};
