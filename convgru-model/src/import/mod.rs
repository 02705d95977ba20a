//! Weights on their way in. Foreign conventions are converted here and nowhere else.

mod checkpoint;
mod float;
pub mod layout;
mod mxnet;
mod named;
pub mod network;
pub mod pytorch;
mod safetensors;

pub use checkpoint::Checkpoint;
pub use named::named_tensors;
pub use safetensors::{from_safetensors, safetensors_metadata};
