//! The gradient of a convolution with respect to its input.

use super::im2col::Patches;
use super::weights::PackedWeights;
use super::{Output, PATCH_ELEMENTS, PixelChunks};
use crate::error::Result;
use crate::feature_maps::{FeatureMapsMut, FeatureMapsRef, expect_extent};
use crate::gemm::{self, Matrix, MatrixMut};
use crate::parallel::{Disjoint, for_each_item};
use crate::scalar::Scalar;
use crate::scratchpad::Scratchpad;

/// Brings the gradient of the output back to the input: `dx = w^T * dy`, or `dx += w^T * dy`.
///
/// The adjoint of [`forward`](super::forward): `<w * x, dy> = <x, w^T * dy>`.
///
/// # Shapes
/// `d_output`: `[N, out_channels, H', W']`; `d_input`: `[N, in_channels, H, W]`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) if an extent does not fit, and the errors of
/// [`ConvShape::output_size`](super::ConvShape::output_size).
pub fn input_gradient<T: Scalar>(
    weights: &PackedWeights<T>,
    d_output: FeatureMapsRef<'_, T>,
    mut d_input: FeatureMapsMut<'_, T>,
    mode: Output,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let shape = weights.shape();
    let input = d_input.extent();
    let extent = shape.output_extent(input)?;
    expect_extent("gradient of the output of the convolution", extent, d_output.extent())?;
    if mode == Output::Overwrite {
        d_input.set_zero();
    }
    if extent.is_empty() || input.is_empty() {
        return Ok(());
    }
    let taps = shape.taps();
    let reduction = shape.reduction();
    let patches =
        Patches { shape, input: [input.height, input.width], output: [extent.height, extent.width] };
    // An item is some channels of an image: no other item adds to their pixels.
    let chunks = PixelChunks::new(extent.pixels(), reduction);
    let fitting = (PATCH_ELEMENTS / (taps * chunks.chunk)).clamp(1, shape.in_channels);
    let block = if input.batch < 4 { fitting.min(shape.in_channels.div_ceil(4)) } else { fitting };
    let blocks = shape.in_channels.div_ceil(block);
    let lanes = scratch.lanes(block * taps * chunks.chunk);
    let operations = extent.len() * reduction;

    let stride = d_input.image_stride();
    let disjoint = Disjoint::new(d_input.as_mut_slice());
    for_each_item(input.batch * blocks, operations, lanes, |item, lane| {
        let (n, first) = (item / blocks, item % blocks * block);
        let channels = first..shape.in_channels.min(first + block);
        let rows = channels.len() * taps;
        let planes = n * stride + channels.start * input.pixels()..n * stride + channels.end * input.pixels();
        // SAFETY: items differ in their image or in their channels, so these planes
        // belong to this item alone.
        let planes = unsafe { disjoint.part(planes) };
        let d_image = d_output.image(n);
        let kernel = Matrix::with_row_stride(
            &weights.matrix()[channels.start * taps..],
            shape.out_channels,
            rows,
            reduction,
        );
        for pixels in (0..chunks.count()).map(|index| chunks.range(index)) {
            let d_columns = Matrix::with_row_stride(
                &d_image[pixels.start..],
                shape.out_channels,
                pixels.len(),
                extent.pixels(),
            );
            let d_patches = &mut lane[..rows * pixels.len()];
            let mut product = MatrixMut::new(d_patches, rows, pixels.len());
            gemm::multiply(kernel.transposed(), d_columns, T::ZERO, &mut product);
            patches.scatter_add(d_patches, pixels, planes);
        }
    });
    Ok(())
}
