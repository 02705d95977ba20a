//! A network that continues frames, of any kind.

mod encoder_forecaster;
mod limits;
mod members;
mod pyramid;
mod stream;

use std::num::NonZeroUsize;

use convgru_kernels::Scalar;

pub use encoder_forecaster::{
    EncoderForecaster, EncoderForecasterParameters, EncoderForecasterWorkspace, OutputGradient, Prediction,
    TeacherForcing,
};
pub use members::mean_of_members;
#[cfg(any(feature = "gradcheck", feature = "onnx"))]
pub(crate) use pyramid::NEAREST_TO_ZERO;
pub use pyramid::{
    EncoderScaleParameters, ForecasterScaleParameters, HeadParameters, Pyramid, PyramidParameters,
    PyramidWorkspace,
};
pub use stream::ForecastStream;

use crate::config::ForecasterConfig;
use crate::error::{Error, Result};
use crate::parameters::{Parameters, Take};
use crate::sequence::MemoryBudget;
use crate::tensor::Tensor;

/// A network that reads frames and continues them: what programs use that leave the kind to a configuration. It is a set
/// of [`Parameters`] itself, those of its network.
///
/// ```
/// use convgru_model::{Forecaster, ForecasterConfig, PyramidConfig, Tensor};
///
/// let network = Forecaster::<f32>::new(PyramidConfig::default().into(), 0)?;
/// let frames = Tensor::zeros(&[5, 1, 1, 30, 41]);
/// assert_eq!(network.forward(&frames, 3)?.shape(), [3, 1, 1, 30, 41]);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Forecaster<T> {
    /// Two stacks at one scale.
    EncoderForecaster(EncoderForecaster<T>),
    /// Cells at several scales.
    Pyramid(Pyramid<T>),
}

/// The parameters of a [`Forecaster`], or their gradients.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ForecasterParameters<T> {
    /// Of two stacks at one scale.
    EncoderForecaster(EncoderForecasterParameters<T>),
    /// Of cells at several scales.
    Pyramid(PyramidParameters<T>),
}

/// What [`Forecaster::forward_train`] keeps for [`Forecaster::backward`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ForecasterWorkspace<T> {
    /// Of two stacks at one scale.
    EncoderForecaster(EncoderForecasterWorkspace<T>),
    /// Of cells at several scales.
    Pyramid(PyramidWorkspace<T>),
}

/// The same expression for a network of each kind.
macro_rules! of_each {
    ($value:expr, $network:ident => $result:expr) => {
        match $value {
            Self::EncoderForecaster($network) => $result,
            Self::Pyramid($network) => $result,
        }
    };
}

impl<T: Scalar> Parameters<T> for ForecasterParameters<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        of_each!(self, parameters => parameters.for_each(visit));
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        of_each!(self, parameters => parameters.for_each_mut(visit));
    }
}

/// Its weights: what an optimiser changes and files hold.
impl<T: Scalar> Parameters<T> for Forecaster<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        of_each!(self, network => network.parameters().for_each(visit));
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        of_each!(self, network => network.parameters_mut().for_each_mut(visit));
    }
}

impl<T: Scalar> Forecaster<T> {
    /// A network with weights drawn as the configuration says, the same for the same seed on every machine.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if a field cannot work.
    pub fn new(config: ForecasterConfig, seed: u64) -> Result<Self> {
        Ok(match config {
            ForecasterConfig::EncoderForecaster(config) => {
                Self::EncoderForecaster(EncoderForecaster::new(config, seed)?)
            }
            ForecasterConfig::Pyramid(config) => Self::Pyramid(Pyramid::new(config, seed)?),
        })
    }

    /// A network whose weights are asked for one by one, by name and shape, in the order of its [`Parameters`]: it takes no
    /// memory and no time for weights that are not there.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if a field cannot work, [`Error::ShapeMismatch`] for tensors of another shape, and the
    /// errors of `take`.
    pub fn from_tensors(config: ForecasterConfig, take: &mut Take<'_, T>) -> Result<Self> {
        Ok(match config {
            ForecasterConfig::EncoderForecaster(config) => {
                Self::EncoderForecaster(EncoderForecaster::from_tensors(config, take)?)
            }
            ForecasterConfig::Pyramid(config) => Self::Pyramid(Pyramid::from_tensors(config, take)?),
        })
    }

    /// What the network is.
    pub fn config(&self) -> ForecasterConfig {
        of_each!(self, network => network.config().clone().into())
    }

    /// Limits what [`forward_train`](Self::forward_train) keeps for the backward pass: gates that would not fit are
    /// computed anew on the way back.
    pub fn set_memory_budget(&mut self, budget: MemoryBudget) {
        of_each!(self, network => network.set_memory_budget(budget));
    }

    /// Lets gradients flow through the last `frames` frames of the input alone; `None` lets them flow through all.
    /// Predictions do not depend on it.
    pub fn set_truncation(&mut self, frames: Option<NonZeroUsize>) {
        of_each!(self, network => network.set_truncation(frames));
    }

    /// Zeros with the names and shapes of the weights: where gradients gather.
    pub fn zero_gradients(&self) -> ForecasterParameters<T> {
        match self {
            Self::EncoderForecaster(network) => {
                ForecasterParameters::EncoderForecaster(network.parameters().zeros_like())
            }
            Self::Pyramid(network) => ForecasterParameters::Pyramid(network.parameters().zeros_like()),
        }
    }

    /// Continues frames: with the predictions of all members of an ensemble, the channels of one after those of
    /// the other.
    ///
    /// # Shapes
    /// `input`: `[T_in, N, C, H, W]`; result: `[steps, N, K C, H, W]` of `K` members, after the output activation.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for frames of other channels or of a size the network cannot read, [`Error::Count`] for no
    /// steps, [`Error::OutOfRange`] for more than 65536, [`Error::TooLarge`] for frames that need more memory than the machine has.
    pub fn forward(&self, input: &Tensor<T>, steps: usize) -> Result<Tensor<T>> {
        of_each!(self, network => network.forward(input, steps))
    }

    /// Continues frames by one forecast: of an ensemble its mean, see [`mean_of_members`].
    ///
    /// ```
    /// use convgru_model::{Forecaster, PyramidConfig, Tensor};
    ///
    /// let config = PyramidConfig { members: 4, ..Default::default() };
    /// let network = Forecaster::<f32>::new(config.into(), 0)?;
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
        of_each!(self, network => network.config().members)
    }

    /// Continues frames, keeping what [`backward`](Self::backward) needs. True frames are for networks that
    /// read their own predictions; others leave them aside.
    ///
    /// # Shapes
    /// `input`: `[T_in, N, C, H, W]`; predictions: `[steps, N, K C, H, W]` of `K` members.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and for true frames that do not fit.
    pub fn forward_train(
        &self,
        input: &Tensor<T>,
        steps: usize,
        teacher: Option<TeacherForcing<'_, T>>,
    ) -> Result<(Prediction<T>, ForecasterWorkspace<T>)> {
        Ok(match self {
            Self::EncoderForecaster(network) => {
                let (prediction, workspace) = network.forward_train(input, steps, teacher)?;
                (prediction, ForecasterWorkspace::EncoderForecaster(workspace))
            }
            Self::Pyramid(network) => {
                let (prediction, workspace) = network.forward_train(input, steps)?;
                teacher.map_or(Ok(()), |teacher| teacher.expect(input.shape(), steps))?;
                (prediction, ForecasterWorkspace::Pyramid(workspace))
            }
        })
    }

    /// Adds the gradients of all parameters and returns that of the input frames.
    ///
    /// # Shapes
    /// result: `[T_in, N, C, H, W]`
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::Count`] if the gradient does not fit the prediction, or `gradients` the network;
    /// [`Error::Workspace`] for a workspace of another network or of weights that were changed since;
    /// [`Error::InvalidConfig`] if they are those of another kind. Nothing has changed then.
    pub fn backward(
        &self,
        workspace: &mut ForecasterWorkspace<T>,
        gradient: OutputGradient<'_, T>,
        gradients: &mut ForecasterParameters<T>,
    ) -> Result<Tensor<T>> {
        use {ForecasterParameters as P, ForecasterWorkspace as W};
        match (self, workspace, gradients) {
            (
                Self::EncoderForecaster(network),
                W::EncoderForecaster(workspace),
                P::EncoderForecaster(gradients),
            ) => network.backward(workspace, gradient, gradients),
            (Self::Pyramid(network), W::Pyramid(workspace), P::Pyramid(gradients)) => {
                network.backward(workspace, gradient, gradients)
            }
            _ => Err(self.other_kind()),
        }
    }

    /// Adds the gradients of all parameters; that of the input frames, which are data, is not computed.
    ///
    /// # Errors
    /// As [`backward`](Self::backward).
    pub fn backward_parameters(
        &self,
        workspace: &mut ForecasterWorkspace<T>,
        gradient: OutputGradient<'_, T>,
        gradients: &mut ForecasterParameters<T>,
    ) -> Result<()> {
        use {ForecasterParameters as P, ForecasterWorkspace as W};
        match (self, workspace, gradients) {
            (
                Self::EncoderForecaster(network),
                W::EncoderForecaster(workspace),
                P::EncoderForecaster(gradients),
            ) => network.backward_parameters(workspace, gradient, gradients),
            (Self::Pyramid(network), W::Pyramid(workspace), P::Pyramid(gradients)) => {
                network.backward_parameters(workspace, gradient, gradients)
            }
            _ => Err(self.other_kind()),
        }
    }

    /// The network prepared for frames of one size that come one at a time.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for frames that the network cannot read, [`Error::TooLarge`] for frames that need more memory than the
    /// machine has.
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
        ForecastStream::new(self, [batch, height, width])
    }

    fn other_kind(&self) -> Error {
        let reason = format!(
            "workspace and gradients are not both those of a network of the kind {}",
            self.config().kind()
        );
        Error::InvalidConfig { field: "kind".into(), reason }
    }
}
