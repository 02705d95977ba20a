//! Between the layout of the kernels and `[N, C, H, W]`.

use super::extent::expect_len;
use super::rows::{RowPlace, for_each_row};
use super::view::{FeatureMapsMut, FeatureMapsRef};
use crate::error::Result;
use crate::parallel::Disjoint;
use crate::scalar::Scalar;

impl<T: Scalar> FeatureMapsRef<'_, T> {
    /// Writes the images out in `[N, C, H, W]` order.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the slice has another length than the view.
    pub fn write_nchw(&self, images: &mut [T]) -> Result<()> {
        T::write_nchw(self, images)
    }
}

impl<T: Scalar> FeatureMapsMut<'_, T> {
    /// Reads images in `[N, C, H, W]` order.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the slice has another length than the view.
    pub fn read_nchw(&mut self, images: &[T]) -> Result<()> {
        T::read_nchw(self, images)
    }

    /// Adds images in `[N, C, H, W]` order.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the slice has another length than the view.
    pub fn add_nchw(&mut self, images: &[T]) -> Result<()> {
        T::add_nchw(self, images)
    }
}

pub(crate) fn write<T: Scalar>(maps: &FeatureMapsRef<'_, T>, images: &mut [T]) -> Result<()> {
    let extent = maps.extent();
    expect_len("images to write", extent.len(), images.len())?;
    if extent.is_empty() {
        return Ok(());
    }
    let (rows, layout) = (maps.rows(), maps.layout());
    let target = Disjoint::new(images);
    for_each_row(&layout, layout.blocks(), |place| {
        let row = rows.row(place);
        for (lane, start) in nchw_rows(&layout, place).enumerate() {
            // SAFETY: every row of every channel is visited once.
            let out = unsafe { target.part(start..start + extent.width) };
            for (value, pixel) in out.iter_mut().zip(row.chunks_exact(T::BLOCK)) {
                *value = pixel[lane];
            }
        }
    });
    Ok(())
}

pub(crate) fn read<T: Scalar>(maps: &mut FeatureMapsMut<'_, T>, images: &[T]) -> Result<()> {
    take(maps, images, |target, value| *target = value)
}

pub(crate) fn add<T: Scalar>(maps: &mut FeatureMapsMut<'_, T>, images: &[T]) -> Result<()> {
    take(maps, images, |target, value| *target += value)
}

fn take<T: Scalar>(
    maps: &mut FeatureMapsMut<'_, T>,
    images: &[T],
    take: impl Fn(&mut T, T) + Sync,
) -> Result<()> {
    let extent = maps.extent();
    expect_len("images to read", extent.len(), images.len())?;
    if extent.is_empty() {
        return Ok(());
    }
    let layout = maps.layout();
    let rows = maps.rows();
    rows.for_each_row(|place| {
        // SAFETY: every row is visited once.
        let row = unsafe { rows.row(place) };
        for (lane, start) in nchw_rows(&layout, place).enumerate() {
            let values = &images[start..start + extent.width];
            for (&value, pixel) in values.iter().zip(row.chunks_exact_mut(T::BLOCK)) {
                take(&mut pixel[lane], value);
            }
        }
    });
    Ok(())
}

/// Where the rows of the channels of a block begin in `[N, C, H, W]` order.
fn nchw_rows(layout: &super::Layout, place: RowPlace) -> impl Iterator<Item = usize> {
    let extent = layout.extent;
    layout
        .channels()
        .of_block(place.block)
        .map(move |c| ((place.image * extent.channels + c) * extent.height + place.row) * extent.width)
}
