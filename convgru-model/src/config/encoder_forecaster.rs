//! The configuration of an encoder-forecaster.

use serde::{Deserialize, Serialize};

use super::conv_gru::validate_hidden_channels;
use super::network::parameter_count;
use super::{
    ComponentConfig, ConvGruConfig, ConvolutionStart, Initializer, KernelSizes, MAX_PARAMETERS,
    NetworkConfig, OutputActivation, Precision, invalid, validate_members,
};
use crate::error::Result;
use crate::layer::Conv2dConfig;

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
    /// Whether frames that are read have one channel more, the last one, that tells which pixels were measured: 1 for measured and 0 for
    /// missing. It is not predicted; where the network reads its own predictions, these count as measured.
    pub mask_channel: bool,
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
    /// Predictions that are made at once, 1 to 64: an ensemble of heads on one trunk. More than one need
    /// [`Feedback::Unconditioned`].
    pub members: usize,
}

impl Default for EncoderForecasterConfig {
    fn default() -> Self {
        Self {
            image_channels: 1,
            mask_channel: false,
            patch: 4,
            hidden_channels: vec![32, 32],
            kernel_size: KernelSizes::default(),
            bias: true,
            initializer: Initializer::default(),
            precision: Precision::default(),
            feedback: Feedback::default(),
            output_activation: OutputActivation::default(),
            members: 1,
        }
    }
}

impl EncoderForecasterConfig {
    /// Channels of an image after its patches became channels.
    pub fn patch_channels(&self) -> usize {
        self.image_channels.saturating_mul(self.patch).saturating_mul(self.patch)
    }

    /// Channels of a frame that is read, with its mask, after its patches became channels.
    pub(crate) fn read_patch_channels(&self) -> usize {
        self.read_channels().saturating_mul(self.patch).saturating_mul(self.patch)
    }

    /// Channels of the output of the head: the channels of the patches of every member.
    pub(crate) fn output_patch_channels(&self) -> usize {
        self.patch_channels().saturating_mul(self.members)
    }

    /// The encoder stack.
    pub fn encoder(&self) -> ConvGruConfig {
        ConvGruConfig {
            kernel_size: self.kernel_size.clone(),
            bias: self.bias,
            initializer: self.initializer,
            precision: self.precision,
            ..ConvGruConfig::new(self.read_patch_channels(), &self.hidden_channels)
        }
    }

    /// The forecaster stack.
    pub fn forecaster(&self) -> ConvGruConfig {
        let in_channels = match self.feedback {
            Feedback::Predictions => self.read_patch_channels(),
            Feedback::Unconditioned => 0,
        };
        ConvGruConfig { in_channels, ..self.encoder() }
    }

    /// The convolution from the forecaster's topmost state to the patches of every member.
    pub(crate) fn head(&self) -> Conv2dConfig {
        let top = self.hidden_channels.last().copied().unwrap_or(1);
        Conv2dConfig::new(top, self.output_patch_channels(), [1, 1])
    }

    /// The number of parameters.
    pub fn parameter_count(&self) -> usize {
        parameter_count(&self.components())
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
        validate_members(self.members)?;
        if self.members > 1 && self.feedback == Feedback::Predictions {
            let reason = format!(
                "is {}, but a forecaster that reads its own prediction has one to read; set feedback = \"unconditioned\", \
                 or members = 1",
                self.members
            );
            return invalid("members", reason);
        }
        validate_hidden_channels(&self.hidden_channels)?;
        self.encoder().validate()?;
        let parameters = self.parameter_count();
        if parameters > MAX_PARAMETERS {
            let reason =
                format!("the network would have {parameters} parameters, more than {MAX_PARAMETERS}");
            return invalid("hidden_channels", reason);
        }
        Ok(())
    }
}

impl NetworkConfig for EncoderForecasterConfig {
    fn image_channels(&self) -> usize {
        self.image_channels
    }

    fn read_channels(&self) -> usize {
        self.image_channels.saturating_add(usize::from(self.mask_channel))
    }

    fn members(&self) -> usize {
        self.members
    }

    fn output_activation(&self) -> OutputActivation {
        self.output_activation
    }

    fn reads_predictions(&self) -> bool {
        self.feedback == Feedback::Predictions
    }

    fn frame_multiple(&self) -> usize {
        self.patch
    }

    fn downs(&self) -> Vec<usize> {
        vec![self.patch]
    }

    fn hidden_channels(&self) -> Vec<usize> {
        self.hidden_channels.clone()
    }

    fn components(&self) -> Vec<(String, ComponentConfig)> {
        vec![
            ("encoder".into(), ComponentConfig::Cells(self.encoder())),
            ("forecaster".into(), ComponentConfig::Cells(self.forecaster())),
            ("head".into(), ComponentConfig::Convolution(self.head(), ConvolutionStart::default())),
        ]
    }

    fn seed(&self, seed: u64, component: u64) -> u64 {
        seed.wrapping_mul(3).wrapping_add(component)
    }

    fn numbers_per_pixel(&self) -> [f64; 2] {
        let (patch, pixels) = (self.read_patch_channels() as f64, (self.patch as f64).powi(2));
        // Of every layer and step: three gates and the state, gradients of the gates and of the input.
        let states = 8.0 * self.hidden_channels.iter().map(|&channels| channels as f64).sum::<f64>();
        let forecaster = self.forecaster().in_channels as f64 + 3.0 * self.output_patch_channels() as f64;
        [(patch + states) / pixels, (forecaster + states) / pixels]
    }

    fn validate(&self) -> Result<()> {
        Self::validate(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_need_a_forecaster_that_reads_nothing() {
        let config = |members, feedback| EncoderForecasterConfig { members, feedback, ..Default::default() };
        config(1, Feedback::Predictions).validate().unwrap();
        config(64, Feedback::Unconditioned).validate().unwrap();
        let error = config(4, Feedback::Predictions).validate().unwrap_err().to_string();
        assert!(error.contains("members: is 4") && error.contains("unconditioned"), "{error}");
        for members in [0, 65, usize::MAX] {
            let error = config(members, Feedback::Unconditioned).validate().unwrap_err().to_string();
            assert!(error.contains(&format!("members: {members} is not between 1 and 64")), "{error}");
        }
        let huge = EncoderForecasterConfig {
            image_channels: 64,
            patch: 32,
            hidden_channels: vec![600],
            ..config(64, Feedback::Unconditioned)
        };
        assert!(huge.validate().unwrap_err().to_string().contains("parameters, more than"));
    }

    #[test]
    fn members_make_the_head_wider_and_nothing_else() {
        let config = |members| EncoderForecasterConfig {
            members,
            feedback: Feedback::Unconditioned,
            ..Default::default()
        };
        let (one, three) = (config(1), config(3));
        assert_eq!(three.parameter_count() - one.parameter_count(), 2 * 16 * 33);
        assert_eq!(one.numbers_per_pixel()[0], three.numbers_per_pixel()[0]);
        assert!(one.numbers_per_pixel()[1] < three.numbers_per_pixel()[1]);
    }
}
