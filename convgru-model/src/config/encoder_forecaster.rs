//! The configuration of an encoder-forecaster.

use serde::{Deserialize, Serialize};

use super::conv_gru::validate_hidden_channels;
use super::{ConvGruConfig, Initializer, KernelSizes, Precision, invalid};
use crate::error::Result;
use crate::layer::Activation;

/// What the forecaster reads at each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feedback {
    /// Its own prediction of the step before; the last frame of the input at first.
    #[default]
    Predictions,
    /// Nothing: all it knows is in the states it starts from.
    Unconditioned,
}

/// What turns the last layer's output into pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputActivation {
    /// Pixels are the output as it is.
    #[default]
    Identity,
    /// Pixels are the sigmoid of the output, between 0 and 1.
    Sigmoid,
}

impl From<OutputActivation> for Activation {
    fn from(activation: OutputActivation) -> Self {
        match activation {
            OutputActivation::Identity => Self::Identity,
            OutputActivation::Sigmoid => Self::Sigmoid,
        }
    }
}

/// An encoder stack that reads frames and a forecaster stack that continues them.
///
/// ```text
/// frames -> pixel-unshuffle -> encoder -> its last states -> forecaster -> 1x1 convolution
///        -> pixel-shuffle -> activation -> predicted frames
/// ```
/// (Srivastava et al. 2015, arXiv 1502.04681; Shi et al. 2015, arXiv 1506.04214.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EncoderForecasterConfig {
    /// Channels of a frame.
    pub image_channels: usize,
    /// Height and width of the patches of pixels that become channels; height and
    /// width of a frame must be multiples of it.
    pub patch: usize,
    /// Channels of the hidden state of each layer, in both stacks.
    pub hidden_channels: Vec<usize>,
    /// Kernel sizes, odd; a number serves all layers.
    pub kernel_size: KernelSizes,
    /// Whether each gate adds a bias.
    pub bias: bool,
    /// How weights are drawn before training.
    pub initializer: Initializer,
    /// How exactly convolutions are computed.
    pub precision: Precision,
    /// What the forecaster reads at each step.
    pub feedback: Feedback,
    /// What turns the last layer's output into pixels.
    pub output_activation: OutputActivation,
}

impl Default for EncoderForecasterConfig {
    fn default() -> Self {
        Self {
            image_channels: 1,
            patch: 4,
            hidden_channels: vec![32, 32],
            kernel_size: KernelSizes::default(),
            bias: true,
            initializer: Initializer::default(),
            precision: Precision::default(),
            feedback: Feedback::default(),
            output_activation: OutputActivation::default(),
        }
    }
}

impl EncoderForecasterConfig {
    /// Channels of a frame after its patches became channels.
    pub fn patch_channels(&self) -> usize {
        self.image_channels * self.patch * self.patch
    }

    /// The encoder stack.
    pub fn encoder(&self) -> ConvGruConfig {
        ConvGruConfig {
            kernel_size: self.kernel_size.clone(),
            bias: self.bias,
            initializer: self.initializer,
            precision: self.precision,
            ..ConvGruConfig::new(self.patch_channels(), &self.hidden_channels)
        }
    }

    /// The forecaster stack.
    pub fn forecaster(&self) -> ConvGruConfig {
        let in_channels = match self.feedback {
            Feedback::Predictions => self.patch_channels(),
            Feedback::Unconditioned => 0,
        };
        ConvGruConfig { in_channels, ..self.encoder() }
    }

    /// The number of parameters.
    pub fn parameter_count(&self) -> usize {
        let head = self.hidden_channels.last().map_or(0, |top| (top + 1) * self.patch_channels());
        self.encoder()
            .parameter_count()
            .saturating_add(self.forecaster().parameter_count())
            .saturating_add(head)
    }

    /// See [`ForecasterConfig::numbers_per_pixel`](super::ForecasterConfig::numbers_per_pixel).
    pub(super) fn numbers_per_pixel(&self) -> [f64; 2] {
        let (patch, pixels) = (self.patch_channels() as f64, (self.patch * self.patch) as f64);
        // Of every layer and step: three gates and the state, gradients of the gates and of the input.
        let states = 8.0 * self.hidden_channels.iter().sum::<usize>() as f64;
        let forecaster = self.forecaster().in_channels as f64 + 3.0 * patch;
        [(patch + states) / pixels, (forecaster + states) / pixels]
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) with the name of the field, its value and what would be right.
    pub fn validate(&self) -> Result<()> {
        if !(1..=64).contains(&self.image_channels) {
            return invalid("image_channels", format!("{} is not between 1 and 64", self.image_channels));
        }
        if !(1..=32).contains(&self.patch) {
            return invalid("patch", format!("{} is not between 1 and 32", self.patch));
        }
        validate_hidden_channels(&self.hidden_channels)?;
        self.encoder().validate()
    }
}
