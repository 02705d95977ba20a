//! NumPy arrays in `.npy` files.

use convgru_model::Tensor;

use super::image::expect_frames;
use crate::error::{Error, Result};
use crate::npy_header::NpyHeader;

/// The bytes of a `float32` array of frames `[T, C, H, W]`: `[T, H, W]` of one channel, otherwise `[1, T, C, H, W]`,
/// which are read as what they are without naming axes.
pub(super) fn encode(frames: &Tensor<f32>) -> Result<Vec<u8>> {
    let [steps, channels, height, width] = expect_frames("frames for a .npy file", frames)?;
    let mut bytes = match channels {
        1 => NpyHeader::encode_single(&[steps, height, width]),
        _ => NpyHeader::encode_single(&[1, steps, channels, height, width]),
    };
    bytes.extend(frames.as_slice().iter().flat_map(|value| value.to_le_bytes()));
    Ok(bytes)
}

/// The bytes of a `float32` array of frames of members `[K, T, C, H, W]`: `[T, H, W]` of one channel and member, otherwise all axes.
pub(super) fn encode_members(numbers: &Tensor<f32>) -> Result<Vec<u8>> {
    let refuse = |reason: String| Error::Data { what: "numbers for a .npy file".into(), reason };
    let mut bytes = match *numbers.shape() {
        [1, steps, 1, height, width] => NpyHeader::encode_single(&[steps, height, width]),
        [_, _, _, _, _] => NpyHeader::encode_single(numbers.shape()),
        _ => return Err(refuse(format!("they are [K, T, C, H, W], got {:?}", numbers.shape()))),
    };
    if numbers.is_empty() {
        return Err(refuse(format!("there are none in the shape {:?}", numbers.shape())));
    }
    bytes.extend(numbers.as_slice().iter().flat_map(|value| value.to_le_bytes()));
    Ok(bytes)
}
