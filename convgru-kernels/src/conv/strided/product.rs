//! The three products of patches, weights and gradients.
//!
//! Unsafe: Items of work write images, or partial sums, that do not overlap.

use super::PixelChunks;
use super::im2col::Patches;
use crate::conv::epilogue::WriteMode;
use crate::conv::shape::ConvShape;
use crate::error::Result;
use crate::feature_maps::{Extent, FeatureMapsMut, FeatureMapsRef};
use crate::gemm::{self, Matrix, MatrixMut};
use crate::parallel::{Disjoint, for_each_item};
use crate::real::Real;
use crate::scratchpad::{Requirement, Scratch};

/// Partial sums over the images. A constant, so that the order of summation does
/// not depend on the number of threads.
const PARTIAL_SUMS: usize = 8;

/// A convolution with any stride, of some images, and its gradients.
pub(in crate::conv) struct StridedConvolution {
    patches: Patches,
    chunks: PixelChunks,
    input: Extent,
    output: Extent,
}

impl StridedConvolution {
    pub(in crate::conv) fn new(shape: &ConvShape, input: Extent, output: Extent) -> Self {
        let sizes = [input, output].map(|extent| [extent.height, extent.width]);
        let patches = Patches { shape: *shape, input: sizes[0], output: sizes[1] };
        let chunks = PixelChunks::new(output.pixels(), shape.reduction());
        Self { patches, chunks, input, output }
    }

    /// Patches for each thread; images of input and output, which both the convolution and the gradient of its input
    /// need.
    pub(in crate::conv) fn scratch(&self) -> Requirement {
        let lane = self.patches.shape.reduction() * self.chunks.chunk;
        Requirement { lane, shared: self.input.len() + self.output.len(), ..Requirement::default() }
    }

    /// As [`scratch`](Self::scratch), with partial sums of the gradient of the weights.
    pub(in crate::conv) fn weight_gradient_scratch(&self) -> Requirement {
        let sums = self.sums() * self.patches.shape.weight_len();
        let images = self.scratch();
        Requirement { shared: images.shared + sums, ..images }
    }

    /// Partial sums of the gradient of the weights.
    fn sums(&self) -> usize {
        self.output.batch.min(PARTIAL_SUMS)
    }

    /// Multiplications and additions of each product.
    fn operations(&self) -> usize {
        self.output.len().saturating_mul(self.patches.shape.reduction())
    }

    /// `y = w * x`, or `y += w * x`; `weights` is `[out_channels, in_channels * kh * kw]`.
    pub(in crate::conv) fn forward<T: Real>(
        &self,
        weights: &[T],
        input: FeatureMapsRef<'_, T>,
        mut output: FeatureMapsMut<'_, T>,
        mode: WriteMode,
        memory: Scratch<'_, T>,
    ) -> Result<()> {
        let Self { patches, chunks, .. } = self;
        let (shape, reduction, pixels) = (&patches.shape, patches.shape.reduction(), self.output.pixels());
        let (images, result) = memory.shared.split_at_mut(self.input.len());
        input.write_nchw(images)?;
        let (images, in_len, out_len) = (&*images, self.input.image_len(), self.output.image_len());
        let items = Disjoint::new(&mut *result);
        for_each_item(self.output.batch, self.operations(), memory.lanes, |n, lane| {
            let image = &images[n * in_len..(n + 1) * in_len];
            // SAFETY: `for_each_item` runs each item once, and item `n` writes image `n`.
            let out = unsafe { items.part(n * out_len..(n + 1) * out_len) };
            for range in chunks.ranges() {
                let size = [shape.out_channels, range.len()];
                let gathered = &mut lane[..reduction * range.len()];
                patches.gather(image, 0..shape.in_channels, range.clone(), gathered);
                let columns = Matrix::new(gathered, reduction, range.len());
                let kernel = Matrix::new(weights, shape.out_channels, reduction);
                let mut out = MatrixMut::with_row_stride(&mut out[range.start..], size, pixels);
                gemm::multiply(kernel, columns, T::ZERO, &mut out);
            }
        });
        put(&mut output, result, mode)
    }

    /// `dx = w^T * dy`, or `dx += w^T * dy`.
    pub(in crate::conv) fn input_gradient<T: Real>(
        &self,
        weights: &[T],
        d_output: FeatureMapsRef<'_, T>,
        mut d_input: FeatureMapsMut<'_, T>,
        mode: WriteMode,
        memory: Scratch<'_, T>,
    ) -> Result<()> {
        let Self { patches, chunks, .. } = self;
        let (shape, reduction, pixels) = (&patches.shape, patches.shape.reduction(), self.output.pixels());
        let (d_images, result) = memory.shared.split_at_mut(self.output.len());
        d_output.write_nchw(d_images)?;
        let (d_images, in_len, out_len) = (&*d_images, self.input.image_len(), self.output.image_len());
        let items = Disjoint::new(&mut *result);
        for_each_item(self.output.batch, self.operations(), memory.lanes, |n, lane| {
            let d_image = &d_images[n * out_len..(n + 1) * out_len];
            // SAFETY: `for_each_item` runs each item once, and item `n` writes image `n`.
            let planes = unsafe { items.part(n * in_len..(n + 1) * in_len) };
            planes.fill(T::ZERO);
            let kernel = Matrix::new(weights, shape.out_channels, reduction);
            for range in chunks.ranges() {
                let size = [shape.out_channels, range.len()];
                let d_columns = Matrix::with_row_stride(&d_image[range.start..], size, pixels);
                let d_patches = &mut lane[..reduction * range.len()];
                let mut product = MatrixMut::new(d_patches, reduction, range.len());
                gemm::multiply(kernel.transposed(), d_columns, T::ZERO, &mut product);
                patches.scatter_add(d_patches, range, planes);
            }
        });
        put(&mut d_input, result, mode)
    }

    /// `dw += dy (x) x`, summed over images and pixels.
    pub(in crate::conv) fn weight_gradient<T: Real>(
        &self,
        input: FeatureMapsRef<'_, T>,
        d_output: FeatureMapsRef<'_, T>,
        d_weights: &mut [T],
        memory: Scratch<'_, T>,
    ) -> Result<()> {
        let Self { patches, chunks, .. } = self;
        let (shape, reduction, pixels) = (&patches.shape, patches.shape.reduction(), self.output.pixels());
        let (images, rest) = memory.shared.split_at_mut(self.input.len());
        let (d_images, partial) = rest.split_at_mut(self.output.len());
        input.write_nchw(images)?;
        d_output.write_nchw(d_images)?;
        let (images, d_images) = (&*images, &*d_images);
        let (in_len, out_len, len) = (self.input.image_len(), self.output.image_len(), d_weights.len());
        let (batch, sums) = (self.output.batch, self.sums());
        let items = Disjoint::new(&mut *partial);
        for_each_item(sums, self.operations(), memory.lanes, |item, lane| {
            // SAFETY: `for_each_item` runs each item once, and the sums of items do not overlap.
            let sum = unsafe { items.part(item * len..(item + 1) * len) };
            sum.fill(T::ZERO);
            let mut sum = MatrixMut::new(sum, shape.out_channels, reduction);
            for n in item * batch / sums..(item + 1) * batch / sums {
                let (image, d_image) = (&images[n * in_len..][..in_len], &d_images[n * out_len..][..out_len]);
                for range in chunks.ranges() {
                    let size = [shape.out_channels, range.len()];
                    let gathered = &mut lane[..reduction * range.len()];
                    patches.gather(image, 0..shape.in_channels, range.clone(), gathered);
                    let columns = Matrix::new(gathered, reduction, range.len());
                    let d_columns = Matrix::with_row_stride(&d_image[range.start..], size, pixels);
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
}

fn put<T: Real>(maps: &mut FeatureMapsMut<'_, T>, images: &[T], mode: WriteMode) -> Result<()> {
    match mode {
        WriteMode::Overwrite => maps.read_nchw(images),
        WriteMode::Add => maps.add_nchw(images),
    }
}
