//! The shapes that layers read and give.

use crate::error::{Error, Result};

/// The leading dimensions of `[.., C, H, W]` multiplied together, and C, H, W.
pub(super) fn images(what: &str, shape: &[usize]) -> Result<(usize, [usize; 3])> {
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
pub(super) fn with_image(shape: &[usize], image: [usize; 3]) -> Vec<usize> {
    let mut shape = shape.to_vec();
    let leading = shape.len() - 3;
    shape[leading..].copy_from_slice(&image);
    shape
}
