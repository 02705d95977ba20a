//! Weights on their way in. Foreign conventions are converted here and nowhere else.

pub mod layout;
mod safetensors;

pub use safetensors::{from_safetensors, safetensors_metadata};
