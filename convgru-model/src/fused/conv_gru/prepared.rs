//! A stack with its weights packed.

use convgru_kernels::{Scalar, Scratchpad};

use super::{StackSpec, Stream};
use crate::error::Result;
use crate::fused::cell::{CellInput, CellParameters};
use crate::fused::stack::{PreparedStack, StackWorkspace};
use crate::sequence::{Output, Sequence};
use crate::tensor::Tensor;

/// Numbers of gates computed ahead of the recurrence: enough for the convolution of the
/// input to be a large one, few enough to stay in a cache.
const BLOCK_ELEMENTS: usize = 1 << 22;

/// A [`ConvGru`](super::ConvGru) with its weights packed, which keeps its memory between sequences of the same shape.
///
/// ```
/// use convgru_model::{ConvGru, ConvGruConfig, Output, Tensor};
///
/// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
/// let (mut prepared, mut states) = (network.prepare()?, Output::default());
/// for value in [0.0, 1.0] {
///     let frames = Tensor::from_fn(&[3, 1, 2, 6, 5], |_| value);
///     prepared.forward(&frames, &mut states)?;
///     assert_eq!(states.outputs[0].shape(), [3, 1, 4, 6, 5]);
/// }
/// # Ok::<(), convgru_model::Error>(())
/// ```
///
/// The network cannot change under it:
///
/// ```compile_fail,E0502
/// use convgru_model::{ConvGru, ConvGruConfig, Output, Tensor};
///
/// let mut network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
/// let mut prepared = network.prepare()?;
/// network.parameters_mut();
/// prepared.forward(&Tensor::zeros(&[3, 1, 2, 6, 5]), &mut Output::default())?;
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug)]
pub struct Prepared<'a, T> {
    spec: StackSpec,
    stack: PreparedStack<'a, T>,
    workspace: Option<StackWorkspace<T>>,
    scratch: Scratchpad<T>,
}

impl<'a, T: Scalar> Prepared<'a, T> {
    pub(crate) fn new(spec: &StackSpec, layers: &'a [CellParameters<T>]) -> Result<Self> {
        Ok(Self::of(spec.clone(), spec.prepared(layers)?))
    }

    /// For forward passes only: each tensor is dropped as soon as it is packed.
    pub(crate) fn forward_only(
        spec: StackSpec,
        layers: Vec<CellParameters<T>>,
    ) -> Result<Prepared<'static, T>> {
        let stack = PreparedStack::forward_only("", layers, &spec.config, CellInput::Read)?;
        Ok(Prepared::of(spec, stack))
    }

    fn of(spec: StackSpec, stack: PreparedStack<'a, T>) -> Self {
        Self { spec, stack, workspace: None, scratch: Scratchpad::new() }
    }

    /// A stream of frames of one size: memory is kept between frames.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) if a size is zero,
    /// [`Error::TooLarge`](crate::Error::TooLarge) if frames of the size would need more memory than the machine has.
    pub fn stream(self, batch: usize, height: usize, width: usize) -> Result<Stream<'a, T>> {
        let frame = [batch, self.spec.config.in_channels, height, width];
        let extent = self.spec.frame_extent(&frame, &["N", "C", "H", "W"])?;
        let mut stream = Stream::new(self.stack, extent)?;
        stream.warm_up()?;
        Ok(stream)
    }

    /// A whole sequence, into the memory of an earlier result: where the shapes are the same,
    /// no memory is taken from the system.
    ///
    /// # Errors
    /// As [`ConvGru::forward`](super::ConvGru::forward).
    pub fn forward<'s>(
        &mut self,
        sequence: impl Into<Sequence<'s, T>>,
        output: &mut Output<T>,
    ) -> Result<()> {
        self.run(sequence.into(), output)
    }

    fn run(&mut self, sequence: Sequence<'_, T>, result: &mut Output<T>) -> Result<()> {
        let config = &self.spec.config;
        let (step, steps) = self.spec.extent(sequence)?;
        self.spec.expect_initial(step, sequence.states)?;
        let widest = config.hidden_channels.iter().max().copied().unwrap_or(1);
        let sizes = [3, widest, step.batch, step.height, step.width];
        let numbers = sizes.iter().fold(1usize, |n, &size| n.saturating_mul(size));
        let block = (BLOCK_ELEMENTS / numbers.max(1)).clamp(1, steps);
        let mut workspace = match self.workspace.take().filter(|kept| kept.fits(step, block, block)) {
            Some(kept) => kept,
            None => self.stack.workspace_without_gates(step, block)?,
        };
        workspace.layers.iter_mut().for_each(|layer| layer.clear_initial());
        workspace.clear_lengths();
        self.spec.set_initial(&mut workspace, sequence.states)?;
        let first = self.spec.first_of(sequence.return_layers);
        result.outputs.resize_with(config.layers() - first, Tensor::default);
        result.last.resize_with(config.layers(), Tensor::default);
        for (layer, output) in workspace.layers[first..].iter().zip(&mut result.outputs) {
            let [n, c, h, w] = layer.state_extent().dims();
            output.make_room(&[steps, n, c, h, w])?;
        }
        let (frames, frame_len) = (sequence.frames()?.as_slice(), step.len());
        let mut last = 0;
        for start in (0..steps).step_by(block) {
            let count = block.min(steps - start);
            let frames = &frames[start * frame_len..(start + count) * frame_len];
            workspace.inputs.images_mut(0..count * step.batch).read_nchw(frames)?;
            if let Some(lengths) = sequence.lengths {
                workspace.set_lengths(lengths, start);
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
