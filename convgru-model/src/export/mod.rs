//! Weights on their way out.

#[cfg(feature = "onnx")]
pub mod onnx;
mod safetensors;

pub use safetensors::to_safetensors;
