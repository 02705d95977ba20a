//! Weights on their way in. Foreign conventions are converted here and nowhere else.

mod safetensors;
pub mod seed;

pub use safetensors::{from_safetensors, safetensors_metadata};
