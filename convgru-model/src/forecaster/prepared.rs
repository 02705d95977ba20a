//! The network with its weights packed, and the forward pass in use.

use convgru_kernels::Scalar;

use super::members::mean_of_members;
use super::network::Forecaster;
use super::noise::Noise;
use super::packed::Packed;
use super::sizes::{Sizes, expect_frames, expect_images, sequence as sequence_of};
use super::stream::ForecastStream;
use crate::error::Result;
use crate::sequence::Sequence;
use crate::tensor::Tensor;

/// A [`Forecaster`] with its weights packed: for one sequence after the other, and for streams, all of which share them.
///
/// ```
/// use convgru_model::{Forecaster, PyramidConfig, Tensor};
///
/// let network = Forecaster::<f32>::new(PyramidConfig::default(), 0)?;
/// let (prepared, mut output) = (network.prepare()?, Tensor::default());
/// for steps in [2, 3] {
///     prepared.forward(&Tensor::zeros(&[4, 1, 1, 20, 30]), steps, &mut output)?;
///     assert_eq!(output.shape(), [steps, 1, 1, 20, 30]);
/// }
/// let mut streams = [prepared.stream(1, 20, 30)?, prepared.stream(2, 16, 16)?];
/// streams[0].read(&Tensor::zeros(&[1, 1, 20, 30]))?;
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug)]
pub struct PreparedForecaster<'a, T> {
    network: Packed<'a, T>,
    noise: Noise<T>,
}

impl<T: Scalar> Forecaster<T> {
    /// Continues frames: with the predictions of all members of an ensemble, the channels of one after the channels of
    /// the other.
    ///
    /// # Shapes
    /// `sequence`: frames `[T_in, N, C, H, W]`, see [`Sequence`]; result: `[steps, N, K C, H, W]` of `K` members, after the output activation.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for frames of other channels or of a size the network cannot read,
    /// [`Error::Count`](crate::Error::Count) for no steps, and for states, contexts or lengths, which no forecaster reads;
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) for more than 65536, and of a network that gives an image for each frame for more than the
    /// frames, [`Error::TooLarge`](crate::Error::TooLarge) for frames that need more memory than the machine has.
    pub fn forward<'s>(&self, sequence: impl Into<Sequence<'s, T>>, steps: usize) -> Result<Tensor<T>> {
        let mut output = Tensor::default();
        self.prepare()?.forward(sequence, steps, &mut output)?;
        Ok(output)
    }

    /// Continues frames by one forecast: of an ensemble its mean, see [`mean_of_members`].
    ///
    /// ```
    /// use convgru_model::{Forecaster, PyramidConfig, Tensor};
    ///
    /// let config = PyramidConfig { members: 4, ..Default::default() };
    /// let network = Forecaster::<f32>::new(config, 0)?;
    /// let frames = Tensor::zeros(&[5, 1, 1, 16, 24]);
    /// assert_eq!(network.forward(&frames, 3)?.shape(), [3, 1, 4, 16, 24]);
    /// assert_eq!(network.forward_mean(&frames, 3)?.shape(), [3, 1, 1, 16, 24]);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    ///
    /// # Shapes
    /// `sequence`: frames `[T_in, N, C, H, W]`; result: `[steps, N, C, H, W]`, after the output activation.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_mean<'s>(&self, sequence: impl Into<Sequence<'s, T>>, steps: usize) -> Result<Tensor<T>> {
        mean_of_members(self.forward(sequence, steps)?, self.members())
    }

    /// The network with its weights packed: for one sequence after the other, or for frames that keep coming.
    ///
    /// It borrows the network, so its packed weights cannot outlive a change of them.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) if the weights no longer fit the configuration,
    /// [`Error::Kernel`](crate::Error::Kernel) if they are beyond memory addresses.
    ///
    /// ```
    /// use convgru_model::{Forecaster, ForecasterConfig, Tensor};
    ///
    /// let network = Forecaster::<f32>::new(ForecasterConfig::default(), 0)?;
    /// let mut stream = network.prepare()?.stream(1, 16, 24)?;
    /// for _ in 0..3 {
    ///     stream.read(&Tensor::zeros(&[1, 1, 16, 24]))?;
    ///     assert_eq!(stream.forecast(5)?.shape(), [5, 1, 1, 16, 24]);
    /// }
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn prepare(&self) -> Result<PreparedForecaster<'_, T>> {
        Ok(PreparedForecaster { network: self.packed()?, noise: self.noise.clone() })
    }

    /// As [`prepare`](Self::prepare), for a network that will not be trained or changed: the packed weights take the place of the
    /// tensors, which are dropped as they are packed. Forecasts need half the memory for weights and have the same bits. A
    /// [`RecurrentForecasterConfig`](crate::RecurrentForecasterConfig) keeps its tensors.
    ///
    /// ```
    /// use convgru_model::{ForecastStream, Forecaster, PyramidConfig, Tensor};
    ///
    /// fn stream_of(network: Forecaster<f32>) -> convgru_model::Result<ForecastStream<'static, f32>> {
    ///     network.into_prepared()?.stream(1, 16, 24)
    /// }
    /// let mut stream = stream_of(Forecaster::new(PyramidConfig::default(), 0)?)?;
    /// stream.read(&Tensor::zeros(&[1, 1, 16, 24]))?;
    /// assert_eq!(stream.forecast(5)?.shape(), [5, 1, 1, 16, 24]);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn into_prepared(self) -> Result<PreparedForecaster<'static, T>> {
        let (network, noise) = self.into_packed()?;
        Ok(PreparedForecaster { network, noise })
    }
}

impl<'a, T: Scalar> PreparedForecaster<'a, T> {
    /// Sets the noise of forecasts and of streams that are made from now on, in place of [the noise of the network](Forecaster::set_noise).
    pub fn set_noise(&mut self, noise: Noise<T>) {
        self.noise = noise;
    }

    /// A stream of frames of one size.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for frames that the network cannot read,
    /// [`Error::TooLarge`](crate::Error::TooLarge) for frames that need more memory than the machine has.
    pub fn stream(&self, batch: usize, height: usize, width: usize) -> Result<ForecastStream<'a, T>> {
        let config = self.network.config();
        let shape = [batch, config.read_channels(), height, width];
        let sizes = Sizes::new::<T>(config, "frames of a stream", &shape)?;
        ForecastStream::new(&self.network, sizes, self.noise.clone())
    }

    /// Continues frames, into the memory of an earlier forecast of the same shape.
    ///
    /// # Errors
    /// As [`Forecaster::forward`].
    pub fn forward<'s>(
        &self,
        sequence: impl Into<Sequence<'s, T>>,
        steps: usize,
        output: &mut Tensor<T>,
    ) -> Result<()> {
        let (sizes, frames) = Sizes::of_sequence(self.network.config(), sequence.into())?;
        let (config, read) = (self.network.config(), frames.shape()[0]);
        expect_frames(steps)?;
        expect_images(config, read, steps)?;
        let predicted = sizes.predicted;
        let mut stream = ForecastStream::new(&self.network, sizes, self.noise.clone())?;
        if config.input_channels() == 0 {
            (0..read).try_for_each(|t| stream.read_frame(frames.slice(t)))?;
            return stream.finish_into(steps, output);
        }
        output.make_room(&sequence_of(predicted, steps))?;
        let mut image = Tensor::default();
        for t in 0..read {
            stream.read_frame(frames.slice(t))?;
            if t + steps >= read {
                stream.forecast_into(1, &mut image)?;
                output.slice_mut(t + steps - read).copy_from_slice(image.as_slice());
            }
        }
        Ok(())
    }
}
