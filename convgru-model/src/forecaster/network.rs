//! The network: configuration and parameters.

use std::num::NonZeroUsize;
use std::sync::Arc;

use convgru_kernels::Scalar;

use super::encoder_forecaster::EncoderForecaster;
use super::limits::Limits;
use super::mlcast::Mlcast;
use super::noise::Noise;
use super::packed::Packed;
use super::parameters::ForecasterParameters;
use super::pyramid::Pyramid;
use super::recurrent::RecurrentNetwork;
use super::weights::Weights;
use crate::config::{BODY, ForecasterConfig};
use crate::error::Result;
use crate::parameters::{Stamp, Take};
use crate::sequence::MemoryBudget;

/// A network that reads frames and predicts frames, usually those that follow: an [`EncoderForecasterConfig`](crate::EncoderForecasterConfig), a
/// [`PyramidConfig`](crate::PyramidConfig), an [`MlcastConfig`](crate::MlcastConfig) or a
/// [`RecurrentForecasterConfig`](crate::RecurrentForecasterConfig) says which one.
///
/// Each call has its own numbers of frames and size of images. Of an ensemble of `K` members predictions have
/// `K C` channels, first the channels of the first member; `K` is 1 unless the configuration says otherwise.
///
/// A network with [`input_channels`](field@crate::RecurrentForecasterConfig::input_channels) reads frames of another kind, such as events, and predicts an
/// image for each of them: `steps` is the number of the last frames whose images are given.
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
    pub(super) limits: Limits,
    pub(super) noise: Noise<T>,
    /// Of the weights.
    pub(super) stamp: Stamp,
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
        Ok(Self::with(config, parameters))
    }

    /// A network around the weights of another network of the same configuration.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig), [`Error::Count`](crate::Error::Count),
    /// [`Error::TensorOrder`](crate::Error::TensorOrder) or [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) if the weights
    /// do not fit the configuration.
    pub fn from_parameters(
        config: impl Into<ForecasterConfig>,
        parameters: ForecasterParameters<T>,
    ) -> Result<Self> {
        let config = config.into();
        config.validate()?;
        parameters.expect(&config.network().components())?;
        Ok(Self::with(config, parameters))
    }

    /// A network whose weights are asked for one by one, by name and shape, in the order of its
    /// [`Parameters`](crate::Parameters): it takes no memory and no time for weights that are not there.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) if a field cannot work,
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for tensors of another shape, and the errors of `take`.
    pub fn from_tensors(config: impl Into<ForecasterConfig>, take: &mut Take<'_, T>) -> Result<Self> {
        let config = config.into();
        config.validate()?;
        let parameters = ForecasterParameters::take(config.network().components(), take)?;
        Ok(Self::with(config, parameters))
    }

    fn with(config: ForecasterConfig, parameters: ForecasterParameters<T>) -> Self {
        Self { config, parameters, limits: Limits::default(), noise: Noise::default(), stamp: Stamp::new() }
    }

    /// What the network is.
    pub fn config(&self) -> &ForecasterConfig {
        &self.config
    }

    /// Predictions that are made at once.
    pub fn members(&self) -> usize {
        self.config.members()
    }

    /// Its weights.
    pub fn parameters(&self) -> &ForecasterParameters<T> {
        &self.parameters
    }

    /// Its weights, to be changed. Their names, order and shapes stay: a network whose weights have others is refused by every call.
    /// Workspaces of forward passes before are no longer this network's.
    pub fn parameters_mut(&mut self) -> &mut ForecasterParameters<T> {
        self.stamp = Stamp::new();
        &mut self.parameters
    }

    /// Limits what [`forward_train`](Self::forward_train) keeps for the backward pass: where all stacks would need more,
    /// the stacks with the fewest operations keep gates of some steps at a time, and compute them again on the way back. A decoder of an
    /// encoder-forecaster that reads its own predictions keeps all of its own. A network of composed cells keeps all intermediate results
    /// of some steps at a time. It then adds up gradients in other groups, and gradients are the same to rounding.
    pub fn set_memory_budget(&mut self, budget: MemoryBudget) {
        self.limits.memory = budget;
    }

    /// Lets gradients flow through the last `frames` frames of the input alone; the states after those before are
    /// constants (truncated backpropagation through time: Williams and Peng 1990). `None` lets them flow through all.
    ///
    /// Predictions are the same to the bit. Of the frames before, a training step keeps nothing. A network that gives an image for each input frame
    /// ([`input_channels`](ForecasterConfig::input_channels)) lets gradients flow through all frames whose images are asked for.
    pub fn set_truncation(&mut self, frames: Option<NonZeroUsize>) {
        self.limits.truncation = frames;
    }

    /// Updates the vectors of spectral norms by one step of the power iteration with the current kernels (Miyato et al. 2018).
    /// Training calls it after each step of the optimiser. Networks without spectral norms do not change, nor do vectors for whose
    /// names, such as `body.stages.0.spectral.update.u`, `changes` is false.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) and the other errors of weights that do not fit the configuration.
    pub fn iterate_spectral_norms(&mut self, changes: impl Fn(&str) -> bool) -> Result<()> {
        let ForecasterConfig::Recurrent(config) = &self.config else { return Ok(()) };
        let body = config.body();
        if body.cells().any(|cell| cell.spectral_norm) {
            self.check()?;
            let changes = |name: &str| changes(&format!("{BODY}.{name}"));
            self.parameters_mut().stages_mut(BODY).iterate_spectral_norms(&body, &changes);
        }
        Ok(())
    }

    /// Sets the noise that forecasts and training steps read from now on, where the network reads noise: an
    /// [`MlcastConfig`](crate::MlcastConfig) says so. At first it is the noise of the seed 0.
    pub fn set_noise(&mut self, noise: Noise<T>) {
        self.noise = noise;
    }

    /// The noise that forecasts and training steps read.
    pub fn noise(&self) -> &Noise<T> {
        &self.noise
    }

    /// Fails unless the weights fit the configuration.
    pub(crate) fn check(&self) -> Result<()> {
        self.parameters.expect(&self.config.network().components())
    }

    /// The network with its weights at hand.
    pub(super) fn packed(&self) -> Result<Packed<'_, T>> {
        self.check()?;
        pack(&self.config, Weights::Borrowed(&self.parameters))
    }

    /// The network for forward passes only, and its noise. Tensors of fused networks are dropped as they are packed.
    pub(super) fn into_packed(self) -> Result<(Packed<'static, T>, Noise<T>)> {
        self.check()?;
        Ok((pack(&self.config, Weights::Owned(self.parameters))?, self.noise))
    }
}

fn pack<'a, T: Scalar>(config: &ForecasterConfig, mut weights: Weights<'a, T>) -> Result<Packed<'a, T>> {
    Ok(match config {
        ForecasterConfig::EncoderForecaster(config) => {
            Packed::Fused(Arc::new(EncoderForecaster::new(config, &mut weights)?))
        }
        ForecasterConfig::Pyramid(config) => Packed::Fused(Arc::new(Pyramid::new(config, &mut weights)?)),
        ForecasterConfig::Mlcast(config) => Packed::Fused(Arc::new(Mlcast::new(config, &mut weights)?)),
        ForecasterConfig::Recurrent(config) => {
            Packed::Composed(Arc::new(RecurrentNetwork::new(config, weights.stages(BODY))))
        }
    })
}
