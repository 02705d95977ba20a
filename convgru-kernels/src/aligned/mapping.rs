//! Memory mapped from the system.
//!
//! Unsafe: A mapping owns the pages that `mmap` gave it, parts and unions of mappings own theirs, and each page is
//! unmapped once.

use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

/// Bytes of a large page.
const LARGE_PAGE: usize = 2 << 20;

/// A multiple of the size of every page that is not large.
const PAGES: usize = 64 << 10;

/// Memory of the system in large pages where it has such, or a part of that.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    size: usize,
    zero: bool,
}

// SAFETY: the value owns its memory, as a `Vec` does.
unsafe impl Send for Mapping {}
// SAFETY: shared, it only tells where the memory is.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Bytes of a mapping for so many bytes, where one is used.
    pub(super) fn size_for(bytes: usize) -> Option<usize> {
        if bytes >= LARGE_PAGE { bytes.checked_next_multiple_of(PAGES) } else { None }
    }

    /// Zeros from the system that begin at a large page, if it has as many; a size of
    /// [`size_for`](Self::size_for).
    pub(super) fn new(size: usize) -> Option<Self> {
        let len = size.checked_add(LARGE_PAGE)?;
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping touches no other; it is a large page longer than needed, and what lies
        // before the first large page and behind the size is given back.
        unsafe {
            let start = libc::mmap(ptr::null_mut(), len, access, kind, -1, 0);
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
            NonNull::new(first.cast()).map(|start| Self { start, size, zero: true })
        }
    }

    /// The first byte.
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Bytes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Whether nobody has had the memory yet, so that all of it is zero.
    pub(super) fn is_zero(&self) -> bool {
        self.zero
    }

    /// The same memory, after somebody had it.
    pub(super) fn used(self) -> Self {
        let (start, size, _) = self.into_parts();
        Self { start, size, zero: false }
    }

    /// The part from byte `at` on, a multiple of [`size_for`](Self::size_for) less than the size. What
    /// lies before stays here.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        assert!(at > 0 && at < self.size && at.is_multiple_of(PAGES), "{at} of {}", self.size);
        // SAFETY: the assertion keeps the byte inside the memory.
        let start = unsafe { self.start.byte_add(at) };
        let rest = Self { start, size: self.size - at, zero: self.zero };
        self.size = at;
        rest
    }

    /// One mapping of both if the other begins where this one ends, or both back.
    pub(super) fn join(self, other: Self) -> Result<Self, [Self; 2]> {
        if self.start.as_ptr() as usize + self.size != other.start.as_ptr() as usize {
            return Err([self, other]);
        }
        let ((start, first, zero), (_, second, other_zero)) = (self.into_parts(), other.into_parts());
        Ok(Self { start, size: first + second, zero: zero && other_zero })
    }

    /// Start, size, and whether it is zero; the memory stays mapped.
    fn into_parts(self) -> (NonNull<u8>, usize, bool) {
        let mapping = ManuallyDrop::new(self);
        (mapping.start, mapping.size, mapping.zero)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `new` mapped as many bytes there, and nobody has them any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.size) };
    }
}
