//! What every kind of network that continues frames has in its configuration.

use std::fmt::Debug;

use super::{ConvGruConfig, OutputActivation};
use crate::composed::RecurrentConfig;
use crate::error::Result;
use crate::layer::Conv2dConfig;

/// The configuration of a network of one kind: what [`Forecaster`](crate::Forecaster) has to know of it.
pub(crate) trait NetworkConfig: Debug + Send + Sync {
    /// Channels of a frame.
    fn image_channels(&self) -> usize;

    /// Channels of an input frame: the channels of the image, and the mask if there is one.
    fn read_channels(&self) -> usize;

    /// Channels of the input frames of a network that gives an image for each input frame; 0 for a network that continues the images it reads.
    fn input_channels(&self) -> usize {
        0
    }

    /// Predictions that are made at once.
    fn members(&self) -> usize;

    /// What turns the output into pixels.
    fn output_activation(&self) -> OutputActivation;

    /// Whether the forecaster reads its own predictions.
    fn reads_predictions(&self) -> bool {
        false
    }

    /// Height and width of frames must be multiples of this.
    fn frame_multiple(&self) -> usize {
        1
    }

    /// Rows and columns of a scale, or of the frame, that are one at the next: of each scale, the finest first.
    fn downs(&self) -> Vec<usize>;

    /// Channels of the hidden states of each layer, in the order a frame meets them.
    fn hidden_channels(&self) -> Vec<usize>;

    /// The parts that have weights, with what their tensors' names begin with, in the order of the parameters.
    fn components(&self) -> Vec<(String, ComponentConfig)>;

    /// The seed that the weights of a component are drawn with, by its place among [`components`](Self::components).
    fn seed(&self, seed: u64, component: u64) -> u64;

    /// See [`ForecasterConfig::numbers_per_pixel`](super::ForecasterConfig::numbers_per_pixel).
    fn numbers_per_pixel(&self) -> [f64; 2];

    /// The approximate share of the memory of a training step that no memory budget makes smaller: all but the gates of stacks of cells, and
    /// everything if a decoder reads its predictions.
    fn kept_beyond_budget(&self) -> f64 {
        if self.reads_predictions() { 1.0 } else { 0.25 }
    }

    /// Checks every field.
    fn validate(&self) -> Result<()>;
}

/// A part of a network that has weights.
#[derive(Debug, Clone)]
pub(crate) enum ComponentConfig {
    /// Cells on top of each other.
    Cells(ConvGruConfig),
    /// A convolution, and what its weights begin with.
    Convolution(Conv2dConfig, ConvolutionStart),
    /// Stages of composed cells.
    Stages(RecurrentConfig),
}

/// What the weights of a convolution begin with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ConvolutionStart {
    /// Pixels of a patch that begin with the same weights.
    pub(crate) taps: usize,
    /// What drawn weights are multiplied by.
    pub(crate) scale: f64,
}

impl Default for ConvolutionStart {
    fn default() -> Self {
        Self { taps: 1, scale: 1.0 }
    }
}

/// The number of parameters of all components.
pub(super) fn parameter_count(components: &[(String, ComponentConfig)]) -> usize {
    let count = |(_, component): &(String, ComponentConfig)| match component {
        ComponentConfig::Cells(cells) => cells.parameter_count(),
        ComponentConfig::Convolution(convolution, _) => {
            let Conv2dConfig { in_channels, out_channels, kernel_size: [height, width], bias, .. } =
                *convolution;
            let sizes = [in_channels, out_channels, height, width];
            let weights = sizes.into_iter().fold(1, usize::saturating_mul);
            weights.saturating_add(if bias { out_channels } else { 0 })
        }
        ComponentConfig::Stages(stages) => stages.parameter_count(),
    };
    components.iter().map(count).fold(0, usize::saturating_add)
}
