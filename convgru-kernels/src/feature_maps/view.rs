//! Batches of feature maps that belong to somebody else, whole or in part.
//!
//! Unsafe: Rows are visited once by a handle that nobody else has.

use std::ops::Range;

use super::extent::Extent;
use super::layout::{MapLayout, expect_layout};
use super::rows::{RowPlace, Rows, RowsMut};
use crate::error::Result;
use crate::real::Real;

/// A batch of feature maps, a range of its images or some of its sections, to be read.
#[derive(Debug, Clone, Copy)]
pub struct FeatureMapsRef<'a, T> {
    data: &'a [T],
    layout: MapLayout,
}

impl<'a, T: Real> FeatureMapsRef<'a, T> {
    pub(super) fn new(data: &'a [T], layout: MapLayout) -> Self {
        Self { data, layout }
    }

    /// The size of the view.
    pub fn extent(&self) -> Extent {
        self.layout.extent()
    }

    /// The images of a range.
    ///
    /// # Panics
    /// As a slice does, if the range ends before it begins or behind the last image.
    pub fn images(self, range: Range<usize>) -> Self {
        let (layout, start) = self.layout.images_of(&range);
        Self { data: &self.data[start.min(self.data.len())..], layout }
    }

    /// The sections of a range, of every image.
    ///
    /// # Panics
    /// As a slice does, if the range ends before it begins or behind the last section.
    pub fn sections(self, range: Range<usize>) -> Self {
        let (layout, start) = self.layout.sections_of(&range);
        Self { data: &self.data[start.min(self.data.len())..], layout }
    }

    pub(crate) fn layout(&self) -> MapLayout {
        self.layout
    }

    /// The rows of the view, to be read by kernels.
    pub(crate) fn rows(&self) -> Rows<'a, T> {
        Rows::new(self.data, self.layout)
    }
}

/// A batch of feature maps, a range of its images or some of its sections, to be written.
#[derive(Debug)]
pub struct FeatureMapsMut<'a, T> {
    data: &'a mut [T],
    layout: MapLayout,
}

impl<'a, T: Real> FeatureMapsMut<'a, T> {
    pub(super) fn new(data: &'a mut [T], layout: MapLayout) -> Self {
        Self { data, layout }
    }

    /// The size of the view.
    pub fn extent(&self) -> Extent {
        self.layout.extent()
    }

    /// The same view, for a shorter time.
    pub fn reborrow(&mut self) -> FeatureMapsMut<'_, T> {
        FeatureMapsMut { data: self.data, layout: self.layout }
    }

    /// The same view, to be read.
    pub fn as_ref(&self) -> FeatureMapsRef<'_, T> {
        FeatureMapsRef { data: self.data, layout: self.layout }
    }

    /// The images of a range.
    ///
    /// # Panics
    /// As a slice does, if the range ends before it begins or behind the last image.
    pub fn into_images(self, range: Range<usize>) -> Self {
        let (layout, start) = self.layout.images_of(&range);
        let start = start.min(self.data.len());
        Self { data: &mut self.data[start..], layout }
    }

    /// The sections of a range, of every image.
    ///
    /// # Panics
    /// As a slice does, if the range ends before it begins or behind the last section.
    pub fn into_sections(self, range: Range<usize>) -> Self {
        let (layout, start) = self.layout.sections_of(&range);
        let start = start.min(self.data.len());
        Self { data: &mut self.data[start..], layout }
    }

    /// Copies another view of the same extent and sections.
    ///
    /// # Errors
    /// [`Error::Extent`](crate::Error::Extent) or [`Error::Sections`](crate::Error::Sections) if they differ.
    pub fn copy_from(&mut self, other: FeatureMapsRef<'_, T>) -> Result<()> {
        self.copy_rows(other.rows())
    }

    /// Copies maps of the same extent and sections.
    ///
    /// # Errors
    /// [`Error::Extent`](crate::Error::Extent) or [`Error::Sections`](crate::Error::Sections) if they differ.
    pub(crate) fn copy_rows(&mut self, other: Rows<'_, T>) -> Result<()> {
        self.combine("feature maps to copy", other, |target, values| target.copy_from_slice(values))
    }

    /// Adds another view of the same extent and sections, number by number.
    ///
    /// # Errors
    /// [`Error::Extent`](crate::Error::Extent) or [`Error::Sections`](crate::Error::Sections) if they differ.
    pub fn add(&mut self, other: FeatureMapsRef<'_, T>) -> Result<()> {
        self.combine("feature maps to add", other.rows(), |target, values| {
            for (a, &b) in target.iter_mut().zip(values) {
                *a += b;
            }
        })
    }

    /// Sets every number to zero.
    pub fn set_zero(&mut self) {
        self.write_rows(|_, row| row.fill(T::ZERO));
    }

    /// Calls `work` once with each row of each block of each image, from several threads.
    pub(super) fn write_rows(&mut self, work: impl Fn(RowPlace, &mut [T]) + Sync) {
        let rows = self.rows();
        rows.for_each_row(|place| {
            // SAFETY: `for_each_row` visits every row once, and the handle is of this call alone.
            work(place, unsafe { rows.row(place) });
        });
    }

    /// Calls `work` once with each row and the same row of maps of the same extent and sections.
    ///
    /// # Errors
    /// [`Error::Extent`](crate::Error::Extent) or [`Error::Sections`](crate::Error::Sections) if they differ.
    pub(super) fn combine(
        &mut self,
        what: &'static str,
        others: Rows<'_, T>,
        work: impl Fn(&mut [T], &[T]) + Sync,
    ) -> Result<()> {
        expect_layout(what, others.layout(), self.layout.extent(), self.layout.sections())?;
        self.write_rows(|place, row| work(row, others.row(place)));
        Ok(())
    }

    pub(crate) fn layout(&self) -> MapLayout {
        self.layout
    }

    /// The rows of the view, to be written by kernels.
    pub(crate) fn rows(&mut self) -> RowsMut<'_, T> {
        RowsMut::new(self.data, self.layout)
    }
}
