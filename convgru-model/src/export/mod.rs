//! Weights on their way out.

mod safetensors;

pub use safetensors::to_safetensors;
