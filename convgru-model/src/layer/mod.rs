//! Layers between and around recurrent networks, each with its backward pass.
//!
//! Every layer works on images `[.., C, H, W]`: whatever stands before the last
//! three dimensions (a batch, or steps and a batch) is kept.

mod activation;
mod conv2d;
mod pixel_shuffle;
mod resample;

pub use activation::Activation;
pub use conv2d::{Conv2d, Conv2dConfig, Conv2dParameters, Padding};
pub(crate) use conv2d::{draw as draw_conv2d, take as take_conv2d};
pub use pixel_shuffle::{PixelShuffle, PixelUnshuffle};
pub use resample::{Resample, ResampleMethod};

use crate::error::{Error, Result};

/// The leading dimensions of `[.., C, H, W]` multiplied together, and C, H, W.
fn images(what: &str, shape: &[usize]) -> Result<(usize, [usize; 3])> {
    match shape {
        [leading @ .., channels, height, width] => {
            let count = leading.iter().copied().fold(1, usize::saturating_mul);
            Ok((count, [*channels, *height, *width]))
        }
        _ => Err(Error::ShapeMismatch {
            what: what.into(),
            expected: "[.., C, H, W]".into(),
            got: shape.to_vec(),
        }),
    }
}

/// The shape with its last three dimensions replaced.
fn with_image(shape: &[usize], image: [usize; 3]) -> Vec<usize> {
    let mut shape = shape.to_vec();
    let leading = shape.len() - 3;
    shape[leading..].copy_from_slice(&image);
    shape
}
