//! Weights on their way out.

#[cfg(feature = "onnx")]
pub mod onnx;
mod safetensors;
mod state_dict;

pub use safetensors::{to_safetensors, to_smallest_safetensors};
pub use state_dict::state_dict;
