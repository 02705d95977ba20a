//! Batches of feature maps in the layout the kernels work in.
//!
//! The layout is private (`layout`): callers move images in and out at the border
//! ([`FeatureMapsMut::read_nchw`], [`FeatureMapsRef::write_nchw`]) and hand whole
//! batches, ranges of images or sections of channels from one kernel to the next.

mod channels;
mod depth;
mod extent;
mod layout;
mod nchw;
mod rectifier;
mod rows;
mod view;

use std::ops::Range;

pub(crate) use channels::Channels;
pub use extent::Extent;
pub(crate) use extent::{count, expect_extent, expect_len};
pub(crate) use layout::{MapLayout, expect_layout};
pub(crate) use rectifier::expect_slope;
pub(crate) use rows::{RowPlace, Rows, RowsMut, for_each_row};
pub use view::{FeatureMapsMut, FeatureMapsRef};

use crate::aligned::Aligned;
use crate::error::Result;
use crate::real::Real;

/// An owned batch of feature maps.
///
/// Around each channel lies a halo of zeros, by default none. A convolution whose kernel
/// reaches no further over the edge than the halo reads the images where they are;
/// otherwise it makes itself a copy with a wider halo.
#[derive(Debug, Clone)]
pub struct FeatureMaps<T> {
    layout: MapLayout,
    data: Aligned<T>,
}

impl<T: Real> FeatureMaps<T> {
    /// A batch of zeros without a halo.
    ///
    /// # Errors
    /// [`Error::Overflow`](crate::Error::Overflow) if the extent has more elements than memory has addresses,
    /// [`Error::Memory`](crate::Error::Memory) if the system does not give as much.
    pub fn zeros(extent: Extent) -> Result<Self> {
        Self::sectioned(extent, 1, [0, 0])
    }

    /// A batch of zeros with a halo of `[rows, columns]` on each side.
    ///
    /// # Errors
    /// As [`zeros`](Self::zeros).
    pub fn with_halo(extent: Extent, halo: [usize; 2]) -> Result<Self> {
        Self::sectioned(extent, 1, halo)
    }

    /// A batch of zeros whose channels are `sections` equal parts that can be taken
    /// apart ([`FeatureMapsRef::sections`]), as the gates of a cell.
    ///
    /// # Errors
    /// As [`zeros`](Self::zeros), and [`Error::Division`](crate::Error::Division) if the channels cannot be
    /// divided into as many parts.
    pub fn sectioned(extent: Extent, sections: usize, halo: [usize; 2]) -> Result<Self> {
        let layout = MapLayout::new::<T>(extent, sections, halo)?;
        Ok(Self { layout, data: Aligned::zeros("feature maps", layout.len())? })
    }

    /// A batch holding the given images, without a halo.
    ///
    /// # Shapes
    /// `images`: `[N, C, H, W]` in memory order.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the slice has another length than the extent, and those of
    /// [`zeros`](Self::zeros).
    pub fn from_nchw(extent: Extent, images: &[T]) -> Result<Self> {
        expect_len("images to read", extent.len(), images.len())?;
        let mut maps = Self::zeros(extent)?;
        maps.as_mut().read_nchw(images)?;
        Ok(maps)
    }

    /// The size of the batch.
    pub fn extent(&self) -> Extent {
        self.layout.extent()
    }

    /// Rows and columns of zeros on each side of each channel.
    pub fn halo(&self) -> [usize; 2] {
        self.layout.halo()
    }

    /// Sets every number to zero.
    pub fn set_zero(&mut self) {
        self.data.fill(T::ZERO);
    }

    /// The whole batch, to be read.
    pub fn as_ref(&self) -> FeatureMapsRef<'_, T> {
        FeatureMapsRef::new(&self.data, self.layout)
    }

    /// The whole batch, to be written.
    pub fn as_mut(&mut self) -> FeatureMapsMut<'_, T> {
        FeatureMapsMut::new(&mut self.data, self.layout)
    }

    /// The images of a range, to be read.
    ///
    /// # Panics
    /// As a slice does, if the range ends before it begins or behind the last image.
    pub fn images(&self, range: Range<usize>) -> FeatureMapsRef<'_, T> {
        self.as_ref().images(range)
    }

    /// The images of a range, to be written.
    ///
    /// # Panics
    /// As a slice does, if the range ends before it begins or behind the last image.
    pub fn images_mut(&mut self, range: Range<usize>) -> FeatureMapsMut<'_, T> {
        self.as_mut().into_images(range)
    }

    /// Two ranges of images at once: those before `middle`, to be read, and those
    /// from `middle` on, to be written. A recurrence reads one step and writes the next.
    ///
    /// # Panics
    /// As a slice does, if there are fewer images than `middle`.
    pub fn split_at(&mut self, middle: usize) -> (FeatureMapsRef<'_, T>, FeatureMapsMut<'_, T>) {
        let batch = self.layout.extent().batch;
        let ((first, _), (second, start)) =
            (self.layout.images_of(&(0..middle)), self.layout.images_of(&(middle..batch)));
        let (before, after) = self.data.split_at_mut(start);
        (FeatureMapsRef::new(before, first), FeatureMapsMut::new(after, second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    const EXTENT: Extent = Extent { batch: 3, channels: 4, height: 2, width: 5 };

    fn numbered(sections: usize, halo: [usize; 2]) -> (FeatureMaps<f32>, Vec<f32>) {
        let images: Vec<f32> = (0..EXTENT.len()).map(|i| i as f32).collect();
        let mut maps = FeatureMaps::sectioned(EXTENT, sections, halo).unwrap();
        maps.as_mut().read_nchw(&images).unwrap();
        (maps, images)
    }

    #[test]
    fn images_come_out_as_they_went_in() {
        for (sections, halo) in [(1, [0, 0]), (2, [1, 2]), (4, [3, 0])] {
            let (maps, images) = numbered(sections, halo);
            let mut out = vec![f32::NAN; images.len()];
            maps.as_ref().write_nchw(&mut out).unwrap();
            assert_eq!(out, images);
        }
    }

    #[test]
    fn the_halo_and_unused_lanes_stay_zero() {
        let (mut maps, images) = numbered(2, [1, 2]);
        maps.as_mut().add_nchw(&images).unwrap();
        assert_eq!(maps.data.iter().sum::<f32>(), 2.0 * images.iter().sum::<f32>());
        let inside = maps.data.iter().filter(|value| **value != 0.0).count();
        assert_eq!(inside, images.len() - 1); // the first number is zero
    }

    #[test]
    fn views_select_images_and_sections() {
        let (maps, _) = numbered(4, [0, 1]);
        let view = maps.images(1..3).sections(2..3);
        let mut out = vec![0.0; 2 * 10];
        view.write_nchw(&mut out).unwrap();
        assert_eq!(out[..3], [60.0, 61.0, 62.0]);
        assert_eq!(out[10..13], [100.0, 101.0, 102.0]);
    }

    #[test]
    fn absurd_extents_are_refused() {
        for extent in [
            Extent { batch: usize::MAX, channels: 2, height: 1, width: 1 },
            Extent { batch: 1, channels: usize::MAX, height: 1, width: 1 },
            Extent { batch: 1, channels: 1, height: usize::MAX, width: 2 },
        ] {
            assert!(matches!(FeatureMaps::<f32>::zeros(extent), Err(Error::Overflow { .. })));
        }
        let extent = Extent { batch: 1, channels: 1, height: 1, width: 1 };
        assert!(FeatureMaps::<f32>::with_halo(extent, [usize::MAX, 1]).is_err());
    }
}
