//! `convgru import`: the cells in a file of weights of another program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use convgru_model::export::to_smallest_safetensors;
use convgru_model::import::layout::Layout;
use convgru_model::import::network::{ImportedNetwork, SYSTEMS};
use convgru_model::import::{
    Detected, DetectedForecaster, DetectedNetwork, DetectedStack, Direction, FORECASTER_ENTRY, Incomplete,
    NEEDS_64_BITS, NamedTensors, SafetensorsWeights, detect, named_tensors,
    named_tensors_in_single_precision,
};
use convgru_model::{ForecasterConfig, Scalar};
use convgru_train::checkpoint::MAGIC;
use convgru_train::printable::printable;
use convgru_train::trainer::TrainedModel;
use convgru_train::{read_file, write_atomically};
use serde_json::{Value, json};

use super::{exit_codes, out, output};

/// The entry of the metadata of what is written.
pub(super) const STACKS: &str = "stacks";

/// The entry where a network is not a stack of a ConvGru.
pub(super) const NETWORKS: &str = "networks";

/// Names of a group that are shown before it is cut short.
const SHOWN: usize = 4;

/// Reads files of PyTorch (*.pth, *.pt, *.ckpt; nothing in them is executed), MXNet (*.params) and safetensors, lists the cells
/// of known layouts with their channels and kernels, and gives the reason for every tensor that is skipped. If there is no cell, if a cell
/// lacks a tensor, or if there are layers between numbered cells, the exit code is 1 and nothing is written.
#[derive(Args)]
#[command(after_help = "Examples:
  convgru import --input raft-small.pth
  convgru import --input raft-small.pth --out raft.safetensors
  convgru import --input mlcast.ckpt --preset mlcast --out mlcast.safetensors

The written file holds the tensors of a ConvGru, `layers.0.input_weights` and so on, if a ConvGru can compute
the cells, otherwise the tensors of a Recurrent, `stages.0.input_weights`. If there are several stacks, the name
of a stack is the prefix of its tensors. The metadata hold names and configurations as JSON: `stacks` for
ConvGrus, or `networks` for all if one of them is a Recurrent.
For a checkpoint of mlcast it holds the whole network, a Forecaster, with its configuration in the metadata entry `convgru`. Weights do not
tell what numbers mean: with --preset mlcast, rain on the scale of the package (dBZ of Marshall and Palmer), and predict, eval and watch take the
file as a trained model.
The two directions of a torch.nn.GRU are two stacks, whose names end with `forward.` and `backward.`.")]
pub(crate) struct Import {
    /// Weights: .pth, .pt or .ckpt of PyTorch, .params of MXNet, or .safetensors
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// File for the cells in the layout of convgru: .safetensors; an existing file is replaced only if this command wrote it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Import incomplete networks: cells one by one if other layers can lie between them, and networks without the cells
    /// that lack tensors
    #[arg(long)]
    partial: bool,
    /// Write a trained model that reads data as this preset does: mlcast, for a checkpoint of mlcast that was trained with the package's scaling
    #[arg(long, value_name = "NAME", requires = "out", value_parser = ["mlcast"])]
    preset: Option<String>,
    /// Members of the ensemble that the model predicts, with --preset; 1 for a forecast that reads no noise [default: those of the preset]
    #[arg(long, value_name = "N", requires = "preset", value_parser = super::count)]
    members: Option<usize>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Import {
    /// Lists, and writes if that is wanted.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(path) = &self.out {
            let is_named = path.extension().is_some_and(|own| own.eq_ignore_ascii_case("safetensors"));
            if !is_named {
                let path = printable(path);
                return Err(exit_codes::wrong_argument(anyhow::anyhow!(
                    "--out {path}: a name that ends with .safetensors is needed"
                )));
            }
            out::expect_free(path, &[&self.input])?;
        }
        let bytes = read_file(&self.input)?;
        expect_foreign(&self.input, &bytes)?;
        // Trained models have numbers of 32 bits.
        let weights = match &self.preset {
            Some(_) => named_tensors_in_single_precision(&bytes).map(Weights::Single),
            None => Weights::read(&bytes),
        };
        let weights = weights.with_context(|| printable(&self.input))?;
        drop(bytes);
        match weights {
            Weights::Single(weights) => self.import(weights),
            Weights::Double(weights) => self.import(weights),
        }
    }

    /// Lists and writes the cells among tensors.
    fn import<T: Scalar>(
        &self,
        NamedTensors { tensors, skipped }: NamedTensors<T>,
    ) -> anyhow::Result<ExitCode> {
        let path = printable(&self.input);
        let mut found = detect(tensors);
        found.left.extend(skipped);
        if !found.incomplete.is_empty() && !self.partial {
            anyhow::bail!(
                "{path}: {}; nothing was imported. --partial imports the complete cells one by one",
                reasons(&found.incomplete).join("; ")
            );
        }
        if found.forecasters.is_empty() && found.networks.is_empty() && found.stacks.is_empty() {
            let systems: Vec<&str> = Layout::ALL.iter().map(|layout| layout.system).collect();
            anyhow::bail!(
                "{path}: {}, and no cell of a known system among them ({}, {}, mlcast); {}",
                output::counted(found.left.len(), "tensor"),
                systems.join(", "),
                SYSTEMS.join(", "),
                groups(&found.left).join("; ")
            );
        }
        match (&self.out, &self.preset) {
            (Some(path), Some(_)) => self.write_trained(path, &found)?,
            (Some(path), None) => write(path, &found)?,
            (None, _) => {}
        }
        let left = &found.left;
        if self.json {
            let value = json!({
                "input": self.input.to_string_lossy(),
                "out": self.out.as_deref().map(Path::to_string_lossy),
                "stacks": found.stacks.iter().map(description).collect::<Vec<_>>(),
                "forecasters": found.forecasters.iter().map(description_of_forecaster).collect::<Vec<_>>(),
                "networks": found.networks.iter().map(description_of_network).collect::<Vec<_>>(),
                "incomplete": found.incomplete.iter().map(|incomplete| json!({
                    "cells": incomplete.cells, "reason": incomplete.reason,
                })).collect::<Vec<_>>(),
                "left": left.iter().map(|(name, reason)| json!({ "name": name, "reason": reason }))
                    .collect::<Vec<_>>(),
            });
            output::json(&value)?;
        } else {
            output::result(&listing(&found))?;
            if let Some(path) = &self.out {
                output::result(&format!("wrote {}", printable(path)))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Import {
    /// Writes the only network of mlcast as a model that was trained with the preset.
    fn write_trained<T: Scalar>(&self, path: &Path, found: &Detected<T>) -> anyhow::Result<()> {
        let others = found.networks.len() + found.stacks.len();
        let [forecaster] = &found.forecasters[..] else {
            anyhow::bail!(
                "{}: --preset mlcast needs one network of mlcast, and the file holds {}; leave --preset out",
                printable(&self.input),
                output::counted(found.forecasters.len(), "such network")
            );
        };
        anyhow::ensure!(
            others == 0,
            "{}: --preset mlcast writes one network, and there are {others} other networks and stacks beside `{}`; leave --preset out",
            printable(&self.input),
            forecaster.name
        );
        let trained = TrainedModel::of_mlcast(&forecaster.network, self.members)
            .with_context(|| format!("{}: --preset mlcast", printable(&self.input)))?;
        trained.write(path)?;
        Ok(())
    }
}

/// Fails for a file that this program wrote, with what it is and what takes it.
fn expect_foreign(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let metadata = SafetensorsWeights::open(bytes).ok();
    let has = |entry: &str| metadata.as_ref().is_some_and(|file| file.metadata().contains_key(entry));
    let (program, file) = (output::program(), output::shell_path(path));
    let told = if bytes.starts_with(&MAGIC) || has(FORECASTER_ENTRY) {
        format!(
            "is a trained model of this program, and nothing has to be imported: `{program} train --init-from {file}` begins with its weights, \
             and `{program} export --checkpoint {file} --out FILE` writes them for other programs"
        )
    } else if has(STACKS) || has(NETWORKS) {
        format!(
            "was written by import, and nothing has to be imported again: `{program} train --init-from {file}` begins with its weights, and \
             `{program} export --weights {file} --out FILE` writes them for other programs"
        )
    } else {
        return Ok(());
    };
    anyhow::bail!("{}: {told}", printable(path))
}

/// The tensors of a file, with numbers of a precision that takes no more than twice the bytes of the file.
pub(super) enum Weights {
    /// In 32 bits: most numbers of the file have 16.
    Single(NamedTensors<f32>),
    /// In 64 bits.
    Double(NamedTensors<f64>),
}

impl Weights {
    /// Reads a file of any format that is known.
    pub(super) fn read(bytes: &[u8]) -> convgru_model::Result<Self> {
        let single = named_tensors_in_single_precision(bytes)?;
        let count: usize = single.tensors.iter().map(|(_, tensor)| tensor.len()).sum();
        // Numbers of 64 bits that were left out are not counted; others have at least 16.
        let is_whole = single.skipped.iter().all(|(_, reason)| reason != NEEDS_64_BITS);
        let most = bytes.len() / if is_whole { 4 } else { 6 };
        if count > most {
            return Ok(Self::Single(single));
        }
        drop(single);
        named_tensors(bytes).map(Self::Double)
    }
}

/// Writes networks and stacks.
fn write<T: Scalar>(path: &Path, found: &Detected<T>) -> anyhow::Result<()> {
    if let [forecaster, others @ ..] = &found.forecasters[..] {
        let others = others.len() + found.networks.len() + found.stacks.len();
        anyhow::ensure!(
            others == 0,
            "a written file holds one network of mlcast, and there are {others} other networks and stacks beside `{}`; save the \
             tensors of one of them",
            forecaster.name
        );
        let description = json!({ "model": forecaster.network.config() }).to_string();
        let bytes = to_smallest_safetensors(found, &[(FORECASTER_ENTRY.to_owned(), description)])?;
        return Ok(write_atomically(path, &bytes)?);
    }
    let is_stack = |network: &DetectedNetwork<T>| matches!(network.network, ImportedNetwork::ConvGru(_));
    let entry = if found.networks.iter().all(is_stack) { STACKS } else { NETWORKS };
    let stacks = found.stacks.iter().map(description);
    let description: Value = found.networks.iter().map(description_of_network).chain(stacks).collect();
    let bytes = to_smallest_safetensors(found, &[(entry.to_owned(), description.to_string())])?;
    out::expect_earlier(path, &bytes)?;
    Ok(write_atomically(path, &bytes)?)
}

fn description<T: Scalar>(stack: &DetectedStack<T>) -> Value {
    let mut description = json!({
        "name": stack.name,
        "layout": stack.layout.system,
        "cells": stack.stack.prefixes,
        "config": stack.stack.config,
    });
    if let Some(direction) = stack.direction {
        description["direction"] = direction.name().into();
    }
    description
}

fn description_of_network<T: Scalar>(network: &DetectedNetwork<T>) -> Value {
    json!({
        "name": network.name,
        "system": network.system,
        "tensors": network.tensors,
        "config": match &network.network {
            ImportedNetwork::ConvGru(network) => json!(network.config()),
            ImportedNetwork::Recurrent(network) => json!(network.config()),
        },
    })
}

fn description_of_forecaster<T: Scalar>(forecaster: &DetectedForecaster<T>) -> Value {
    json!({
        "name": forecaster.name,
        "system": "mlcast",
        "tensors": forecaster.tensors,
        "config": forecaster.network.config(),
    })
}

/// A network that continues frames.
fn line_of_forecaster<T: Scalar>(forecaster: &DetectedForecaster<T>) -> String {
    let config = forecaster.network.config();
    let kind = match config {
        ForecasterConfig::Mlcast(config) => {
            let [height, width] = config.kernel_size;
            format!("{} of mlcast, kernel {height} x {width}", output::counted(config.blocks, "block"))
        }
        config => config.kind().to_owned(),
    };
    let name = if forecaster.name.is_empty() { "(no prefix)" } else { &forecaster.name };
    let channels = output::counted(config.image_channels(), "channel");
    format!("{name}  {kind}, frames of {channels}, {} parameters", config.parameter_count())
}

/// A network and its cells.
fn lines_of_network<T: Scalar>(network: &DetectedNetwork<T>) -> Vec<String> {
    let DetectedNetwork { system, name, network, .. } = network;
    let (config, engine) = match network {
        ImportedNetwork::ConvGru(_) => (network.config(), "ConvGru"),
        ImportedNetwork::Recurrent(_) => (network.config(), "Recurrent"),
    };
    let of = output::counted(config.cells().count(), "cell");
    let name = if name.is_empty() { "(no prefix)" } else { name };
    let mut lines = vec![format!("{name}  {of} of {system}, a {engine}")];
    for (index, cell) in config.cells().enumerate() {
        let [height, width] = cell.kernel_size;
        let second = cell.second_kernel_size.map(|[h, w]| format!(" then {h} x {w}")).unwrap_or_default();
        let dilated = match cell.dilation {
            [1, 1] => String::new(),
            [rows, columns] => format!(", dilated {rows} x {columns}"),
        };
        lines.push(format!(
            "  cell {index}  {} -> {} channels, kernel {height} x {width}{second}{dilated}, reset {} the convolution",
            cell.in_channels, cell.hidden_channels, cell.reset
        ));
    }
    lines
}

/// The stacks with their cells, and what is left by its reason.
fn listing<T: Scalar>(found: &Detected<T>) -> String {
    let mut lines: Vec<String> = found.forecasters.iter().map(line_of_forecaster).collect();
    lines.extend(found.networks.iter().flat_map(lines_of_network));
    for DetectedStack { layout, name, direction, stack } in &found.stacks {
        let of = output::counted(stack.layers.len(), "cell");
        let name = if name.is_empty() { "(no prefix)" } else { name };
        let direction = match direction {
            Some(Direction::Forward) => ", from the first frame on",
            Some(Direction::Backward) => ", from the last frame back",
            None => "",
        };
        lines.push(format!("{name}  {of} of {}{direction}", layout.system));
        for (prefix, layer) in stack.prefixes.iter().zip(&stack.layers) {
            let (input, hidden) = (layer.input_weights.shape(), layer.hidden_weights.shape());
            let bias = if layer.bias.is_some() { "bias" } else { "no bias" };
            let kernel = |shape: &[usize]| format!("{} x {}", shape[2], shape[3]);
            let of_input = match input[2..] == hidden[2..] {
                true => String::new(),
                false => format!(" ({} over the input)", kernel(input)),
            };
            lines.push(format!(
                "  {prefix}  {} -> {} channels, kernel {}{of_input}, {bias}, reset {} the convolution",
                input[1],
                hidden[1],
                kernel(hidden),
                layer.reset
            ));
        }
    }
    lines.extend(reasons(&found.incomplete).into_iter().map(|reason| format!("not whole: {reason}")));
    lines.extend(groups(&found.left).into_iter().map(|group| format!("left out: {group}")));
    lines.join("\n")
}

/// What is not whole: cells and why.
fn reasons(incomplete: &[Incomplete]) -> Vec<String> {
    let name = |cell: &String| if cell.is_empty() { "(no prefix)".to_owned() } else { cell.clone() };
    let line = |incomplete: &Incomplete| {
        format!("{}: {}", incomplete.cells.iter().map(name).collect::<Vec<_>>().join(", "), incomplete.reason)
    };
    incomplete.iter().map(line).collect()
}

/// Tensors that are left, by their reason, with some of their names.
fn groups(left: &[(String, String)]) -> Vec<String> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, reason) in left {
        groups.entry(reason).or_default().push(name);
    }
    let group = |(reason, names): (&str, Vec<&str>)| {
        let more = if names.len() > SHOWN { ", ..." } else { "" };
        let tensors = output::counted(names.len(), "tensor");
        format!("{tensors} ({}{more}): {reason}", names[..names.len().min(SHOWN)].join(", "))
    };
    groups.into_iter().map(group).collect()
}
