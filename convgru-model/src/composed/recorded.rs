//! A sequence, or a part of one, with every intermediate result, and the way back over it.

use convgru_kernels::Scalar;

use super::network::{Recurrent, RecurrentParameters};
use super::run::{Run, RunInput};
use super::sequence_shape::SequenceShape;
use crate::composed::graph::{NodeIndex, Record, Tape};
use crate::error::Result;
use crate::sequence::{
    InputGradients, LossGradient, Output, OutputGradients, ReturnLayers, Sequence, StateGradient,
    gradient_of_state,
};
use crate::tensor::Tensor;

/// A run that is recorded.
#[derive(Debug)]
pub(super) struct Recorded<T> {
    record: Record<T>,
    dims: SequenceShape,
    given: RunInput<NodeIndex>,
    run: Run<NodeIndex>,
    /// The cells whose states were returned.
    return_layers: ReturnLayers,
    /// Whether the result of the network is the state of its topmost cell.
    gives_state: bool,
    /// Whether the gradients of the inputs are asked for.
    input_gradient: bool,
    /// Steps of the sequence before the part.
    before: usize,
}

/// Gradients with the values they belong to.
pub(super) type Seeds<T> = Vec<(NodeIndex, Tensor<T>)>;

impl<T: Scalar> Recorded<T> {
    /// Runs a sequence, or a part of one with so many steps before it, and records it.
    pub(super) fn forward(
        network: &Recurrent<T>,
        sequence: Sequence<'_, T>,
        before: usize,
    ) -> Result<(Output<T>, Self)> {
        let dims = SequenceShape::of(sequence, &network.config)?;
        let mut record = Record::new();
        let mut tape = Tape::new(network.parameters.named(), &mut record);
        let given = network.give(&mut tape, Tape::leaf, sequence, &dims, before)?;
        let run = network.runner(&mut tape, dims.depth)?.run(&mut tape, &given)?;
        let Sequence { return_layers, input_gradient, .. } = sequence;
        let output = network.collect(|&value| tape.tensor(value), &run, &dims, return_layers)?;
        let gives_state = network.config.gives_state();
        Ok((output, Self { record, dims, given, run, return_layers, gives_state, input_gradient, before }))
    }

    /// Bytes of all intermediate results.
    pub(super) fn bytes(&self) -> usize {
        self.record.bytes()
    }

    /// Adds the gradients of all weights and returns the gradients of the inputs.
    pub(super) fn backward(
        &mut self,
        network: &Recurrent<T>,
        seeds: Seeds<T>,
        gradients: &mut RecurrentParameters<T>,
    ) -> Result<InputGradients<T>> {
        let tape = Tape::of(network.parameters.named(), &mut self.record)?;
        let mut all = tape.backward(seeds, gradients.named_mut())?;
        let mut take = |value: &NodeIndex, leading: &[usize]| {
            let zeros = || Tensor::zeros(tape.tensor(*value).shape());
            self.dims.public_tensor(all.take(*value).unwrap_or_else(zeros), leading)
        };
        let SequenceShape { steps, batch, .. } = self.dims;
        let inputs = self.given.inputs.iter().filter(|_| self.input_gradient);
        let inputs = inputs.map(|input| take(input, &[steps, batch])).collect::<Result<_>>()?;
        let states = self.given.states.iter().flatten().flatten();
        let states = states.map(|state| take(state, &[batch])).collect::<Result<_>>()?;
        let contexts = self.given.contexts.iter().flatten();
        let contexts = contexts.map(|context| take(context, &[batch])).collect::<Result<_>>()?;
        Ok(InputGradients { inputs, states, contexts })
    }

    /// The gradients of a loss, each with the value it belongs to.
    pub(super) fn seeds(&self, loss: LossGradient<'_, T>) -> Result<Seeds<T>> {
        match loss {
            LossGradient::Tensors(d) => self.seeds_of_tensors(d),
            LossGradient::States(enter) => self.seeds_of_states(enter),
        }
    }

    fn seeds_of_tensors(&self, d: &OutputGradients<'_, T>) -> Result<Seeds<T>> {
        let SequenceShape { steps, batch, .. } = self.dims;
        let (cells, top) = self.returned();
        let shape = |value: NodeIndex, leading: &[usize]| {
            self.dims.shape_of(self.record.result(value).shape(), leading)
        };
        let outputs = cells.iter().map(|cell| cell[0]).chain(top);
        let outputs: Vec<_> = outputs.map(|value| shape(value, &[steps, batch])).collect();
        let last = self.run.last.iter().flatten();
        d.expect_shapes(&outputs, &last.map(|&value| shape(value, &[batch])).collect::<Vec<_>>())?;
        let mut seeds = Vec::new();
        for (index, values) in cells.iter().enumerate() {
            let Some(d) = d.output(index).map(|d| self.dims.images_of(d)).transpose()? else { continue };
            let mut numbers = d.as_slice();
            for &value in values {
                let shape = self.record.result(value).shape();
                let (step, rest) = numbers.split_at(shape.iter().product());
                seeds.push((value, Tensor::from_vec(shape, step.to_vec())?));
                numbers = rest;
            }
        }
        for (index, &value) in self.run.last.iter().flatten().enumerate() {
            if let Some(d) = d.last(index) {
                seeds.push((value, self.dims.images_of(d)?));
            }
        }
        if let Some((value, d)) = top.zip(d.output(cells.len())) {
            seeds.push((value, self.dims.images_of(d)?));
        }
        Ok(seeds)
    }

    /// The cells whose states were returned, and the result of the network where that was.
    fn returned(&self) -> (&[Vec<NodeIndex>], Option<NodeIndex>) {
        match self.return_layers {
            ReturnLayers::All => (&self.run.outputs, (!self.gives_state).then_some(self.run.top)),
            ReturnLayers::Top => (&[], Some(self.run.top)),
            ReturnLayers::None => (&[], None),
        }
    }

    fn seeds_of_states(&self, enter: &mut dyn FnMut(StateGradient<'_, T>) -> Result<()>) -> Result<Seeds<T>> {
        let (cells, steps, mut seeds) = (&self.run.outputs, self.dims.steps, Vec::new());
        if !self.gives_state {
            let top = self.record.result(self.run.top);
            let mut shape = top.shape().to_vec();
            shape[0] /= steps;
            let size: usize = shape.iter().product();
            let mut d_top = Tensor::zeros(top.shape());
            for t in (0..steps).rev() {
                let (place, range) = ([cells.len(), self.before + t], t * size..(t + 1) * size);
                let numbers = gradient_of_state(enter, place, &shape, &top.as_slice()[range.clone()])?;
                d_top.as_mut_slice()[range].copy_from_slice(&numbers);
            }
            seeds.push((self.run.top, d_top));
        }
        for (cell, values) in cells.iter().enumerate().rev() {
            for (t, &value) in values.iter().enumerate().rev() {
                let state = self.record.result(value);
                let place = [cell, self.before + t];
                let numbers = gradient_of_state(enter, place, state.shape(), state.as_slice())?;
                seeds.push((value, Tensor::from_vec(state.shape(), numbers)?));
            }
        }
        Ok(seeds)
    }

    /// The gradients of the last states, each with the value it belongs to.
    pub(super) fn seeds_of_last(&self, d_last: &[Tensor<T>]) -> Result<Seeds<T>> {
        let last = self.run.last.iter().flatten().zip(d_last);
        last.map(|(&value, d)| Ok((value, self.dims.images_of(d)?))).collect()
    }
}
