//! The forward pass in both directions, and what a backward pass needs of it.

use convgru_kernels::Scalar;

use super::time::Reversal;
use super::{BidirectionalConvGru, Directions};
use crate::error::{Result, expect_count};
use crate::fused::conv_gru::{Prepared, StackPass};
use crate::sequence::{Output, SavedPass, Sequence, Workspace};
use crate::tensor::Tensor;

/// The forward pass of both directions, for their backward pass.
#[derive(Debug)]
pub(super) struct BothPasses<T> {
    pub(super) directions: Directions<StackPass<T>>,
    /// Of the samples, where they differ.
    pub(super) lengths: Option<Vec<usize>>,
}

impl<T: Scalar> SavedPass for BothPasses<T> {
    fn bytes(&self) -> usize {
        self.directions.forward.bytes() + self.directions.backward.bytes()
    }
}

impl<T: Scalar> BidirectionalConvGru<T> {
    /// A whole sequence in both directions.
    ///
    /// # Shapes
    /// Those of [`Sequence`] and [`Output`]. Initial states stand before the first frame that a direction reads. A sample with a length of its own
    /// is read backward from its own end.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch), [`Error::Count`](crate::Error::Count) or
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) if an argument does not fit.
    ///
    /// ```
    /// use convgru_model::{BidirectionalConvGru, BidirectionalConvGruConfig, ConvGruConfig, Merge, Sequence, Tensor};
    ///
    /// let config = BidirectionalConvGruConfig { stack: ConvGruConfig::new(3, &[8]), merge: Merge::Sum };
    /// let network = BidirectionalConvGru::<f32>::new(config, 0)?;
    /// let frames = Tensor::from_fn(&[5, 2, 3, 6, 7], |i| (i % 7) as f32 / 7.0);
    /// let states = network.forward(Sequence { lengths: Some(&[5, 2]), ..Sequence::from(&frames) })?;
    /// assert_eq!(states.outputs[0].shape(), [5, 2, 8, 6, 7]);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn forward<'a>(&self, sequence: impl Into<Sequence<'a, T>>) -> Result<Output<T>> {
        let both = self.both(sequence.into())?;
        let (mut forward, mut backward) = (Output::default(), Output::default());
        let Directions { forward: first, backward: second } = &self.parameters;
        Prepared::new(&self.spec, &first.layers)?.forward(both.forward(), &mut forward)?;
        Prepared::new(&self.spec, &second.layers)?.forward(both.backward(), &mut backward)?;
        Ok(self.merged(both.reversal, forward, backward))
    }

    /// A whole sequence, keeping what [`backward`](Self::backward) needs. The memory of the workspace is used again where the
    /// shapes are the same.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_train<'a>(
        &self,
        sequence: impl Into<Sequence<'a, T>>,
        workspace: &mut Workspace<T>,
    ) -> Result<Output<T>> {
        let both = self.both(sequence.into())?;
        workspace.write(self.spec.stamp, |kept| self.run(&both, kept))
    }

    fn run(&self, both: &Both<'_, T>, kept: &mut Option<BothPasses<T>>) -> Result<Output<T>> {
        let (mut kept_forward, mut kept_backward) = match kept.take() {
            Some(BothPasses { directions, .. }) => (Some(directions.forward), Some(directions.backward)),
            None => (None, None),
        };
        let Directions { forward, backward } = &self.parameters;
        let forward = self.spec.forward_train(&forward.layers, both.forward(), &mut kept_forward)?;
        let backward = self.spec.forward_train(&backward.layers, both.backward(), &mut kept_backward)?;
        if let (Some(forward), Some(backward)) = (kept_forward, kept_backward) {
            let lengths = both.sequence.lengths.map(<[usize]>::to_vec);
            *kept = Some(BothPasses { directions: Directions { forward, backward }, lengths });
        }
        Ok(self.merged(both.reversal, forward, backward))
    }

    /// A sequence as both directions read it.
    fn both<'a>(&self, sequence: Sequence<'a, T>) -> Result<Both<'a, T>> {
        let (step, steps) = self.spec.extent(sequence)?;
        let layers = self.config.stack.layers();
        if let Some(states) = sequence.states {
            expect_count("initial states of both directions", 2 * layers, states.len())?;
            let (forward, backward) = states.split_at(layers);
            self.spec.expect_initial(step, Some(forward))?;
            self.spec.expect_initial(step, Some(backward))?;
        }
        let reversal = Reversal { steps, lengths: sequence.lengths };
        Ok(Both { sequence, layers, reversed: reversal.of(sequence.frames()?), reversal })
    }

    fn merged(&self, reversal: Reversal<'_>, forward: Output<T>, backward: Output<T>) -> Output<T> {
        let outputs = forward.outputs.into_iter().zip(&backward.outputs);
        Output {
            outputs: outputs.map(|(f, b)| reversal.merged(self.config.merge, f, b)).collect(),
            last: [forward.last, backward.last].into_iter().flatten().collect(),
        }
    }
}

/// A sequence as both directions read it.
struct Both<'a, T> {
    sequence: Sequence<'a, T>,
    /// Of each direction.
    layers: usize,
    reversal: Reversal<'a>,
    /// The frames as the backward direction reads them.
    reversed: Tensor<T>,
}

impl<T: Scalar> Both<'_, T> {
    fn forward(&self) -> Sequence<'_, T> {
        Sequence { states: self.sequence.states.map(|states| &states[..self.layers]), ..self.sequence }
    }

    fn backward(&self) -> Sequence<'_, T> {
        let states = self.sequence.states.map(|states| &states[self.layers..]);
        Sequence { inputs: std::slice::from_ref(&self.reversed), states, ..self.sequence }
    }
}
