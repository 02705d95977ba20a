//! Sequences, one after the other.

use convgru_kernels::{Scalar, Scratchpad};

use super::super::stack::{PreparedStack, StackWorkspace};
use super::{Blueprint, ConvGruOutput, Outputs};
use crate::error::Result;
use crate::sequence::{Sequence, expect_steps};
use crate::tensor::Tensor;

/// Numbers of gates computed ahead of the recurrence: enough for the convolution of the
/// input to be a large one, few enough to stay in a cache.
const BLOCK_ELEMENTS: usize = 1 << 22;

/// A [`ConvGru`](super::ConvGru) prepared for sequences: weights packed once, memory kept between sequences
/// of the same shape.
///
/// ```
/// use convgru_model::{ConvGru, ConvGruConfig, Outputs, Tensor};
///
/// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
/// let mut sequences = network.prepare_sequences()?;
/// for _ in 0..2 {
///     let states = sequences.forward(&Tensor::zeros(&[3, 1, 2, 6, 5]), None, Outputs::Top)?;
///     assert_eq!(states.outputs[0].shape(), [3, 1, 4, 6, 5]);
/// }
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug)]
pub struct ConvGruSequences<'a, T> {
    pub(crate) blueprint: &'a Blueprint,
    pub(crate) stack: PreparedStack<'a, T>,
    pub(crate) workspace: Option<StackWorkspace<T>>,
    pub(crate) scratch: Scratchpad<T>,
}

impl<T: Scalar> ConvGruSequences<'_, T> {
    /// A whole sequence.
    ///
    /// # Shapes
    /// As [`ConvGru::forward`](super::ConvGru::forward).
    ///
    /// # Errors
    /// As [`ConvGru::forward`](super::ConvGru::forward).
    pub fn forward(
        &mut self,
        input: &Tensor<T>,
        states: Option<&[Tensor<T>]>,
        outputs: Outputs,
    ) -> Result<ConvGruOutput<T>> {
        let mut result = ConvGruOutput::default();
        self.forward_into(input, states, outputs, &mut result)?;
        Ok(result)
    }

    /// [`forward`](Self::forward) into the memory of an earlier result: where the shapes are the same,
    /// nothing is taken anew, and no time goes into getting memory from the system.
    ///
    /// ```
    /// use convgru_model::{ConvGru, ConvGruConfig, ConvGruOutput, Outputs, Tensor};
    ///
    /// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
    /// let mut sequences = network.prepare_sequences()?;
    /// let mut states = ConvGruOutput::default();
    /// for frame in [0.0, 1.0] {
    ///     let frames = Tensor::from_fn(&[3, 1, 2, 6, 5], |_| frame);
    ///     sequences.forward_into(&frames, None, Outputs::Top, &mut states)?;
    ///     assert_eq!(states.last[0].shape(), [1, 4, 6, 5]);
    /// }
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`ConvGru::forward`](super::ConvGru::forward).
    pub fn forward_into(
        &mut self,
        input: &Tensor<T>,
        states: Option<&[Tensor<T>]>,
        outputs: Outputs,
        result: &mut ConvGruOutput<T>,
    ) -> Result<()> {
        self.forward_sequence(Sequence { states, outputs, ..Sequence::new(input) }, result)
    }

    /// [`forward_into`](Self::forward_into) for a sequence whose samples may be of different lengths.
    ///
    /// # Errors
    /// As [`ConvGru::forward_sequence`](super::ConvGru::forward_sequence).
    ///
    /// ```
    /// use convgru_model::{ConvGru, ConvGruConfig, ConvGruOutput, Sequence, Tensor};
    ///
    /// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
    /// let mut sequences = network.prepare_sequences()?;
    /// let (frames, mut states) = (Tensor::zeros(&[3, 2, 2, 6, 5]), ConvGruOutput::default());
    /// for lengths in [[3, 1], [2, 3]] {
    ///     sequences.forward_sequence(Sequence { lengths: Some(&lengths), ..Sequence::new(&frames) }, &mut states)?;
    ///     assert_eq!(states.outputs[0].shape(), [3, 2, 4, 6, 5]);
    /// }
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn forward_sequence(
        &mut self,
        sequence: Sequence<'_, T>,
        result: &mut ConvGruOutput<T>,
    ) -> Result<()> {
        let Sequence { input, states, lengths, outputs } = sequence;
        let config = &self.blueprint.config;
        let step = self.blueprint.frame_extent(input.shape(), &["T", "N", "C", "H", "W"])?;
        let steps = input.shape()[0];
        sequence.expect_lengths(steps, step.batch)?;
        if step.channels == 0 {
            expect_steps("steps without input", steps)?;
        }
        self.blueprint.expect_initial(step, states)?;
        let widest = config.hidden_channels.iter().max().copied().unwrap_or(1);
        let sizes = [3, widest, step.batch, step.height, step.width];
        let numbers = sizes.iter().fold(1usize, |n, &size| n.saturating_mul(size));
        let block = (BLOCK_ELEMENTS / numbers.max(1)).clamp(1, steps);
        let mut workspace = match self.workspace.take().filter(|kept| kept.fits(step, block, block)) {
            Some(kept) => kept,
            None => self.stack.workspace_without_gates(step, block)?,
        };
        workspace.layers.iter_mut().for_each(|layer| layer.clear_initial());
        workspace.clear_ends();
        self.blueprint.set_initial(&mut workspace, states)?;
        let first = self.blueprint.first_of(outputs);
        result.outputs.resize_with(config.layers() - first, Tensor::default);
        result.last.resize_with(config.layers(), Tensor::default);
        for (layer, output) in workspace.layers[first..].iter().zip(&mut result.outputs) {
            let [n, c, h, w] = layer.state_extent().dims();
            output.make_room(&[steps, n, c, h, w])?;
        }
        let frame_len = step.len();
        let mut last = 0;
        for start in (0..steps).step_by(block) {
            let count = block.min(steps - start);
            let frames = &input.as_slice()[start * frame_len..(start + count) * frame_len];
            workspace.inputs.images_mut(0..count * step.batch).read_nchw(frames)?;
            if let Some(lengths) = lengths {
                workspace.set_ends(lengths, start);
            }
            if start > 0 {
                for layer in &mut workspace.layers {
                    layer.carry(last)?;
                }
            }
            self.stack.forward(&mut workspace, count, &mut self.scratch)?;
            last = count - 1;
            for (layer, output) in workspace.layers[first..].iter().zip(&mut result.outputs) {
                let len = layer.state_extent().len();
                let target = &mut output.as_mut_slice()[start * len..(start + count) * len];
                layer.states.images(layer.images(0..count)).write_nchw(target)?;
            }
        }
        for (layer, state) in workspace.layers.iter().zip(&mut result.last) {
            state.make_room(&layer.state_extent().dims())?;
            layer.state(last).write_nchw(state.as_mut_slice())?;
        }
        self.workspace = Some(workspace);
        Ok(())
    }
}
