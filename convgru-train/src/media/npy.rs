//! NumPy arrays in `.npy` files.

use convgru_model::Tensor;

use super::image::expect_frames;
use crate::error::Result;
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
