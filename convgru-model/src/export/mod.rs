//! Weights on their way out.

mod mlcast;
mod networks;
#[cfg(feature = "onnx")]
pub mod onnx;
mod original;
mod safetensors;
mod state_dict;

pub(crate) use mlcast::SYSTEM as MLCAST;
pub use mlcast::{mlcast, mlcast_noise};
pub use networks::networks;
pub use original::original;
pub use safetensors::{to_safetensors, to_smallest_safetensors};
pub use state_dict::state_dict;

#[cfg(test)]
mod tests;
