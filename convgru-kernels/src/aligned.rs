//! Memory that begins at a cache line.

use std::ops::{Deref, DerefMut};

use crate::scalar::Scalar;

/// Bytes of a cache line.
const LINE: usize = 64;

/// A run of numbers that begins at a cache line, so that blocks of channels never lie across two.
///
/// It is whole lines of a vector that is a line less one number longer. Memory that is asked for with an
/// alignment is not cleared by the system as it is first touched, and once freed does not serve for the
/// same size again.
#[derive(Debug)]
pub(crate) struct Aligned<T> {
    memory: Vec<T>,
    /// Numbers before the first line.
    start: usize,
    len: usize,
}

impl<T> Default for Aligned<T> {
    fn default() -> Self {
        Self { memory: Vec::new(), start: 0, len: 0 }
    }
}

impl<T: Clone> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let mut memory = self.memory.clone();
        // Lines begin elsewhere in other memory.
        let start = before_line(&memory);
        if start > self.start {
            memory.rotate_right(start - self.start);
        } else {
            memory.rotate_left(self.start - start);
        }
        Self { memory, start, len: self.len }
    }
}

/// Elements before the first that begins at a line.
fn before_line<T>(memory: &[T]) -> usize {
    (memory.as_ptr() as usize).wrapping_neg() % LINE / size_of::<T>()
}

impl<T: Scalar> Aligned<T> {
    /// As many zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let of_line = LINE / size_of::<T>();
        let memory = vec![T::ZERO; len.next_multiple_of(of_line) + of_line - 1];
        Self { start: before_line(&memory), memory, len }
    }

    /// Makes room for at least `len` numbers. If there was less they are all zero then; nothing is given
    /// back.
    pub(crate) fn grow(&mut self, len: usize) {
        if len > self.len {
            // The old memory can be a part of the new.
            *self = Self::default();
            *self = Self::zeros(len);
        }
    }
}

impl<T: Scalar> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl<T: Scalar> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_begins_at_a_line_and_does_not_shrink() {
        for len in [0, 1, 17, 5000] {
            let mut memory = Aligned::<f32>::zeros(len);
            memory.fill(3.0);
            let copy = memory.clone();
            assert!(copy.len() == len && copy.iter().all(|&v| v == 3.0));
            memory.grow(100);
            assert_eq!(memory.len(), len.max(100));
            for memory in [&memory, &copy] {
                assert_eq!(memory.as_ptr() as usize % LINE, 0);
            }
        }
    }
}
