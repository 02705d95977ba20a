//! A network of composed cells of a file, as the first stages of a network that continues frames or gives an image for each input frame.

use convgru_model::composed::{ConvStageConfig, Recurrent, RecurrentConfig, Stage, Wiring};
use convgru_model::{ForecasterConfig, Parameters, RecurrentForecasterConfig};

/// The largest patch of a configuration.
const LARGEST_PATCH: usize = 32;

/// A network with the stages of a file that continues the frames of `configured`, if there is one. A convolution to frames follows
/// stages with another result.
pub(super) fn network_for(file: &RecurrentConfig, configured: &ForecasterConfig) -> Option<ForecasterConfig> {
    let frames = RecurrentForecasterConfig {
        image_channels: configured.image_channels(),
        mask_channel: configured.has_mask_channel(),
        output_activation: configured.output_activation(),
        wiring: file.wiring,
        stages: file.stages.clone(),
        ..Default::default()
    };
    let with_patch = |patch| RecurrentForecasterConfig { patch, ..frames.clone() };
    let mut network = (1..=LARGEST_PATCH)
        .map(with_patch)
        .find(|network| network.read_patch_channels() == file.in_channels(0))?;
    let (in_channels, out_channels) = (file.top_channels(), network.patch_channels());
    let ends_with_cell = matches!(file.stages.last(), Some(Stage::Cell(_)));
    if ends_with_cell && in_channels != out_channels && file.wiring != Wiring::Levels {
        let to_frames =
            ConvStageConfig { in_channels, out_channels, kernel_size: [1, 1], ..Default::default() };
        network.stages.push(Stage::Convolution(to_frames));
    }
    network.validate().is_ok().then(|| network.into())
}

/// A network with the stages of a file that gives an image for each input frame, if there is one. A convolution to the images of `configured` follows
/// a cell with another result.
pub(super) fn network_of_images(
    file: &RecurrentConfig,
    configured: &ForecasterConfig,
) -> Option<ForecasterConfig> {
    let mut network = RecurrentForecasterConfig {
        image_channels: file.top_channels(),
        input_channels: file.in_channels(0),
        patch: 1,
        wiring: file.wiring,
        stages: file.stages.clone(),
        ..Default::default()
    };
    let ends_with_cell = matches!(file.stages.last(), Some(Stage::Cell(_)));
    if ends_with_cell && file.wiring != Wiring::Levels && file.top_channels() != configured.image_channels() {
        network.image_channels = configured.image_channels();
        network.stages.push(Stage::Convolution(ConvStageConfig {
            in_channels: file.top_channels(),
            out_channels: network.image_channels,
            kernel_size: [1, 1],
            ..Default::default()
        }));
    }
    network.validate().is_ok().then(|| network.into())
}

/// The number of the first stages of a network that equal the stages of a file: at least the stages up to the last cell of the file. `part` is empty.
///
/// # Errors
/// The differences.
pub(super) fn placed(file: &Recurrent<f32>, network: &ForecasterConfig, part: &str) -> Result<usize, String> {
    if !part.is_empty() {
        return Err(format!(
            "--init-part is \"{part}\", but a network of composed cells fills the first stages; leave it out"
        ));
    }
    let theirs = file.config();
    let ForecasterConfig::Recurrent(network) = network else {
        return Err(format!(
            "it holds a network of composed cells, which a network of kind \"recurrent\" begins with, and model.kind is \"{}\"{}",
            network.kind(),
            reason_against(theirs, network)
        ));
    };
    if theirs.wiring != network.wiring {
        return Err(format!(
            "model.wiring is {:?}, and the wiring of the file is {:?}",
            network.wiring, theirs.wiring
        ));
    }
    let alike = |(file, configured): &(&Stage, &Stage)| {
        let mut file = (*file).clone();
        file.compute_like(configured);
        file == **configured
    };
    let count = theirs.stages.iter().zip(&network.stages).take_while(alike).count();
    let cells =
        theirs.stages.iter().rposition(|stage| matches!(stage, Stage::Cell(_))).map_or(0, |last| last + 1);
    if count >= cells {
        return Ok(count);
    }
    let show = |stage: Option<&Stage>| {
        stage.map_or_else(|| "missing".to_owned(), |stage| serde_json::to_string(stage).unwrap_or_default())
    };
    Err(format!(
        "stage {count} is {} in the file and {} in the network",
        show(theirs.stages.get(count)),
        show(network.stages.get(count))
    ))
}

/// The reason why a network of a file cannot continue frames, if there is one.
fn reason_against(file: &RecurrentConfig, configured: &ForecasterConfig) -> String {
    if network_for(file, configured).is_some() {
        return String::new();
    }
    let advice = if reads_frames_of_training(file.in_channels(0)) {
        ", or set [model] with its stages up to the last cell and a convolution to the channels of frames"
    } else {
        ""
    };
    format!(
        "; the network of the file reads {0} channels and gives {1}, so that it cannot read its own predictions of frames of {2}: set \
         data.frames.input.path to frames of {0} channels, for each of which it gives a frame{advice}; predict runs the network as it is",
        file.in_channels(0),
        file.top_channels(),
        configured.image_channels()
    )
}

/// Whether frames of a training, grey or in colour, with a mask or without, have patches of so many channels.
fn reads_frames_of_training(channels: usize) -> bool {
    let of_patch = |patch: usize| [1, 2, 3, 4].map(|frame| frame * patch * patch);
    (1..=LARGEST_PATCH).any(|patch| of_patch(patch).contains(&channels))
}

/// Copies of the tensors of the first stages, under the names that a network has for them.
pub(super) fn tensors(file: &Recurrent<f32>, stages: usize) -> Vec<(String, convgru_model::Tensor<f32>)> {
    let stage_of = |name: &str| name.split('.').nth(1).and_then(|index| index.parse::<usize>().ok());
    let all = file.parameters().to_named().into_iter();
    all.filter(|(name, _)| stage_of(name).is_some_and(|stage| stage < stages))
        .map(|(name, tensor)| (format!("body.{name}"), tensor))
        .collect()
}
