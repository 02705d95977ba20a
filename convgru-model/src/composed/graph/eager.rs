//! Operations on tensors, each forgotten with the last use of its result.

use std::sync::Arc;

use convgru_kernels::Scalar;

use super::kernels::{Kernels, Tensors};
use super::op::{GateFunction, Op};
use super::operations::Operations;
use crate::error::Result;
use crate::tensor::Tensor;

/// A tensor, or a parameter by its place.
#[derive(Debug, Clone)]
pub(crate) enum Held<T> {
    Parameter(usize),
    Tensor(Tensor<T>),
}

/// Computes operations on tensors for their results alone; a tape keeps everything in between.
#[derive(Debug)]
pub(crate) struct Eager<'p, T>(Kernels<'p, T>);

impl<'p, T: Scalar> Eager<'p, T> {
    /// For the parameters of a network.
    pub(crate) fn new(parameters: impl Into<Tensors<'p, T>>) -> Self {
        Self(Kernels::new(parameters))
    }

    /// A value of a tensor.
    pub(crate) fn hold(tensor: Tensor<T>) -> Arc<Held<T>> {
        Arc::new(Held::Tensor(tensor))
    }

    /// The tensor of a value.
    pub(crate) fn tensor<'t>(&'t self, value: &'t Held<T>) -> &'t Tensor<T> {
        match value {
            Held::Parameter(index) => &self.0.parameters[*index].1,
            Held::Tensor(tensor) => tensor,
        }
    }
}

impl<T: Scalar> Operations for Eager<'_, T> {
    type Value = Arc<Held<T>>;

    fn shape(&self, value: &Self::Value) -> Vec<usize> {
        self.tensor(value).shape().to_vec()
    }

    fn gate(&mut self, gate: GateFunction, sums: &[Self::Value]) -> Result<Self::Value> {
        self.apply(Op::Gate(gate), sums)
    }

    fn parameter(&mut self, index: usize) -> Self::Value {
        Arc::new(Held::Parameter(index))
    }

    fn constant(&mut self, tensor: &Tensor<f64>) -> Self::Value {
        Self::hold(tensor.cast())
    }

    fn apply(&mut self, op: Op, inputs: &[Self::Value]) -> Result<Self::Value> {
        let kernel = inputs.get(1).and_then(|kernel| match **kernel {
            Held::Parameter(index) => Some(index),
            Held::Tensor(_) => None,
        });
        self.0.pack(&op, kernel)?;
        let values: Vec<&Tensor<T>> = inputs.iter().map(|input| self.tensor(input)).collect();
        let tensor = self.0.with_operands(&op, &values, kernel, |operands| op.forward(&operands))?;
        Ok(Self::hold(tensor))
    }
}
