//! The way back over a tape.

use std::collections::HashMap;
use std::ops::Range;

use convgru_kernels::{Extent, FeatureMaps, Scalar};

use super::op::{Convolution, Op, Sink};
use super::tape::{NodeIndex, Source, Tape};
use super::weight_gradients::{Call, Destination, Gradients, WeightGradients};
use crate::error::Result;
use crate::tensor::{Tensor, expect_shape};

impl<T: Scalar> Tape<'_, T> {
    /// Goes back from the gradients of some values to the gradients of all variables. The gradients of parameters are
    /// added to `parameters`.
    pub(crate) fn backward(
        &self,
        seeds: impl IntoIterator<Item = (NodeIndex, Tensor<T>)>,
        parameters: &mut [(String, Tensor<T>)],
    ) -> Result<Gradients<T>> {
        let mut gradients = Gradients((0..self.nodes.len()).map(|_| None).collect());
        for (value, seed) in seeds {
            expect_shape("gradient of a state", seed.shape(), self.tensor(value).shape())?;
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
}

/// How often rows of a kernel are convolved with.
type Uses = HashMap<(NodeIndex, Range<usize>), usize>;

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
        self.to.gradient_of(self.tape, self.inputs[operand])
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
