//! Operations on tensors, recorded.

use convgru_kernels::Scalar;

use super::kernels::Kernels;
use super::op::{GateFunction, Op, Operands};
use super::operations::Operations;
use crate::error::Result;
use crate::tensor::Tensor;

/// A tensor on a tape, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NodeIndex(pub(super) usize);

/// Operations that were applied, with their results.
#[derive(Debug)]
pub(crate) struct Record<T>(Vec<Node<T>>);

impl<T: Scalar> Record<T> {
    /// One of nothing.
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// The tensor of a value that an operation gave.
    pub(crate) fn result(&self, value: NodeIndex) -> &Tensor<T> {
        self.0[value.0].value.as_ref().expect("only parameters lie elsewhere")
    }

    /// Bytes of all values but parameters.
    pub(crate) fn bytes(&self) -> usize {
        let values = self.0.iter().filter_map(|node| node.value.as_ref());
        values.map(|value| value.len() * size_of::<T>()).sum()
    }
}

/// Computes operations on tensors as they are applied, and remembers them in a [`Record`].
#[derive(Debug)]
pub(crate) struct Tape<'p, T> {
    pub(super) kernels: Kernels<'p, T>,
    pub(super) nodes: &'p mut Vec<Node<T>>,
}

#[derive(Debug)]
pub(super) struct Node<T> {
    pub(super) source: Source,
    /// Nothing for parameters, which lie elsewhere.
    value: Option<Tensor<T>>,
    /// Whether a gradient passes through.
    pub(super) varies: bool,
}

#[derive(Debug)]
pub(super) enum Source {
    Parameter(usize),
    Leaf,
    Op(Op, Vec<NodeIndex>),
}

impl<'p, T: Scalar> Tape<'p, T> {
    /// A tape for the parameters of a network, which begins its record.
    pub(crate) fn new(parameters: &'p [(String, Tensor<T>)], record: &'p mut Record<T>) -> Self {
        let node = |index| Node { source: Source::Parameter(index), value: None, varies: true };
        record.0.clear();
        record.0.extend((0..parameters.len()).map(node));
        Self { kernels: Kernels::new(parameters), nodes: &mut record.0 }
    }

    /// The tape that left a record, for the way back: kernels are packed again.
    pub(crate) fn of(parameters: &'p [(String, Tensor<T>)], record: &'p mut Record<T>) -> Result<Self> {
        let mut tape = Self { kernels: Kernels::new(parameters), nodes: &mut record.0 };
        for index in 0..tape.nodes.len() {
            if let Source::Op(op, inputs) = &tape.nodes[index].source {
                tape.kernels.pack(op, tape.kernel(inputs))?;
            }
        }
        Ok(tape)
    }

    /// A tensor; `varies` where its gradient is wanted.
    pub(crate) fn leaf(&mut self, tensor: Tensor<T>, varies: bool) -> NodeIndex {
        self.push(Source::Leaf, Some(tensor), varies)
    }

    fn push(&mut self, source: Source, value: Option<Tensor<T>>, varies: bool) -> NodeIndex {
        self.nodes.push(Node { source, value, varies });
        NodeIndex(self.nodes.len() - 1)
    }

    /// The tensor of a value.
    pub(crate) fn tensor(&self, value: NodeIndex) -> &Tensor<T> {
        let node = &self.nodes[value.0];
        match (&node.value, &node.source) {
            (Some(tensor), _) => tensor,
            (None, Source::Parameter(index)) => &self.kernels.parameters[*index].1,
            (None, _) => unreachable!("only parameters lie elsewhere"),
        }
    }

    /// The place of the second operand, if that is a parameter.
    fn kernel(&self, inputs: &[NodeIndex]) -> Option<usize> {
        match self.nodes[inputs.get(1)?.0].source {
            Source::Parameter(index) => Some(index),
            _ => None,
        }
    }

    /// Calls `work` with the operands of an operation.
    pub(super) fn with_operands<R>(
        &self,
        op: &Op,
        inputs: &[NodeIndex],
        work: impl FnOnce(Operands<'_, '_, T>) -> Result<R>,
    ) -> Result<R> {
        let values: Vec<&Tensor<T>> = inputs.iter().map(|&input| self.tensor(input)).collect();
        self.kernels.with_operands(op, &values, self.kernel(inputs), work)
    }
}

impl<T: Scalar> Operations for Tape<'_, T> {
    type Value = NodeIndex;

    fn shape(&self, value: &NodeIndex) -> Vec<usize> {
        self.tensor(*value).shape().to_vec()
    }

    fn apply(&mut self, op: Op, inputs: &[NodeIndex]) -> Result<NodeIndex> {
        let kernel = self.kernel(inputs);
        self.kernels.pack(&op, kernel)?;
        let value = self.with_operands(&op, inputs, |operands| op.forward(&operands))?;
        let varies = inputs.iter().any(|input| self.nodes[input.0].varies);
        Ok(self.push(Source::Op(op, inputs.to_vec()), Some(value), varies))
    }

    fn gate(&mut self, gate: GateFunction, sums: &[NodeIndex]) -> Result<NodeIndex> {
        self.apply(Op::Gate(gate), sums)
    }

    fn parameter(&mut self, index: usize) -> NodeIndex {
        NodeIndex(index)
    }

    fn constant(&mut self, tensor: &Tensor<f64>) -> NodeIndex {
        self.push(Source::Leaf, Some(tensor.cast()), false)
    }
}
