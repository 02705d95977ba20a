//! A sequence, or a part of one, with every intermediate result, and the way back over it.

use convgru_kernels::Scalar;

use super::backward::{RecurrentBackward, RecurrentOutputGradients};
use super::border::{Border, Frames};
use super::forward::{RecurrentOutput, collect};
use super::network::{Recurrent, RecurrentParameters};
use super::noise::Seed;
use super::run::{Given, Run};
use crate::composed::graph::{Tape, Value};
use crate::error::{Result, expect_count};
use crate::tensor::{Tensor, expect_shape};

/// A run that is recorded.
#[derive(Debug)]
pub(super) struct Recorded<'p, T> {
    tape: Tape<'p, T>,
    border: Border,
    given: Given<Value>,
    run: Run<Value>,
}

impl<T: Scalar> Recurrent<T> {
    /// Runs a sequence, or a part of one, and records it.
    pub(super) fn record(&self, frames: &Frames<'_, T>, noise: Option<Seed>) -> Result<Recorded<'_, T>> {
        let border = Border::of(frames, &self.config)?;
        let mut tape = Tape::new(self.parameters.named());
        let given = self.give(&mut tape, Tape::variable, frames, &border, noise)?;
        let run = self.runner(&mut tape, border.depth)?.run(&mut tape, &given)?;
        Ok(Recorded { tape, border, given, run })
    }
}

impl<T: Scalar> Recorded<'_, T> {
    /// The results of the run.
    pub(super) fn output(&self) -> Result<RecurrentOutput<T>> {
        collect(|&value| self.tape.tensor(value), &self.run, &self.border)
    }

    /// Bytes of all intermediate results.
    pub(super) fn bytes(&self) -> usize {
        self.tape.bytes()
    }

    /// Adds the gradients of all weights and returns those of what was given.
    pub(super) fn backward(
        &self,
        d_outputs: &RecurrentOutputGradients<'_, T>,
        gradients: &mut RecurrentParameters<T>,
    ) -> Result<RecurrentBackward<T>> {
        let seeds = self.seeds(d_outputs)?;
        let mut all = self.tape.backward(seeds, gradients.named_mut())?;
        let mut take = |value: Value, leading: &[usize]| {
            let zeros = || Tensor::zeros(self.tape.tensor(value).shape());
            self.border.public_tensor(all.take(value).unwrap_or_else(zeros), leading)
        };
        let Border { steps, batch, .. } = self.border;
        let d_inputs =
            self.given.inputs.iter().map(|&input| take(input, &[steps, batch])).collect::<Result<_>>()?;
        let d_states = match &self.given.states {
            Some(states) => {
                let states = states.iter().flatten();
                Some(states.map(|&state| take(state, &[batch])).collect::<Result<_>>()?)
            }
            None => None,
        };
        let contexts = self.given.contexts.iter().flatten();
        let d_contexts = contexts.map(|&context| take(context, &[batch])).collect::<Result<_>>()?;
        Ok(RecurrentBackward { d_inputs, d_states, d_contexts })
    }

    /// Gradients of results, each with the value it belongs to.
    fn seeds(&self, d: &RecurrentOutputGradients<'_, T>) -> Result<Vec<(Value, Tensor<T>)>> {
        let Border { steps, batch, depth, .. } = self.border;
        let mut seeds = Vec::new();
        let last: Vec<Value> = self.run.last.iter().flatten().copied().collect();
        for (what, there, given) in
            [("outputs", self.run.outputs.len(), d.outputs.len()), ("last", last.len(), d.last.len())]
        {
            if given > there {
                expect_count(&format!("gradients of {what}"), there, given)?;
            }
        }
        let images = |what: &str, value: Value, d: &Tensor<T>, leading: &[usize]| {
            let expected = self.border.tensor_of(self.tape.tensor(value), &leading[leading.len() - 1..]);
            let expected = [&leading[..leading.len() - 1], expected?.shape()].concat();
            expect_shape(what, d.shape(), &expected)?;
            self.border.images_of(d)
        };
        for (cell, values) in self.run.outputs.iter().enumerate() {
            let Some(d) = d.outputs.get(cell).copied().flatten() else { continue };
            let d = images(&format!("gradient of the states of cell {cell}"), values[0], d, &[steps, batch])?;
            for (t, &value) in values.iter().enumerate() {
                let rows = t * batch * depth..(t + 1) * batch * depth;
                let step = rows.flat_map(|image| d.slice(image)).copied().collect();
                seeds.push((value, Tensor::from_vec(self.tape.tensor(value).shape(), step)?));
            }
        }
        for (index, &value) in last.iter().enumerate() {
            let Some(d) = d.last.get(index).copied().flatten() else { continue };
            seeds.push((value, images(&format!("gradient of state {index}"), value, d, &[batch])?));
        }
        if let Some(d) = d.top {
            let expected = self.border.tensor_of(self.tape.tensor(self.run.top), &[steps, batch])?;
            expect_shape("gradient of the top", d.shape(), expected.shape())?;
            seeds.push((self.run.top, self.border.images_of(d)?));
        }
        Ok(seeds)
    }
}
