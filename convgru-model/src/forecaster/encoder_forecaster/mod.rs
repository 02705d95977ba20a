//! An encoder that reads frames and a forecaster that continues them.

mod backward;
mod forward;
mod limits;
mod stream;

use convgru_kernels::conv::PackedWeights;
use convgru_kernels::{Extent, Scalar};

pub use backward::OutputGradient;
pub(super) use forward::expect_frames;
pub use forward::{EncoderForecasterWorkspace, Prediction, TeacherForcing};
pub(super) use stream::EncoderForecasterStream;

use super::limits::Limits;
use crate::config::{ConvGruConfig, EncoderForecasterConfig};
use crate::error::{Error, Result};
use crate::fused::cell::expect_layers;
use crate::fused::conv_gru::{ConvGru, ConvGruParameters};
use crate::fused::stack::PreparedStack;
use crate::layer::{Activation, Conv2dConfig, Conv2dParameters, take_conv2d};
use crate::memory;
use crate::parameters::{Parameters, Stamp, Take};
use crate::random::Random;
use crate::tensor::{Tensor, expect_rank};

/// The parameters of an [`EncoderForecaster`], or their gradients.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderForecasterParameters<T> {
    /// The stack that reads.
    pub encoder: ConvGruParameters<T>,
    /// The stack that continues.
    pub forecaster: ConvGruParameters<T>,
    /// The 1x1 convolution from the forecaster's topmost state to pixels.
    pub head: Conv2dParameters<T>,
}

impl<T: Scalar> Parameters<T> for EncoderForecasterParameters<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        self.encoder.for_each(&mut |name, tensor| visit(&format!("encoder.{name}"), tensor));
        self.forecaster.for_each(&mut |name, tensor| visit(&format!("forecaster.{name}"), tensor));
        self.head.for_each(&mut |name, tensor| visit(&format!("head.{name}"), tensor));
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        self.encoder.for_each_mut(&mut |name, tensor| visit(&format!("encoder.{name}"), tensor));
        self.forecaster.for_each_mut(&mut |name, tensor| visit(&format!("forecaster.{name}"), tensor));
        self.head.for_each_mut(&mut |name, tensor| visit(&format!("head.{name}"), tensor));
    }
}

/// An encoder stack reads `T_in` frames; a forecaster stack starts from its states and
/// emits `T_out` frames.
///
/// The numbers of frames and the size of the images are those of the call; height and
/// width must be multiples of the patch. Of an ensemble of `K` members predictions have `K C` channels, those of the
/// first member first; `K` is 1 unless [`members`](EncoderForecasterConfig::members) says otherwise.
///
/// ```
/// use convgru_model::{EncoderForecaster, EncoderForecasterConfig, Tensor};
///
/// let config = EncoderForecasterConfig { hidden_channels: vec![8], ..Default::default() };
/// let network = EncoderForecaster::<f32>::new(config, 0)?;
/// let frames = Tensor::zeros(&[5, 2, 1, 16, 24]); // five frames of two samples
/// assert_eq!(network.forward(&frames, 3)?.shape(), [3, 2, 1, 16, 24]);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct EncoderForecaster<T> {
    config: EncoderForecasterConfig,
    parameters: EncoderForecasterParameters<T>,
    limits: Limits,
    stamp: Stamp,
}

impl<T: Scalar> EncoderForecaster<T> {
    /// A network with weights drawn as the configuration says, the same for the same seed
    /// on every machine.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if a field cannot work.
    pub fn new(config: EncoderForecasterConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        // Streams of random numbers: one seed for each stack, and one for the head.
        let [encoder, forecaster, head] = [0, 1, 2].map(|part| seed.wrapping_mul(3).wrapping_add(part));
        let parameters = EncoderForecasterParameters {
            encoder: ConvGru::new(config.encoder(), encoder)?.into_parameters(),
            forecaster: ConvGru::new(config.forecaster(), forecaster)?.into_parameters(),
            head: crate::layer::draw_conv2d(&head_config(&config), &mut Random::new(head, 0)),
        };
        Ok(Self { config, parameters, limits: Limits::default(), stamp: Stamp::new() })
    }

    /// A network whose weights are asked for one by one, by name and shape, in the order of its [`Parameters`].
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if a field cannot work, [`Error::ShapeMismatch`] for tensors of another shape, and the
    /// errors of `take`.
    pub fn from_tensors(config: EncoderForecasterConfig, take: &mut Take<'_, T>) -> Result<Self> {
        config.validate()?;
        let mut stack = |part: &str, stack: ConvGruConfig| {
            let stack =
                ConvGru::from_tensors(stack, &mut |name, shape| take(&format!("{part}.{name}"), shape))?;
            Ok::<_, Error>(stack.into_parameters())
        };
        let encoder = stack("encoder", config.encoder())?;
        let forecaster = stack("forecaster", config.forecaster())?;
        let head =
            take_conv2d(&head_config(&config), &mut |name, shape| take(&format!("head.{name}"), shape))?;
        let parameters = EncoderForecasterParameters { encoder, forecaster, head };
        Ok(Self { config, parameters, limits: Limits::default(), stamp: Stamp::new() })
    }

    /// What the network is.
    pub fn config(&self) -> &EncoderForecasterConfig {
        &self.config
    }

    /// Its weights.
    pub fn parameters(&self) -> &EncoderForecasterParameters<T> {
        &self.parameters
    }

    /// Its weights, to be changed. Workspaces of forward passes before are no longer this network's.
    pub fn parameters_mut(&mut self) -> &mut EncoderForecasterParameters<T> {
        self.stamp = Stamp::new();
        &mut self.parameters
    }

    /// Fails unless the weights are those of the configuration.
    pub(crate) fn check(&self) -> Result<()> {
        expect_layers("encoder.", &self.config.encoder(), &self.parameters.encoder.layers)?;
        expect_layers("forecaster.", &self.config.forecaster(), &self.parameters.forecaster.layers)?;
        self.parameters.head.expect("head", &head_config(&self.config))
    }

    fn prepared(&self) -> Result<Prepared<'_, T>> {
        self.check()?;
        let head = &self.parameters.head;
        let (encoder, forecaster) = (&self.parameters.encoder.layers, &self.parameters.forecaster.layers);
        Ok(Prepared {
            encoder: PreparedStack::new("encoder.", encoder, &self.config.encoder())?,
            forecaster: PreparedStack::new("forecaster.", forecaster, &self.config.forecaster())?,
            head: PackedWeights::new(head_config(&self.config).shape(), head.weight.as_slice())?
                .with_bias(head.bias.as_ref().map(Tensor::as_slice))?,
        })
    }

    fn activation(&self) -> Activation {
        self.config.output_activation.into()
    }

    /// The extent of one step of frames `[T, N, C, H, W]` after patches became channels.
    fn patch_extent(&self, what: &str, shape: &[usize]) -> Result<Extent> {
        expect_rank(what, shape, &["T", "N", "C", "H", "W"])?;
        let patch = self.config.patch;
        let fits = shape[2] == self.config.image_channels
            && shape[3].is_multiple_of(patch)
            && shape[4].is_multiple_of(patch)
            && !shape.contains(&0);
        if !fits {
            let channels = self.config.image_channels;
            return Err(Error::ShapeMismatch {
                what: what.into(),
                expected: format!(
                    "[T >= 1, N >= 1, {channels}, a multiple of {patch}, a multiple of {patch}]"
                ),
                got: shape.to_vec(),
            });
        }
        memory::expect_bytes(what, memory::bytes_of::<T>(&shape[1..]))?;
        Ok(Extent {
            batch: shape[1],
            channels: self.config.patch_channels(),
            height: shape[3] / patch,
            width: shape[4] / patch,
        })
    }
}

/// The network with its weights packed.
#[derive(Debug)]
struct Prepared<'w, T> {
    encoder: PreparedStack<'w, T>,
    forecaster: PreparedStack<'w, T>,
    head: PackedWeights<'w, T>,
}

/// The convolution from the forecaster's topmost state to the channels of a patch of every member.
fn head_config(config: &EncoderForecasterConfig) -> Conv2dConfig {
    let top = config.hidden_channels.last().copied().unwrap_or(1);
    Conv2dConfig::new(top, config.output_patch_channels(), [1, 1])
}
