//! Pixels between files and tensors.

use convgru_model::Tensor;

use crate::error::{Error, Result};

/// A decoded image. Sixteen bits hold every depth of PNG; eight-bit values are
/// multiplied by 257, so that `value / 65535` equals `byte / 255` exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Red, green, blue of each pixel, row by row.
    pub(super) rgb: Vec<u16>,
}

impl Image {
    fn is_grey(&self) -> bool {
        self.rgb.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2])
    }
}

/// Frames of images of one size: one channel if all are grey, otherwise three.
///
/// # Shapes
/// returns: `[T, C, H, W]`
pub(super) fn stack(images: Vec<Image>) -> Tensor<f32> {
    let (width, height) = images.first().map_or((0, 0), |image| (image.width, image.height));
    let channels = if images.iter().all(Image::is_grey) { 1 } else { 3 };
    let mut frames = Tensor::zeros(&[images.len(), channels, height, width]);
    for (index, image) in images.into_iter().enumerate() {
        for (channel, plane) in frames.slice_mut(index).chunks_exact_mut(width * height).enumerate() {
            for (value, pixel) in plane.iter_mut().zip(image.rgb.chunks_exact(3)) {
                *value = f32::from(pixel[channel]) / 65535.0;
            }
        }
    }
    frames
}

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
    let refuse = |reason: String| Err(Error::Data { what: what.into(), reason });
    let &[steps, channels, height, width] = frames.shape() else {
        return refuse(format!("frames are [T, C, H, W], got {:?}", frames.shape()));
    };
    if channels != 1 && channels != 3 {
        return refuse(format!(
            "one (grey) or three (RGB) channels can be shown, got {channels}; write a .npy file"
        ));
    }
    if frames.is_empty() {
        return refuse(format!("no pixels in frames of shape {:?}", frames.shape()));
    }
    if let Some(position) = frames.as_slice().iter().position(|value| value.is_nan()) {
        return refuse(format!("value {position} is not a number"));
    }
    let area = height * width;
    let frame = |step: usize| {
        let planes = frames.slice(step);
        (0..area * channels).map(|i| byte(planes[i % channels * area + i / channels])).collect()
    };
    Ok((0..steps).map(frame).collect())
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

/// Frames with another number of channels: grey is repeated, RGB becomes its
/// luma `0.299 R + 0.587 G + 0.114 B` (ITU-R BT.601).
///
/// # Shapes
/// frames: `[.., C, H, W]`; returns: `[.., channels, H, W]`
///
/// # Errors
/// [`Error::Data`] if there are fewer than three dimensions or C has to change
/// otherwise than from 1 to any number or from 3 to 1.
///
/// # Example
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::media::with_channels;
///
/// let grey = Tensor::from_vec(&[1, 1, 1, 2], vec![0.25f32, 0.5])?;
/// let rgb = with_channels(grey, 3)?;
/// assert_eq!(rgb.as_slice(), [0.25, 0.5, 0.25, 0.5, 0.25, 0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn with_channels(frames: Tensor<f32>, channels: usize) -> Result<Tensor<f32>> {
    let refuse = |reason: String| Err(Error::Data { what: "channels of the frames".into(), reason });
    let &[ref outer @ .., found, height, width] = frames.shape() else {
        return refuse(format!("frames are [.., C, H, W], got {:?}", frames.shape()));
    };
    if found == channels {
        return Ok(frames);
    }
    let area = height * width;
    let shape: Vec<usize> = outer.iter().copied().chain([channels, height, width]).collect();
    let data: Vec<f32> = match (found, channels) {
        _ if frames.is_empty() => Vec::new(),
        (1, _) => frames.as_slice().chunks_exact(area).flat_map(|plane| plane.repeat(channels)).collect(),
        (3, 1) => frames.as_slice().chunks_exact(3 * area).flat_map(|rgb| luma(rgb, area)).collect(),
        _ => return refuse(format!("{found} channels cannot become {channels}")),
    };
    Ok(Tensor::from_vec(&shape, data)?)
}

fn luma(rgb: &[f32], area: usize) -> impl Iterator<Item = f32> {
    (0..area).map(move |i| 0.299 * rgb[i] + 0.587 * rgb[area + i] + 0.114 * rgb[2 * area + i])
}
