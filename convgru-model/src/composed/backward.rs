//! The forward pass of training, and the way back.

use convgru_kernels::Scalar;

use super::border::{Border, Frames};
use super::forward::RecurrentOutput;
use super::network::{Recurrent, RecurrentParameters};
use super::noise::Seed;
use super::recorded::Recorded;
use super::segments::Segments;
use crate::error::Result;
use crate::fused::MemoryBudget;
use crate::parameters::expect_gradients;
use crate::tensor::Tensor;

/// What [`Recurrent::forward_train`] keeps for the way back: every intermediate result, or as many steps of them as fit
/// into the memory budget at a time ([`Recurrent::set_memory_budget`]).
///
/// It borrows the network, so that its weights are those of the forward pass.
#[derive(Debug)]
pub struct RecurrentWorkspace<'p, T> {
    network: &'p Recurrent<T>,
    kept: Kept<'p, T>,
}

#[derive(Debug)]
enum Kept<'p, T> {
    Everything(Recorded<'p, T>),
    Segments(Segments<'p, T>),
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
    /// use convgru_model::composed::{CellConfig, Frames, Recurrent, RecurrentConfig, RecurrentOutputGradients};
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
        let steps = Border::of(frames, &self.config)?.steps;
        let noise = noise.map(Seed::of_sequence);
        let size = self.steps_of_segment(frames, noise, steps)?;
        if size < steps {
            let (output, segments) = Segments::forward(self, frames, noise, size)?;
            return Ok((output, RecurrentWorkspace { network: self, kept: Kept::Segments(segments) }));
        }
        let recorded = self.record(frames, noise)?;
        Ok((recorded.output()?, RecurrentWorkspace { network: self, kept: Kept::Everything(recorded) }))
    }

    /// Limits what [`forward_train`](Self::forward_train) keeps for the way back.
    ///
    /// Where the intermediate results of all steps do not fit into so many bytes, about, those of as many steps as do are
    /// computed anew when the way back comes to them: less memory for one more forward pass. Beside them lie inputs,
    /// and all states once for each such part. States have the same bits; gradients of weights are added up in
    /// other groups, and are the same to rounding.
    ///
    /// ```
    /// use convgru_model::composed::{CellConfig, Frames, Recurrent, RecurrentConfig};
    /// use convgru_model::{MemoryBudget, Tensor};
    ///
    /// let mut network = Recurrent::<f32>::new(RecurrentConfig::chain([CellConfig::new(2, 3)]), 0)?;
    /// let frames = Tensor::zeros(&[20, 1, 2, 16, 16]);
    /// let all = network.forward_train(&Frames::new(&frames), None)?.1.bytes();
    /// network.set_memory_budget(MemoryBudget::Bytes(all / 4));
    /// assert!(network.forward_train(&Frames::new(&frames), None)?.1.bytes() < all / 2);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn set_memory_budget(&mut self, budget: MemoryBudget) {
        self.memory_budget = budget;
    }
}

impl<T: Scalar> RecurrentWorkspace<'_, T> {
    /// Bytes that it keeps: intermediate results, or inputs and states of the parts that are computed anew.
    pub fn bytes(&self) -> usize {
        match &self.kept {
            Kept::Everything(recorded) => recorded.bytes(),
            Kept::Segments(segments) => segments.bytes(),
        }
    }

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
        expect_gradients(self.network.parameters(), gradients)?;
        match &self.kept {
            Kept::Everything(recorded) => recorded.backward(d_outputs, gradients),
            Kept::Segments(segments) => segments.backward(d_outputs, gradients),
        }
    }
}
