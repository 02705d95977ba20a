//! Networks that read frames and continue them.
//!
//! [`Forecaster`] is all that is public of them; a kind of network is a configuration
//! ([`NetworkConfig`](crate::config::NetworkConfig)) and what it does with its weights packed ([`network::Network`]). Streams, training,
//! limits and parameters are the same for every kind.

mod convolution;
mod decoder;
mod encoder;
mod encoder_forecaster;
mod limits;
mod members;
mod network;
mod parameters;
mod pyramid;
mod sizes;
mod stream;
mod training;

use std::num::NonZeroUsize;

use convgru_kernels::Scalar;

pub use members::mean_of_members;
pub use parameters::ForecasterParameters;
#[cfg(any(feature = "gradcheck", feature = "onnx"))]
pub(crate) use pyramid::NEAREST_TO_ZERO;
pub use stream::ForecastStream;
pub(crate) use stream::expect_frames;
pub use training::{ForecasterWorkspace, Prediction, PredictionGradient, TeacherForcing};

use self::encoder_forecaster::EncoderForecaster;
use self::limits::Limits;
use self::network::Network;
use self::pyramid::Pyramid;
use self::sizes::Sizes;
use crate::MemoryBudget;
use crate::config::ForecasterConfig;
use crate::error::Result;
use crate::parameters::{Parameters, Stamp, Take};
use crate::tensor::{Tensor, expect_rank};

/// A network that reads frames and continues them: an [`EncoderForecasterConfig`](crate::EncoderForecasterConfig) or a
/// [`PyramidConfig`](crate::PyramidConfig) says which one. It is a set of [`Parameters`] itself, its weights.
///
/// The numbers of frames and the size of the images are those of the call. Of an ensemble of `K` members predictions have
/// `K C` channels, those of the first member first; `K` is 1 unless the configuration says otherwise.
///
/// ```
/// use convgru_model::{EncoderForecasterConfig, Forecaster, PyramidConfig, PyramidScale, Tensor};
///
/// let scales = vec![PyramidScale::new(8, 4), PyramidScale::new(16, 2)];
/// let network = Forecaster::<f32>::new(PyramidConfig { scales, ..Default::default() }, 0)?;
/// let frames = Tensor::zeros(&[5, 2, 1, 30, 41]); // five frames of two samples
/// assert_eq!(network.forward(&frames, 3)?.shape(), [3, 2, 1, 30, 41]);
///
/// let config = EncoderForecasterConfig { hidden_channels: vec![8], ..Default::default() };
/// let network = Forecaster::<f32>::new(config, 0)?;
/// let frames = Tensor::zeros(&[5, 2, 1, 16, 24]); // multiples of the patch
/// assert_eq!(network.forward(&frames, 3)?.shape(), [3, 2, 1, 16, 24]);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Forecaster<T> {
    config: ForecasterConfig,
    parameters: ForecasterParameters<T>,
    limits: Limits,
    stamp: Stamp,
}

/// Its weights: what an optimiser changes and files hold. Workspaces of forward passes before
/// [`for_each_mut`](Parameters::for_each_mut) are no longer this network's.
impl<T: Scalar> Parameters<T> for Forecaster<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        self.parameters.for_each(visit);
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        self.stamp = Stamp::new();
        self.parameters.for_each_mut(visit);
    }
}

impl<T: Scalar> Forecaster<T> {
    /// A network with weights drawn as the configuration says, the same for the same seed on every machine.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) if a field cannot work.
    pub fn new(config: impl Into<ForecasterConfig>, seed: u64) -> Result<Self> {
        let config = config.into();
        config.validate()?;
        let network = config.network();
        let parameters = ForecasterParameters::draw(network.components(), |index| network.seed(seed, index))?;
        Ok(Self { config, parameters, limits: Limits::default(), stamp: Stamp::new() })
    }

    /// A network whose weights are asked for one by one, by name and shape, in the order of its [`Parameters`]: it takes no
    /// memory and no time for weights that are not there.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) if a field cannot work,
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for tensors of another shape, and the errors of `take`.
    pub fn from_tensors(config: impl Into<ForecasterConfig>, take: &mut Take<'_, T>) -> Result<Self> {
        let config = config.into();
        config.validate()?;
        let parameters = ForecasterParameters::take(config.network().components(), take)?;
        Ok(Self { config, parameters, limits: Limits::default(), stamp: Stamp::new() })
    }

    /// What the network is.
    pub fn config(&self) -> &ForecasterConfig {
        &self.config
    }

    /// Its weights.
    #[cfg(feature = "onnx")]
    pub(crate) fn parameters(&self) -> &ForecasterParameters<T> {
        &self.parameters
    }

    /// Limits what [`forward_train`](Self::forward_train) keeps for the backward pass: where all stacks would need more,
    /// gates of some steps at a time are kept, and computed anew on the way back. A forecaster that reads its own predictions
    /// keeps all of its own.
    pub fn set_memory_budget(&mut self, budget: MemoryBudget) {
        self.limits.memory = budget;
    }

    /// Lets gradients flow through the last `frames` frames of the input alone; the states after those before are
    /// constants (truncated backpropagation through time: Williams and Peng 1990). `None` lets them flow through all.
    ///
    /// Predictions are the same to the bit. Of the frames before, a training step keeps nothing.
    pub fn set_truncation(&mut self, frames: Option<NonZeroUsize>) {
        self.limits.truncation = frames;
    }

    /// Zeros with the names and shapes of the weights: where gradients gather.
    pub fn zero_gradients(&self) -> ForecasterParameters<T> {
        self.parameters.zeros_like()
    }

    /// Continues frames: with the predictions of all members of an ensemble, the channels of one after those of
    /// the other.
    ///
    /// # Shapes
    /// `input`: `[T_in, N, C, H, W]`; result: `[steps, N, K C, H, W]` of `K` members, after the output activation.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for frames of other channels or of a size the network cannot read,
    /// [`Error::Count`](crate::Error::Count) for no steps, [`Error::OutOfRange`](crate::Error::OutOfRange) for more than 65536,
    /// [`Error::TooLarge`](crate::Error::TooLarge) for frames that need more memory than the machine has.
    pub fn forward(&self, input: &Tensor<T>, steps: usize) -> Result<Tensor<T>> {
        let sizes = self.sizes_of_sequence(input)?;
        expect_frames(steps)?;
        let mut stream = ForecastStream::new(self, sizes)?;
        (0..input.shape()[0]).try_for_each(|t| stream.read_frame(input.slice(t)))?;
        stream.forecast(steps)
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
    /// `input`: `[T_in, N, C, H, W]`; result: `[steps, N, C, H, W]`, after the output activation.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_mean(&self, input: &Tensor<T>, steps: usize) -> Result<Tensor<T>> {
        mean_of_members(self.forward(input, steps)?, self.members())
    }

    /// Predictions that are made at once.
    pub fn members(&self) -> usize {
        self.config.members()
    }

    /// The network prepared for frames of one size that come one at a time.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for frames that the network cannot read,
    /// [`Error::TooLarge`](crate::Error::TooLarge) for frames that need more memory than the machine has.
    ///
    /// ```
    /// use convgru_model::{Forecaster, ForecasterConfig, Tensor};
    ///
    /// let network = Forecaster::<f32>::new(ForecasterConfig::default(), 0)?;
    /// let mut stream = network.prepare(1, 16, 24)?;
    /// for _ in 0..3 {
    ///     stream.read(&Tensor::zeros(&[1, 1, 16, 24]))?;
    ///     assert_eq!(stream.forecast(5)?.shape(), [5, 1, 1, 16, 24]);
    /// }
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn prepare(&self, batch: usize, height: usize, width: usize) -> Result<ForecastStream<'_, T>> {
        let shape = [batch, self.config.image_channels(), height, width];
        let sizes = Sizes::new::<T>(self.config.network(), "frames of a stream", &shape)?;
        ForecastStream::new(self, sizes)
    }

    fn sizes_of_sequence(&self, input: &Tensor<T>) -> Result<Sizes> {
        expect_rank("input frames", input.shape(), &["T", "N", "C", "H", "W"])?;
        Sizes::new::<T>(self.config.network(), "input frames", input.shape())
    }

    /// Fails unless the weights are those of the configuration.
    pub(crate) fn check(&self) -> Result<()> {
        self.parameters.expect(&self.config.network().components())
    }

    /// The network with its weights packed.
    fn packed(&self) -> Result<Box<dyn Network<T> + '_>> {
        self.check()?;
        Ok(match &self.config {
            ForecasterConfig::EncoderForecaster(config) => {
                Box::new(EncoderForecaster::new(config, &self.parameters)?)
            }
            ForecasterConfig::Pyramid(config) => Box::new(Pyramid::new(config, &self.parameters)?),
        })
    }
}
