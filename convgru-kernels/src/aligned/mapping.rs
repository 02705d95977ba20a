//! Memory mapped from the system.
//!
//! Unsafe: A mapping owns the pages that `mmap` gave it, parts and unions of mappings own theirs, and each page is
//! unmapped once.

use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// Which call of `mmap` gave the memory: an address of it reaches no other's, though that may lie beside it.
    origin: usize,
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
        static ORIGINS: AtomicUsize = AtomicUsize::new(0);
        let origin = ORIGINS.fetch_add(1, Ordering::Relaxed);
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
            NonNull::new(first.cast()).map(|start| Self { start, size, zero: true, origin })
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
    pub(super) fn used(mut self) -> Self {
        self.zero = false;
        self
    }

    /// The part from byte `at` on, a multiple of [`size_for`](Self::size_for) less than the size. What
    /// lies before stays here.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        assert!(at > 0 && at < self.size && at.is_multiple_of(PAGES), "{at} of {}", self.size);
        // SAFETY: the assertion keeps the byte inside the memory.
        let start = unsafe { self.start.byte_add(at) };
        let rest = Self { start, size: self.size - at, ..*self };
        self.size = at;
        rest
    }

    /// One mapping of both if they are parts of one and the other begins where this one ends, or both back.
    pub(super) fn join(mut self, other: Self) -> Result<Self, [Self; 2]> {
        let end = self.start.as_ptr().wrapping_add(self.size);
        if self.origin != other.origin || end != other.start.as_ptr() {
            return Err([self, other]);
        }
        // The other's memory stays mapped.
        let other = ManuallyDrop::new(other);
        (self.size, self.zero) = (self.size + other.size, self.zero && other.zero);
        Ok(self)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `new` mapped as many bytes there, and nobody has them any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.size) };
    }
}
