//! The configuration of a network of composed cells that continues frames.

use serde::{Deserialize, Serialize};

use super::bounds::MAX_CHANNELS;
use super::network::parameter_count;
use super::{ComponentConfig, NetworkConfig, OutputActivation, invalid};
use crate::composed::{CellConfig, CellKind, Context, ConvStageConfig, RecurrentConfig, Stage, Wiring};
use crate::error::Result;

/// The name of the stages among the components of the network.
pub(crate) const BODY: &str = "body";

/// A network of any [`composed`](crate::composed) cells that reads frames one after the other, and then its own predictions.
///
/// ```text
/// frame t -> pixel-unshuffle -> stages, with their states after frame t - 1 -> activation -> pixel-shuffle -> frame t + 1
/// ```
/// The output of the topmost stage for a frame is the next frame. Its output for the last frame of the input is the first prediction, which
/// the network reads in turn (Shi et al. 2015, arXiv 1506.04214, with one network for encoder and forecaster; Graves 2013, arXiv 1308.0850).
///
/// The first stage reads as many channels as a patch of a frame has, the mask among them, and the topmost stage gives as many as a patch of
/// an image has: after a cell with other channels comes a [convolution](Stage::Convolution).
///
/// With [`input_channels`](field@Self::input_channels) the network reads other frames than images, such as voxel grids of events (FireNet: Scheerlinck et
/// al. 2020, WACV), and gives an image for each of them, at the same time. It reads no predictions:
///
/// ```text
/// input frame t -> pixel-unshuffle -> stages, with their states after input frame t - 1 -> activation -> pixel-shuffle -> image t
/// ```
///
/// ```
/// use convgru_model::composed::{CellConfig, CellKind, ConvStageConfig, Stage};
/// use convgru_model::{Forecaster, RecurrentForecasterConfig, ResetGate, Tensor};
///
/// let cell = CellConfig { kind: CellKind::TrajGru, reset: ResetGate::After, ..CellConfig::new(4, 8) };
/// let to_frames = ConvStageConfig { in_channels: 8, out_channels: 4, kernel_size: [1, 1], ..Default::default() };
/// let stages = vec![Stage::Cell(cell), Stage::Convolution(to_frames)];
/// let config = RecurrentForecasterConfig { patch: 2, stages, ..Default::default() };
/// let network = Forecaster::<f32>::new(config, 0)?;
/// let frames = Tensor::zeros(&[5, 2, 1, 12, 10]); // five frames of two samples
/// assert_eq!(network.forward(&frames, 3)?.shape(), [3, 2, 1, 12, 10]);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecurrentForecasterConfig {
    /// Channels of a frame that is predicted, 1 to 64.
    pub image_channels: usize,
    /// Channels of the input frames of a network that gives an image for each input frame, 1 to 64; 0 for a network that reads images and continues
    /// them.
    pub input_channels: usize,
    /// Whether input frames have a mask as their last channel: 1 for measured pixels and 0 for
    /// missing pixels. The network does not predict the mask; all pixels of its own predictions count as measured.
    pub mask_channel: bool,
    /// Height and width of the patches of pixels that become channels, 1 to 32; height and width of a frame must be multiples of it.
    pub patch: usize,
    /// The function that turns the output of the topmost stage into pixels.
    pub output_activation: OutputActivation,
    /// Which stages each stage reads.
    pub wiring: Wiring,
    /// The stages, from the frame up. Each keeps the size of images.
    pub stages: Vec<Stage>,
}

impl Default for RecurrentForecasterConfig {
    /// Two convolutional LSTMs.
    fn default() -> Self {
        let lstm = |inputs| CellConfig { kind: CellKind::Lstm, ..CellConfig::new(inputs, 32) };
        let to_frames =
            ConvStageConfig { in_channels: 32, out_channels: 16, kernel_size: [1, 1], ..Default::default() };
        Self {
            image_channels: 1,
            input_channels: 0,
            mask_channel: false,
            patch: 4,
            output_activation: OutputActivation::default(),
            wiring: Wiring::default(),
            stages: vec![Stage::Cell(lstm(16)), Stage::Cell(lstm(32)), Stage::Convolution(to_frames)],
        }
    }
}

impl RecurrentForecasterConfig {
    /// The stages as a network of their own, with frames in patches.
    pub fn body(&self) -> RecurrentConfig {
        RecurrentConfig { stages: self.stages.clone(), wiring: self.wiring }
    }

    /// Channels of a patch of an image.
    pub fn patch_channels(&self) -> usize {
        self.image_channels.saturating_mul(self.patch).saturating_mul(self.patch)
    }

    /// Channels of a patch of a frame that is read, with its mask.
    pub fn read_patch_channels(&self) -> usize {
        self.read_channels().saturating_mul(self.patch).saturating_mul(self.patch)
    }

    /// Channels of a mask in patches; 0 without one.
    pub(crate) fn mask_patch_channels(&self) -> usize {
        if self.mask_channel { self.patch.saturating_mul(self.patch) } else { 0 }
    }

    /// The same network with a mask or without one: the first stage reads its patches as well, or no longer. A first stage that
    /// reads the channels of such frames already stays as it is.
    pub(super) fn with_mask_channel(mut self, mask_channel: bool) -> Self {
        let before = self.read_patch_channels();
        self.mask_channel = mask_channel;
        let after = self.read_patch_channels();
        if self.body().in_channels(0) == after {
            return self;
        }
        let in_channels = match self.stages.first_mut() {
            Some(Stage::Cell(cell)) => &mut cell.in_channels,
            Some(Stage::Convolution(config) | Stage::Residual(config)) => &mut config.in_channels,
            None => return self,
        };
        // One that does not fit stays as it is, for the message of `validate`.
        *in_channels = in_channels.saturating_add(after).saturating_sub(before);
        self
    }

    /// The number of parameters.
    pub fn parameter_count(&self) -> usize {
        parameter_count(&self.components())
    }

    /// Checks every field, and that the stages read frames and give frames.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) with the name of the field, its value and the right values.
    pub fn validate(&self) -> Result<()> {
        if !(1..=64).contains(&self.image_channels) {
            return invalid("image_channels", format!("{} is not between 1 and 64", self.image_channels));
        }
        if self.input_channels > 64 {
            let reason = format!(
                "{} is not between 1 and 64, nor 0 for a network that continues the images it reads",
                self.input_channels
            );
            return invalid("input_channels", reason);
        }
        if self.input_channels > 0 && self.mask_channel {
            let reason = format!(
                "is true, but the network reads frames of input_channels = {}, of which no pixel is missing; set it to false",
                self.input_channels
            );
            return invalid("mask_channel", reason);
        }
        if !(1..=32).contains(&self.patch) {
            return invalid("patch", format!("{} is not between 1 and 32", self.patch));
        }
        let body = self.body();
        body.validate()?;
        if body.inputs() > 1 {
            let reason = format!(
                "gru-rcn reads {} inputs, and here there is one, the frame; take chain, residual or levels",
                body.inputs()
            );
            return invalid("wiring", reason);
        }
        self.stages.iter().enumerate().try_for_each(|(index, stage)| keeps_frames(index, stage))?;
        self.validate_channels(&body)
    }

    fn validate_channels(&self, body: &RecurrentConfig) -> Result<()> {
        let (reads, frame) = (body.in_channels(0), self.read_patch_channels());
        let patch = self.patch;
        if reads != frame {
            let mask = if self.mask_channel { ", the mask among them" } else { "" };
            let reason = format!(
                "the first stage reads {reads} channels, but a frame has {} in patches of {patch}x{patch}, {frame} together{mask}; \
                 set stages[0].*.in_channels, patch or {}",
                self.read_channels(),
                if self.input_channels > 0 { "input_channels" } else { "image_channels" }
            );
            return invalid("stages", reason);
        }
        let (gives, image) = (body.top_channels(), self.patch_channels());
        if gives != image {
            let advice = match (self.wiring, gives <= MAX_CHANNELS) {
                (Wiring::Levels, _) => format!("give the finest cell {image} hidden channels"),
                _ => format!(
                    "end with the stage convolution = {{ in_channels = {gives}, out_channels = {image}, kernel_size = [1, 1] }}"
                ),
            };
            let predicts = match self.input_channels {
                0 => "it predicts the frame that is read next, whose image has",
                _ => "it gives an image, which has",
            };
            let reason = format!(
                "the topmost stage gives {gives} channels, but {predicts} {image} ({} in patches of {patch}x{patch}); {advice}",
                self.image_channels
            );
            return invalid("stages", reason);
        }
        Ok(())
    }
}

/// Fails for a stage that frames, or predictions as they are read, do not fit.
fn keeps_frames(index: usize, stage: &Stage) -> Result<()> {
    let refuse = |field: &str, reason: String| invalid(format!("stages[{index}].{field}"), reason);
    let cell = match stage {
        Stage::Cell(cell) => cell,
        Stage::Convolution(config) | Stage::Residual(config) if config.stride == [1, 1] => return Ok(()),
        Stage::Convolution(config) | Stage::Residual(config) => {
            let reason = format!(
                "{:?} makes images smaller, and predictions have the size of frames; take 1, and larger patches",
                config.stride
            );
            return refuse("stride", reason);
        }
    };
    if cell.in_channels == 0 {
        return refuse("in_channels", "is 0, but here every cell reads the frame or the stage below".into());
    }
    if cell.context == Context::Additive {
        let reason =
            "additive contexts are given with each sequence, and frames come without; take none or global";
        return refuse("context", reason.into());
    }
    if cell.kernel_depth.max(cell.input_kernel_depth) > 1 {
        let reason = format!(
            "{} of volumes, but frames are images; take 1",
            cell.kernel_depth.max(cell.input_kernel_depth)
        );
        return refuse("kernel_depth", reason);
    }
    // Larger than any kernel reaches.
    let size = [1 << 40, 1 << 41];
    if cell.state_size(size) != size {
        let reason = format!(
            "stride {:?}, padding {:?} and dilation {:?} change the size of images, and predictions have the size of frames",
            cell.input_stride,
            cell.padding_of_input(),
            cell.input_dilation
        );
        return refuse("input_stride", reason);
    }
    Ok(())
}

impl NetworkConfig for RecurrentForecasterConfig {
    fn image_channels(&self) -> usize {
        self.image_channels
    }

    fn read_channels(&self) -> usize {
        let of_frame = if self.input_channels > 0 { self.input_channels } else { self.image_channels };
        of_frame.saturating_add(usize::from(self.mask_channel))
    }

    fn input_channels(&self) -> usize {
        self.input_channels
    }

    fn members(&self) -> usize {
        1
    }

    fn output_activation(&self) -> OutputActivation {
        self.output_activation
    }

    fn reads_predictions(&self) -> bool {
        self.input_channels == 0
    }

    fn frame_multiple(&self) -> usize {
        self.patch
    }

    fn downs(&self) -> Vec<usize> {
        vec![self.patch]
    }

    fn hidden_channels(&self) -> Vec<usize> {
        self.body().cells().map(|cell| cell.hidden_channels).collect()
    }

    fn components(&self) -> Vec<(String, ComponentConfig)> {
        vec![(BODY.into(), ComponentConfig::Stages(self.body()))]
    }

    fn seed(&self, seed: u64, _component: u64) -> u64 {
        seed
    }

    fn numbers_per_pixel(&self) -> [f64; 2] {
        let pixels = (self.patch as f64).powi(2);
        let (frame, image) = (self.read_patch_channels() as f64, self.patch_channels() as f64);
        let stages: f64 = self.stages.iter().map(numbers_of_stage).sum();
        // Frames in patches, one by one and together; results, predictions, and predictions with their mask.
        [(2.0 * frame + stages + image) / pixels, (frame + stages + 3.0 * image) / pixels]
    }

    /// Frames in patches and the states before each part; the network keeps the other results of some steps at a time.
    fn kept_beyond_budget(&self) -> f64 {
        let states: usize = self.body().cells().map(|cell| cell.states() * cell.hidden_channels).sum();
        let [kept, _] = self.numbers_per_pixel();
        let pixels = (self.patch as f64).powi(2);
        ((self.read_patch_channels() + states) as f64 / pixels / kept).min(1.0)
    }

    fn validate(&self) -> Result<()> {
        Self::validate(self)
    }
}

/// Results of the operations of a stage for a pixel of its image, about.
fn numbers_of_stage(stage: &Stage) -> f64 {
    let cell = match stage {
        Stage::Convolution(config) => return 2.0 * config.out_channels as f64,
        Stage::Residual(config) => return 5.0 * config.out_channels as f64,
        Stage::Cell(cell) => cell,
    };
    let (hidden, flows) = (cell.hidden_channels as f64, cell.flows as f64);
    let twice = if cell.second_kernel_size.is_some() { 2.0 } else { 1.0 };
    let normalised = if cell.normalization_groups().is_some() { 6.0 } else { 0.0 };
    let of_kind = match cell.kind {
        CellKind::Gru => 15.0 + normalised,
        CellKind::Lstm => 22.0 + normalised,
        CellKind::TrajGru => 14.0 + 2.0 * flows,
    };
    let of_flows =
        if cell.kind == CellKind::TrajGru { 3.0 * cell.flow_channels as f64 + 4.0 * flows } else { 0.0 };
    twice * (of_kind * hidden + of_flows)
}

#[cfg(test)]
mod tests;
