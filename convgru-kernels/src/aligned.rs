//! Memory that begins at a cache line.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use crate::scalar::Scalar;

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u64; 8]);

/// A growable run of numbers that begins at a cache line, so that blocks of channels
/// never lie across two.
#[derive(Debug, Clone)]
pub(crate) struct Aligned<T> {
    lines: Vec<Line>,
    len: usize,
    number: PhantomData<T>,
}

impl<T> Default for Aligned<T> {
    fn default() -> Self {
        Self { lines: Vec::new(), len: 0, number: PhantomData }
    }
}

impl<T: Scalar> Aligned<T> {
    const PER_LINE: usize = size_of::<Line>() / size_of::<T>();

    /// As many zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Self { lines: vec![Line([0; 8]); len.div_ceil(Self::PER_LINE)], len, number: PhantomData }
    }

    /// Makes room for at least `len` numbers. What is new is zero, and nothing is given back.
    pub(crate) fn grow(&mut self, len: usize) {
        if len > self.len {
            self.lines.resize(len.div_ceil(Self::PER_LINE), Line([0; 8]));
            self.len = len;
        }
    }
}

impl<T: Scalar> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the lines hold at least `len` numbers (both constructors), all bits of
        // which are numbers, and a line is aligned for them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Scalar> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_begins_at_a_line_and_keeps_its_numbers() {
        let mut memory = Aligned::<f32>::zeros(17);
        memory[16] = 3.0;
        memory.grow(100);
        assert_eq!((memory.len(), memory[16], memory[99]), (100, 3.0, 0.0));
        assert_eq!(memory.as_ptr() as usize % 64, 0);
        memory.grow(5);
        assert_eq!(memory.len(), 100);
    }
}
