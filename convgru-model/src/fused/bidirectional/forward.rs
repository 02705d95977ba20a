//! The forward pass in both directions, and what a backward pass needs of it.

use convgru_kernels::Scalar;

use super::time::Reversal;
use super::{BidirectionalConvGru, Directions};
use crate::error::{Result, expect_count};
use crate::fused::conv_gru::{ConvGruOutput, ConvGruWorkspace};
use crate::parameters::Stamp;
use crate::sequence::Sequence;
use crate::tensor::Tensor;

/// The states of a sequence that was read in both directions.
#[derive(Debug, Clone)]
pub struct BidirectionalOutput<T> {
    /// The merged states at every step, in the order of time, `[T, N, 2 hidden, H, W]` or, where they are added up, `[T, N, hidden, H, W]`:
    /// one tensor for each layer, the topmost layer's alone, or none.
    ///
    /// Past the end of a sample they are the merged last states of both directions.
    pub outputs: Vec<Tensor<T>>,
    /// The last state of every layer, `[N, hidden, H, W]`: of the forward direction that after the last frame
    /// of each sample, of the backward direction that after the first.
    pub last: Directions<Vec<Tensor<T>>>,
}

/// What [`BidirectionalConvGru::forward_train`] keeps for [`BidirectionalConvGru::backward`]: twice what a
/// [`ConvGruWorkspace`] holds.
#[derive(Debug)]
pub struct BidirectionalWorkspace<T> {
    pub(super) directions: Directions<ConvGruWorkspace<T>>,
    /// Of the samples, where they differ.
    pub(super) lengths: Option<Vec<usize>>,
    /// Of the weights of the forward pass.
    pub(super) stamp: Stamp,
}

impl<T: Scalar> BidirectionalWorkspace<T> {
    pub(super) fn reversal(&self) -> Reversal<'_> {
        Reversal { steps: self.directions.forward.steps(), lengths: self.lengths.as_deref() }
    }
}

impl<T: Scalar> BidirectionalConvGru<T> {
    /// A whole sequence in both directions.
    ///
    /// # Shapes
    /// Those of [`Sequence`]; its states are, if given, those of all layers of the forward direction and then those of all layers of the
    /// backward direction, which stand before the first frame that each of them reads. A sample with a length of its own is read backward from
    /// its own end.
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
    /// let states = network.forward(Sequence { lengths: Some(&[5, 2]), ..Sequence::new(&frames) })?;
    /// assert_eq!(states.outputs[0].shape(), [5, 2, 8, 6, 7]);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn forward(&self, sequence: Sequence<'_, T>) -> Result<BidirectionalOutput<T>> {
        let both = self.both(sequence)?;
        let (mut forward, mut backward) = (ConvGruOutput::default(), ConvGruOutput::default());
        let Directions { forward: first, backward: second } = &self.parameters;
        self.blueprint.sequences(&first.layers)?.forward_sequence(both.forward(sequence), &mut forward)?;
        self.blueprint.sequences(&second.layers)?.forward_sequence(both.backward(sequence), &mut backward)?;
        Ok(self.merged(both.reversal, forward, backward))
    }

    /// A whole sequence, keeping what [`backward`](Self::backward) needs.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_train(
        &self,
        sequence: Sequence<'_, T>,
    ) -> Result<(BidirectionalOutput<T>, BidirectionalWorkspace<T>)> {
        let mut workspace = None;
        let output = self.forward_train_into(sequence, &mut workspace)?;
        Ok((output, workspace.expect("a forward pass leaves a workspace")))
    }

    /// [`forward_train`](Self::forward_train) into the workspace of an earlier sequence, whose memory is used
    /// again where the shapes are the same; `None` takes memory anew.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_train_into(
        &self,
        sequence: Sequence<'_, T>,
        workspace: &mut Option<BidirectionalWorkspace<T>>,
    ) -> Result<BidirectionalOutput<T>> {
        let both = self.both(sequence)?;
        let (mut kept_forward, mut kept_backward) = match workspace.take() {
            Some(kept) => (Some(kept.directions.forward), Some(kept.directions.backward)),
            None => (None, None),
        };
        let Directions { forward, backward } = &self.parameters;
        let forward =
            self.blueprint.forward_train(&forward.layers, both.forward(sequence), &mut kept_forward)?;
        let backward =
            self.blueprint.forward_train(&backward.layers, both.backward(sequence), &mut kept_backward)?;
        if let (Some(forward), Some(backward)) = (kept_forward, kept_backward) {
            let lengths = sequence.lengths.map(<[usize]>::to_vec);
            let (directions, stamp) = (Directions { forward, backward }, self.blueprint.stamp);
            *workspace = Some(BidirectionalWorkspace { directions, lengths, stamp });
        }
        Ok(self.merged(both.reversal, forward, backward))
    }

    /// A sequence as both directions read it.
    fn both<'a>(&self, sequence: Sequence<'a, T>) -> Result<Both<'a, T>> {
        let shape = sequence.input.shape();
        self.blueprint.frame_extent(shape, &["T", "N", "C", "H", "W"])?;
        sequence.expect_lengths(shape[0], shape[1])?;
        let layers = self.config.stack.layers();
        if let Some(states) = sequence.states {
            expect_count("initial states of both directions", 2 * layers, states.len())?;
        }
        let states = sequence.states.map(|states| {
            let (forward, backward) = states.split_at(layers);
            Directions { forward, backward }
        });
        let reversal = Reversal { steps: shape[0], lengths: sequence.lengths };
        Ok(Both { states, reversed: reversal.of(sequence.input), reversal })
    }

    fn merged(
        &self,
        reversal: Reversal<'_>,
        forward: ConvGruOutput<T>,
        backward: ConvGruOutput<T>,
    ) -> BidirectionalOutput<T> {
        let outputs = forward.outputs.into_iter().zip(&backward.outputs);
        BidirectionalOutput {
            outputs: outputs.map(|(f, b)| reversal.merged(self.config.merge, f, b)).collect(),
            last: Directions { forward: forward.last, backward: backward.last },
        }
    }
}

/// A sequence as both directions read it.
struct Both<'a, T> {
    states: Option<Directions<&'a [Tensor<T>]>>,
    reversal: Reversal<'a>,
    /// The frames as the backward direction reads them.
    reversed: Tensor<T>,
}

impl<T: Scalar> Both<'_, T> {
    fn forward<'s>(&'s self, sequence: Sequence<'s, T>) -> Sequence<'s, T> {
        Sequence { states: self.states.map(|states| states.forward), ..sequence }
    }

    fn backward<'s>(&'s self, sequence: Sequence<'s, T>) -> Sequence<'s, T> {
        let states = self.states.map(|states| states.backward);
        Sequence { input: &self.reversed, states, ..sequence }
    }
}
