//! Weights on their way out.

mod mlcast;
#[cfg(feature = "onnx")]
pub mod onnx;
mod safetensors;
mod state_dict;

pub use mlcast::{mlcast, mlcast_noise};
pub use safetensors::{to_safetensors, to_smallest_safetensors};
pub use state_dict::state_dict;
