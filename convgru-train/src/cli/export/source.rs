//! What is exported: a trained model or a stack of cells.

use std::path::Path;

use anyhow::Context;
use convgru_model::import::{named_tensors, safetensors_metadata};
use convgru_model::{
    CellParameters, ConvGru, ConvGruConfig, ConvGruParameters, Error, Parameters, ResetGate, Tensor,
};
use convgru_train::trainer::TrainedModel;
use serde::Deserialize;

use super::super::import::STACKS;
use super::{Export, Part};

/// What is exported.
pub(super) enum Source {
    /// A trained model.
    Trained(Box<TrainedModel>),
    /// A stack of cells.
    Stack(Box<Stack>),
}

/// A stack of cells with its name.
pub(super) struct Stack {
    pub(super) name: String,
    pub(super) network: ConvGru<f64>,
}

impl Stack {
    /// The stack of a part of a trained model.
    pub(super) fn of_part(trained: &TrainedModel, part: Part) -> anyhow::Result<Self> {
        let config = match part {
            Part::Encoder => trained.config.model.encoder(),
            Part::Forecaster => trained.config.model.forecaster(),
        };
        let prefix = format!("{}.", part.name());
        let mut tensors = Vec::new();
        trained.model.parameters().for_each(&mut |name, tensor| {
            tensors.extend(name.strip_prefix(&prefix).map(|name| (name.to_owned(), tensor.cast())));
        });
        Ok(Self { name: part.name().to_owned(), network: network(config, tensors)? })
    }
}

/// A stack as the metadata of a file describe it.
#[derive(Deserialize)]
struct Described {
    name: String,
    config: ConvGruConfig,
}

impl Source {
    /// Reads what the options name.
    pub(super) fn read(export: &Export) -> anyhow::Result<Self> {
        match (&export.checkpoint, &export.weights) {
            (Some(checkpoint), _) => Ok(Self::Trained(Box::new(TrainedModel::read(checkpoint)?))),
            (None, Some(weights)) => {
                let stack = read_stack(weights, export.stack.as_deref());
                Ok(Self::Stack(Box::new(stack.with_context(|| weights.display().to_string())?)))
            }
            (None, None) => anyhow::bail!("--checkpoint or --weights is needed"),
        }
    }
}

fn read_stack(path: &Path, wanted: Option<&str>) -> anyhow::Result<Stack> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let metadata = safetensors_metadata(&bytes)?;
    let Some(entry) = metadata.get(STACKS) else {
        let program = super::output::program();
        let hint = if metadata.contains_key("convgru") {
            "it is a trained model, for --checkpoint".to_owned()
        } else {
            format!("weights of other programs become ours by `{program} import`")
        };
        anyhow::bail!("the metadata have no entry `{STACKS}`; {hint}");
    };
    let mut stacks: Vec<Described> =
        serde_json::from_str(entry).with_context(|| format!("the entry `{STACKS}` of the metadata"))?;
    let names: Vec<String> = stacks.iter().map(|stack| format!("`{}`", stack.name)).collect();
    let names = names.join(", ");
    let several = stacks.len() > 1;
    let at = match wanted {
        None if stacks.len() == 1 => 0,
        None => anyhow::bail!("{} stacks; choose one of {names} by --stack", stacks.len()),
        Some(wanted) => stacks
            .iter()
            .position(|stack| stack.name == wanted)
            .with_context(|| format!("no stack `{wanted}`; there are {names}"))?,
    };
    let Described { name, config } = stacks.swap_remove(at);
    let checkpoint = named_tensors(&bytes)?;
    let tensors = if several { checkpoint.under(&name) } else { checkpoint }.tensors;
    Ok(Stack { name, network: network(config, tensors)? })
}

/// A network of the tensors that a file has under our names.
fn network(config: ConvGruConfig, mut tensors: Vec<(String, Tensor<f64>)>) -> anyhow::Result<ConvGru<f64>> {
    config.validate()?;
    let found: Vec<String> = tensors.iter().take(8).map(|(name, _)| name.clone()).collect();
    let mut take = |name: String| {
        let at = tensors.iter().position(|(other, _)| *other == name);
        let missing = Error::MissingTensor { name, found: found.join(", ") };
        at.map(|at| tensors.swap_remove(at).1).ok_or(missing)
    };
    let mut layers = Vec::new();
    for layer in 0..config.layers() {
        let name = |tensor: &str| format!("layers.{layer}.{tensor}");
        layers.push(CellParameters {
            input_weights: take(name("input_weights"))?,
            hidden_weights: take(name("hidden_weights"))?,
            bias: config.bias.then(|| take(name("bias"))).transpose()?,
            hidden_bias: (config.bias && config.reset == ResetGate::After)
                .then(|| take(name("hidden_bias")))
                .transpose()?,
            reset: config.reset,
        });
    }
    if let Some((name, _)) = tensors.into_iter().next() {
        return Err(Error::UnexpectedTensor { name }.into());
    }
    Ok(ConvGru::from_parameters(config, ConvGruParameters { layers })?)
}
