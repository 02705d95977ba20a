//! Memory that begins at a cache line, in large pages where there is much of it.
//!
//! Unsafe: Memory is allocated for `len` numbers, by the allocator with `layout(len)` or as a mapping, and holds
//! numbers from the start, for every bit pattern is one.

#[cfg_attr(any(not(target_os = "linux"), miri), path = "no_mapping.rs")]
mod mapping;
mod store;

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use self::mapping::Mapping;
use crate::error::{Error, Result};
use crate::parallel::{Disjoint, for_each_range};
use crate::real::Real;

pub use self::store::release_memory;

/// Bytes of a cache line, at which all memory begins.
const LINE: usize = 64;

/// A run of numbers that begins at a cache line, so that blocks of channels never lie across two.
///
/// Two MiB or more are mapped from the system on Linux, which is asked for large pages: a kernel then
/// meets a five-hundredth of the page faults, and the processor's table of pages holds all of its
/// weights. What is dropped is kept for the next, which saves clearing it ([`release_memory`]).
pub(crate) struct Aligned<T> {
    start: NonNull<T>,
    len: usize,
    /// Where the memory comes from, if it is not of the allocator.
    mapping: Option<Mapping>,
}

// SAFETY: the value owns its memory, as a `Vec` does.
unsafe impl<T: Send> Send for Aligned<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Aligned<T> {}

impl<T> Default for Aligned<T> {
    fn default() -> Self {
        Self { start: NonNull::dangling(), len: 0, mapping: None }
    }
}

impl<T> Aligned<T> {
    /// As many numbers, whichever.
    ///
    /// # Errors
    /// [`Error::Memory`] if the system does not give the memory.
    pub(crate) fn unspecified(what: &'static str, len: usize) -> Result<Self> {
        if len == 0 {
            return Ok(Self::default());
        }
        let refused = Error::Memory { what, bytes: len.saturating_mul(size_of::<T>()) };
        let Some(layout) = layout::<T>(len) else { return Err(refused) };
        if let Some(mapping) = store::take(layout.size()) {
            return Ok(Self { start: mapping.start().cast(), len, mapping: Some(mapping) });
        }
        // SAFETY: the layout has a size, for there is at least one number.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(refused)?;
        Ok(Self { start: start.cast(), len, mapping: None })
    }
}

impl<T: Real> Aligned<T> {
    /// As many zeros.
    ///
    /// # Errors
    /// [`Error::Memory`] if the system does not give the memory.
    pub(crate) fn zeros(what: &'static str, len: usize) -> Result<Self> {
        let mut memory = Self::unspecified(what, len)?;
        if memory.mapping.as_ref().is_some_and(|mapping| !mapping.is_zero()) {
            let parts = Disjoint::new(&mut memory);
            // SAFETY: the ranges of `for_each_range` do not overlap.
            for_each_range(len, 1, |range| unsafe { parts.part(range).fill(T::ZERO) });
        }
        Ok(memory)
    }

    /// Makes room for at least `len` numbers, whichever if there was less; nothing is given back.
    ///
    /// # Errors
    /// [`Error::Memory`] if the system does not give the memory.
    pub(crate) fn grow(&mut self, what: &'static str, len: usize) -> Result<()> {
        if len > self.len {
            // The old memory can serve as a part of the new.
            *self = Self::default();
            *self = Self::unspecified(what, len)?;
        }
        Ok(())
    }
}

/// The memory of `len` numbers, in whole lines; `None` if it is beyond memory addresses.
fn layout<T>(len: usize) -> Option<Layout> {
    let bytes = len.checked_mul(size_of::<T>())?.checked_next_multiple_of(LINE)?;
    Layout::from_size_align(bytes, LINE).ok()
}

impl<T> Drop for Aligned<T> {
    fn drop(&mut self) {
        if let Some(mapping) = self.mapping.take() {
            store::keep(mapping);
        } else if let Some(layout) = layout::<T>(self.len).filter(|layout| layout.size() > 0) {
            // SAFETY: `unspecified` allocated the memory with this layout, for there are numbers and no mapping.
            unsafe { dealloc(self.start.cast().as_ptr(), layout) };
        }
    }
}

impl<T: Clone> Clone for Aligned<T> {
    /// A copy.
    ///
    /// # Panics
    /// As a `Vec` ends the program, if the system does not give the memory.
    fn clone(&self) -> Self {
        let memory = Self::unspecified("a copy", self.len);
        let copy = memory.unwrap_or_else(|_| match layout::<T>(self.len) {
            Some(layout) => handle_alloc_error(layout),
            None => unreachable!("the memory of {} numbers is there to be copied", self.len),
        });
        for index in 0..self.len {
            // SAFETY: `unspecified` got memory for `len` numbers for both, and nobody else has the copy.
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

impl<T: Real> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `unspecified` got memory for `len` numbers, whose bits are zero at first or those of other
        // numbers; of none the address may dangle.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Real> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: `unspecified` got memory for `len` numbers, as in `deref`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_begins_at_a_line_and_grows() {
        let mut memory = Aligned::<f32>::zeros("a test", 17).unwrap();
        memory[16] = 3.0;
        memory.grow("a test", 5).unwrap();
        assert_eq!((memory.len(), memory[16]), (17, 3.0));
        let copy = memory.clone();
        memory.grow("a test", 100).unwrap();
        memory.fill(1.0);
        assert_eq!((memory.len(), memory.iter().sum::<f32>()), (100, 100.0));
        assert_eq!(memory.as_ptr() as usize % LINE, 0);
        assert_eq!((copy.len(), copy[16]), (17, 3.0));
        assert!(Aligned::<f64>::zeros("a test", 0).unwrap().is_empty());
    }

    #[test]
    fn more_than_the_system_has_is_an_error() {
        for len in [usize::MAX, usize::MAX / 4, isize::MAX as usize / 4, 1 << 52] {
            let error = Aligned::<f32>::zeros("a test", len).unwrap_err();
            assert!(error.to_string().starts_with("a test: the system does not give"), "{error}");
        }
    }

    #[test]
    fn zeros_are_zero_whoever_had_the_memory_before() {
        for len in [17, (2 << 20) / 4 - 1, (2 << 20) / 4, (6 << 20) / 4 + 3] {
            for _ in 0..3 {
                let mut memory = Aligned::<f32>::zeros("a test", len).unwrap();
                assert_eq!(memory.as_ptr() as usize % LINE, 0);
                assert!(memory.iter().all(|&x| x == 0.0));
                memory.fill(f32::NAN);
                let copy = memory.clone();
                assert!(copy.len() == len && copy.iter().all(|x| x.is_nan()));
            }
        }
    }
}
