//! The three products of patches, weights and gradients.
//!
//! Unsafe: Items of work write images, or partial sums, that do not overlap.

use super::PixelChunks;
use super::im2col::Patches;
use crate::conv::epilogue::Output;
use crate::conv::shape::ConvShape;
use crate::error::{Error, Result};
use crate::feature_maps::{Extent, FeatureMapsMut, FeatureMapsRef};
use crate::gemm::{self, Matrix, MatrixMut};
use crate::parallel::{Disjoint, for_each_item};
use crate::real::Real;

/// Partial sums over the images. A constant, so that the order of summation does
/// not depend on the number of threads.
const PARTIAL_SUMS: usize = 8;

/// `y = w * x`, or `y += w * x`; `weights` is `[out_channels, in_channels * kh * kw]`.
pub(in crate::conv) fn forward<T: Real>(
    shape: &ConvShape,
    weights: &[T],
    input: FeatureMapsRef<'_, T>,
    mut output: FeatureMapsMut<'_, T>,
    mode: Output,
) -> Result<()> {
    let (extent, reduction) = (output.extent(), shape.reduction());
    let (patches, images) = (Patches::new(shape, input.extent(), extent), nchw(input)?);
    let chunks = PixelChunks::new(extent.pixels(), reduction);
    let mut result = zeros(extent.len())?;
    let (in_len, out_len) = (input.extent().image_len(), extent.image_len());
    let items = Disjoint::new(&mut result);
    let mut lanes = lanes(reduction * chunks.chunk)?;
    for_each_item(extent.batch, extent.len().saturating_mul(reduction), &mut lanes, |n, lane| {
        let image = &images[n * in_len..(n + 1) * in_len];
        for pixels in chunks.ranges() {
            let gathered = &mut lane[..reduction * pixels.len()];
            patches.gather(image, 0..shape.in_channels, pixels.clone(), gathered);
            let columns = Matrix::new(gathered, reduction, pixels.len());
            let kernel = Matrix::new(weights, shape.out_channels, reduction);
            // SAFETY: `for_each_item` runs each item once, and item `n` writes image `n`.
            let image = unsafe { items.part(n * out_len..(n + 1) * out_len) };
            let size = [shape.out_channels, pixels.len()];
            let mut out = MatrixMut::with_row_stride(&mut image[pixels.start..], size, extent.pixels());
            gemm::multiply(kernel, columns, T::ZERO, &mut out);
        }
    });
    put(&mut output, &result, mode)
}

/// `dx = w^T * dy`, or `dx += w^T * dy`.
pub(in crate::conv) fn input_gradient<T: Real>(
    shape: &ConvShape,
    weights: &[T],
    d_output: FeatureMapsRef<'_, T>,
    mut d_input: FeatureMapsMut<'_, T>,
    mode: Output,
) -> Result<()> {
    let (extent, input, reduction) = (d_output.extent(), d_input.extent(), shape.reduction());
    let (patches, d_images) = (Patches::new(shape, input, extent), nchw(d_output)?);
    let chunks = PixelChunks::new(extent.pixels(), reduction);
    let mut result = zeros(input.len())?;
    let (in_len, out_len) = (input.image_len(), extent.image_len());
    let items = Disjoint::new(&mut result);
    let mut lanes = lanes(reduction * chunks.chunk)?;
    for_each_item(extent.batch, extent.len().saturating_mul(reduction), &mut lanes, |n, lane| {
        let d_image = &d_images[n * out_len..(n + 1) * out_len];
        // SAFETY: `for_each_item` runs each item once, and item `n` writes image `n`.
        let planes = unsafe { items.part(n * in_len..(n + 1) * in_len) };
        let kernel = Matrix::new(weights, shape.out_channels, reduction);
        for pixels in chunks.ranges() {
            let size = [shape.out_channels, pixels.len()];
            let d_columns = Matrix::with_row_stride(&d_image[pixels.start..], size, extent.pixels());
            let d_patches = &mut lane[..reduction * pixels.len()];
            let mut product = MatrixMut::new(d_patches, reduction, pixels.len());
            gemm::multiply(kernel.transposed(), d_columns, T::ZERO, &mut product);
            patches.scatter_add(d_patches, pixels, planes);
        }
    });
    put(&mut d_input, &result, mode)
}

/// `dw += dy (x) x`, summed over images and pixels.
pub(in crate::conv) fn weight_gradient<T: Real>(
    shape: &ConvShape,
    input: FeatureMapsRef<'_, T>,
    d_output: FeatureMapsRef<'_, T>,
    d_weights: &mut [T],
) -> Result<()> {
    let (extent, reduction) = (d_output.extent(), shape.reduction());
    let patches = Patches::new(shape, input.extent(), extent);
    let (images, d_images) = (nchw(input)?, nchw(d_output)?);
    let chunks = PixelChunks::new(extent.pixels(), reduction);
    let (in_len, out_len, len) = (input.extent().image_len(), extent.image_len(), d_weights.len());
    let sums = extent.batch.min(PARTIAL_SUMS);
    let mut partial = zeros(sums * len)?;
    let items = Disjoint::new(&mut partial);
    let mut lanes = lanes(reduction * chunks.chunk)?;
    for_each_item(sums, extent.len().saturating_mul(reduction), &mut lanes, |item, lane| {
        // SAFETY: `for_each_item` runs each item once, and the sums of items do not overlap.
        let sum = unsafe { items.part(item * len..(item + 1) * len) };
        let mut sum = MatrixMut::new(sum, shape.out_channels, reduction);
        for n in item * extent.batch / sums..(item + 1) * extent.batch / sums {
            let (image, d_image) = (&images[n * in_len..][..in_len], &d_images[n * out_len..][..out_len]);
            for pixels in chunks.ranges() {
                let gathered = &mut lane[..reduction * pixels.len()];
                patches.gather(image, 0..shape.in_channels, pixels.clone(), gathered);
                let columns = Matrix::new(gathered, reduction, pixels.len());
                let size = [shape.out_channels, pixels.len()];
                let d_columns = Matrix::with_row_stride(&d_image[pixels.start..], size, extent.pixels());
                gemm::multiply(d_columns, columns.transposed(), T::ONE, &mut sum);
            }
        }
    });
    for sum in partial.chunks_exact(len) {
        for (total, &part) in d_weights.iter_mut().zip(sum) {
            *total += part;
        }
    }
    Ok(())
}

impl Patches {
    fn new(shape: &ConvShape, input: Extent, output: Extent) -> Self {
        Self { shape: *shape, input: [input.height, input.width], output: [output.height, output.width] }
    }
}

fn lanes<T: Real>(len: usize) -> Result<Vec<Vec<T>>> {
    (0..rayon::current_num_threads()).map(|_| zeros(len)).collect()
}

/// As many zeros, if the system gives the memory.
fn zeros<T: Real>(len: usize) -> Result<Vec<T>> {
    let mut memory = Vec::new();
    let bytes = len.saturating_mul(size_of::<T>());
    memory.try_reserve_exact(len).map_err(|_| Error::Memory { what: "images and patches", bytes })?;
    memory.resize(len, T::ZERO);
    Ok(memory)
}

fn nchw<T: Real>(maps: FeatureMapsRef<'_, T>) -> Result<Vec<T>> {
    let mut images = zeros(maps.extent().len())?;
    maps.write_nchw(&mut images)?;
    Ok(images)
}

fn put<T: Real>(maps: &mut FeatureMapsMut<'_, T>, images: &[T], mode: Output) -> Result<()> {
    match mode {
        Output::Overwrite => maps.read_nchw(images),
        Output::Add => maps.add_nchw(images),
    }
}
