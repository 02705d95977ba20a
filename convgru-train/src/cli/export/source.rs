//! The network to export: a trained model, or a network without a training.

use anyhow::Context;
use convgru_model::composed::Recurrent;
use convgru_model::import::NamedNetwork;
use convgru_model::{ConvGru, ForecasterConfig, Network, OutputActivation};
use convgru_train::printable::printable;
use convgru_train::read_file;
use convgru_train::trainer::{ModelFile, TrainedModel};

use super::origin::{take, tensors_under};
use super::{Export, Part};

/// What is exported.
pub(super) enum ExportSource {
    /// A trained model.
    TrainedModel(Box<TrainedModel>),
    /// A network that `import` or this command wrote.
    Network(Box<NamedNetwork<f64>>),
}

/// The stack of a part of a trained model.
pub(super) fn part_of(trained: &TrainedModel, part: Part) -> anyhow::Result<NamedNetwork<f64>> {
    let ForecasterConfig::EncoderForecaster(model) = &trained.config.model else {
        anyhow::bail!(
            "--part {}: a network of the kind {} has no two stacks of ConvGRUs at one scale; without --part all its weights are \
             written",
            part.name(),
            trained.config.model.kind()
        )
    };
    let config = match part {
        Part::Encoder => model.encoder(),
        Part::Forecaster => model.forecaster(),
        Part::Cell => anyhow::bail!("--part cell: a trained model has no update block of RAFT"),
    };
    let mut tensors = tensors_under(trained, &format!("{}.", part.name()));
    let network = ConvGru::from_tensors(config, &mut |name, _| take(&mut tensors, name))?;
    Ok(NamedNetwork { name: part.name().to_owned(), network: network.into(), origin: None })
}

/// The stages of a trained network that gives an image for each input frame, as a network of their own; `None` of a network that continues frames.
///
/// # Errors
/// If patches or an activation stand around the stages, which no network of stages has.
pub(super) fn stages_of(trained: &TrainedModel) -> anyhow::Result<Option<Network<f64>>> {
    let ForecasterConfig::Recurrent(config) = &trained.config.model else { return Ok(None) };
    if config.input_channels == 0 {
        return Ok(None);
    }
    anyhow::ensure!(
        config.patch == 1 && config.output_activation == OutputActivation::Identity,
        "a network that gives an image for each input frame is written as ONNX with model.patch = 1 and model.output_activation = \"identity\", and \
         these are {} and {:?}",
        config.patch,
        config.output_activation
    );
    let mut tensors = tensors_under(trained, "body.");
    Ok(Some(Recurrent::from_tensors(config.body(), &mut |name, _| take(&mut tensors, name))?.into()))
}

impl ExportSource {
    /// Reads what the options name.
    pub(super) fn read(export: &Export) -> anyhow::Result<Self> {
        match (&export.checkpoint, &export.weights) {
            (Some(checkpoint), _) => Ok(Self::TrainedModel(Box::new(TrainedModel::read(checkpoint)?))),
            (None, Some(weights)) => match ModelFile::from_bytes(&read_file(weights)?, weights)? {
                ModelFile::Trained(_) => {
                    anyhow::bail!("{}: it is a trained model, for --checkpoint", printable(weights))
                }
                ModelFile::Networks(networks) => {
                    let mut network =
                        one_of(networks, export.stack.as_deref()).with_context(|| printable(weights))?;
                    if export.part == Some(Part::Cell) {
                        network = network
                            .into_raft_cell()
                            .with_context(|| format!("{}: --part cell", printable(weights)))?;
                    }
                    Ok(Self::Network(Box::new(network)))
                }
            },
            (None, None) => anyhow::bail!("--checkpoint or --weights is needed"),
        }
    }
}

/// The network with the given name, or the only one.
fn one_of(mut networks: Vec<NamedNetwork<f64>>, wanted: Option<&str>) -> anyhow::Result<NamedNetwork<f64>> {
    let names: Vec<String> = networks.iter().map(|network| format!("`{}`", network.name)).collect();
    let names = names.join(", ");
    let at = match wanted {
        None if networks.len() == 1 => 0,
        None => {
            anyhow::bail!("there are {} networks; choose one of {names} with --stack", networks.len())
        }
        Some(wanted) => networks
            .iter()
            .position(|network| network.name == wanted)
            .with_context(|| format!("no network `{wanted}`; there are {names}"))?,
    };
    Ok(networks.swap_remove(at))
}
