//! Frames that come one at a time, and what comes after them at any moment.

use std::sync::Arc;

use convgru_kernels::{Scalar, Scratchpad};

use super::decoder::Decoder;
use super::encoder::EncoderState;
use super::noise::Noise;
use super::packed::{PackedNetwork, PassMemory};
use super::pass::Activations;
use super::sizes::{Sizes, expect_frames, sequence};
use crate::error::{Error, Result};
use crate::fused::stack::{StackWorkspace, steps_of_block};
use crate::tensor::{Tensor, expect_shape};

/// A [`Forecaster`](super::Forecaster) prepared for frames of one size: its weights are packed, and it keeps the states of its encoder after the
/// frames so far. Forecasts leave them as they are: one can be made after every frame, of any number of steps.
///
/// What it predicts has the bits of [`Forecaster::forward`](super::Forecaster::forward) over the frames since the beginning.
///
/// ```
/// use convgru_model::{Forecaster, PyramidConfig, Tensor};
///
/// let network = Forecaster::<f32>::new(PyramidConfig::default(), 0)?;
/// let frames = Tensor::from_fn(&[4, 1, 1, 20, 30], |i| (i % 7) as f32 / 7.0);
/// let mut stream = network.prepare()?.stream(1, 20, 30)?;
/// for t in 0..4 {
///     stream.read(&frames.index(t))?;
/// }
/// assert_eq!(stream.forecast(2)?, network.forward(&frames, 2)?);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug)]
pub struct ForecastStream<'a, T> {
    network: Arc<dyn PackedNetwork<T> + 'a>,
    sizes: Sizes,
    encoder: EncoderState<T>,
    /// The stacks of the decoder, with room for some steps; made when first needed.
    decoder: Option<Vec<StackWorkspace<T>>>,
    /// The last frames that were read, as many as a forecast needs.
    last_frames: Vec<T>,
    noise: Noise<T>,
    scratch: Scratchpad<T>,
    /// Whether frames must be finite.
    checks_finite: bool,
}

impl<'a, T: Scalar> ForecastStream<'a, T> {
    pub(super) fn new(
        network: Arc<dyn PackedNetwork<T> + 'a>,
        sizes: Sizes,
        noise: Noise<T>,
    ) -> Result<Self> {
        Ok(Self {
            encoder: EncoderState::new(&*network, &sizes)?,
            network,
            sizes,
            decoder: None,
            last_frames: Vec::new(),
            noise,
            scratch: Scratchpad::new(),
            checks_finite: false,
        })
    }

    /// Sets the noise of forecasts from now on, in place of [that of the network](super::Forecaster::set_noise): of each forecast the same,
    /// until it is set again.
    pub fn set_noise(&mut self, noise: Noise<T>) {
        self.noise = noise;
    }

    /// With `check` frames that hold a NaN or an infinite number are refused, by [`Error::NotFinite`]. Without it, which is so at
    /// first, a single such pixel spreads over all states and all forecasts until a [`reset`](Self::reset).
    pub fn set_check_finite(&mut self, check: bool) {
        self.checks_finite = check;
    }

    /// Reads one frame.
    ///
    /// A pixel that is NaN makes all forecasts NaN, until a [`reset`](Self::reset):
    /// [`set_check_finite`](Self::set_check_finite) refuses such frames.
    ///
    /// # Shapes
    /// `frame`: `[N, C, H, W]` as the stream was prepared for.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for a frame of another shape, [`Error::NotFinite`] where that is
    /// [asked for](Self::set_check_finite); the states stay as they were.
    pub fn read(&mut self, frame: &Tensor<T>) -> Result<()> {
        expect_shape("frame", frame.shape(), &self.sizes.frame.dims())?;
        if self.checks_finite {
            frame.expect_finite("frame")?;
        }
        self.read_frame(frame.as_slice())
    }

    /// Reads a frame of the size the stream is prepared for.
    pub(super) fn read_frame(&mut self, frame: &[T]) -> Result<()> {
        self.encoder.read(&*self.network, &self.sizes, frame, &mut self.scratch)?;
        let before = (self.network.frames_needed() - 1) * frame.len();
        self.last_frames.drain(..self.last_frames.len().saturating_sub(before));
        self.last_frames.extend_from_slice(frame);
        Ok(())
    }

    /// The frames that come next, after the output activation.
    ///
    /// # Shapes
    /// result: `[steps, N, K C, H, W]` of `K` members
    ///
    /// # Errors
    /// [`Error::Count`] for no steps, and before the first frame; [`Error::OutOfRange`] for more than 65536 steps,
    /// [`Error::TooLarge`] for frames that need more memory than the machine has.
    pub fn forecast(&mut self, steps: usize) -> Result<Tensor<T>> {
        let mut output = Tensor::default();
        self.forecast_into(steps, &mut output)?;
        Ok(output)
    }

    /// [`forecast`](Self::forecast) into the memory of an earlier one.
    pub(super) fn forecast_into(&mut self, steps: usize, output: &mut Tensor<T>) -> Result<()> {
        if !self.encoder.started {
            let what = "frames that were read before a forecast (at least one)".into();
            return Err(Error::Count { what, expected: 1, got: 0 });
        }
        expect_frames(steps)?;
        let block = self.block(steps);
        let mut stacks = match self.decoder.take().filter(|stacks| stacks[0].top().steps() == block) {
            Some(stacks) => stacks,
            None => {
                let stacks = self.network.decoder(&self.sizes);
                let stacks = stacks.iter().map(|it| it.cells.workspace_without_gates(it.step, block));
                stacks.collect::<Result<_>>()?
            }
        };
        let count = self.last_frames.len() / self.sizes.frame.len();
        let decoder = Decoder {
            network: &*self.network,
            sizes: &self.sizes,
            encoder: &self.encoder.stacks,
            last_frames: &Tensor::from_vec(&sequence(self.sizes.frame, count), self.last_frames.clone())?,
            teacher: None,
            noise: &self.noise,
        };
        let activations = &mut Activations::default();
        let memory = &mut PassMemory { stacks: &mut stacks, activations, scratch: &mut self.scratch };
        decoder.run(steps, memory, output, None)?;
        self.decoder = Some(stacks);
        Ok(())
    }

    /// Forgets everything: the next frame is the first.
    pub fn reset(&mut self) {
        self.encoder.reset();
        self.last_frames.clear();
    }

    /// Steps that are computed together, stack after stack.
    fn block(&self, steps: usize) -> usize {
        if self.network.config().reads_predictions() {
            return 1;
        }
        let stacks = self.network.decoder(&self.sizes);
        let of_stack = stacks
            .iter()
            .map(|stack| steps_of_block(stack.step, stack.widest().max(stack.step.channels), steps));
        of_stack.min().unwrap_or(1)
    }
}
