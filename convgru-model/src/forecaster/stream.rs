//! Frames that come one at a time, and what comes after them at any moment.

use convgru_kernels::Scalar;

use super::fused_stream::FusedStreamState;
use super::noise::Noise;
use super::packed::Packed;
use super::recurrent::RecurrentStreamState;
use super::sizes::{Sizes, expect_frames};
use crate::error::{Error, Result};
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
    state: StreamState<'a, T>,
    sizes: Sizes,
    noise: Noise<T>,
    /// Whether frames must be finite.
    checks_finite: bool,
}

/// The network after the frames so far, by the engine that computes it.
#[derive(Debug)]
enum StreamState<'a, T> {
    Fused(FusedStreamState<'a, T>),
    Composed(RecurrentStreamState<'a, T>),
}

impl<'a, T: Scalar> ForecastStream<'a, T> {
    pub(super) fn new(network: &Packed<'a, T>, sizes: Sizes, noise: Noise<T>) -> Result<Self> {
        let state = match network.clone() {
            Packed::Fused(network) => StreamState::Fused(FusedStreamState::new(network, &sizes)?),
            Packed::Composed(network) => StreamState::Composed(RecurrentStreamState::new(network, &sizes)?),
        };
        Ok(Self { state, sizes, noise, checks_finite: false })
    }

    /// Sets the noise of forecasts from now on, in place of [the noise of the network](super::Forecaster::set_noise): of each forecast the same,
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
        match &mut self.state {
            StreamState::Fused(state) => state.read(&self.sizes, frame),
            StreamState::Composed(state) => state.read(&self.sizes, frame),
        }
    }

    /// The frames that come next, after the output activation; of a network with
    /// [`input_channels`](field@crate::RecurrentForecasterConfig::input_channels) the image at the time of the last frame.
    ///
    /// # Shapes
    /// result: `[steps, N, K C, H, W]` of `K` members
    ///
    /// # Errors
    /// [`Error::Count`] for no steps, and before the first frame; [`Error::OutOfRange`] for more than 65536 steps, and for more than one where
    /// the network gives an image for each frame; [`Error::TooLarge`] for frames that need more memory than the machine has.
    pub fn forecast(&mut self, steps: usize) -> Result<Tensor<T>> {
        let mut output = Tensor::default();
        self.forecast_into(steps, &mut output)?;
        Ok(output)
    }

    /// The last [`forecast_into`](Self::forecast_into): neither frames nor forecasts follow.
    pub(super) fn finish_into(mut self, steps: usize, output: &mut Tensor<T>) -> Result<()> {
        if let StreamState::Fused(state) = &mut self.state {
            state.finish()?;
        }
        self.forecast_into(steps, output)
    }

    /// [`forecast`](Self::forecast) into the memory of an earlier one.
    pub(super) fn forecast_into(&mut self, steps: usize, output: &mut Tensor<T>) -> Result<()> {
        let started = match &self.state {
            StreamState::Fused(state) => state.has_started(),
            StreamState::Composed(state) => state.has_started(),
        };
        if !started {
            let what = "frames that were read before a forecast (at least one)".into();
            return Err(Error::Count { what, expected: 1, got: 0 });
        }
        expect_frames(steps)?;
        match &mut self.state {
            StreamState::Fused(state) => state.forecast_into(&self.sizes, steps, &self.noise, output),
            StreamState::Composed(state) => state.forecast_into(&self.sizes, steps, output),
        }
    }

    /// Forgets everything: the next frame is the first.
    pub fn reset(&mut self) {
        match &mut self.state {
            StreamState::Fused(state) => state.reset(),
            StreamState::Composed(state) => state.reset(),
        }
    }
}
