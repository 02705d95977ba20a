//! How much a file may ask for. Headers are compared with these numbers before
//! any memory is reserved, so that a few hundred bytes cannot claim gigabytes.

use std::path::Path;

use crate::error::{Error, Result};

/// The largest image accepted from a GIF or PNG: 4096 x 4096 pixels.
pub const MAX_IMAGE_PIXELS: u64 = 1 << 24;

/// The most values all frames of a GIF or folder may have, three for each
/// pixel: 268 million, or about one gibibyte as `f32`.
pub const MAX_SEQUENCE_VALUES: u64 = 1 << 28;

/// The most elements a `.npy` file may have: 1074 million, which leaves room
/// for the test set of Moving MNIST (819 million). The file must really be
/// that long.
pub const MAX_ARRAY_ELEMENTS: u64 = 1 << 30;

/// Refuses images without pixels or with more than [`MAX_IMAGE_PIXELS`].
pub(super) fn check_image(path: &Path, width: u64, height: u64) -> Result<()> {
    let pixels = width.saturating_mul(height);
    let reason = if pixels == 0 {
        format!("an image of {width} x {height} pixels has nothing to show")
    } else if pixels > MAX_IMAGE_PIXELS {
        format!("an image of {width} x {height} pixels is above the limit of {MAX_IMAGE_PIXELS} pixels")
    } else {
        return Ok(());
    };
    Err(Error::Format { path: path.into(), reason })
}

/// Refuses sequences of more than [`MAX_SEQUENCE_VALUES`].
pub(super) fn check_sequence(path: &Path, frames: usize, width: u64, height: u64) -> Result<()> {
    let values = (frames as u64).saturating_mul(3).saturating_mul(width).saturating_mul(height);
    if values <= MAX_SEQUENCE_VALUES {
        return Ok(());
    }
    let reason = format!(
        "{frames} frames of {width} x {height} pixels have {values} values, above the limit of {MAX_SEQUENCE_VALUES}; \
         use fewer or smaller frames"
    );
    Err(Error::Format { path: path.into(), reason })
}
