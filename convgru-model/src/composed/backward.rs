//! The forward pass of training, and the way back.

use convgru_kernels::Scalar;

use super::network::{Recurrent, RecurrentParameters};
use super::recorded::Recorded;
use super::segments::Segments;
use super::sequence_shape::SequenceShape;
use crate::error::Result;
use crate::parameters::expect_gradients;
use crate::sequence::{InputGradients, LossGradient, MemoryBudget, Output, SavedPass, Sequence, Workspace};

/// The forward pass of a network, for its backward pass: every intermediate result, or as many steps of them as fit
/// into the memory budget at a time.
#[derive(Debug)]
enum RecurrentPass<T> {
    Everything(Recorded<T>),
    Segments(Segments<T>),
}

impl<T: Scalar> SavedPass for RecurrentPass<T> {
    fn bytes(&self) -> usize {
        match self {
            Self::Everything(recorded) => recorded.bytes(),
            Self::Segments(segments) => segments.bytes(),
        }
    }
}

impl<T: Scalar> Recurrent<T> {
    /// A whole sequence, keeping what [`backward`](Self::backward) needs.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    ///
    /// ```
    /// use convgru_model::composed::{CellConfig, Recurrent, RecurrentConfig};
    /// use convgru_model::{OutputGradients, Parameters, Sequence, Tensor, Workspace};
    ///
    /// let network = Recurrent::<f64>::new(RecurrentConfig::chain([CellConfig::new(2, 3)]), 0)?;
    /// let frames = Tensor::from_fn(&[4, 1, 2, 5, 6], |i| (i % 7) as f64 / 7.0);
    /// let mut workspace = Workspace::default();
    /// let sequence = Sequence { input_gradient: true, ..Sequence::from(&frames) };
    /// let states = network.forward_train(sequence, &mut workspace)?;
    /// let mut gradients = network.parameters().zeros_like();
    /// let d_states = OutputGradients { outputs: vec![Some(&states.outputs[0])], ..Default::default() };
    /// let back = network.backward(&mut workspace, &d_states, &mut gradients)?;
    /// assert_eq!(back.inputs[0].shape(), frames.shape());
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn forward_train<'a>(
        &self,
        sequence: impl Into<Sequence<'a, T>>,
        workspace: &mut Workspace<T>,
    ) -> Result<Output<T>> {
        let sequence = sequence.into();
        let steps = SequenceShape::of(sequence, &self.config)?.steps;
        self.check()?;
        workspace.write(self.stamp, |kept| {
            // The memory of an earlier pass is given back before more is taken.
            *kept = None;
            let size = self.steps_of_segment(sequence, steps)?;
            let (output, pass) = if size < steps {
                let (output, segments) = Segments::forward(self, sequence, size)?;
                (output, RecurrentPass::Segments(segments))
            } else {
                let (output, recorded) = Recorded::forward(self, sequence, 0)?;
                (output, RecurrentPass::Everything(recorded))
            };
            *kept = Some(pass);
            Ok(output)
        })
    }

    /// Adds the gradients of all weights and returns the gradients of what the network was given. The weights must be those of
    /// [`forward_train`](Self::forward_train).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch), [`Error::Count`](crate::Error::Count) or
    /// [`Error::TensorOrder`](crate::Error::TensorOrder) if a gradient does not fit,
    /// [`Error::Workspace`](crate::Error::Workspace) for a workspace of another network or of weights that were changed since. Nothing
    /// has changed then. The first error of a [`LossGradient::States`], which leaves the gradients half added.
    pub fn backward<'l>(
        &self,
        workspace: &mut Workspace<T>,
        loss: impl Into<LossGradient<'l, T>>,
        gradients: &mut RecurrentParameters<T>,
    ) -> Result<InputGradients<T>> {
        let pass: &mut RecurrentPass<T> = workspace.read(self.stamp)?;
        expect_gradients(self.parameters(), gradients)?;
        match pass {
            RecurrentPass::Everything(recorded) => {
                let seeds = recorded.seeds(loss.into())?;
                recorded.backward(self, seeds, gradients)
            }
            RecurrentPass::Segments(segments) => segments.backward(self, loss.into(), gradients),
        }
    }

    /// Limits what [`forward_train`](Self::forward_train) keeps for the way back.
    ///
    /// Where the intermediate results of all steps do not fit into so many bytes, about, those of as many steps as do are
    /// computed again when the way back comes to them: less memory for one more forward pass. Beside them lie inputs,
    /// and all states once for each such part. States have the same bits; gradients of weights are added up in
    /// other groups, and are the same to rounding.
    ///
    /// ```
    /// use convgru_model::composed::{CellConfig, Recurrent, RecurrentConfig};
    /// use convgru_model::{MemoryBudget, Tensor, Workspace};
    ///
    /// let mut network = Recurrent::<f32>::new(RecurrentConfig::chain([CellConfig::new(2, 3)]), 0)?;
    /// let frames = Tensor::zeros(&[20, 1, 2, 16, 16]);
    /// let mut workspace = Workspace::default();
    /// network.forward_train(&frames, &mut workspace)?;
    /// let all = workspace.bytes();
    /// network.set_memory_budget(MemoryBudget::Bytes(all / 4));
    /// network.forward_train(&frames, &mut workspace)?;
    /// assert!(workspace.bytes() < all / 2);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn set_memory_budget(&mut self, budget: MemoryBudget) {
        self.memory_budget = budget;
    }
}
