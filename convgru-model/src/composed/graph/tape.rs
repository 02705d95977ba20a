//! Operations on tensors, recorded, and the way back over them.

use std::collections::HashMap;
use std::ops::Range;

use convgru_kernels::{Extent, FeatureMaps, Scalar};

use super::Operations;
use super::kernels::Kernels;
use super::op::{Convolution, GateFunction, Op, Operands, Sink};
use super::weight_gradients::{Call, Destination, WeightGradients};
use crate::error::Result;
use crate::tensor::Tensor;

/// A tensor on a tape, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NodeIndex(usize);

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
    kernels: Kernels<'p, T>,
    nodes: &'p mut Vec<Node<T>>,
}

#[derive(Debug)]
struct Node<T> {
    source: Source,
    /// Nothing for parameters, which lie elsewhere.
    value: Option<Tensor<T>>,
    /// Whether a gradient passes through.
    varies: bool,
}

#[derive(Debug)]
enum Source {
    Parameter(usize),
    Leaf,
    Op(Op, Vec<NodeIndex>),
}

/// The gradients of the values of a tape.
#[derive(Debug)]
pub(crate) struct Gradients<T>(Vec<Option<Tensor<T>>>);

impl<T: Scalar> Gradients<T> {
    /// That of a value; none if nothing of the loss depends on it.
    pub(crate) fn take(&mut self, value: NodeIndex) -> Option<Tensor<T>> {
        self.0[value.0].take()
    }
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
    fn with_operands<R>(
        &self,
        op: &Op,
        inputs: &[NodeIndex],
        work: impl FnOnce(Operands<'_, '_, T>) -> Result<R>,
    ) -> Result<R> {
        let values: Vec<&Tensor<T>> = inputs.iter().map(|&input| self.tensor(input)).collect();
        self.kernels.with_operands(op, &values, self.kernel(inputs), work)
    }

    /// Goes back from the gradients of some values to those of all variables. Those of parameters are
    /// added to `parameters`.
    pub(crate) fn backward(
        &self,
        seeds: impl IntoIterator<Item = (NodeIndex, Tensor<T>)>,
        parameters: &mut [(String, Tensor<T>)],
    ) -> Result<Gradients<T>> {
        let mut gradients = Gradients((0..self.nodes.len()).map(|_| None).collect());
        for (value, seed) in seeds {
            crate::tensor::expect_shape("gradient of a state", seed.shape(), self.tensor(value).shape())?;
            match &mut gradients.0[value.0] {
                Some(gradient) => gradient.add_assign(&seed)?,
                none => *none = Some(seed),
            }
        }
        let uses = self.uses_of_kernels();
        let mut later = WeightGradients::new();
        for index in (self.kernels.parameters.len()..self.nodes.len()).rev() {
            let mut to = Destination { gradients: &mut gradients, parameters };
            // A kernel that was computed comes before all convolutions by it.
            later.finish_all(self, Some(NodeIndex(index)), &mut to)?;
            let Source::Op(op, inputs) = &self.nodes[index].source else { continue };
            let Some(d_result) = to.gradients.0[index].take() else { continue };
            let mut sink = TapeSink { tape: self, inputs, uses: &uses, to, later: &mut later };
            self.with_operands(op, inputs, |operands| {
                op.backward(&operands, self.tensor(NodeIndex(index)), &d_result, &mut sink)
            })?;
        }
        later.finish_all(self, None, &mut Destination { gradients: &mut gradients, parameters })?;
        Ok(gradients)
    }

    /// How often kernels are convolved with, by their rows.
    fn uses_of_kernels(&self) -> Uses {
        let mut uses = Uses::new();
        for node in self.nodes.iter() {
            if let Source::Op(Op::Convolve(convolution), inputs) = &node.source {
                *uses.entry((inputs[1], convolution.rows.clone())).or_default() += 1;
            }
        }
        uses
    }

    /// The gradient of a value so far.
    pub(super) fn gradient_of<'t>(
        &self,
        value: NodeIndex,
        to: &'t mut Destination<'_, T>,
    ) -> &'t mut Tensor<T> {
        match self.nodes[value.0].source {
            Source::Parameter(index) => &mut to.parameters[index].1,
            _ => to.gradients.0[value.0].get_or_insert_with(|| Tensor::zeros(self.tensor(value).shape())),
        }
    }
}

/// How often rows of a kernel are convolved with.
type Uses = HashMap<(NodeIndex, Range<usize>), usize>;

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

/// Gradients of the operands of one operation.
struct TapeSink<'a, 'p, T> {
    tape: &'a Tape<'p, T>,
    inputs: &'a [NodeIndex],
    uses: &'a Uses,
    to: Destination<'a, T>,
    later: &'a mut WeightGradients<T>,
}

impl<T: Scalar> Sink<T> for TapeSink<'_, '_, T> {
    fn wants(&self, operand: usize) -> bool {
        self.tape.nodes[self.inputs[operand].0].varies
    }

    fn gradient(&mut self, operand: usize) -> &mut Tensor<T> {
        self.tape.gradient_of(self.inputs[operand], &mut self.to)
    }

    fn give(&mut self, operand: usize, gradient: Tensor<T>) -> Result<()> {
        let value = self.inputs[operand];
        let is_parameter = matches!(self.tape.nodes[value.0].source, Source::Parameter(_));
        match &mut self.to.gradients.0[value.0] {
            none @ None if !is_parameter => *none = Some(gradient),
            _ => self.gradient(operand).add_assign(&gradient)?,
        }
        Ok(())
    }

    fn weight_gradient(
        &mut self,
        convolution: &Convolution,
        extents: [Extent; 2],
        d_result: FeatureMaps<T>,
    ) -> Result<()> {
        let [input, kernel] = [self.inputs[0], self.inputs[1]];
        let uses = self.uses.get(&(kernel, convolution.rows.clone())).copied().unwrap_or(1);
        let call = Call { kernel, convolution: convolution.clone(), extents };
        self.later.put(self.tape, (call, uses), input, d_result, &mut self.to)
    }
}
