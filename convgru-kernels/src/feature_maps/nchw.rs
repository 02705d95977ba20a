//! Between the layout of the kernels and `[N, C, H, W]`.
//!
//! Unsafe: Rows of maps and of channels are visited once.

use std::ops::Range;

use super::extent::expect_len;
use super::layout::MapLayout;
use super::rows::{RowPlace, for_each_row};
use super::view::{FeatureMapsMut, FeatureMapsRef};
use crate::error::Result;
use crate::parallel::Disjoint;
use crate::real::Real;

impl<T: Real> FeatureMapsRef<'_, T> {
    /// Writes the images out in `[N, C, H, W]` order.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the slice has another length than the view.
    pub fn write_nchw(&self, images: &mut [T]) -> Result<()> {
        let extent = self.extent();
        expect_len("images to write", extent.len(), images.len())?;
        if extent.is_empty() {
            return Ok(());
        }
        let (rows, layout) = (self.rows(), self.layout());
        let target = Disjoint::new(images);
        for_each_row(&layout, layout.blocks(), |place| {
            let row = rows.row(place);
            let channels = ChannelRows::of(&layout, place);
            // SAFETY: rows of channels do not overlap, `for_each_row` visits the row of a block once, and the
            // channels of blocks differ.
            let out = |lane| unsafe { target.part(channels.range(lane)) };
            let quads = channels.count / QUAD * QUAD;
            for lane in (0..quads).step_by(QUAD) {
                let mut out = [0, 1, 2, 3].map(|i| out(lane + i));
                let pixels = row.chunks_exact(QUAD * T::BLOCK);
                for (at, pixels) in pixels.enumerate() {
                    let pixel = |pixel| quad(pixels, pixel * T::BLOCK + lane);
                    let block = transposed([pixel(0), pixel(1), pixel(2), pixel(3)]);
                    for (i, out) in out.iter_mut().enumerate() {
                        let values = out[at * QUAD..][..QUAD].iter_mut().enumerate();
                        values.for_each(|(column, value)| *value = block[i][column]);
                    }
                }
                for column in extent.width / QUAD * QUAD..extent.width {
                    for (i, out) in out.iter_mut().enumerate() {
                        out[column] = row[column * T::BLOCK + lane + i];
                    }
                }
            }
            for lane in quads..channels.count {
                for (value, pixel) in out(lane).iter_mut().zip(row.chunks_exact(T::BLOCK)) {
                    *value = pixel[lane];
                }
            }
        });
        Ok(())
    }
}

impl<T: Real> FeatureMapsMut<'_, T> {
    /// Reads images in `[N, C, H, W]` order.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the slice has another length than the view.
    pub fn read_nchw(&mut self, images: &[T]) -> Result<()> {
        self.take(images, |target, value| *target = value)
    }

    /// Adds images in `[N, C, H, W]` order.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the slice has another length than the view.
    pub fn add_nchw(&mut self, images: &[T]) -> Result<()> {
        self.take(images, |target, value| *target += value)
    }

    fn take(&mut self, images: &[T], take: impl Fn(&mut T, T) + Sync) -> Result<()> {
        let extent = self.extent();
        expect_len("images to read", extent.len(), images.len())?;
        if extent.is_empty() {
            return Ok(());
        }
        let layout = self.layout();
        let rows = self.rows();
        rows.for_each_row(|place| {
            // SAFETY: `for_each_row` visits every row once, and the handle is of this call alone.
            let row = unsafe { rows.row(place) };
            let channels = ChannelRows::of(&layout, place);
            let quads = channels.count / QUAD * QUAD;
            for lane in (0..quads).step_by(QUAD) {
                let from = [0, 1, 2, 3].map(|i| &images[channels.range(lane + i)]);
                for (at, pixels) in row.chunks_exact_mut(QUAD * T::BLOCK).enumerate() {
                    let values = |i: usize| quad(from[i], at * QUAD);
                    let block = transposed([values(0), values(1), values(2), values(3)]);
                    for (at, pixel) in pixels.chunks_exact_mut(T::BLOCK).enumerate() {
                        let targets = pixel[lane..][..QUAD].iter_mut().enumerate();
                        targets.for_each(|(i, target)| take(target, block[at][i]));
                    }
                }
                for column in extent.width / QUAD * QUAD..extent.width {
                    for (i, values) in from.iter().enumerate() {
                        take(&mut row[column * T::BLOCK + lane + i], values[column]);
                    }
                }
            }
            for lane in quads..channels.count {
                let values = &images[channels.range(lane)];
                for (&value, pixel) in values.iter().zip(row.chunks_exact_mut(T::BLOCK)) {
                    take(&mut pixel[lane], value);
                }
            }
        });
        Ok(())
    }
}

/// Channels and pixels that change places at a time.
const QUAD: usize = 4;

#[inline(always)]
fn quad<T: Real>(values: &[T], at: usize) -> [T; QUAD] {
    let values = &values[at..at + QUAD];
    [values[0], values[1], values[2], values[3]]
}

/// The columns of a block as rows, which compilers make shuffles of.
#[inline(always)]
fn transposed<T: Real>([a, b, c, d]: [[T; QUAD]; QUAD]) -> [[T; QUAD]; QUAD] {
    let row = |i: usize| [a[i], b[i], c[i], d[i]];
    [row(0), row(1), row(2), row(3)]
}

/// The rows of the channels of a block in `[N, C, H, W]` order.
struct ChannelRows {
    /// Where the row of the first channel begins.
    start: usize,
    /// Channels.
    count: usize,
    /// Elements from a channel to the next.
    stride: usize,
    width: usize,
}

impl ChannelRows {
    fn of(layout: &MapLayout, place: RowPlace) -> Self {
        let extent = layout.extent();
        let channels = layout.channels().of_block(place.block);
        let first = (place.image * extent.channels + channels.start) * extent.height + place.row;
        let stride = extent.height * extent.width;
        Self { start: first * extent.width, count: channels.len(), stride, width: extent.width }
    }

    fn range(&self, lane: usize) -> Range<usize> {
        let start = self.start + lane * self.stride;
        start..start + self.width
    }
}
