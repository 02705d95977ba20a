//! The configuration of mlcast's ConvGRU network.

use serde::{Deserialize, Serialize};

use super::kernel_size::written_size;
use super::network::parameter_count;
use super::{
    ComponentConfig, ConvGruConfig, Initializer, KernelSizes, MAX_CHANNELS, MAX_PARAMETERS, NetworkConfig,
    OutputActivation, Precision, invalid, validate_members,
};
use crate::error::Result;

/// The most blocks of a network.
const MOST_BLOCKS: usize = 8;

/// Rows and columns of one block that are one at the next.
pub(crate) const DOWN: usize = 2;

/// The ConvGRU network of mlcast, the nowcasting package of EUMETNET's working group on artificial intelligence.
///
/// ```text
/// encoder, from fine to coarse:  x_0 = frame,  x_(i+1) = patches(s_i)    s_i = ConvGRU_i(x_i, s_i)
/// decoder, from coarse to fine:  y_i = pixels(g_i)                       g_i = ConvGRU'_i(y_(i+1), g_i)
/// ```
/// `patches` turns squares of two pixels into channels and `pixels` is its inverse, so that `x_i` and `s_i` have `C 4^i` channels
/// for frames of `C` channels, and `g_i` four times as many. The state `g_i` begins with `x_(i+1)` after the last frame. The
/// coarsest cell of the decoder reads zeros, or noise: a standard normal number for each of its numbers, drawn for each member of an
/// ensemble and each step ([`Noise`](crate::Noise)). The forecast is `y_0`. Frames of any height and width are continued with zeros
/// below and to the right up to a multiple of `2^blocks`, and predictions are cut back.
///
/// Predictions lie between -1 and 1, as states do: numbers of frames should. Where [`signed`](Self::signed) is set, frames are 0 to 1: the
/// network reads `2 x - 1` of each number `x`, and gives `(1 + y) / 2` of each of its own, `y`.
///
/// ```
/// use convgru_model::{Forecaster, MlcastConfig, Tensor};
///
/// let config = MlcastConfig { blocks: 2, members: 3, ..Default::default() };
/// let network = Forecaster::<f32>::new(config, 0)?;
/// let frames = Tensor::from_fn(&[4, 1, 1, 13, 10], |i| (i % 7) as f32 / 7.0);
/// assert_eq!(network.forward(&frames, 5)?.shape(), [5, 1, 3, 13, 10]);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MlcastConfig {
    /// Channels of a frame.
    pub image_channels: usize,
    /// Blocks of the encoder, and of the decoder, 1 to 8.
    pub blocks: usize,
    /// Height and width of the kernels of the cells, odd.
    #[serde(with = "written_size")]
    pub kernel_size: [usize; 2],
    /// Predictions that are made at once, 1 to 64: an ensemble, whose members read other noise.
    pub members: usize,
    /// Whether a single forecast reads noise; several members always do.
    pub noise: bool,
    /// Whether frames have numbers from 0 to 1, which are -1 to 1 within the network. Without it the network takes and gives numbers as they
    /// are, as mlcast's package does.
    pub signed: bool,
    /// How weights are drawn before training; by default as the package does. Orthogonal matrices of a thousand channels take
    /// minutes.
    pub initializer: Initializer,
    /// How exactly convolutions are computed.
    pub precision: Precision,
}

impl Default for MlcastConfig {
    fn default() -> Self {
        Self {
            image_channels: 1,
            blocks: 5,
            kernel_size: [3, 3],
            members: 1,
            noise: false,
            signed: false,
            initializer: Initializer::PyTorch,
            precision: Precision::default(),
        }
    }
}

impl MlcastConfig {
    /// Channels of the states of a block of the encoder.
    fn channels(&self, block: usize) -> usize {
        (0..block).fold(self.image_channels, |channels, _| channels.saturating_mul(DOWN * DOWN))
    }

    fn cell(&self, channels: usize) -> ConvGruConfig {
        ConvGruConfig {
            kernel_size: KernelSizes::PerLayer(vec![self.kernel_size]),
            initializer: self.initializer,
            precision: self.precision,
            ..ConvGruConfig::new(channels, &[channels])
        }
    }

    /// The cell of a block of the encoder; blocks are counted from the finest on.
    pub fn encoder(&self, block: usize) -> ConvGruConfig {
        self.cell(self.channels(block))
    }

    /// The cell of a block of the decoder; blocks are counted from the finest on.
    pub fn decoder(&self, block: usize) -> ConvGruConfig {
        self.cell(self.channels(block + 1))
    }

    /// Whether the coarsest cell of the decoder reads noise.
    pub fn reads_noise(&self) -> bool {
        self.noise || self.members > 1
    }

    /// The shape of the noise of a forecast of frames of some height and width, `[members, steps, N, C', H', W']` with the channels, rows
    /// and columns of the coarsest states.
    pub fn noise_shape(&self, batch: usize, [height, width]: [usize; 2], steps: usize) -> [usize; 6] {
        let of_coarsest = |size: usize| (0..self.blocks).fold(size, |size, _| size.div_ceil(DOWN));
        let channels = self.channels(self.blocks);
        [self.members, steps, batch, channels, of_coarsest(height), of_coarsest(width)]
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
        if !(1..=MOST_BLOCKS).contains(&self.blocks) {
            return invalid("blocks", format!("{} is not between 1 and {MOST_BLOCKS}", self.blocks));
        }
        validate_members(self.members)?;
        KernelSizes::PerLayer(vec![self.kernel_size]).validate("kernel_size", 1)?;
        let channels = self.channels(self.blocks);
        if channels > MAX_CHANNELS {
            let reason = format!(
                "{} makes {channels} channels, more than {MAX_CHANNELS}; fewer blocks have fewer",
                self.blocks
            );
            return invalid("blocks", reason);
        }
        let parameters = self.parameter_count();
        if parameters > MAX_PARAMETERS {
            let reason =
                format!("the network would have {parameters} parameters, more than {MAX_PARAMETERS}");
            return invalid("blocks", reason);
        }
        Ok(())
    }
}

impl NetworkConfig for MlcastConfig {
    fn image_channels(&self) -> usize {
        self.image_channels
    }

    fn read_channels(&self) -> usize {
        self.image_channels
    }

    fn members(&self) -> usize {
        self.members
    }

    fn output_activation(&self) -> OutputActivation {
        OutputActivation::Identity
    }

    fn downs(&self) -> Vec<usize> {
        // The scale of frames, and one below each block.
        std::iter::once(1).chain((0..self.blocks).map(|_| DOWN)).collect()
    }

    fn hidden_channels(&self) -> Vec<usize> {
        (0..self.blocks).map(|block| self.channels(block)).collect()
    }

    fn components(&self) -> Vec<(String, ComponentConfig)> {
        let side = |name: &'static str, cell: fn(&Self, usize) -> ConvGruConfig| {
            (0..self.blocks)
                .map(move |block| (format!("{name}.{block}"), ComponentConfig::Cells(cell(self, block))))
        };
        side("encoder", Self::encoder).chain(side("forecaster", Self::decoder)).collect()
    }

    fn seed(&self, seed: u64, component: u64) -> u64 {
        seed.wrapping_mul(64).wrapping_add(component + 1)
    }

    fn numbers_per_pixel(&self) -> [f64; 2] {
        // States and gates; of cells with few channels, most of which have few operations, states alone. Channels lie in blocks of 16.
        // Of the finest cell, besides, what it reads and the gradients of that and of the states, of one cell at a time.
        let of_cell = |channels: usize, scale: usize| {
            let (kept, passing) = (if channels < 64 { 1.0 } else { 4.0 }, if scale < 2 { 3.0 } else { 0.0 });
            (kept + passing) * channels.next_multiple_of(16) as f64 / (DOWN as f64).powi(2 * scale as i32)
        };
        let sum = |cell: &dyn Fn(usize) -> f64| (0..self.blocks).map(cell).sum::<f64>();
        let read = sum(&|block| of_cell(self.channels(block), block));
        let predicted = sum(&|block| of_cell(self.channels(block + 1), block + 1));
        [read, self.members as f64 * (predicted + 3.0 * self.image_channels as f64)]
    }

    fn kept_beyond_budget(&self) -> f64 {
        // The gates of cells with few channels are kept with no budget either.
        0.75
    }

    fn validate(&self) -> Result<()> {
        Self::validate(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_network_has_the_channels_and_parameters_of_the_package() {
        let config = MlcastConfig::default();
        config.validate().unwrap();
        assert_eq!(config.hidden_channels(), [1, 4, 16, 64, 256]);
        assert_eq!((config.decoder(4).in_channels, config.decoder(0).in_channels), (1024, 4));
        let of_cell = |channels: usize| 3 * channels * (2 * channels * 9 + 1);
        let cells = [1, 4, 16, 64, 256, 4, 16, 64, 256, 1024].map(of_cell);
        assert_eq!(config.parameter_count(), cells.iter().sum::<usize>());
        assert_eq!(config.downs(), [1, 2, 2, 2, 2, 2]);
    }

    #[test]
    fn errors_name_the_field_and_the_value() {
        let message = |config: MlcastConfig| config.validate().unwrap_err().to_string();
        let config = MlcastConfig::default;
        assert!(
            message(MlcastConfig { blocks: 0, ..config() }).starts_with("blocks: 0 is not between 1 and 8")
        );
        assert!(message(MlcastConfig { blocks: usize::MAX, ..config() }).starts_with("blocks: 1844"));
        assert!(message(MlcastConfig { members: 65, ..config() }).starts_with("members: 65"));
        assert!(message(MlcastConfig { kernel_size: [3, 4], ..config() }).contains("kernel 3x4"));
        assert!(message(MlcastConfig { image_channels: 0, ..config() }).starts_with("image_channels: 0"));
        let wide = MlcastConfig { image_channels: 64, blocks: 6, ..config() };
        assert!(message(wide).starts_with("blocks: 6 makes 262144 channels"));
        let large = MlcastConfig { blocks: 8, ..config() };
        assert!(message(large).contains("parameters, more than"));
    }
}
