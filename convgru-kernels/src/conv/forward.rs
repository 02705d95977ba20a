//! The convolution itself.

use super::im2col::Patches;
use super::weights::PackedWeights;
use super::{Output, PixelChunks};
use crate::error::Result;
use crate::feature_maps::{FeatureMapsMut, FeatureMapsRef, expect_extent, expect_len};
use crate::gemm::{self, Matrix, MatrixMut};
use crate::parallel::{Disjoint, for_each_item};
use crate::scalar::Scalar;
use crate::scratchpad::Scratchpad;

/// Convolves a batch of images: `y = w * x`, or `y += w * x`.
///
/// A bias is added by filling `y` with it ([`fill_bias`](crate::pointwise::fill_bias)) and adding.
///
/// # Shapes
/// `input`: `[N, in_channels, H, W]`; `output`: `[N, out_channels, H', W']` as
/// [`ConvShape::output_size`](super::ConvShape::output_size) gives.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) if an extent does not fit, and the errors of
/// [`ConvShape::output_size`](super::ConvShape::output_size).
///
/// ```
/// use convgru_kernels::{Extent, FeatureMaps, Scratchpad, conv::{self, ConvShape, Output, PackedWeights}};
///
/// let shape = ConvShape::same(1, 1, [3, 3]);
/// let weights = PackedWeights::new(shape, &[1.0f32; 9])?;
/// let extent = Extent { batch: 1, channels: 1, height: 4, width: 5 };
/// let input = FeatureMaps::from_nchw(extent, &[1.0; 20])?;
/// let mut output = FeatureMaps::zeros(extent)?;
/// conv::forward(&weights, input.as_ref(), output.as_mut(), Output::Overwrite, &mut Scratchpad::new())?;
/// let mut sums = [0.0; 20];
/// output.as_ref().write_nchw(&mut sums)?;
/// assert_eq!(sums[..5], [4.0, 6.0, 6.0, 6.0, 4.0]);
/// # Ok::<(), convgru_kernels::Error>(())
/// ```
pub fn forward<T: Scalar>(
    weights: &PackedWeights<T>,
    input: FeatureMapsRef<'_, T>,
    mut output: FeatureMapsMut<'_, T>,
    mode: Output,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let shape = weights.shape();
    let extent = shape.output_extent(input.extent())?;
    expect_extent("output of the convolution", extent, output.extent())?;
    expect_len("weights of the convolution", shape.weight_len(), weights.matrix().len())?;
    if extent.is_empty() {
        return Ok(());
    }
    if shape.in_channels == 0 {
        if mode == Output::Overwrite {
            output.set_zero();
        }
        return Ok(());
    }
    let patches = Patches {
        shape,
        input: [input.extent().height, input.extent().width],
        output: [extent.height, extent.width],
    };
    let reduction = shape.reduction();
    let chunks = PixelChunks::new(extent.pixels(), reduction);
    let beta = if mode == Output::Add { T::ONE } else { T::ZERO };
    let kernel = Matrix::new(weights.matrix(), shape.out_channels, reduction);
    let lanes = scratch.lanes(if shape.is_pointwise() { 0 } else { reduction * chunks.chunk });
    let operations = extent.len() * reduction;

    let stride = output.image_stride();
    let disjoint = Disjoint::new(output.as_mut_slice());
    for_each_item(extent.batch * chunks.count(), operations, lanes, |item, lane| {
        let (n, pixels) = (item / chunks.count(), chunks.range(item % chunks.count()));
        let image = input.image(n);
        let columns = if shape.is_pointwise() {
            Matrix::with_row_stride(&image[pixels.start..], reduction, pixels.len(), extent.pixels())
        } else {
            let gathered = &mut lane[..reduction * pixels.len()];
            patches.gather(image, 0..shape.in_channels, pixels.clone(), gathered);
            Matrix::new(gathered, reduction, pixels.len())
        };
        let size = [shape.out_channels, pixels.len()];
        // SAFETY: items differ in their image or in their pixels, so the columns that
        // this item writes in the rows of its image belong to it alone.
        let mut out =
            unsafe { MatrixMut::of_disjoint(&disjoint, n * stride + pixels.start, size, extent.pixels()) };
        gemm::multiply(kernel, columns, beta, &mut out);
    });
    Ok(())
}
