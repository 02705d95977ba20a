//! Rows of feature maps, as kernels address them.
//!
//! Unsafe: Handles stand for the borrow they are made of; slices and addresses they give are compared with its
//! length, and addresses to be written derive from one exclusive borrow.

use std::marker::PhantomData;
use std::ops::Range;

use super::layout::MapLayout;
use crate::parallel::for_each_range;
use crate::real::Real;

/// One row of one block of channels of one image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowPlace {
    pub(crate) image: usize,
    pub(crate) block: usize,
    pub(crate) row: usize,
}

impl RowPlace {
    /// Whether some pixels of the row lie in maps, and not in a row or a block beside it.
    fn is_in(self, layout: &MapLayout, column: usize, count: usize) -> bool {
        let extent = layout.extent();
        let row = self.image < extent.batch && self.block < layout.blocks() && self.row < extent.height;
        row && column + count <= extent.width
    }
}

/// Feature maps of which kernels read rows.
///
/// It holds an address and no slice, so that other sections of the same memory can be written
/// meanwhile ([`RowsMut::read_sections`]): slices that it gives hold its own sections alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a, T> {
    start: *const T,
    len: usize,
    layout: MapLayout,
    borrow: PhantomData<&'a [T]>,
}

// SAFETY: the value stands for a shared borrow of the numbers it reads.
unsafe impl<T: Sync> Send for Rows<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Rows<'_, T> {}

impl<'a, T: Real> Rows<'a, T> {
    pub(super) fn new(data: &'a [T], layout: MapLayout) -> Self {
        Self { start: data.as_ptr(), len: data.len(), layout, borrow: PhantomData }
    }

    /// Where the numbers lie.
    #[inline(always)]
    pub(crate) fn layout(&self) -> &MapLayout {
        &self.layout
    }

    /// The pixels of a row, a block of channels each.
    #[inline(always)]
    pub(crate) fn row(&self, place: RowPlace) -> &'a [T] {
        self.part(place, 0, self.layout.extent().width)
    }

    /// Some pixels of a row, a block of channels each.
    ///
    /// # Panics
    /// If the pixels do not lie in the maps.
    #[inline(always)]
    pub(crate) fn part(&self, place: RowPlace, column: usize, count: usize) -> &'a [T] {
        debug_assert!(place.is_in(&self.layout, column, count), "{place:?}, {count} from {column}");
        let start = self.layout.offset(place.image, place.block, place.row, column);
        self.slice(start, count * self.layout.lanes())
    }

    /// All planes of an image, their halos included.
    ///
    /// # Panics
    /// If there are fewer images.
    #[inline(always)]
    pub(crate) fn image(&self, image: usize) -> &'a [T] {
        let layout = &self.layout;
        self.slice(image * layout.image_stride(), layout.blocks() * layout.block_stride())
    }

    #[inline(always)]
    fn slice(&self, start: usize, len: usize) -> &'a [T] {
        assert!(start <= self.len && len <= self.len - start, "pixels outside of the feature maps");
        // SAFETY: the assertion keeps the slice inside the memory of the borrow that `new` or `read_sections`
        // took, and nobody writes what lies in these sections while it lasts.
        unsafe { std::slice::from_raw_parts(self.start.add(start), len) }
    }
}

/// Feature maps of which several items of work write rows at the same time.
///
/// It gives addresses, all of them derived from one exclusive borrow, and no slices: several handles of the same
/// maps may read and write the same pixels one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowsMut<'a, T> {
    start: *mut T,
    len: usize,
    layout: MapLayout,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: the value stands for the exclusive borrow it was made from. Sending it sends addresses: what reads
// or writes there says itself why no other thread does.
unsafe impl<T: Send> Send for RowsMut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for RowsMut<'_, T> {}

impl<'a, T: Real> RowsMut<'a, T> {
    pub(super) fn new(data: &'a mut [T], layout: MapLayout) -> Self {
        Self { start: data.as_mut_ptr(), len: data.len(), layout, borrow: PhantomData }
    }

    /// The pixels of a row, a block of channels each.
    ///
    /// # Safety
    /// While the returned slice lives, nobody else may read or write the row.
    #[inline(always)]
    pub(crate) unsafe fn row(&self, place: RowPlace) -> &'a mut [T] {
        let width = self.layout.extent().width;
        let start = self.address(place, 0, width);
        // SAFETY: `address` checked that `width` pixels from there on lie in the exclusive borrow this handle
        // stands for, and by the contract nobody else has them.
        unsafe { std::slice::from_raw_parts_mut(start, width * self.layout.lanes()) }
    }

    /// The address of some pixels of a row, a block of channels each: `count` blocks from there on lie in
    /// the maps.
    ///
    /// # Panics
    /// If the pixels do not lie in the maps.
    #[inline(always)]
    pub(crate) fn address(&self, place: RowPlace, column: usize, count: usize) -> *mut T {
        debug_assert!(place.is_in(&self.layout, column, count), "{place:?}, {count} from {column}");
        let start = self.layout.offset(place.image, place.block, place.row, column);
        let len = count * self.layout.lanes();
        assert!(start <= self.len && len <= self.len - start, "pixels outside of the feature maps");
        // SAFETY: the assertion keeps the address inside the exclusive borrow this handle stands for.
        unsafe { self.start.add(start) }
    }

    /// Some sections, to be read while others are written.
    ///
    /// # Safety
    /// While the result and the slices it gives live, nobody may write these sections.
    ///
    /// # Panics
    /// If there are fewer sections.
    pub(crate) unsafe fn read_sections(&self, range: Range<usize>) -> Rows<'a, T> {
        let (layout, start) = self.layout.sections_of(&range);
        let start = start.min(self.len);
        // SAFETY: the address lies in the memory of the exclusive borrow this handle stands for, or at its end.
        let first = unsafe { self.start.add(start) };
        Rows { start: first, len: self.len - start, layout, borrow: PhantomData }
    }

    /// Calls `work` once for each row of each block of each image, from several threads.
    pub(crate) fn for_each_row(&self, work: impl Fn(RowPlace) + Sync) {
        for_each_row(&self.layout, self.layout.blocks(), work);
    }
}

/// Calls `work` once for each row of each of `blocks` blocks of each image, from several threads: all blocks of a row
/// before the next, so that threads have the rows they have in a convolution. Rows without pixels are left out.
pub(crate) fn for_each_row(layout: &MapLayout, blocks: usize, work: impl Fn(RowPlace) + Sync) {
    let (height, width) = (layout.extent().height, layout.extent().width);
    let rows = if width == 0 { 0 } else { layout.extent().batch * blocks * height };
    let elements = width * layout.lanes();
    for_each_range(rows, elements, |range| {
        for index in range {
            let (block, rest) = (index % blocks, index / blocks);
            work(RowPlace { image: rest / height, block, row: rest % height });
        }
    });
}
