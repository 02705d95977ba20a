//! The container of the reference: a shape and numbers of any kind.

use convgru_kernels::Extent;
use convgru_kernels::reference::Number;

use crate::error::{Error, Result};
use crate::tensor::{Tensor, expect_rank};

/// A contiguous, row-major array of numbers of any kind, dual numbers included.
#[derive(Debug, Clone, PartialEq)]
pub struct Array<N> {
    shape: Vec<usize>,
    data: Vec<N>,
}

impl<N: Number> Array<N> {
    /// An array of zeros.
    pub fn zeros(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), data: vec![N::from_f64(0.0); shape.iter().product()] }
    }

    /// An array whose elements are `f(index in memory order)`.
    pub fn from_fn(shape: &[usize], f: impl FnMut(usize) -> N) -> Self {
        Self { shape: shape.to_vec(), data: (0..shape.iter().product()).map(f).collect() }
    }

    /// The constants of a tensor.
    pub fn constant(tensor: &Tensor<f64>) -> Self {
        Self {
            shape: tensor.shape().to_vec(),
            data: tensor.as_slice().iter().map(|&v| N::from_f64(v)).collect(),
        }
    }

    /// Arrays of one shape along a new first dimension.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the shapes differ.
    pub fn stack(arrays: &[Self]) -> Result<Self> {
        let inner = arrays.first().map_or(&[][..], |array| &array.shape);
        let mut stacked = Self { shape: [&[arrays.len()], inner].concat(), data: Vec::new() };
        for array in arrays {
            array.expect_shape("an array to stack", inner)?;
            stacked.data.extend_from_slice(&array.data);
        }
        Ok(stacked)
    }

    /// The dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements in memory order.
    pub fn as_slice(&self) -> &[N] {
        &self.data
    }

    /// The elements in memory order, to be changed.
    pub fn as_mut_slice(&mut self) -> &mut [N] {
        &mut self.data
    }

    /// The real parts.
    pub fn values(&self) -> Tensor<f64> {
        Tensor::from_fn(&self.shape, |i| self.data[i].value())
    }

    /// Sub-array `index` of the first dimension: step `t` of `[T, N, C, H, W]`.
    ///
    /// # Errors
    /// [`Error::Count`] if there is no such sub-array.
    pub fn index(&self, index: usize) -> Result<Self> {
        self.range(index, 1).map(|range| Self { shape: range.shape[1..].to_vec(), ..range })
    }

    /// `len` sub-arrays of the first dimension, from `start` on: the channels of
    /// one gate.
    ///
    /// # Errors
    /// [`Error::Count`] if there are not so many sub-arrays.
    pub fn range(&self, start: usize, len: usize) -> Result<Self> {
        let outer = self.shape.first().copied().unwrap_or(0);
        let end = start.saturating_add(len);
        if end > outer {
            let what = "sub-arrays along the first dimension".to_owned();
            return Err(Error::Count { what, expected: end, got: outer });
        }
        let inner = self.shape.get(1..).unwrap_or_default();
        let size: usize = inner.iter().product();
        Ok(Self { shape: [&[len], inner].concat(), data: self.data[start * size..end * size].to_vec() })
    }

    /// The same function of every element.
    pub fn map(&self, f: impl Fn(N) -> N) -> Self {
        Self { shape: self.shape.clone(), data: self.data.iter().map(|&x| f(x)).collect() }
    }

    /// The sum of the products with the elements of a tensor of the same shape:
    /// the usual scalar loss of a gradient check, the tensor being random.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the shapes differ.
    pub fn dot(&self, probe: &Tensor<f64>) -> Result<N> {
        self.expect_shape("array to multiply with a probe", probe.shape())?;
        let products = self.data.iter().zip(probe.as_slice()).map(|(&x, &p)| x * N::from_f64(p));
        Ok(products.fold(N::from_f64(0.0), |sum, product| sum + product))
    }

    /// `[N, C, H, W]` as the extent the kernels take.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if there are not four dimensions.
    pub fn extent(&self) -> Result<Extent> {
        expect_rank("image of the reference", &self.shape, &["N", "C", "H", "W"])?;
        let [batch, channels, height, width] = [0, 1, 2, 3].map(|i| self.shape[i]);
        Ok(Extent { batch, channels, height, width })
    }

    pub(crate) fn expect_shape(&self, what: &str, expected: &[usize]) -> Result<()> {
        crate::tensor::expect_shape(what, &self.shape, expected)
    }
}

/// Arrays with names, as [`Parameters::to_named`](crate::Parameters::to_named) gives them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NamedArrays<N>(Vec<(String, Array<N>)>);

impl<N: Number> NamedArrays<N> {
    /// The arrays with the given names, in order.
    pub fn new(named: Vec<(String, Array<N>)>) -> Self {
        Self(named)
    }

    /// The array of the given name, if there is one.
    pub fn find(&self, name: &str) -> Option<&Array<N>> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, array)| array)
    }

    /// The array of the given name.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] if there is none.
    pub fn get(&self, name: &str) -> Result<&Array<N>> {
        self.find(name).ok_or_else(|| {
            let names: Vec<&str> = self.0.iter().map(|(n, _)| n.as_str()).collect();
            Error::MissingTensor { name: name.to_owned(), found: names.join(", ") }
        })
    }
}
