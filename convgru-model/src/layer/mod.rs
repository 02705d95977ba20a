//! Layers between and around recurrent networks, each with its backward pass.
//!
//! Every layer works on images `[.., C, H, W]`: whatever stands before the last
//! three dimensions (a batch, or steps and a batch) is kept.

mod activation;
mod conv2d;
mod images;
mod pixel_shuffle;
mod resample;

pub use activation::Activation;
pub use conv2d::{Conv2d, Conv2dConfig, Conv2dParameters, Padding};
pub(crate) use conv2d::{draw as draw_conv2d, take as take_conv2d};
pub use pixel_shuffle::{PixelShuffle, PixelUnshuffle};
pub use resample::{Resample, ResampleMethod};

#[cfg(test)]
mod tests;
