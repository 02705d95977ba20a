//! NumPy arrays in `.npy` files.

use convgru_model::Tensor;

use crate::error::{Error, Result};
use crate::npy_header::NpyHeader;

/// The bytes of a `float32` array of frames `[T, C, H, W]`, clamped to 0..=1: `[T, H, W]` of one channel, otherwise `[1, T, C, H, W]`,
/// which are read as what they are without naming axes.
pub(super) fn encode(frames: &Tensor<f32>) -> Result<Vec<u8>> {
    let refuse = |reason: String| Error::Data { what: "frames for a .npy file".into(), reason };
    let &[steps, channels, height, width] = frames.shape() else {
        return Err(refuse(format!("frames are [T, C, H, W], got {:?}", frames.shape())));
    };
    if frames.is_empty() {
        return Err(refuse(format!("no pixels in frames of shape {:?}", frames.shape())));
    }
    if let Some(position) = frames.as_slice().iter().position(|value| value.is_nan()) {
        return Err(refuse(format!("value {position} is not a number")));
    }
    let mut bytes = match channels {
        1 => NpyHeader::encode_single(&[steps, height, width]),
        _ => NpyHeader::encode_single(&[1, steps, channels, height, width]),
    };
    bytes.extend(frames.as_slice().iter().flat_map(|value| value.clamp(0.0, 1.0).to_le_bytes()));
    Ok(bytes)
}
