//! Batches of feature maps in the layout the kernels work in.
//!
//! The layout is private: callers move images in and out at the border
//! ([`FeatureMaps::read_nchw`], [`FeatureMaps::write_nchw`]) and hand whole
//! batches, ranges of images or ranges of channels from one kernel to the next.
//! It is `[N, C, H, W]` today; a kernel that wants another layout changes this
//! file and the kernels, and nothing above them.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::scalar::Scalar;

/// The size of a batch of feature maps: `[N, C, H, W]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Extent {
    /// Number of images, N. A sequence is a batch of `T * N` images.
    pub batch: usize,
    /// Number of channels of each image, C.
    pub channels: usize,
    /// Rows of each channel, H.
    pub height: usize,
    /// Columns of each channel, W.
    pub width: usize,
}

impl Extent {
    /// The four dimensions as `[N, C, H, W]`.
    pub fn dims(self) -> [usize; 4] {
        [self.batch, self.channels, self.height, self.width]
    }

    /// Pixels of one channel of one image: `H * W`.
    pub fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Numbers in one image: `C * H * W`.
    pub fn image_len(self) -> usize {
        self.channels * self.pixels()
    }

    /// Numbers in the batch: `N * C * H * W`.
    pub fn len(self) -> usize {
        self.batch * self.image_len()
    }

    /// Whether the batch holds no number at all.
    pub fn is_empty(self) -> bool {
        self.dims().contains(&0)
    }

    /// The same extent with another number of channels.
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// The same extent with another number of images.
    pub fn with_batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    fn checked_len(self, what: &'static str) -> Result<usize> {
        self.dims()
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .filter(|&n| n <= isize::MAX as usize / size_of::<f64>())
            .ok_or(Error::Overflow { what, extent: self.dims() })
    }
}

/// An owned batch of feature maps.
#[derive(Debug, Clone, Default)]
pub struct FeatureMaps<T> {
    extent: Extent,
    data: Vec<T>,
}

impl<T: Scalar> FeatureMaps<T> {
    /// A batch of zeros.
    ///
    /// # Errors
    /// [`Error::Overflow`] if the extent has more elements than memory has addresses.
    pub fn zeros(extent: Extent) -> Result<Self> {
        let len = extent.checked_len("feature maps")?;
        Ok(Self { extent, data: vec![T::ZERO; len] })
    }

    /// A batch holding the given images.
    ///
    /// # Shapes
    /// `images`: `[N, C, H, W]` in memory order.
    ///
    /// # Errors
    /// [`Error::Length`] if the slice has another length than the extent.
    pub fn from_nchw(extent: Extent, images: &[T]) -> Result<Self> {
        let mut maps = Self::zeros(extent)?;
        maps.as_mut().read_nchw(images)?;
        Ok(maps)
    }

    /// Gives the batch another extent, reusing its memory where it suffices.
    /// The contents are unspecified afterwards.
    ///
    /// # Errors
    /// [`Error::Overflow`] if the extent has more elements than memory has addresses.
    pub fn resize(&mut self, extent: Extent) -> Result<()> {
        let len = extent.checked_len("feature maps")?;
        self.data.resize(len, T::ZERO);
        self.extent = extent;
        Ok(())
    }

    /// The size of the batch.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Sets every number to zero.
    pub fn set_zero(&mut self) {
        self.data.fill(T::ZERO);
    }

    /// The whole batch, to be read.
    pub fn as_ref(&self) -> FeatureMapsRef<'_, T> {
        FeatureMapsRef { data: &self.data, extent: self.extent, image_stride: self.extent.image_len() }
    }

    /// The whole batch, to be written.
    pub fn as_mut(&mut self) -> FeatureMapsMut<'_, T> {
        FeatureMapsMut { image_stride: self.extent.image_len(), extent: self.extent, data: &mut self.data }
    }

    /// The images of a range, to be read.
    pub fn images(&self, range: Range<usize>) -> FeatureMapsRef<'_, T> {
        self.as_ref().images(range)
    }

    /// The images of a range, to be written.
    pub fn images_mut(&mut self, range: Range<usize>) -> FeatureMapsMut<'_, T> {
        self.as_mut().into_images(range)
    }

    /// Two ranges of images at once: those before `middle`, to be read, and those
    /// from `middle` on, to be written. A recurrence reads one step and writes the next.
    pub fn split_at(&mut self, middle: usize) -> (FeatureMapsRef<'_, T>, FeatureMapsMut<'_, T>) {
        let stride = self.extent.image_len();
        let (before, after) = self.data.split_at_mut(middle * stride);
        let rest = self.extent.batch - middle;
        (
            FeatureMapsRef { data: before, extent: self.extent.with_batch(middle), image_stride: stride },
            FeatureMapsMut { data: after, extent: self.extent.with_batch(rest), image_stride: stride },
        )
    }
}

/// A batch of feature maps, a range of its images or of its channels, to be read.
#[derive(Debug, Clone, Copy)]
pub struct FeatureMapsRef<'a, T> {
    data: &'a [T],
    extent: Extent,
    image_stride: usize,
}

impl<'a, T: Scalar> FeatureMapsRef<'a, T> {
    /// The size of the view.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// The images of a range.
    pub fn images(self, range: Range<usize>) -> Self {
        assert!(range.end <= self.extent.batch, "images {range:?} of {}", self.extent.batch);
        let start = (range.start * self.image_stride).min(self.data.len());
        Self { data: &self.data[start..], extent: self.extent.with_batch(range.len()), ..self }
    }

    /// The channels of a range, of every image.
    pub fn channels(self, range: Range<usize>) -> Self {
        assert!(range.end <= self.extent.channels, "channels {range:?} of {}", self.extent.channels);
        let start = (range.start * self.extent.pixels()).min(self.data.len());
        Self { data: &self.data[start..], extent: self.extent.with_channels(range.len()), ..self }
    }

    /// Writes the images out in `[N, C, H, W]` order.
    ///
    /// # Errors
    /// [`Error::Length`] if the slice has another length than the view.
    pub fn write_nchw(&self, images: &mut [T]) -> Result<()> {
        expect_len("images to write", self.extent.len(), images.len())?;
        let len = self.extent.image_len();
        if len > 0 {
            for (n, image) in images.chunks_exact_mut(len).enumerate() {
                image.copy_from_slice(self.image(n));
            }
        }
        Ok(())
    }

    /// All channels of image `n`, `[C, H, W]`.
    pub(crate) fn image(&self, n: usize) -> &'a [T] {
        &self.data[n * self.image_stride..][..self.extent.image_len()]
    }
}

/// A batch of feature maps, a range of its images or of its channels, to be written.
#[derive(Debug)]
pub struct FeatureMapsMut<'a, T> {
    data: &'a mut [T],
    extent: Extent,
    image_stride: usize,
}

impl<'a, T: Scalar> FeatureMapsMut<'a, T> {
    /// The size of the view.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// The same view, for a shorter time.
    pub fn reborrow(&mut self) -> FeatureMapsMut<'_, T> {
        FeatureMapsMut { data: self.data, extent: self.extent, image_stride: self.image_stride }
    }

    /// The same view, to be read.
    pub fn as_ref(&self) -> FeatureMapsRef<'_, T> {
        FeatureMapsRef { data: self.data, extent: self.extent, image_stride: self.image_stride }
    }

    /// The images of a range.
    pub fn into_images(self, range: Range<usize>) -> Self {
        assert!(range.end <= self.extent.batch, "images {range:?} of {}", self.extent.batch);
        let start = (range.start * self.image_stride).min(self.data.len());
        Self { data: &mut self.data[start..], extent: self.extent.with_batch(range.len()), ..self }
    }

    /// The channels of a range, of every image.
    pub fn into_channels(self, range: Range<usize>) -> Self {
        assert!(range.end <= self.extent.channels, "channels {range:?} of {}", self.extent.channels);
        let start = (range.start * self.extent.pixels()).min(self.data.len());
        Self { data: &mut self.data[start..], extent: self.extent.with_channels(range.len()), ..self }
    }

    /// Reads images in `[N, C, H, W]` order.
    ///
    /// # Errors
    /// [`Error::Length`] if the slice has another length than the view.
    pub fn read_nchw(&mut self, images: &[T]) -> Result<()> {
        expect_len("images to read", self.extent.len(), images.len())?;
        let len = self.extent.image_len();
        if len > 0 {
            for (n, image) in images.chunks_exact(len).enumerate() {
                self.image_mut(n).copy_from_slice(image);
            }
        }
        Ok(())
    }

    /// Adds images in `[N, C, H, W]` order.
    ///
    /// # Errors
    /// [`Error::Length`] if the slice has another length than the view.
    pub fn add_nchw(&mut self, images: &[T]) -> Result<()> {
        expect_len("images to add", self.extent.len(), images.len())?;
        let len = self.extent.image_len();
        if len > 0 {
            for (n, image) in images.chunks_exact(len).enumerate() {
                for (a, &b) in self.image_mut(n).iter_mut().zip(image) {
                    *a += b;
                }
            }
        }
        Ok(())
    }

    /// Copies another view of the same extent.
    ///
    /// # Errors
    /// [`Error::Extent`] if the extents differ.
    pub fn copy_from(&mut self, other: FeatureMapsRef<'_, T>) -> Result<()> {
        expect_extent("feature maps to copy", self.extent, other.extent)?;
        for n in 0..self.extent.batch {
            self.image_mut(n).copy_from_slice(other.image(n));
        }
        Ok(())
    }

    /// Adds another view of the same extent, number by number.
    ///
    /// # Errors
    /// [`Error::Extent`] if the extents differ.
    pub fn add(&mut self, other: FeatureMapsRef<'_, T>) -> Result<()> {
        expect_extent("feature maps to add", self.extent, other.extent)?;
        for n in 0..self.extent.batch {
            for (a, &b) in self.image_mut(n).iter_mut().zip(other.image(n)) {
                *a += b;
            }
        }
        Ok(())
    }

    /// Sets every number to zero.
    pub fn set_zero(&mut self) {
        for n in 0..self.extent.batch {
            self.image_mut(n).fill(T::ZERO);
        }
    }

    /// All channels of image `n`, `[C, H, W]`.
    pub(crate) fn image_mut(&mut self, n: usize) -> &mut [T] {
        &mut self.data[n * self.image_stride..][..self.extent.image_len()]
    }

    /// Elements from one image to the next in [`as_mut_slice`](Self::as_mut_slice).
    pub(crate) fn image_stride(&self) -> usize {
        self.image_stride
    }

    /// The memory of the view, from its first image on.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        self.data
    }
}

/// Fails unless the extents agree.
pub(crate) fn expect_extent(what: &'static str, expected: Extent, got: Extent) -> Result<()> {
    if expected == got {
        return Ok(());
    }
    Err(Error::Extent { what, expected: expected.dims(), got: got.dims() })
}

/// Fails unless a slice has the expected length.
pub(crate) fn expect_len(what: &'static str, expected: usize, got: usize) -> Result<()> {
    if expected == got { Ok(()) } else { Err(Error::Length { what, expected, got }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent { batch: 3, channels: 4, height: 2, width: 5 };

    #[test]
    fn images_come_out_as_they_went_in() {
        let images: Vec<f32> = (0..EXTENT.len()).map(|i| i as f32).collect();
        let maps = FeatureMaps::from_nchw(EXTENT, &images).unwrap();
        let mut out = vec![f32::NAN; images.len()];
        maps.as_ref().write_nchw(&mut out).unwrap();
        assert_eq!(out, images);
    }

    #[test]
    fn views_select_images_and_channels() {
        let images: Vec<f32> = (0..EXTENT.len()).map(|i| i as f32).collect();
        let maps = FeatureMaps::from_nchw(EXTENT, &images).unwrap();
        let view = maps.images(1..3).channels(2..3);
        let mut out = vec![0.0; 2 * 10];
        view.write_nchw(&mut out).unwrap();
        assert_eq!(out[..3], [60.0, 61.0, 62.0]);
        assert_eq!(out[10..13], [100.0, 101.0, 102.0]);
    }

    #[test]
    fn absurd_extents_are_refused() {
        let extent = Extent { batch: usize::MAX, channels: 2, height: 1, width: 1 };
        assert!(matches!(FeatureMaps::<f32>::zeros(extent), Err(Error::Overflow { .. })));
    }
}
