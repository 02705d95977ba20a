//! What is exported: a trained model or a stack of cells.

use std::collections::HashMap;

use anyhow::Context;
use convgru_model::composed::{Recurrent, RecurrentConfig, RecurrentParameters};
use convgru_model::import::{self, FORECASTER_ENTRY, safetensors_metadata};
use convgru_model::{ConvGru, ConvGruConfig, Error, Forecaster, ForecasterConfig, Parameters, Tensor};
use convgru_train::printable::printable;
use convgru_train::read_file;
use convgru_train::trainer::TrainedModel;
use serde::Deserialize;

use super::super::import::{NETWORKS, STACKS, Weights};
use super::{Export, Part};

/// What is exported.
pub(super) enum ExportSource {
    /// A trained model.
    TrainedModel(Box<TrainedModel>),
    /// A stack of cells.
    Stack(Box<Stack>),
    /// A network of other cells.
    Network(Box<Network>),
    /// A network that continues frames, which `import` wrote.
    Forecaster(Box<Forecaster<f64>>),
}

/// A network of other cells with its name.
pub(super) struct Network {
    pub(super) name: String,
    pub(super) network: Recurrent<f64>,
}

/// A stack of cells with its name.
pub(super) struct Stack {
    pub(super) name: String,
    pub(super) network: ConvGru<f64>,
}

impl Stack {
    /// The stack of a part of a trained model.
    pub(super) fn of_part(trained: &TrainedModel, part: Part) -> anyhow::Result<Self> {
        let ForecasterConfig::EncoderForecaster(model) = &trained.config.model else {
            anyhow::bail!(
                "--part {}: a network of the kind {} has stacks at several scales; without --part all its weights are \
                 written",
                part.name(),
                trained.config.model.kind()
            )
        };
        let config = match part {
            Part::Encoder => model.encoder(),
            Part::Forecaster => model.forecaster(),
        };
        let prefix = format!("{}.", part.name());
        let mut tensors = Vec::new();
        trained.model.parameters().for_each(&mut |name, tensor| {
            tensors.extend(name.strip_prefix(&prefix).map(|name| (name.to_owned(), tensor.cast())));
        });
        Ok(Self { name: part.name().to_owned(), network: network(config, tensors)? })
    }
}

/// A stack or a network as the metadata of a file describe it.
#[derive(Deserialize)]
struct Described {
    name: String,
    /// That of a ConvGru or of a Recurrent.
    config: serde_json::Value,
}

impl ExportSource {
    /// Reads what the options name.
    pub(super) fn read(export: &Export) -> anyhow::Result<Self> {
        match (&export.checkpoint, &export.weights) {
            (Some(checkpoint), _) => Ok(Self::TrainedModel(Box::new(TrainedModel::read(checkpoint)?))),
            (None, Some(weights)) => {
                let bytes = read_file(weights)?;
                read_weights(bytes, export.stack.as_deref()).with_context(|| printable(weights))
            }
            (None, None) => anyhow::bail!("--checkpoint or --weights is needed"),
        }
    }
}

fn read_weights(bytes: Vec<u8>, wanted: Option<&str>) -> anyhow::Result<ExportSource> {
    let metadata = safetensors_metadata(&bytes)?;
    let described = metadata.get(FORECASTER_ENTRY).and_then(|text| serde_json::from_str(text).ok());
    if described.is_some_and(|entry: serde_json::Value| entry.get("config").is_none()) {
        return Ok(ExportSource::Forecaster(Box::new(import::forecaster(&bytes)?)));
    }
    let entry = [STACKS, NETWORKS].into_iter().find_map(|entry| Some((entry, metadata.get(entry)?)));
    let Some((entry, text)) = entry else {
        let program = super::output::program();
        let hint = if metadata.contains_key(FORECASTER_ENTRY) {
            "it is a trained model, for --checkpoint".to_owned()
        } else {
            format!("weights of other programs become ours by `{program} import`")
        };
        anyhow::bail!("the metadata have no entry `{STACKS}`; {hint}");
    };
    let mut all: Vec<Described> =
        serde_json::from_str(text).with_context(|| format!("the entry `{entry}` of the metadata"))?;
    let names: Vec<String> = all.iter().map(|described| format!("`{}`", described.name)).collect();
    let names = names.join(", ");
    let several = all.len() > 1;
    let at = match wanted {
        None if all.len() == 1 => 0,
        None => anyhow::bail!("there are {} stacks; choose one of {names} with --stack", all.len()),
        Some(wanted) => all
            .iter()
            .position(|described| described.name == wanted)
            .with_context(|| format!("no stack `{wanted}`; there are {names}"))?,
    };
    let Described { name, config } = all.swap_remove(at);
    let Weights::Double(weights) = Weights::read(&bytes)? else {
        anyhow::bail!(
            "most of its numbers have 16 bits, but `import` writes 32 or 64; import the weights again"
        );
    };
    drop(bytes);
    let tensors = if several { weights.under(&name) } else { weights }.tensors;
    let of = || format!("the configuration of `{name}`");
    if config.get("stages").is_some() {
        let config: RecurrentConfig = serde_json::from_value(config).with_context(of)?;
        let network = Recurrent::from_parameters(config, RecurrentParameters::new(tensors))?;
        return Ok(ExportSource::Network(Box::new(Network { name, network })));
    }
    let config: ConvGruConfig = serde_json::from_value(config).with_context(of)?;
    Ok(ExportSource::Stack(Box::new(Stack { network: network(config, tensors)?, name })))
}

/// A network of the tensors that a file has under our names.
fn network(config: ConvGruConfig, tensors: Vec<(String, Tensor<f64>)>) -> anyhow::Result<ConvGru<f64>> {
    let found: Vec<&str> = tensors.iter().take(8).map(|(name, _)| name.as_str()).collect();
    let found = found.join(", ");
    let mut tensors: HashMap<String, Tensor<f64>> = tensors.into_iter().collect();
    let network = ConvGru::from_tensors(config, &mut |name, _| {
        tensors
            .remove(name)
            .ok_or_else(|| Error::MissingTensor { name: name.to_owned(), found: found.clone() })
    })?;
    match tensors.into_keys().next() {
        Some(name) => Err(Error::UnexpectedTensor { name }.into()),
        None => Ok(network),
    }
}
