//! Matrices as slices with strides, checked once when they are described.

use std::marker::PhantomData;

use super::{Operand, OperandMut};

/// A matrix to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    data: &'a [T],
    size: [usize; 2],
    strides: [usize; 2],
}

impl<'a, T> Matrix<'a, T> {
    /// A row-major matrix at the start of a slice.
    pub(crate) fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self::with_row_stride(data, [rows, columns], columns)
    }

    /// A matrix whose rows lie `row_stride` elements apart.
    pub(crate) fn with_row_stride(data: &'a [T], [rows, columns]: [usize; 2], row_stride: usize) -> Self {
        assert!(last(rows, columns, row_stride) <= data.len(), "a matrix larger than its slice");
        Self { data, size: [rows, columns], strides: [row_stride, 1] }
    }

    /// The same elements with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        let ([rows, columns], [down, across]) = (self.size, self.strides);
        Self { data: self.data, size: [columns, rows], strides: [across, down] }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.size[0]
    }

    /// Number of columns.
    pub(crate) fn columns(&self) -> usize {
        self.size[1]
    }

    pub(super) fn operand(&self) -> Operand<T> {
        Operand(self.data.as_ptr(), self.strides[0] as isize, self.strides[1] as isize)
    }
}

/// A matrix to be written.
#[derive(Debug)]
pub(crate) struct MatrixMut<'a, T> {
    start: *mut T,
    size: [usize; 2],
    row_stride: usize,
    borrow: PhantomData<&'a mut [T]>,
}

impl<'a, T> MatrixMut<'a, T> {
    /// A row-major matrix at the start of a slice.
    pub(crate) fn new(data: &'a mut [T], rows: usize, columns: usize) -> Self {
        Self::with_row_stride(data, [rows, columns], columns)
    }

    /// A matrix whose rows lie `row_stride` elements apart.
    pub(crate) fn with_row_stride(data: &'a mut [T], [rows, columns]: [usize; 2], row_stride: usize) -> Self {
        assert!(columns <= row_stride && last(rows, columns, row_stride) <= data.len());
        Self { start: data.as_mut_ptr(), size: [rows, columns], row_stride, borrow: PhantomData }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.size[0]
    }

    /// Number of columns.
    pub(crate) fn columns(&self) -> usize {
        self.size[1]
    }

    pub(super) fn operand(&mut self) -> OperandMut<T> {
        OperandMut(self.start, self.row_stride as isize, 1)
    }
}

/// Elements from the first to the last one of a matrix, both included.
fn last(rows: usize, columns: usize, row_stride: usize) -> usize {
    if rows == 0 || columns == 0 { 0 } else { (rows - 1).saturating_mul(row_stride).saturating_add(columns) }
}
