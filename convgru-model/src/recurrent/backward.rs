//! The forward pass of training, and the way back.

use convgru_kernels::Scalar;

use super::border::{Border, Frames};
use super::forward::{RecurrentOutput, collect};
use super::network::{Recurrent, RecurrentParameters};
use super::run::{Given, Run};
use crate::error::{Result, expect_count};
use crate::graph::{Tape, Value};
use crate::parameters::expect_gradients;
use crate::tensor::{Tensor, expect_shape};

/// What [`Recurrent::forward_train`] keeps for the way back: every intermediate result.
///
/// It borrows the network, so that its weights are those of the forward pass.
#[derive(Debug)]
pub struct RecurrentWorkspace<'p, T> {
    tape: Tape<'p, T>,
    border: Border,
    given: Given<Value>,
    run: Run<Value>,
}

/// The gradients of the loss with respect to the results of a sequence; what is missing is zero.
#[derive(Debug, Clone, Default)]
pub struct RecurrentOutputGradients<'a, T> {
    /// Of [`RecurrentOutput::outputs`], of the first cells.
    pub outputs: Vec<Option<&'a Tensor<T>>>,
    /// Of [`RecurrentOutput::last`], of the first states.
    pub last: Vec<Option<&'a Tensor<T>>>,
    /// Of [`RecurrentOutput::top`].
    pub top: Option<&'a Tensor<T>>,
}

/// What [`RecurrentWorkspace::backward`] returns: gradients of what was given.
#[derive(Debug, Clone)]
pub struct RecurrentBackward<T> {
    /// Of [`Frames::inputs`].
    pub d_inputs: Vec<Tensor<T>>,
    /// Of [`Frames::states`], where they were given.
    pub d_states: Option<Vec<Tensor<T>>>,
    /// Of [`Frames::contexts`].
    pub d_contexts: Vec<Tensor<T>>,
}

impl<T: Scalar> Recurrent<T> {
    /// A whole sequence, keeping what [`RecurrentWorkspace::backward`] needs.
    ///
    /// `noise` is the seed of dropout and zoneout; without one the network is as in use.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    ///
    /// ```
    /// use convgru_model::recurrent::{CellConfig, Frames, Recurrent, RecurrentConfig, RecurrentOutputGradients};
    /// use convgru_model::{Parameters, Tensor};
    ///
    /// let network = Recurrent::<f64>::new(RecurrentConfig::chain([CellConfig::new(2, 3)]), 0)?;
    /// let frames = Tensor::from_fn(&[4, 1, 2, 5, 6], |i| (i % 7) as f64 / 7.0);
    /// let (states, workspace) = network.forward_train(&Frames::new(&frames), None)?;
    /// let mut gradients = network.parameters().zeros_like();
    /// let d_states = RecurrentOutputGradients { top: Some(&states.top), ..Default::default() };
    /// let back = workspace.backward(&d_states, &mut gradients)?;
    /// assert_eq!(back.d_inputs[0].shape(), frames.shape());
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn forward_train(
        &self,
        frames: &Frames<'_, T>,
        noise: Option<u64>,
    ) -> Result<(RecurrentOutput<T>, RecurrentWorkspace<'_, T>)> {
        let border = Border::of(frames, &self.config)?;
        let mut tape = Tape::new(self.parameters.named());
        let given = self.give(&mut tape, Tape::variable, frames, &border, noise)?;
        let run = self.runner().run(&mut tape, &given)?;
        let output = collect(|&value| tape.tensor(value), &run, &border)?;
        Ok((output, RecurrentWorkspace { tape, border, given, run }))
    }
}

impl<T: Scalar> RecurrentWorkspace<'_, T> {
    /// Adds the gradients of all weights and returns those of what was given.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) or [`Error::Count`](crate::Error::Count) if a gradient
    /// does not fit.
    pub fn backward(
        &self,
        d_outputs: &RecurrentOutputGradients<'_, T>,
        gradients: &mut RecurrentParameters<T>,
    ) -> Result<RecurrentBackward<T>> {
        expect_gradients(&RecurrentParameters::new(self.tape.parameters().to_vec()), gradients)?;
        let seeds = self.seeds(d_outputs)?;
        let mut all = self.tape.backward(seeds, gradients.named_mut())?;
        let mut take = |value: Value, leading: &[usize]| {
            let zeros = || Tensor::zeros(self.tape.tensor(value).shape());
            self.border.tensor_of(&all.take(value).unwrap_or_else(zeros), leading)
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
