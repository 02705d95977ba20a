//! Pixels of tensors as bytes of images.

use convgru_model::Tensor;

use crate::error::{Error, Result};

/// A value in 0..=1 as the nearest of 256 levels; values outside are clamped.
pub(crate) fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// The bytes of each frame with the channels of a pixel side by side, as image
/// files want them.
///
/// # Errors
/// [`Error::Data`] unless the shape is `[T, C, H, W]` with C = 1 or 3, no
/// dimension is zero and every value is a number.
pub(super) fn interleaved(what: &str, frames: &Tensor<f32>) -> Result<Vec<Vec<u8>>> {
    let [steps, channels, height, width] = expect_frames(what, frames)?;
    if channels != 1 && channels != 3 {
        let reason =
            format!("one (grey) or three (RGB) channels can be shown, got {channels}; write a .npy file");
        return Err(Error::Data { what: what.into(), reason });
    }
    let area = height * width;
    let frame = |step: usize| {
        let planes = frames.slice(step);
        (0..area * channels).map(|i| byte(planes[i % channels * area + i / channels])).collect()
    };
    Ok((0..steps).map(frame).collect())
}

/// The shape of frames that are written.
///
/// # Errors
/// [`Error::Data`] unless it is `[T, C, H, W]`, no dimension is zero and every value is a number.
pub(super) fn expect_frames(what: &str, frames: &Tensor<f32>) -> Result<[usize; 4]> {
    let refuse = |reason: String| Err(Error::Data { what: what.into(), reason });
    let &[steps, channels, height, width] = frames.shape() else {
        return refuse(format!("frames are [T, C, H, W], got {:?}", frames.shape()));
    };
    if frames.is_empty() {
        return refuse(format!("no pixels in frames of shape {:?}", frames.shape()));
    }
    match frames.as_slice().iter().position(|value| value.is_nan()) {
        Some(position) => refuse(format!("value {position} is not a number")),
        None => Ok([steps, channels, height, width]),
    }
}

/// A PNG file of eight-bit grey (`channels` 1) or RGB (`channels` 3) pixels.
///
/// # Errors
/// [`Error::Data`] if the encoder refuses, which names the size.
pub(crate) fn encode_png(width: usize, height: usize, channels: usize, pixels: &[u8]) -> Result<Vec<u8>> {
    let refuse = |reason: String| Error::Data { what: format!("PNG of {width} x {height} pixels"), reason };
    let size = |length: usize| u32::try_from(length).map_err(|error| refuse(error.to_string()));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size(width)?, size(height)?);
    encoder.set_color(if channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|error| refuse(error.to_string()))?;
    writer.write_image_data(pixels).map_err(|error| refuse(error.to_string()))?;
    writer.finish().map_err(|error| refuse(error.to_string()))?;
    Ok(bytes)
}
