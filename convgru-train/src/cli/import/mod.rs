//! `convgru import`: the cells in a file of weights of another program.

mod listing;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use convgru_model::import::layout::Layout;
use convgru_model::import::network::SYSTEMS;
use convgru_model::import::{
    FileDescription, NEEDS_64_BITS, NamedNetwork, NamedTensors, SafetensorsWeights, detect, named_tensors,
    named_tensors_in_single_precision,
};
use convgru_model::{Network, Parameters, Scalar, export};
use convgru_train::checkpoint::MAGIC;
use convgru_train::printable::printable;
use convgru_train::trainer::TrainedModel;
use convgru_train::{read_file, write_atomically};
use serde_json::json;

use super::{exit_codes, out, output};
use listing::{SHOWN, groups, listing, reasons};

/// Reads files of PyTorch (*.pth, *.pt, *.ckpt; nothing in them is executed), MXNet (*.params) and safetensors, lists the cells
/// of known layouts with their channels and kernels, and gives the reason for every tensor that is skipped. If there is no cell, if a cell
/// lacks a tensor or holds a NaN, or if there are layers between numbered cells, the exit code is 1 and nothing is written.
#[derive(Args)]
#[command(after_help = "Examples:
  convgru import --input raft-small.pth
  convgru import --input raft-small.pth --out raft.safetensors
  convgru import --input mlcast.ckpt --preset mlcast --out mlcast.safetensors

The written file holds a ConvGru (`layers.0.input_weights` and so on) if a ConvGru can compute the cells, and otherwise a
Recurrent (`stages.0.input_weights`). For a network of mlcast it holds a Forecaster, for the update block of RAFT a RaftUpdateBlock.
If there are several networks, the name of each is the prefix of its tensors. The entry `convgru` of the metadata describes
them as JSON: names, configurations, and places in the input, which `convgru export --layout original` needs.
Weights do not hold the scale of the numbers. --preset mlcast sets the package's scale of rain (dBZ of Marshall and Palmer), and
predict, eval and watch then take the file as a trained model.
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
    /// Members of the ensemble that the model predicts, with --preset; 1 for a forecast that reads no noise [default: as many as the preset has]
    #[arg(long, value_name = "N", requires = "preset", value_parser = super::count)]
    members: Option<usize>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Import {
    /// Lists the networks, and writes them with --out.
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
        let weights = Weights::read(&bytes, self.preset.is_some()).with_context(|| printable(&self.input))?;
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
        if !found.incomplete.is_empty() && !self.partial {
            // A tensor that cannot be read is missing, too.
            let unread = groups(&skipped);
            let unread =
                if unread.is_empty() { String::new() } else { format!("; not read: {}", unread.join("; ")) };
            anyhow::bail!(
                "{path}: {}{unread}; nothing was imported. --partial imports the complete cells one by one",
                reasons(&found.incomplete).join("; ")
            );
        }
        expect_finite(&path, &found.not_finite)?;
        found.left.extend(skipped);
        if found.networks.is_empty() && !found.incomplete.is_empty() {
            anyhow::bail!("{path}: no cell is complete; {}", reasons(&found.incomplete).join("; "));
        }
        if found.networks.is_empty() {
            let systems: Vec<&str> = Layout::ALL.iter().map(|layout| layout.system).collect();
            anyhow::bail!(
                "{path}: {}, and no cell of a known system among them ({}, {}, mlcast); {}",
                output::counted(found.left.len(), "tensor"),
                systems.join(", "),
                SYSTEMS.join(", "),
                groups(&found.left).join("; ")
            );
        }
        let mut rounded = 0;
        match (&self.out, &self.preset) {
            (Some(path), Some(_)) => rounded = self.write_trained(path, &found.networks)?,
            (Some(path), None) => {
                let bytes = export::networks(&found.networks)?;
                out::expect_earlier(path, &bytes)?;
                write_atomically(path, &bytes)?;
            }
            (None, _) => {}
        }
        let left = &found.left;
        if self.json {
            let value = json!({
                "input": self.input.to_string_lossy(),
                "out": self.out.as_deref().map(Path::to_string_lossy),
                "networks": FileDescription::of(&found.networks).networks,
                "incomplete": found.incomplete.iter().map(|incomplete| json!({
                    "cells": incomplete.cells, "reason": incomplete.reason,
                })).collect::<Vec<_>>(),
                "rounded": rounded,
                "left": left.iter().map(|(name, reason)| json!({ "name": name, "reason": reason }))
                    .collect::<Vec<_>>(),
            });
            output::json(&value)?;
        } else {
            output::result(&listing(&found))?;
            if rounded > 0 {
                output::result(&format!(
                    "rounded to 32 bits: {}, which the file keeps in 64",
                    output::counted(rounded, "number")
                ))?;
            }
            if let Some(path) = &self.out {
                output::result(&format!("wrote {}", printable(path)))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Import {
    /// Writes the only network, one of mlcast, as a model that was trained with the preset: how many of its numbers were rounded to 32 bits.
    fn write_trained<T: Scalar>(&self, path: &Path, networks: &[NamedNetwork<T>]) -> anyhow::Result<usize> {
        let [NamedNetwork { network: Network::Forecaster(forecaster), .. }] = networks else {
            let names: Vec<String> = networks
                .iter()
                .map(|named| format!("`{}` ({})", named.name, named.network.description().kind()))
                .collect();
            anyhow::bail!(
                "{}: --preset mlcast needs one network of mlcast and nothing beside it, and the file holds {}; leave --preset out",
                printable(&self.input),
                names.join(", ")
            );
        };
        let trained = TrainedModel::of_mlcast(forecaster, self.members)
            .with_context(|| format!("{}: --preset mlcast", printable(&self.input)))?;
        let bytes = trained.to_safetensors()?;
        out::expect_earlier(path, &bytes)?;
        write_atomically(path, &bytes)?;
        let needs_more = |number: &&T| f64::from(number.to_f64() as f32) != number.to_f64();
        let mut rounded = 0;
        forecaster
            .parameters()
            .for_each(&mut |_, tensor| rounded += tensor.as_slice().iter().filter(needs_more).count());
        Ok(rounded)
    }
}

/// Fails for a file that this program wrote, with what it is and what takes it, and for one whose description cannot be read.
fn expect_foreign(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let description = match SafetensorsWeights::open(bytes) {
        Ok(file) => FileDescription::among(file.metadata()).with_context(|| {
            format!(
                "{}: it says that this program wrote it, and its description cannot be read; write it again, or remove the entry to import \
                 its tensors",
                printable(path)
            )
        })?,
        // Files of other formats have no description.
        Err(_) => None,
    };
    let is_trained = description.as_ref().is_some_and(|description| description.training.is_some());
    let (program, file) = (output::program(), output::shell_path(path));
    let told = if bytes.starts_with(&MAGIC) || is_trained {
        format!(
            "is a trained model of this program, and nothing has to be imported: `{program} train --init-from {file}` begins with its weights, \
             and `{program} export --checkpoint {file} --out FILE` writes them for other programs"
        )
    } else if description.is_some() {
        format!(
            "was written by import, and nothing has to be imported again: `{program} train --init-from {file}` begins with its weights, and \
             `{program} export --weights {file} --out FILE` writes them for other programs"
        )
    } else {
        return Ok(());
    };
    anyhow::bail!("{}: {told}", printable(path))
}

/// Fails for tensors of cells that are not finite, with their names.
fn expect_finite(path: &impl std::fmt::Display, names: &[String]) -> anyhow::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    anyhow::bail!(
        "{path}: {} of its cells with numbers that are NaN or infinite ({}{more}), which make every state NaN; nothing was imported. \
         Take an earlier checkpoint, from before the training diverged",
        output::counted(names.len(), "tensor"),
        shown.join(", ")
    )
}

/// The tensors of a file, with numbers of a precision that takes no more than twice the bytes of the file.
enum Weights {
    /// In 32 bits: most numbers of the file have 16.
    Single(NamedTensors<f32>),
    /// In 64 bits.
    Double(NamedTensors<f64>),
}

impl Weights {
    /// Reads a file of any format that is known, in 32 bits if `prefers_single` and these hold every number.
    fn read(bytes: &[u8], prefers_single: bool) -> convgru_model::Result<Self> {
        let single = named_tensors_in_single_precision(bytes)?;
        let count: usize = single.tensors.iter().map(|(_, tensor)| tensor.len()).sum();
        // Numbers of 64 bits that were left out are not counted; others have at least 16.
        let is_whole = single.skipped.iter().all(|(_, reason)| reason != NEEDS_64_BITS);
        let most = bytes.len() / if is_whole { 4 } else { 6 };
        if count > most || (prefers_single && is_whole) {
            return Ok(Self::Single(single));
        }
        drop(single);
        named_tensors(bytes).map(Self::Double)
    }
}
