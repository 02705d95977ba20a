//! The configuration of a pyramid.

use serde::{Deserialize, Serialize};

use super::activations;
use super::kernel_size::written_size;
use super::network::parameter_count;
use super::{
    ConvGruConfig, Initializer, KernelSizes, MAX_CHANNELS, MAX_PARAMETERS, NetworkConfig, OutputActivation,
    Precision, ResetGate, invalid, validate_members,
};
use crate::error::{Error, Result};
use crate::layer::{Activation, Conv2dConfig};

/// The most scales of a pyramid.
pub(crate) const MOST_SCALES: usize = 8;
/// The most layers of a scale.
const MOST_LAYERS: usize = 16;
/// The largest factor between neighbouring scales, and of all of them together.
const LARGEST_FACTOR: usize = 256;
/// The largest exponent in which frames are carried on.
const LARGEST_EXPONENT: f64 = 20.0;

/// What is added to the output before its activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Residual {
    /// Nothing.
    #[default]
    None,
    /// The last frame that was read: the network learns what changes. Where the output activation is the sigmoid, the
    /// frame is added as `ln(x / (1 - x))` of its numbers, brought between 0.01 and 0.99.
    LastFrame,
    /// The last frame carried on to each step along the movement of the last frames, as
    /// [`OpticalFlow::default`](crate::motion::OpticalFlow) does: the network learns what else happens. Added as `LastFrame`
    /// is; all pixels count as measured, and no gradient comes through it. With [`skip`](PyramidConfig::skip) the finest
    /// scale of the forecaster reads at each step what the encoder's first convolution reads of that step's frame.
    Motion,
}

/// One scale of a pyramid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PyramidScale {
    /// Channels of the hidden states.
    pub channels: usize,
    /// Rows and columns of the scale below, or of the frame, that are one here.
    #[serde(default = "two")]
    pub down: usize,
    /// Channels of what the cells read: the output of the convolution from the scale below, and of that from the scale
    /// above. As many as the states have where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<usize>,
    /// ConvGRUs on top of each other.
    #[serde(default = "one")]
    pub layers: usize,
    /// Height and width of the kernels of the cells, odd.
    #[serde(default = "square_of_three", with = "written_size")]
    pub kernel_size: [usize; 2],
}

fn one() -> usize {
    1
}

fn two() -> usize {
    2
}

fn square_of_three() -> [usize; 2] {
    [3, 3]
}

impl PyramidScale {
    /// One ConvGRU with kernels of 3x3 that reads as many channels as it has.
    pub fn new(channels: usize, down: usize) -> Self {
        Self { channels, down, features: None, layers: one(), kernel_size: square_of_three() }
    }

    /// Channels of what the cells read.
    pub fn features(&self) -> usize {
        self.features.unwrap_or(self.channels)
    }
}

/// An encoder-forecaster with ConvGRUs at several scales (Shi et al. 2017, arXiv 1706.03458).
///
/// ```text
/// encoder, from fine to coarse:     x_0 = frame,  x_i = f(down_i * patches(s_(i-1)))   s_i = ConvGRU_i(x_i, s_i)
/// forecaster, from coarse to fine:  u_i = f(pixels(up_(i+1) * g_(i+1)) [+ x_i])        g_i = ConvGRU'_i(u_i, g_i)
/// output:                           output * f(hidden * g_0), patches back to pixels [+ last frame, or m]
/// ```
/// `f` is a leaky rectifier, `*` a convolution, `patches` turns squares of `down` pixels into channels and `pixels`
/// is its inverse. The forecaster starts from the encoder's last states, and its coarsest cell reads nothing. `m` is the
/// last frame carried on to the step ([`Residual::Motion`]), and the forecaster then reads `f(down_0 * patches(m))` in
/// place of `x_0`. Frames of any height and width are continued with zeros below and to the right up to a multiple of
/// [`factor`](Self::factor), and predictions are cut back.
///
/// ```
/// use convgru_model::{PyramidConfig, PyramidScale};
///
/// let config = PyramidConfig { scales: vec![PyramidScale::new(32, 4), PyramidScale::new(64, 2)], ..Default::default() };
/// config.validate()?;
/// assert_eq!(config.factor(), 8);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PyramidConfig {
    /// Channels of a frame.
    pub image_channels: usize,
    /// Whether frames that are read have one channel more, the last one, that tells which pixels were measured: 1 for measured and 0 for
    /// missing. It is not predicted; where the network reads its own predictions, these count as measured.
    pub mask_channel: bool,
    /// The scales, the finest first.
    pub scales: Vec<PyramidScale>,
    /// Height and width of the kernels of the convolutions between scales and of the output, odd.
    #[serde(with = "written_size")]
    pub link_kernel_size: [usize; 2],
    /// The slope of the leaky rectifiers below zero, 0 to 1.
    pub slope: f64,
    /// Channels between the two convolutions of the output; with 0 there is one convolution.
    pub head_channels: usize,
    /// Whether convolutions add a bias.
    pub bias: bool,
    /// The function of the candidate of the cells: tanh, ReLU or leaky ReLU.
    pub candidate_activation: Activation,
    /// Where the reset gate of the cells acts.
    pub reset: ResetGate,
    /// How weights of cells are drawn before training.
    pub initializer: Initializer,
    /// How exactly convolutions are computed.
    pub precision: Precision,
    /// What is added to the output.
    pub residual: Residual,
    /// Whether the forecaster reads at each scale but the coarsest what the encoder read of the last frame, too; with
    /// [`Residual::Motion`] at the finest what it reads of that frame carried on.
    pub skip: bool,
    /// The exponent `s`, 0 to 20, of what [`Residual::Motion`] carries on: `exp(s x) - 1` of each number `x`, which counts
    /// between two pixels, and then `x` again. Numbers that are logarithms of rain rates, `x = ln(1 + R / k) / s`, are so
    /// carried on as rates: a peak keeps more of its height. With 0 numbers are carried on as they are.
    pub carried_exponent: f64,
    /// What turns the output into pixels.
    pub output_activation: OutputActivation,
    /// Predictions that are made at once, 1 to 64: an ensemble of heads on one trunk.
    pub members: usize,
}

impl Default for PyramidConfig {
    fn default() -> Self {
        Self {
            image_channels: 1,
            mask_channel: false,
            scales: vec![PyramidScale::new(32, 4), PyramidScale::new(64, 2)],
            link_kernel_size: square_of_three(),
            slope: 0.2,
            head_channels: 32,
            bias: true,
            candidate_activation: activations::CANDIDATE,
            reset: ResetGate::default(),
            initializer: Initializer::default(),
            precision: Precision::default(),
            residual: Residual::default(),
            skip: false,
            carried_exponent: 0.0,
            output_activation: OutputActivation::default(),
            members: 1,
        }
    }
}

impl PyramidConfig {
    /// Rows and columns of a frame that are one at the coarsest scale.
    pub fn factor(&self) -> usize {
        self.scales.iter().map(|scale| scale.down).fold(1, usize::saturating_mul)
    }

    /// Channels of an image whose patches became channels of the finest scale.
    pub fn patch_channels(&self) -> usize {
        deep(self.image_channels, self.scales.first().map_or(1, |scale| scale.down))
    }

    /// The stack of the encoder at a scale.
    ///
    /// # Panics
    /// If there is no such scale, as slices do.
    pub fn encoder(&self, scale: usize) -> ConvGruConfig {
        let PyramidScale { channels, layers, kernel_size, .. } = self.scales[scale];
        // One more than there can be is refused as well.
        let layers = layers.min(MOST_LAYERS + 1);
        ConvGruConfig {
            kernel_size: KernelSizes::PerLayer(vec![kernel_size; layers]),
            bias: self.bias,
            candidate_activation: self.candidate_activation,
            reset: self.reset,
            initializer: self.initializer,
            precision: self.precision,
            ..ConvGruConfig::new(self.scales[scale].features(), &vec![channels; layers])
        }
    }

    /// The stack of the forecaster at a scale.
    ///
    /// # Panics
    /// If there is no such scale, as slices do.
    pub fn forecaster(&self, scale: usize) -> ConvGruConfig {
        let coarsest = scale + 1 == self.scales.len();
        let in_channels = if coarsest { 0 } else { self.scales[scale].features() };
        ConvGruConfig { in_channels, ..self.encoder(scale) }
    }

    /// The convolution to a scale from the patches of the scale below or of frames.
    pub(crate) fn down(&self, scale: usize) -> Conv2dConfig {
        let below = if scale == 0 { self.read_channels() } else { self.scales[scale - 1].channels };
        let PyramidScale { down, .. } = self.scales[scale];
        self.link(deep(below, down), self.scales[scale].features())
    }

    /// The convolution from a scale to the patches of the scale below.
    pub(crate) fn up(&self, scale: usize) -> Conv2dConfig {
        let PyramidScale { channels, down, .. } = self.scales[scale];
        self.link(channels, deep(self.scales[scale - 1].features(), down))
    }

    /// The first convolution of the output, where there are two.
    pub(crate) fn head_hidden(&self) -> Option<Conv2dConfig> {
        (self.head_channels > 0).then(|| self.link(self.finest_channels(), self.head_channels))
    }

    /// The last convolution of the output.
    pub(crate) fn head_output(&self) -> Conv2dConfig {
        let channels = if self.head_channels > 0 { self.head_channels } else { self.finest_channels() };
        self.link(channels, self.patch_channels().saturating_mul(self.members))
    }

    /// Whether the forecaster reads the frames that are carried on.
    pub(crate) fn reads_carried(&self) -> bool {
        self.residual == Residual::Motion && self.skip && self.scales.len() > 1
    }

    fn finest_channels(&self) -> usize {
        self.scales.first().map_or(1, |scale| scale.channels)
    }

    fn link(&self, from: usize, to: usize) -> Conv2dConfig {
        Conv2dConfig { bias: self.bias, ..Conv2dConfig::new(from, to, self.link_kernel_size) }
    }

    /// The number of parameters.
    pub fn parameter_count(&self) -> usize {
        parameter_count(&self.components())
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] with the name of the field, its value and what would be right.
    pub fn validate(&self) -> Result<()> {
        if !(1..=64).contains(&self.image_channels) {
            return invalid("image_channels", format!("{} is not between 1 and 64", self.image_channels));
        }
        validate_members(self.members)?;
        if !(1..=MOST_SCALES).contains(&self.scales.len()) {
            return invalid(
                "scales",
                format!("{} scales; 1 to {MOST_SCALES} are possible", self.scales.len()),
            );
        }
        if !(0.0..=1.0).contains(&self.slope) {
            return invalid("slope", format!("{} is not between 0 and 1", self.slope));
        }
        if !(0.0..=LARGEST_EXPONENT).contains(&self.carried_exponent) {
            let reason = format!("{} is not between 0 and {LARGEST_EXPONENT}", self.carried_exponent);
            return invalid("carried_exponent", reason);
        }
        if self.carried_exponent > 0.0 && self.residual != Residual::Motion {
            let reason = format!(
                "is {}, but only the residual \"motion\" carries frames on: set residual = \"motion\" or carried_exponent = 0",
                self.carried_exponent
            );
            return invalid("carried_exponent", reason);
        }
        if self.head_channels > MAX_CHANNELS {
            return invalid("head_channels", format!("{} is more than {MAX_CHANNELS}", self.head_channels));
        }
        KernelSizes::PerLayer(vec![self.link_kernel_size]).validate("link_kernel_size", 1)?;
        let mut factor = 1usize;
        for (index, scale) in self.scales.iter().enumerate() {
            let field = |name: &str| format!("scales[{index}].{name}");
            factor = factor.saturating_mul(scale.down);
            if scale.down == 0 || factor > LARGEST_FACTOR {
                let reason = format!(
                    "{} makes one pixel of {factor}x{factor} of a frame; 1 to {LARGEST_FACTOR} are possible",
                    scale.down
                );
                return invalid(field("down"), reason);
            }
            if !(1..=MAX_CHANNELS).contains(&scale.features()) {
                let reason = format!("{} is not between 1 and {MAX_CHANNELS}", scale.features());
                return invalid(field("features"), reason);
            }
            if !(1..=MOST_LAYERS).contains(&scale.layers) {
                let reason = format!("{} is not between 1 and {MOST_LAYERS}", scale.layers);
                return invalid(field("layers"), reason);
            }
            self.encoder(index).validate().map_err(|error| match error {
                Error::InvalidConfig { field: name, reason } if name == "candidate_activation" => {
                    Error::InvalidConfig { field: name, reason }
                }
                Error::InvalidConfig { field: name, reason } => {
                    let name = if name == "hidden_channels" { "channels".to_owned() } else { name };
                    Error::InvalidConfig { field: field(&name), reason }
                }
                other => other,
            })?;
        }
        let parameters = self.parameter_count();
        if parameters > MAX_PARAMETERS {
            return invalid(
                "scales",
                format!("the network would have {parameters} parameters, more than {MAX_PARAMETERS}"),
            );
        }
        Ok(())
    }
}

/// Channels of images whose squares of `down` pixels became channels.
fn deep(channels: usize, down: usize) -> usize {
    channels.saturating_mul(down).saturating_mul(down)
}

mod network;
#[cfg(test)]
mod tests;
