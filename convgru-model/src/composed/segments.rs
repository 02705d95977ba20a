//! Training over parts of a sequence that are computed again on the way back.

use std::ops::Range;

use convgru_kernels::Scalar;

use super::network::{Recurrent, RecurrentParameters};
use super::recorded::Recorded;
use crate::error::Result;
use crate::sequence::{
    InputGradients, LossGradient, MemoryBudget, Output, OutputGradients, ReturnLayers, Sequence,
};
use crate::tensor::Tensor;

/// A sequence in segments, of which only the states before each are kept.
#[derive(Debug)]
pub(super) struct Segments<T> {
    inputs: Vec<Tensor<T>>,
    contexts: Vec<Tensor<T>>,
    lengths: Option<Vec<usize>>,
    return_layers: ReturnLayers,
    dropout_seed: Option<u64>,
    input_gradient: bool,
    steps: usize,
    /// Steps of a segment; the last may have fewer.
    size: usize,
    /// All states before each segment.
    states: Vec<Option<Vec<Tensor<T>>>>,
    /// The shapes of what was returned: states after every step, and last states.
    shapes: [Vec<Vec<usize>>; 2],
}

impl<T: Scalar> Recurrent<T> {
    /// Steps whose intermediate results are kept at a time.
    pub(super) fn steps_of_segment(&self, sequence: Sequence<'_, T>, steps: usize) -> Result<usize> {
        let MemoryBudget::Bytes(bytes) = self.memory_budget else { return Ok(steps) };
        // A step that reads states tells what each of the others takes.
        let inputs = sequence.inputs.iter().map(|input| steps_of(input, 0..1)).collect::<Result<Vec<_>>>()?;
        let first =
            Sequence { inputs: &inputs, lengths: None, return_layers: ReturnLayers::None, ..sequence };
        let states = self.forward_part(first, 0)?.last;
        let (_, second) = Recorded::forward(self, Sequence { states: Some(&states), ..first }, 0)?;
        Ok((bytes / second.bytes().max(1)).clamp(1, steps))
    }
}

impl<T: Scalar> Segments<T> {
    /// Runs a sequence in segments of so many steps.
    pub(super) fn forward(
        network: &Recurrent<T>,
        sequence: Sequence<'_, T>,
        size: usize,
    ) -> Result<(Output<T>, Self)> {
        let Sequence { inputs, states, contexts, lengths, return_layers, dropout_seed, input_gradient } =
            sequence;
        let mut segments = Self {
            inputs: inputs.to_vec(),
            contexts: contexts.to_vec(),
            lengths: lengths.map(<[usize]>::to_vec),
            return_layers,
            dropout_seed,
            input_gradient,
            steps: inputs[0].shape()[0],
            size,
            states: vec![states.map(<[Tensor<T>]>::to_vec)],
            shapes: Default::default(),
        };
        let mut parts = Vec::new();
        for index in 0..segments.count() {
            let part = segments.with_part(index, |part, before| network.forward_part(part, before))?;
            if index + 1 < segments.count() {
                segments.states.push(Some(part.last.clone()));
            }
            parts.push(part);
        }
        let outputs = (0..parts[0].outputs.len()).map(|i| join(parts.iter().map(|part| &part.outputs[i])));
        let outputs = outputs.collect::<Result<Vec<_>>>()?;
        let last = parts.pop().map(|part| part.last).unwrap_or_default();
        let shapes = |tensors: &[Tensor<T>]| tensors.iter().map(|tensor| tensor.shape().to_vec()).collect();
        segments.shapes = [shapes(&outputs), shapes(&last)];
        Ok((Output { outputs, last }, segments))
    }

    /// Bytes of inputs and states.
    pub(super) fn bytes(&self) -> usize {
        let states = self.states.iter().flatten().flatten();
        let all = self.inputs.iter().chain(&self.contexts).chain(states);
        all.map(|tensor| tensor.len() * size_of::<T>()).sum()
    }

    fn count(&self) -> usize {
        self.steps.div_ceil(self.size)
    }

    /// The steps of a segment.
    fn range(&self, index: usize) -> Range<usize> {
        index * self.size..self.steps.min((index + 1) * self.size)
    }

    /// Calls `work` with a segment and the number of steps before it.
    fn with_part<R>(
        &self,
        index: usize,
        work: impl FnOnce(Sequence<'_, T>, usize) -> Result<R>,
    ) -> Result<R> {
        let range = self.range(index);
        let inputs = self.inputs.iter().map(|input| steps_of(input, range.clone()));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let inside = |len: &usize| len.saturating_sub(range.start).min(range.len());
        let lengths = self.lengths.as_ref().map(|lengths| lengths.iter().map(inside).collect::<Vec<_>>());
        let part = Sequence {
            inputs: &inputs,
            states: self.states[index].as_deref(),
            contexts: &self.contexts,
            lengths: lengths.as_deref(),
            return_layers: self.return_layers,
            dropout_seed: self.dropout_seed,
            input_gradient: self.input_gradient,
        };
        work(part, range.start)
    }

    /// Adds the gradients of all weights and returns the gradients of the inputs.
    pub(super) fn backward(
        &self,
        network: &Recurrent<T>,
        mut loss: LossGradient<'_, T>,
        gradients: &mut RecurrentParameters<T>,
    ) -> Result<InputGradients<T>> {
        if let LossGradient::Tensors(d) = &loss {
            d.expect_shapes(&self.shapes[0], &self.shapes[1])?;
        }
        let mut parts = Vec::new();
        let mut contexts: Option<Vec<Tensor<T>>> = None;
        // Of the states after a segment.
        let mut d_last: Option<Vec<Tensor<T>>> = None;
        for index in (0..self.count()).rev() {
            let (_, mut recorded) =
                self.with_part(index, |part, before| Recorded::forward(network, part, before))?;
            let mut seeds = match &mut loss {
                LossGradient::States(enter) => recorded.seeds(LossGradient::States(&mut **enter))?,
                LossGradient::Tensors(d) => {
                    let part = |d: &Option<&Tensor<T>>| d.map(|d| steps_of(d, self.range(index))).transpose();
                    let outputs = d.outputs.iter().map(part).collect::<Result<Vec<_>>>()?;
                    let last = if d_last.is_none() { d.last.clone() } else { Vec::new() };
                    let d = OutputGradients { outputs: outputs.iter().map(Option::as_ref).collect(), last };
                    recorded.seeds(LossGradient::Tensors(&d))?
                }
            };
            if let Some(d_last) = &d_last {
                seeds.extend(recorded.seeds_of_last(d_last)?);
            }
            let back = recorded.backward(network, seeds, gradients)?;
            d_last = Some(back.states);
            parts.push(back.inputs);
            match &mut contexts {
                Some(all) => {
                    for (all, one) in all.iter_mut().zip(&back.contexts) {
                        all.add_assign(one)?;
                    }
                }
                none => *none = Some(back.contexts),
            }
        }
        let inputs = (0..parts[0].len()).map(|input| join(parts.iter().rev().map(|part| &part[input])));
        Ok(InputGradients {
            inputs: inputs.collect::<Result<_>>()?,
            states: d_last.unwrap_or_default(),
            contexts: contexts.unwrap_or_default(),
        })
    }
}

/// Some steps of a sequence.
fn steps_of<T: Scalar>(sequence: &Tensor<T>, range: Range<usize>) -> Result<Tensor<T>> {
    let size: usize = sequence.shape()[1..].iter().product();
    let shape = [&[range.len()], &sequence.shape()[1..]].concat();
    Tensor::from_vec(&shape, sequence.as_slice()[range.start * size..range.end * size].to_vec())
}

/// Parts of a sequence, one after the other.
fn join<'t, T: Scalar>(parts: impl Iterator<Item = &'t Tensor<T>>) -> Result<Tensor<T>> {
    let (mut shape, mut values) = (Vec::new(), Vec::new());
    let mut steps = 0;
    for part in parts {
        steps += part.shape()[0];
        shape = part.shape().to_vec();
        values.extend_from_slice(part.as_slice());
    }
    shape[0] = steps;
    Tensor::from_vec(&shape, values)
}
