//! Memory that begins at a cache line, in large pages where there is much of it.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use crate::scalar::Scalar;

/// Bytes of a cache line, at which all memory begins.
const LINE: usize = 64;

/// A run of numbers that begins at a cache line, so that blocks of channels never lie across two.
///
/// Two MiB or more are mapped from the system on Linux, which is asked for large pages: a kernel then
/// meets a five-hundredth of the page faults, and the processor's table of pages holds all of its
/// weights. What is given back serves others at once.
pub(crate) struct Aligned<T> {
    start: NonNull<T>,
    len: usize,
}

// SAFETY: the value owns its memory, as a `Vec` does.
unsafe impl<T: Send> Send for Aligned<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Aligned<T> {}

impl<T> Default for Aligned<T> {
    fn default() -> Self {
        Self { start: NonNull::dangling(), len: 0 }
    }
}

impl<T: Scalar> Aligned<T> {
    /// As many zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Self { start: allocate(len), len }
    }

    /// Makes room for at least `len` numbers. If there was less they are all zero then; nothing is given
    /// back.
    pub(crate) fn grow(&mut self, len: usize) {
        if len > self.len {
            // The old memory can serve as a part of the new.
            *self = Self::default();
            *self = Self::zeros(len);
        }
    }
}

/// The memory of `len` numbers, in whole lines.
///
/// # Panics
/// If they are beyond memory addresses, which the makers of layouts rule out.
fn layout<T>(len: usize) -> Layout {
    let bytes = len.checked_mul(size_of::<T>()).and_then(|bytes| bytes.checked_next_multiple_of(LINE));
    let bytes = bytes.expect("a layout within memory addresses");
    Layout::from_size_align(bytes, LINE).expect("a layout within memory addresses")
}

/// Memory for `len` numbers, all of whose bits are zero.
fn allocate<T>(len: usize) -> NonNull<T> {
    if len == 0 {
        return NonNull::dangling();
    }
    let layout = layout::<T>(len);
    let start = match mapping::size(layout.size()) {
        Some(size) => mapping::take(size),
        // SAFETY: the layout has a size.
        None => NonNull::new(unsafe { alloc_zeroed(layout) }),
    };
    start.unwrap_or_else(|| handle_alloc_error(layout)).cast()
}

impl<T> Drop for Aligned<T> {
    fn drop(&mut self) {
        if self.len == 0 {
            return;
        }
        let (layout, start) = (layout::<T>(self.len), self.start.cast());
        match mapping::size(layout.size()) {
            // SAFETY: `allocate` took it for as many numbers.
            Some(size) => unsafe { mapping::give_back(start, size) },
            // SAFETY: as above, with this layout.
            None => unsafe { dealloc(start.as_ptr(), layout) },
        }
    }
}

#[cfg(target_os = "linux")]
mod mapping {
    use std::ptr::{self, NonNull};

    /// Bytes of a large page.
    const LARGE_PAGE: usize = 2 << 20;

    /// A multiple of the size of every page that is not large.
    const PAGES: usize = 64 << 10;

    /// Bytes of a mapping for so many bytes, where one is used.
    pub(super) fn size(bytes: usize) -> Option<usize> {
        (bytes >= LARGE_PAGE).then(|| bytes.next_multiple_of(PAGES))
    }

    /// Zeros that begin at a large page, in such pages where the system has them.
    pub(super) fn take(size: usize) -> Option<NonNull<u8>> {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping touches no other; it is a large page longer than needed, and what lies
        // before the first large page and behind the size is given back.
        unsafe {
            let start = libc::mmap(ptr::null_mut(), size + LARGE_PAGE, access, kind, -1, 0);
            if start == libc::MAP_FAILED {
                return None;
            }
            let before = (start as usize).wrapping_neg() % LARGE_PAGE;
            let (first, behind) = (start.byte_add(before), LARGE_PAGE - before);
            if before > 0 {
                libc::munmap(start, before);
            }
            if behind > 0 {
                libc::munmap(first.byte_add(size), behind);
            }
            // It may refuse; the memory is the same.
            libc::madvise(first, size / LARGE_PAGE * LARGE_PAGE, libc::MADV_HUGEPAGE);
            NonNull::new(first.cast())
        }
    }

    /// # Safety
    /// The memory must be of [`take`], with this size, and nobody's any more.
    pub(super) unsafe fn give_back(start: NonNull<u8>, size: usize) {
        // SAFETY: the caller's promise.
        unsafe { libc::munmap(start.as_ptr().cast(), size) };
    }
}

#[cfg(not(target_os = "linux"))]
mod mapping {
    use std::ptr::NonNull;

    pub(super) fn size(_: usize) -> Option<usize> {
        None
    }

    pub(super) fn take(_: usize) -> Option<NonNull<u8>> {
        None
    }

    pub(super) unsafe fn give_back(_: NonNull<u8>, _: usize) {}
}

impl<T: Clone> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let copy = Self { start: allocate(self.len), len: self.len };
        for index in 0..self.len {
            // SAFETY: both have memory for `len` numbers.
            unsafe {
                let value = &*self.start.as_ptr().add(index);
                copy.start.as_ptr().add(index).write(value.clone());
            }
        }
        copy
    }
}

impl<T> fmt::Debug for Aligned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aligned").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<T: Scalar> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the memory holds `len` numbers, all bits zero at first; of none the address may dangle.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Scalar> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_begins_at_a_line_and_is_zero_when_it_grows() {
        let mut memory = Aligned::<f32>::zeros(17);
        memory[16] = 3.0;
        memory.grow(5);
        assert_eq!((memory.len(), memory[16]), (17, 3.0));
        let copy = memory.clone();
        memory.grow(100);
        assert_eq!((memory.len(), memory.iter().sum::<f32>()), (100, 0.0));
        assert_eq!(memory.as_ptr() as usize % LINE, 0);
        assert_eq!((copy.len(), copy[16]), (17, 3.0));
        assert!(Aligned::<f64>::zeros(0).is_empty());
    }

    #[test]
    fn much_memory_is_zero_and_all_of_it_can_be_written() {
        for len in [(2 << 20) / 4 - 1, (2 << 20) / 4, (6 << 20) / 4 + 3] {
            let mut memory = Aligned::<f32>::zeros(len);
            assert_eq!(memory.as_ptr() as usize % LINE, 0);
            assert!(memory.iter().all(|&x| x == 0.0));
            memory.fill(1.0);
            let copy = memory.clone();
            memory.grow(len + 1);
            assert!(memory.iter().all(|&x| x == 0.0) && copy.iter().all(|&x| x == 1.0));
        }
    }
}
