//! NumPy arrays in `.npy` files.

use convgru_model::Tensor;

use super::image::expect_frames;
use crate::dataset::Axes;
use crate::error::{Error, Result};
use crate::npy_header::NpyHeader;

/// The bytes of a `float32` array of frames `[T, C, H, W]` in an order of axes.
pub(super) fn encode(frames: &Tensor<f32>, axes: &Axes) -> Result<Vec<u8>> {
    expect_frames("frames for a .npy file", frames)?;
    let (shape, numbers) = axes.arranged(frames);
    Ok(encoded(&shape, &numbers))
}

/// The bytes of a `float32` array of frames of members `[K, T, C, H, W]`: of one member in an order of axes, otherwise as they are.
pub(super) fn encode_members(numbers: &Tensor<f32>, axes: &Axes) -> Result<Vec<u8>> {
    let refuse = |reason: String| Error::Data { what: "numbers for a .npy file".into(), reason };
    let &[members, steps, channels, height, width] = numbers.shape() else {
        return Err(refuse(format!("they are [K, T, C, H, W], got {:?}", numbers.shape())));
    };
    if numbers.is_empty() {
        return Err(refuse(format!("there are none in the shape {:?}", numbers.shape())));
    }
    if members > 1 {
        return Ok(encoded(numbers.shape(), numbers.as_slice()));
    }
    let (shape, numbers) = axes.arranged(&numbers.clone().reshape(&[steps, channels, height, width])?);
    Ok(encoded(&shape, &numbers))
}

fn encoded(shape: &[usize], numbers: &[f32]) -> Vec<u8> {
    let mut bytes = NpyHeader::encode_single(shape);
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes
}
