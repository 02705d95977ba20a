//! NumPy arrays in `.npy` files.

use convgru_model::Tensor;

use super::image::expect_frames;
use crate::dataset::Axes;
use crate::error::Result;
use crate::npy_header::NpyHeader;

/// The bytes of a `float32` array of frames `[T, C, H, W]` in an order of axes.
pub(super) fn encode(frames: &Tensor<f32>, axes: &Axes) -> Result<Vec<u8>> {
    expect_frames("frames for a .npy file", frames)?;
    let (shape, numbers) = axes.arranged(frames);
    let mut bytes = NpyHeader::encode_single(&shape);
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    Ok(bytes)
}
