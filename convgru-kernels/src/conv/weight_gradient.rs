//! The gradients of a convolution with respect to its weights and bias.

use super::im2col::Patches;
use super::{ConvShape, PixelChunks};
use crate::error::Result;
use crate::feature_maps::{FeatureMapsRef, expect_extent, expect_len};
use crate::gemm::{self, Matrix, MatrixMut};
use crate::parallel::{Disjoint, for_each_item};
use crate::scalar::Scalar;
use crate::scratchpad::Scratchpad;

/// Partial sums over the images. A constant, so that the order of summation does
/// not depend on the number of threads.
const PARTIAL_SUMS: usize = 8;

/// Adds the gradient of the weights: `dw += dy (x) x`, summed over images and pixels.
///
/// # Shapes
/// `input`: `[N, in_channels, H, W]`; `d_output`: `[N, out_channels, H', W']`;
/// `d_weights`: `[out_channels, in_channels, kh, kw]` in memory order.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) or [`Error::Length`](crate::Error::Length) if an
/// argument does not fit, and the errors of [`ConvShape::output_size`].
pub fn weight_gradient<T: Scalar>(
    shape: &ConvShape,
    input: FeatureMapsRef<'_, T>,
    d_output: FeatureMapsRef<'_, T>,
    d_weights: &mut [T],
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let extent = shape.output_extent(input.extent())?;
    expect_extent("gradient of the output of the convolution", extent, d_output.extent())?;
    expect_len("gradient of the weights", shape.weight_len(), d_weights.len())?;
    if extent.is_empty() || d_weights.is_empty() {
        return Ok(());
    }
    let reduction = shape.reduction();
    let patches = Patches {
        shape: *shape,
        input: [input.extent().height, input.extent().width],
        output: [extent.height, extent.width],
    };
    let chunks = PixelChunks::new(extent.pixels(), reduction);
    let pieces = extent.batch * chunks.count();
    let sums = pieces.min(PARTIAL_SUMS);
    let lane_len = if shape.is_pointwise() { 0 } else { reduction * chunks.chunk };
    let (lanes, partial) = scratch.lanes_and_sums(lane_len, sums * d_weights.len());
    let operations = extent.len() * reduction;

    let len = d_weights.len();
    let disjoint = Disjoint::new(partial);
    for_each_item(sums, operations, lanes, |item, lane| {
        // SAFETY: each item has a partial sum of its own.
        let sum = unsafe { disjoint.part(item * len..(item + 1) * len) };
        let mut sum = MatrixMut::new(sum, shape.out_channels, reduction);
        for piece in item * pieces / sums..(item + 1) * pieces / sums {
            let (n, pixels) = (piece / chunks.count(), chunks.range(piece % chunks.count()));
            let image = input.image(n);
            let columns = if shape.is_pointwise() {
                Matrix::with_row_stride(&image[pixels.start..], reduction, pixels.len(), extent.pixels())
            } else {
                let gathered = &mut lane[..reduction * pixels.len()];
                patches.gather(image, 0..shape.in_channels, pixels.clone(), gathered);
                Matrix::new(gathered, reduction, pixels.len())
            };
            let d_columns = Matrix::with_row_stride(
                &d_output.image(n)[pixels.start..],
                shape.out_channels,
                pixels.len(),
                extent.pixels(),
            );
            gemm::multiply(d_columns, columns.transposed(), T::ONE, &mut sum);
        }
    });
    for sum in partial.chunks_exact(len) {
        for (total, &part) in d_weights.iter_mut().zip(sum) {
            *total += part;
        }
    }
    Ok(())
}

/// Adds the gradient of the bias: `db += dy`, summed over images and pixels.
///
/// # Shapes
/// `d_output`: `[N, out_channels, H', W']`; `d_bias`: `[out_channels]`.
///
/// # Errors
/// [`Error::Length`](crate::Error::Length) if `d_bias` has another length.
pub fn bias_gradient<T: Scalar>(d_output: FeatureMapsRef<'_, T>, d_bias: &mut [T]) -> Result<()> {
    let extent = d_output.extent();
    expect_len("gradient of the bias", extent.channels, d_bias.len())?;
    let pixels = extent.pixels();
    let mut lanes = vec![(); rayon::current_num_threads()];
    let disjoint = Disjoint::new(d_bias);
    for_each_item(extent.channels, extent.len(), &mut lanes, |channel, ()| {
        let total: f64 =
            (0..extent.batch).map(|n| sum(&d_output.image(n)[channel * pixels..][..pixels])).sum();
        // SAFETY: each item has an element of its own.
        let bias = unsafe { disjoint.part(channel..channel + 1) };
        bias[0] += T::from_f64(total);
    });
    Ok(())
}

/// The sum of a slice, in an order that depends on its length alone.
fn sum<T: Scalar>(values: &[T]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let chunks = values.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().map(|v| v.to_f64()).sum();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value.to_f64();
        }
    }
    lanes.iter().sum::<f64>() + rest
}
