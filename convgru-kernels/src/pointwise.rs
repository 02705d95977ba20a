//! Elementwise work on feature maps that belongs to no gate.

use crate::error::Result;
use crate::feature_maps::{FeatureMapsMut, expect_len};
use crate::scalar::Scalar;

/// Fills every channel with its bias, or with zeros where there is none.
///
/// # Shapes
/// `output`: `[N, C, H, W]`; `bias`: `[C]`.
///
/// # Errors
/// [`Error::Length`](crate::Error::Length) if the bias has not one number for each channel.
pub fn fill_bias<T: Scalar>(mut output: FeatureMapsMut<'_, T>, bias: Option<&[T]>) -> Result<()> {
    let Some(bias) = bias else {
        output.set_zero();
        return Ok(());
    };
    let extent = output.extent();
    expect_len("bias", extent.channels, bias.len())?;
    if extent.is_empty() {
        return Ok(());
    }
    for n in 0..extent.batch {
        for (plane, &value) in output.image_mut(n).chunks_exact_mut(extent.pixels()).zip(bias) {
            plane.fill(value);
        }
    }
    Ok(())
}
