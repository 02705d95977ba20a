//! Training over parts of a sequence that are computed anew on the way back.

use std::ops::Range;

use convgru_kernels::Scalar;

use super::backward::{RecurrentBackward, RecurrentOutputGradients};
use super::border::Frames;
use super::forward::RecurrentOutput;
use super::network::{Recurrent, RecurrentParameters};
use super::noise::Seed;
use crate::error::{Result, expect_count};
use crate::fused::MemoryBudget;
use crate::tensor::{Tensor, expect_shape};

/// A sequence in segments, of which only the states before each are kept.
#[derive(Debug)]
pub(super) struct Segments<'p, T> {
    network: &'p Recurrent<T>,
    inputs: Vec<Tensor<T>>,
    contexts: Vec<Tensor<T>>,
    lengths: Option<Vec<usize>>,
    noise: Option<Seed>,
    steps: usize,
    /// Steps of a segment; the last may have fewer.
    size: usize,
    /// All states before each segment.
    states: Vec<Option<Vec<Tensor<T>>>>,
    /// The shapes of the states of each cell over the sequence, and of what the topmost stage gives.
    shapes: (Vec<Vec<usize>>, Vec<usize>),
}

impl<T: Scalar> Recurrent<T> {
    /// Steps whose intermediate results are kept at a time.
    pub(super) fn steps_of_segment(
        &self,
        frames: &Frames<'_, T>,
        noise: Option<Seed>,
        steps: usize,
    ) -> Result<usize> {
        let MemoryBudget::Bytes(bytes) = self.memory_budget else { return Ok(steps) };
        // A step that reads states tells what each of the others takes.
        let inputs = frames.inputs.iter().map(|input| steps_of(input, 0..1)).collect::<Result<Vec<_>>>()?;
        let inputs = inputs.iter().collect();
        let first = Frames { inputs, states: frames.states, contexts: frames.contexts, lengths: None };
        let states = self.forward_with(&first, noise)?.last;
        let bytes_of_step = self.record(&Frames { states: Some(&states), ..first }, noise)?.bytes();
        Ok((bytes / bytes_of_step.max(1)).clamp(1, steps))
    }
}

impl<'p, T: Scalar> Segments<'p, T> {
    /// Runs a sequence in segments of so many steps.
    pub(super) fn forward(
        network: &'p Recurrent<T>,
        frames: &Frames<'_, T>,
        noise: Option<Seed>,
        size: usize,
    ) -> Result<(RecurrentOutput<T>, Self)> {
        let mut segments = Self {
            network,
            inputs: frames.inputs.iter().map(|&input| input.clone()).collect(),
            contexts: frames.contexts.to_vec(),
            lengths: frames.lengths.map(<[usize]>::to_vec),
            noise,
            steps: frames.inputs[0].shape()[0],
            size,
            states: vec![frames.states.map(<[Tensor<T>]>::to_vec)],
            shapes: Default::default(),
        };
        let mut parts = Vec::new();
        for index in 0..segments.count() {
            let part = segments.with_frames(index, |frames, noise| network.forward_with(frames, noise))?;
            if index + 1 < segments.count() {
                segments.states.push(Some(part.last.clone()));
            }
            parts.push(part);
        }
        let cells = parts[0].outputs.len();
        let outputs = (0..cells).map(|cell| join(parts.iter().map(|part| &part.outputs[cell])));
        let outputs = outputs.collect::<Result<Vec<_>>>()?;
        let top = join(parts.iter().map(|part| &part.top))?;
        let last = parts.pop().map(|part| part.last).unwrap_or_default();
        segments.shapes =
            (outputs.iter().map(|output| output.shape().to_vec()).collect(), top.shape().to_vec());
        Ok((RecurrentOutput { outputs, last, top }, segments))
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

    /// Calls `work` with what a segment is given.
    fn with_frames<R>(
        &self,
        index: usize,
        work: impl FnOnce(&Frames<'_, T>, Option<Seed>) -> Result<R>,
    ) -> Result<R> {
        let range = self.range(index);
        let inputs = self.inputs.iter().map(|input| steps_of(input, range.clone()));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let inside = |len: &usize| len.saturating_sub(range.start).min(range.len());
        let lengths = self.lengths.as_ref().map(|lengths| lengths.iter().map(inside).collect::<Vec<_>>());
        let frames = Frames {
            inputs: inputs.iter().collect(),
            states: self.states[index].as_deref(),
            contexts: &self.contexts,
            lengths: lengths.as_deref(),
        };
        work(&frames, self.noise.map(|seed| Seed { before: range.start, ..seed }))
    }

    /// Adds the gradients of all weights and returns those of what was given.
    pub(super) fn backward(
        &self,
        d: &RecurrentOutputGradients<'_, T>,
        gradients: &mut RecurrentParameters<T>,
    ) -> Result<RecurrentBackward<T>> {
        self.expect_shapes(d)?;
        let mut parts = Vec::new();
        let mut contexts: Option<Vec<Tensor<T>>> = None;
        // Of the states after a segment.
        let mut d_last: Option<Vec<Tensor<T>>> = None;
        for index in (0..self.count()).rev() {
            let part = |d: &Option<&Tensor<T>>| d.map(|d| steps_of(d, self.range(index))).transpose();
            let outputs = d.outputs.iter().map(part).collect::<Result<Vec<_>>>()?;
            let top = part(&d.top)?;
            let of_segment = RecurrentOutputGradients {
                outputs: outputs.iter().map(Option::as_ref).collect(),
                last: match &d_last {
                    Some(states) => states.iter().map(Some).collect(),
                    None => d.last.clone(),
                },
                top: top.as_ref(),
            };
            let back = self.with_frames(index, |frames, noise| {
                self.network.record(frames, noise)?.backward(&of_segment, gradients)
            })?;
            d_last = back.d_states;
            parts.push(back.d_inputs);
            match &mut contexts {
                Some(all) => {
                    for (all, one) in all.iter_mut().zip(&back.d_contexts) {
                        all.add_assign(one)?;
                    }
                }
                none => *none = Some(back.d_contexts),
            }
        }
        let inputs = 0..self.inputs.len();
        let d_inputs = inputs.map(|input| join(parts.iter().rev().map(|part| &part[input])));
        Ok(RecurrentBackward {
            d_inputs: d_inputs.collect::<Result<_>>()?,
            d_states: d_last,
            d_contexts: contexts.unwrap_or_default(),
        })
    }

    /// Checks the gradients of all steps before they are cut.
    fn expect_shapes(&self, d: &RecurrentOutputGradients<'_, T>) -> Result<()> {
        let (outputs, top) = &self.shapes;
        if d.outputs.len() > outputs.len() {
            expect_count("gradients of outputs", outputs.len(), d.outputs.len())?;
        }
        for (cell, (d, shape)) in d.outputs.iter().zip(outputs).enumerate() {
            if let Some(d) = d {
                expect_shape(&format!("gradient of the states of cell {cell}"), d.shape(), shape)?;
            }
        }
        d.top.map_or(Ok(()), |d| expect_shape("gradient of the top", d.shape(), top))
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
