//! Between images and the matrices of their patches.
//!
//! The patch matrix of an image has one row for each input channel and kernel
//! tap and one column for each output pixel: `[C * kh * kw, pixels]`. Only some
//! channels and some pixels of it exist at any time, so it stays in the cache.

use std::ops::Range;

use crate::conv::shape::ConvShape;
use crate::real::Real;

/// A convolution of one image size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patches {
    pub(super) shape: ConvShape,
    /// Height and width of the input.
    pub(super) input: [usize; 2],
    /// Height and width of the output.
    pub(super) output: [usize; 2],
}

impl Patches {
    /// Writes the rows of `channels` and the columns of `pixels` of the patch matrix.
    ///
    /// `image` is `[C, H, W]`; `patches` becomes `[channels * kh * kw, pixels]`.
    pub(super) fn gather<T: Real>(
        &self,
        image: &[T],
        channels: Range<usize>,
        pixels: Range<usize>,
        patches: &mut [T],
    ) {
        let plane_len = self.input[0] * self.input[1];
        let mut rows = patches.chunks_exact_mut(pixels.len().max(1));
        for channel in channels {
            let plane = &image[channel * plane_len..][..plane_len];
            for tap in 0..self.shape.taps() {
                let Some(row) = rows.next() else { return };
                self.pieces(tap, &pixels, |piece| {
                    let out = &mut row[piece.columns.clone()];
                    let (inside, from) = (piece.inside.clone(), piece.from);
                    out[..inside.start].fill(T::ZERO);
                    out[inside.end..].fill(T::ZERO);
                    if inside.is_empty() {
                        return;
                    }
                    let out = &mut out[inside];
                    match self.shape.stride[1] {
                        1 => out.copy_from_slice(&plane[from..from + out.len()]),
                        stride => {
                            for (value, &pixel) in out.iter_mut().zip(plane[from..].iter().step_by(stride)) {
                                *value = pixel;
                            }
                        }
                    }
                });
            }
        }
    }

    /// Adds the rows of the patch matrix to the pixels they were gathered from:
    /// the adjoint of [`gather`](Self::gather).
    ///
    /// `planes` is `[channels, H, W]`; `patches` is `[channels * kh * kw, pixels]`.
    pub(super) fn scatter_add<T: Real>(&self, patches: &[T], pixels: Range<usize>, planes: &mut [T]) {
        let plane_len = self.input[0] * self.input[1];
        let mut rows = patches.chunks_exact(pixels.len().max(1));
        for plane in planes.chunks_exact_mut(plane_len.max(1)) {
            for tap in 0..self.shape.taps() {
                let Some(row) = rows.next() else { return };
                self.pieces(tap, &pixels, |piece| {
                    if piece.inside.is_empty() {
                        return;
                    }
                    let values = &row[piece.columns.clone()][piece.inside.clone()];
                    match self.shape.stride[1] {
                        1 => {
                            for (pixel, &value) in plane[piece.from..].iter_mut().zip(values) {
                                *pixel += value;
                            }
                        }
                        stride => {
                            for (pixel, &value) in plane[piece.from..].iter_mut().step_by(stride).zip(values)
                            {
                                *pixel += value;
                            }
                        }
                    }
                });
            }
        }
    }

    /// Calls `visit` for each piece of an output row among `pixels`, with the place
    /// of its inputs under kernel tap `tap`.
    fn pieces(&self, tap: usize, pixels: &Range<usize>, mut visit: impl FnMut(RowPiece)) {
        let [tap_row, tap_column] = [tap / self.shape.kernel[1], tap % self.shape.kernel[1]];
        let [stride_row, stride_column] = self.shape.stride;
        // Input position = output position * stride + tap * dilation - padding.
        let shift_row = tap_row * self.shape.dilation[0];
        let shift_column = tap_column * self.shape.dilation[1];
        let (top, left) = (self.shape.padding.top, self.shape.padding.left);
        let [height, width] = self.input;
        // The output columns whose input column lies in 0..width.
        let first = left.saturating_sub(shift_column).div_ceil(stride_column);
        let end = (width + left).saturating_sub(shift_column).div_ceil(stride_column);

        let columns = self.output[1];
        let mut pixel = pixels.start;
        while pixel < pixels.end {
            let (row, column) = (pixel / columns, pixel % columns);
            let len = (columns - column).min(pixels.end - pixel);
            let offset = pixel - pixels.start;
            let padded_row = row * stride_row + shift_row;
            let inside = if (top..top + height).contains(&padded_row) {
                let start = first.clamp(column, column + len) - column;
                let end = end.clamp(column, column + len) - column;
                start..end.max(start)
            } else {
                0..0
            };
            let from = if inside.is_empty() {
                0
            } else {
                (padded_row - top) * width + (column + inside.start) * stride_column + shift_column - left
            };
            visit(RowPiece { columns: offset..offset + len, inside, from });
            pixel += len;
        }
    }
}

/// A piece of one output row.
struct RowPiece {
    /// Its columns in the patch matrix.
    columns: Range<usize>,
    /// The range of these, counted from the first, whose input lies in the image.
    inside: Range<usize>,
    /// The input pixel of the first of those, in its plane.
    from: usize,
}
