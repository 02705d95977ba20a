//! Frames that come one at a time, and what comes after them at any moment.

use convgru_kernels::Scalar;

use super::Forecaster;
use super::encoder_forecaster::EncoderForecasterStream;
use super::pyramid::PyramidStream;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, expect_shape};

/// A [`Forecaster`] prepared for frames of one size: its weights are packed, and it keeps the states of its encoder after the
/// frames so far. Forecasts leave them as they are: one can be made after every frame, of any number of steps.
///
/// What it predicts has the bits of [`Forecaster::forward`] over the frames since the beginning.
///
/// ```
/// use convgru_model::{Forecaster, PyramidConfig, Tensor};
///
/// let network = Forecaster::<f32>::new(PyramidConfig::default().into(), 0)?;
/// let frames = Tensor::from_fn(&[4, 1, 1, 20, 30], |i| (i % 7) as f32 / 7.0);
/// let mut stream = network.prepare(1, 20, 30)?;
/// for t in 0..4 {
///     stream.read(&frames.index(t))?;
/// }
/// assert_eq!(stream.forecast(2)?, network.forward(&frames, 2)?);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug)]
pub struct ForecastStream<'a, T> {
    of_kind: Kind<'a, T>,
    /// Whether frames must be finite.
    checks_finite: bool,
}

#[derive(Debug)]
enum Kind<'a, T> {
    EncoderForecaster(Box<EncoderForecasterStream<'a, T>>),
    Pyramid(Box<PyramidStream<'a, T>>),
}

/// The same expression for a stream of each kind.
macro_rules! of_each {
    ($value:expr, $stream:ident => $result:expr) => {
        match $value {
            Kind::EncoderForecaster($stream) => $result,
            Kind::Pyramid($stream) => $result,
        }
    };
}

impl<'a, T: Scalar> ForecastStream<'a, T> {
    pub(super) fn new(network: &'a Forecaster<T>, [batch, height, width]: [usize; 3]) -> Result<Self> {
        let of_kind = match network {
            Forecaster::EncoderForecaster(network) => {
                Kind::EncoderForecaster(Box::new(network.stream(batch, [height, width])?))
            }
            Forecaster::Pyramid(network) => Kind::Pyramid(Box::new(network.stream(batch, [height, width])?)),
        };
        Ok(Self { of_kind, checks_finite: false })
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
        expect_shape("frame", frame.shape(), &of_each!(&self.of_kind, stream => stream.frame_shape()))?;
        if self.checks_finite {
            frame.expect_finite("frame")?;
        }
        of_each!(&mut self.of_kind, stream => stream.read(frame.as_slice()))
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
        if !of_each!(&self.of_kind, stream => stream.has_started()) {
            let what = "frames that were read before a forecast (at least one)".into();
            return Err(Error::Count { what, expected: 1, got: 0 });
        }
        of_each!(&mut self.of_kind, stream => stream.forecast(steps))
    }

    /// Forgets everything: the next frame is the first.
    pub fn reset(&mut self) {
        of_each!(&mut self.of_kind, stream => stream.reset());
    }
}
