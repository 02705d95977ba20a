//! The tensor of the public interface: contiguous, row-major, nothing else.

use convgru_kernels::Scalar;

use crate::error::{Error, Result};
use crate::memory;

/// A contiguous, row-major tensor.
///
/// Images are `[N, C, H, W]` and sequences `[T, N, C, H, W]`. There are no
/// strides and no views: what a tensor holds is one slice in memory order.
///
/// ```
/// use convgru_model::Tensor;
///
/// let frame = Tensor::<f32>::zeros(&[1, 8, 64, 64]);
/// assert_eq!(frame.shape(), [1, 8, 64, 64]);
/// assert_eq!(frame.len(), 8 * 64 * 64);
/// ```
#[derive(Clone, PartialEq, Default)]
pub struct Tensor<T> {
    shape: Vec<usize>,
    data: Vec<T>,
}

impl<T: Scalar> Tensor<T> {
    /// A tensor of zeros. Any dimension may be zero.
    ///
    /// # Panics
    /// If the shape has more elements than memory has addresses, as vectors do. Where a size comes from a user or a file,
    /// take [`try_zeros`](Self::try_zeros).
    pub fn zeros(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), data: vec![T::ZERO; element_count(shape)] }
    }

    /// A tensor of zeros of a size that may be anything, such as one that a user or a file gave.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if it would need more memory than the machine has.
    ///
    /// ```
    /// use convgru_model::Tensor;
    ///
    /// assert_eq!(Tensor::<f32>::try_zeros(&[2, 3])?, Tensor::zeros(&[2, 3]));
    /// let error = Tensor::<f32>::try_zeros(&[1 << 40, 1 << 40]).expect_err("no machine has as much");
    /// assert!(error.to_string().contains("would need 4835703278458516698824704 bytes"));
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn try_zeros(shape: &[usize]) -> Result<Self> {
        let len = room_for::<T>(shape)?;
        Ok(Self { shape: shape.to_vec(), data: vec![T::ZERO; len] })
    }

    /// A tensor of the given shape around existing data, in row-major order.
    ///
    /// # Errors
    /// [`Error::ElementCount`] if the data has not as many elements as the shape.
    pub fn from_vec(shape: &[usize], data: Vec<T>) -> Result<Self> {
        let expected = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if expected != Some(data.len()) {
            return Err(Error::ElementCount {
                shape: shape.to_vec(),
                expected: expected.unwrap_or(usize::MAX),
                got: data.len(),
            });
        }
        Ok(Self { shape: shape.to_vec(), data })
    }

    /// A tensor whose elements are `f(index in memory order)`.
    ///
    /// # Panics
    /// As [`zeros`](Self::zeros).
    pub fn from_fn(shape: &[usize], f: impl FnMut(usize) -> T) -> Self {
        let len = element_count(shape);
        Self { shape: shape.to_vec(), data: (0..len).map(f).collect() }
    }

    /// Takes on a shape. The elements are of unspecified value; memory is taken where there was less.
    pub(crate) fn make_room(&mut self, shape: &[usize]) -> Result<()> {
        if self.shape != shape {
            let len = room_for::<T>(shape)?;
            if self.data.len() != len {
                self.data = vec![T::ZERO; len];
            }
            self.shape = shape.to_vec();
        }
        Ok(())
    }

    /// The dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The elements in memory order.
    pub fn as_slice(&self) -> &[T] {
        &self.data
    }

    /// The elements in memory order, to be changed.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The elements in memory order, without the shape.
    pub fn into_vec(self) -> Vec<T> {
        self.data
    }

    /// The same elements under another shape.
    ///
    /// # Errors
    /// [`Error::ElementCount`] if the shapes differ in their number of elements.
    pub fn reshape(self, shape: &[usize]) -> Result<Self> {
        Self::from_vec(shape, self.data)
    }

    /// Sub-tensor `index` of the first dimension: frame `t` of `[T, N, C, H, W]`
    /// as a slice in memory order.
    ///
    /// # Panics
    /// If `index` is not below the first dimension, as slices do.
    pub fn slice(&self, index: usize) -> &[T] {
        assert!(index < self.shape[0], "index {index} of {} along the first dimension", self.shape[0]);
        let size: usize = self.shape[1..].iter().product();
        &self.data[index * size..(index + 1) * size]
    }

    /// Sub-tensor `index` of the first dimension, to be changed.
    ///
    /// # Panics
    /// If `index` is not below the first dimension, as slices do.
    pub fn slice_mut(&mut self, index: usize) -> &mut [T] {
        assert!(index < self.shape[0], "index {index} of {} along the first dimension", self.shape[0]);
        let size: usize = self.shape[1..].iter().product();
        &mut self.data[index * size..(index + 1) * size]
    }

    /// Sub-tensor `index` of the first dimension as a tensor of its own.
    ///
    /// # Panics
    /// If `index` is not below the first dimension, as slices do.
    pub fn index(&self, index: usize) -> Self {
        Self { shape: self.shape[1..].to_vec(), data: self.slice(index).to_vec() }
    }

    /// Changes the first two dimensions with each other: sequences `[T, N, ...]` as this crate takes them
    /// become `[N, T, ...]`, "batch first", as many datasets and other libraries keep them, and back.
    ///
    /// # Shapes
    /// `[A, B, ...]`; result: `[B, A, ...]`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if there are fewer than two dimensions.
    ///
    /// ```
    /// use convgru_model::Tensor;
    ///
    /// // Two samples of three steps, the sample in the tens.
    /// let batch_first = Tensor::from_vec(&[2, 3, 1], vec![0.0f32, 1.0, 2.0, 10.0, 11.0, 12.0])?;
    /// let steps_first = batch_first.swap_steps_and_batch()?;
    /// assert_eq!(steps_first.shape(), [3, 2, 1]);
    /// assert_eq!(steps_first.as_slice(), [0.0, 10.0, 1.0, 11.0, 2.0, 12.0]);
    /// assert_eq!(steps_first.swap_steps_and_batch()?, batch_first);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    #[doc(alias = "batch_first", alias = "transpose")]
    pub fn swap_steps_and_batch(&self) -> Result<Self> {
        let [outer, inner, ref rest @ ..] = *self.shape else {
            return Err(Error::ShapeMismatch {
                what: "tensor whose first two dimensions change places".into(),
                expected: "[T, N, ...]".into(),
                got: self.shape.clone(),
            });
        };
        let shape = [&[inner, outer], rest].concat();
        if self.data.is_empty() {
            return Ok(Self { shape, data: Vec::new() });
        }
        let size: usize = rest.iter().product();
        let mut data = Vec::with_capacity(self.data.len());
        for second in 0..inner {
            for first in 0..outer {
                let start = (first * inner + second) * size;
                data.extend_from_slice(&self.data[start..start + size]);
            }
        }
        Ok(Self { shape, data })
    }

    /// Whether every element is a finite number: none is NaN or infinite.
    ///
    /// ```
    /// use convgru_model::Tensor;
    ///
    /// assert!(Tensor::from_vec(&[2], vec![0.0f32, -1.5])?.is_finite());
    /// assert!(!Tensor::from_vec(&[2], vec![0.0f32, f32::NAN])?.is_finite());
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn is_finite(&self) -> bool {
        self.data.iter().all(|value| value.is_finite())
    }

    /// Fails unless every element is finite.
    pub(crate) fn expect_finite(&self, what: &str) -> Result<()> {
        if self.is_finite() {
            return Ok(());
        }
        let spoilt = |value: &T| !value.is_finite();
        let mut place = self.data.iter().position(spoilt).unwrap_or_default();
        let mut first = vec![0; self.rank()];
        for (index, &size) in first.iter_mut().zip(&self.shape).rev() {
            (*index, place) = (place % size, place / size);
        }
        let count = self.data.iter().filter(|value| spoilt(value)).count();
        Err(Error::NotFinite { what: what.into(), count, of: self.len(), first })
    }

    /// Sets every element.
    pub fn fill(&mut self, value: T) {
        self.data.fill(value);
    }

    /// The same values in another number type.
    pub fn cast<U: Scalar>(&self) -> Tensor<U> {
        Tensor {
            shape: self.shape.clone(),
            data: self.data.iter().map(|&v| U::from_f64(v.to_f64())).collect(),
        }
    }

    /// Adds `other` element by element.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the shapes differ.
    pub fn add_assign(&mut self, other: &Self) -> Result<()> {
        expect_shape("the tensor to add", other.shape(), &self.shape)?;
        for (a, &b) in self.data.iter_mut().zip(&other.data) {
            *a += b;
        }
        Ok(())
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Tensor<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor<{}>{:?}", std::any::type_name::<T>(), self.shape)?;
        f.debug_list().entries(self.data.iter().take(8)).finish()?;
        if self.data.len() > 8 { write!(f, "...") } else { Ok(()) }
    }
}

/// The number of elements of a shape. Wrapping around would give a tensor that is too small.
fn element_count(shape: &[usize]) -> usize {
    let count = shape.iter().try_fold(1usize, |count, &dimension| count.checked_mul(dimension));
    count.unwrap_or_else(|| panic!("a tensor of shape {shape:?} has more elements than memory has addresses"))
}

/// The number of elements of a shape, if there is memory for them.
fn room_for<T>(shape: &[usize]) -> Result<usize> {
    let what = || format!("a tensor of shape {shape:?}");
    let bytes = memory::bytes_of::<T>(shape);
    let count = shape.iter().try_fold(1usize, |count, &dimension| count.checked_mul(dimension));
    let Some(count) = count else {
        return Err(Error::TooLarge { what: what(), bytes, most: memory::most_bytes() });
    };
    memory::expect_room::<T>(&what(), count)?;
    Ok(count)
}

/// Fails unless `got` is exactly `expected`.
pub(crate) fn expect_shape(what: &str, got: &[usize], expected: &[usize]) -> Result<()> {
    if got == expected {
        return Ok(());
    }
    Err(Error::ShapeMismatch { what: what.into(), expected: format!("{expected:?}"), got: got.to_vec() })
}

/// Fails unless `got` has as many dimensions as `pattern` has names, such as
/// `["T", "N", "C", "H", "W"]`.
pub(crate) fn expect_rank(what: &str, got: &[usize], pattern: &[&str]) -> Result<()> {
    if got.len() == pattern.len() {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        what: what.into(),
        expected: format!("[{}]", pattern.join(", ")),
        got: got.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_must_fill_the_shape() {
        let error = Tensor::from_vec(&[2, 3], vec![0.0f32; 5]).unwrap_err();
        assert_eq!(error.to_string(), "shape [2, 3] has 6 elements, but 5 were given");
    }

    #[test]
    fn overflowing_shapes_are_refused() {
        assert!(Tensor::from_vec(&[usize::MAX, 2], vec![0.0f32; 2]).is_err());
    }

    #[test]
    fn tensors_without_elements_have_no_size_too_large_to_turn() {
        let empty = Tensor::from_vec(&[0, usize::MAX, usize::MAX], Vec::<f32>::new()).unwrap();
        assert_eq!(empty.swap_steps_and_batch().unwrap().shape(), [usize::MAX, 0, usize::MAX]);
    }

    #[test]
    fn the_first_number_that_is_not_finite_is_named() {
        let mut t = Tensor::<f32>::zeros(&[2, 3, 4]);
        t.as_mut_slice()[17] = f32::NAN;
        t.as_mut_slice()[20] = f32::NEG_INFINITY;
        let error = t.expect_finite("frame").unwrap_err().to_string();
        assert!(
            error.starts_with("frame: 2 of 24 numbers are NaN or infinite, the first at [1, 1, 1]"),
            "{error}"
        );
        t.fill(f32::MAX);
        t.expect_finite("frame").unwrap();
    }

    #[test]
    fn slices_run_along_the_first_dimension() {
        let t = Tensor::<f64>::from_fn(&[3, 2], |i| i as f64);
        assert_eq!(t.slice(1), [2.0, 3.0]);
        assert_eq!(t.index(2).shape(), [2]);
    }
}
