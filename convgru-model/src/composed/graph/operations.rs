//! The language that cells are written in.

use std::ops::Range;

use super::op::{GateFunction, Op};
use crate::error::Result;
use crate::layer::Activation;
use crate::tensor::Tensor;

/// What cells are written in.
pub(crate) trait Operations {
    /// A tensor, by whatever stands for it.
    type Value: Clone;

    /// The dimensions of a value.
    fn shape(&self, value: &Self::Value) -> Vec<usize>;

    /// The result of an operation.
    fn apply(&mut self, op: Op, inputs: &[Self::Value]) -> Result<Self::Value>;

    /// A parameter by its place in the list of the network.
    fn parameter(&mut self, index: usize) -> Self::Value;

    /// A tensor that is no variable.
    fn constant(&mut self, tensor: &Tensor<f64>) -> Self::Value;

    /// `a + b`
    fn add(&mut self, a: &Self::Value, b: &Self::Value) -> Result<Self::Value> {
        self.apply(Op::Add, &[a.clone(), b.clone()])
    }

    /// `a . b`
    fn multiply(&mut self, a: &Self::Value, b: &Self::Value) -> Result<Self::Value> {
        self.apply(Op::Multiply, &[a.clone(), b.clone()])
    }

    /// `h + z.(n - h)`
    fn blend(&mut self, z: &Self::Value, n: &Self::Value, h: &Self::Value) -> Result<Self::Value> {
        self.apply(Op::Blend, &[z.clone(), n.clone(), h.clone()])
    }

    /// An elementwise function.
    fn activate(&mut self, activation: Activation, a: &Self::Value) -> Result<Self::Value> {
        self.apply(Op::Activate(activation), std::slice::from_ref(a))
    }

    /// The function of a gate, of one operand or of the sum of two: by its definition, unless that is an operation of its
    /// own.
    fn gate(&mut self, gate: GateFunction, sums: &[Self::Value]) -> Result<Self::Value> {
        let mut sum = self.channels(&sums[0], gate.first)?;
        if let Some(other) = sums.get(1) {
            let other = self.channels(other, gate.second)?;
            sum = self.add(&sum, &other)?;
        }
        self.activate(gate.activation, &sum)
    }

    /// Some of the channels.
    fn channels(&mut self, a: &Self::Value, range: Range<usize>) -> Result<Self::Value> {
        self.apply(Op::Channels(range), std::slice::from_ref(a))
    }

    /// Channels one after the other.
    fn join_channels(&mut self, parts: &[Self::Value]) -> Result<Self::Value> {
        match parts {
            [one] => Ok(one.clone()),
            _ => self.apply(Op::JoinChannels, parts),
        }
    }

    /// Some of the images, or rows of a parameter.
    fn images(&mut self, a: &Self::Value, range: Range<usize>) -> Result<Self::Value> {
        if self.shape(a)[0] == range.len() {
            Ok(a.clone())
        } else {
            self.apply(Op::Images(range), std::slice::from_ref(a))
        }
    }

    /// Images one after the other.
    fn join_images(&mut self, parts: &[Self::Value]) -> Result<Self::Value> {
        match parts {
            [one] => Ok(one.clone()),
            _ => self.apply(Op::JoinImages, parts),
        }
    }
}
