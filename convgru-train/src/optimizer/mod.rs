//! Optimisers: how gradients change the parameters.

mod adam;
mod clip;

pub use adam::{Adam, AdamConfig, AdamState};
pub use clip::{clip_global_norm, global_norm};

#[cfg(test)]
mod tests;
