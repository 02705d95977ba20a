//! Rows of feature maps, as kernels address them.

use std::marker::PhantomData;
use std::ops::Range;

use super::layout::Layout;
use crate::parallel::for_each_range;
use crate::scalar::Scalar;

/// One row of one block of channels of one image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowPlace {
    pub(crate) image: usize,
    pub(crate) block: usize,
    pub(crate) row: usize,
}

/// Feature maps of which kernels read rows.
///
/// It holds an address and no slice, so that other sections of the same memory can be written
/// meanwhile ([`RowsMut::read_sections`]).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a, T> {
    start: *const T,
    len: usize,
    pub(crate) layout: Layout,
    borrow: PhantomData<&'a [T]>,
}

// SAFETY: the value stands for a shared borrow of the numbers it reads.
unsafe impl<T: Sync> Send for Rows<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Rows<'_, T> {}

impl<'a, T: Scalar> Rows<'a, T> {
    pub(super) fn new(data: &'a [T], layout: Layout) -> Self {
        Self { start: data.as_ptr(), len: data.len(), layout, borrow: PhantomData }
    }

    /// The pixels of a row, a block of channels each.
    #[inline(always)]
    pub(crate) fn row(&self, place: RowPlace) -> &'a [T] {
        self.part(place, 0, self.layout.extent.width)
    }

    /// Some pixels of a row, a block of channels each.
    ///
    /// # Panics
    /// If the pixels do not lie in the maps.
    #[inline(always)]
    pub(crate) fn part(&self, place: RowPlace, column: usize, count: usize) -> &'a [T] {
        let start = self.layout.offset(place.image, place.block, place.row, column);
        let len = count * self.layout.lanes;
        assert!(start + len <= self.len, "pixels outside of the feature maps");
        // SAFETY: the assertion keeps the slice inside the memory this handle borrows, and what
        // it borrows is not written while it lives.
        unsafe { std::slice::from_raw_parts(self.start.add(start), len) }
    }

    /// The address of a block of channels at a pixel.
    ///
    /// # Panics
    /// If the pixel does not lie in the maps.
    #[inline(always)]
    pub(crate) fn pixel(&self, image: usize, block: usize, row: usize, column: usize) -> *const T {
        self.part(RowPlace { image, block, row }, column, 1).as_ptr()
    }

    /// The address of the first number of the plane of a block, its halo included.
    ///
    /// # Panics
    /// If the plane does not lie in the maps.
    #[inline(always)]
    pub(crate) fn plane(&self, image: usize, block: usize) -> *const T {
        let start = image * self.layout.image_stride + block * self.layout.block_stride();
        assert!(start + self.layout.block_stride() <= self.len, "a plane outside of the feature maps");
        // SAFETY: the assertion keeps the address inside the memory this handle borrows.
        unsafe { self.start.add(start) }
    }
}

/// Feature maps of which several items of work write rows at the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowsMut<'a, T> {
    start: *mut T,
    len: usize,
    pub(crate) layout: Layout,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: the value stands for the exclusive borrow it was made from; the contract of
// its methods keeps the parts that threads see apart.
unsafe impl<T: Send> Send for RowsMut<'_, T> {}
// SAFETY: as above; sharing the handle gives no access without that contract.
unsafe impl<T: Send> Sync for RowsMut<'_, T> {}

impl<'a, T: Scalar> RowsMut<'a, T> {
    pub(super) fn new(data: &'a mut [T], layout: Layout) -> Self {
        Self { start: data.as_mut_ptr(), len: data.len(), layout, borrow: PhantomData }
    }

    /// The pixels of a row, a block of channels each.
    ///
    /// # Safety
    /// While the returned slice lives, nobody else may hold a part of the row.
    pub(crate) unsafe fn row(&self, place: RowPlace) -> &'a mut [T] {
        // SAFETY: the caller's promise is that of `part`.
        unsafe { self.part(place, 0, self.layout.extent.width) }
    }

    /// Some pixels of a row, a block of channels each.
    ///
    /// # Safety
    /// While the returned slice lives, nobody else may hold one of its pixels.
    ///
    /// # Panics
    /// If the pixels do not lie in the maps.
    pub(crate) unsafe fn part(&self, place: RowPlace, column: usize, count: usize) -> &'a mut [T] {
        let start = self.layout.offset(place.image, place.block, place.row, column);
        let len = count * self.layout.lanes;
        assert!(start + len <= self.len, "pixels outside of the feature maps");
        // SAFETY: the assertion keeps the slice inside the exclusive borrow this handle
        // stands for, and the caller keeps live parts apart.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }

    /// Some sections, to be read while others are written.
    ///
    /// # Safety
    /// While the result lives, nobody may write these sections.
    pub(crate) unsafe fn read_sections(&self, range: Range<usize>) -> Rows<'a, T> {
        let (layout, start) = self.layout.sections(&range);
        assert!(start <= self.len);
        // SAFETY: the assertion keeps the address inside the memory of the exclusive borrow this
        // handle stands for.
        let start_address = unsafe { self.start.add(start) };
        Rows { start: start_address, len: self.len - start, layout, borrow: PhantomData }
    }

    /// Calls `work` once for each row of each block of each image, from several threads.
    pub(crate) fn for_each_row(&self, work: impl Fn(RowPlace) + Sync) {
        for_each_row(&self.layout, self.layout.blocks(), work);
    }
}

/// Calls `work` once for each row of each of `blocks` blocks of each image, from several threads: all blocks of a row
/// before the next, so that threads have the rows they have in a convolution.
pub(crate) fn for_each_row(layout: &Layout, blocks: usize, work: impl Fn(RowPlace) + Sync) {
    let (height, width) = (layout.extent.height, layout.extent.width);
    let rows = layout.extent.batch * blocks * height;
    let elements = width * layout.lanes;
    for_each_range(rows, elements, |range| {
        for index in range {
            let (block, rest) = (index % blocks, index / blocks);
            work(RowPlace { image: rest / height, block, row: rest % height });
        }
    });
}
