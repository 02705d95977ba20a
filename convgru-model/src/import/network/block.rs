//! A part of a published tensor that is a part of ours.

use convgru_kernels::Scalar;

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// A place in a tensor: its rows are as long as `width`, the place begins at a row and so many numbers into it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) width: usize,
    pub(super) row: usize,
    pub(super) start: usize,
}

/// Some rows of so many numbers that are the same here and there, but for a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) published: Place,
    pub(super) ours: Place,
    pub(super) rows: usize,
    pub(super) len: usize,
    pub(super) negated: bool,
}

impl Place {
    /// A row of the place, so many rows further on.
    fn row<'v, T>(&self, values: &'v [T], row: usize, len: usize) -> Result<&'v [T]> {
        let start = (self.row + row) * self.width + self.start;
        values.get(start..start + len).ok_or_else(|| self.beyond(start + len, values.len()))
    }

    fn row_mut<'v, T>(&self, values: &'v mut [T], row: usize, len: usize) -> Result<&'v mut [T]> {
        let start = (self.row + row) * self.width + self.start;
        let there = values.len();
        values.get_mut(start..start + len).ok_or_else(|| self.beyond(start + len, there))
    }

    fn beyond(&self, expected: usize, got: usize) -> Error {
        Error::Count { what: format!("elements of `{}`", self.name), expected, got }
    }
}

fn find<'t, T>(tensors: &'t [(String, Tensor<T>)], name: &str) -> Result<&'t Tensor<T>> {
    let found = tensors.iter().find(|(other, _)| other == name);
    found.map(|(_, tensor)| tensor).ok_or_else(|| {
        let found: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).take(6).collect();
        Error::MissingTensor { name: name.to_owned(), found: found.join(", ") }
    })
}

impl Block {
    fn add<T: Scalar>(&self, to: &mut [T], from: &[T]) {
        let sign = if self.negated { -T::ONE } else { T::ONE };
        to.iter_mut().zip(from).for_each(|(to, &from)| *to += sign * from);
    }

    /// Adds what was published to ours.
    pub(super) fn read<T: Scalar>(
        &self,
        tensors: &[(String, Tensor<T>)],
        ours: &mut [(String, Tensor<T>)],
    ) -> Result<()> {
        let published = find(tensors, &self.published.name)?.as_slice();
        find(ours, &self.ours.name)?;
        for (name, tensor) in ours.iter_mut().filter(|(name, _)| *name == self.ours.name) {
            debug_assert_eq!(*name, self.ours.name);
            for row in 0..self.rows {
                let from = self.published.row(published, row, self.len)?;
                self.add(self.ours.row_mut(tensor.as_mut_slice(), row, self.len)?, from);
            }
        }
        Ok(())
    }

    /// Adds ours to the published tensors.
    pub(super) fn write<T: Scalar>(
        &self,
        ours: &[(String, Tensor<T>)],
        tensors: &mut [(String, Tensor<T>)],
    ) -> Result<()> {
        let from = find(ours, &self.ours.name)?.as_slice();
        for (_, tensor) in tensors.iter_mut().filter(|(name, _)| *name == self.published.name) {
            for row in 0..self.rows {
                let to = self.published.row_mut(tensor.as_mut_slice(), row, self.len)?;
                self.add(to, self.ours.row(from, row, self.len)?);
            }
        }
        Ok(())
    }

    /// The published numbers, row by row.
    pub(super) fn published<'t, T: Scalar>(
        &self,
        tensors: &'t [(String, Tensor<T>)],
    ) -> Result<Vec<&'t [T]>> {
        let values = find(tensors, &self.published.name)?.as_slice();
        (0..self.rows).map(|row| self.published.row(values, row, self.len)).collect()
    }

    /// Adds numbers, in the order of [`published`](Self::published), to the published tensors.
    pub(super) fn add_published<T: Scalar>(
        &self,
        numbers: &[T],
        tensors: &mut [(String, Tensor<T>)],
    ) -> Result<()> {
        for (_, tensor) in tensors.iter_mut().filter(|(name, _)| *name == self.published.name) {
            for (row, numbers) in numbers.chunks(self.len.max(1)).enumerate() {
                let to = self.published.row_mut(tensor.as_mut_slice(), row, self.len)?;
                to.iter_mut().zip(numbers).for_each(|(to, &number)| *to += number);
            }
        }
        Ok(())
    }

    /// How many numbers it has.
    pub(super) fn numbers(&self) -> usize {
        self.rows.saturating_mul(self.len)
    }
}
