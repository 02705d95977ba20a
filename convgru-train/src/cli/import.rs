//! `convgru import`: the cells in a file of weights of another program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use convgru_model::import::layout::{Found, FoundStack, Layout, find};
use convgru_model::import::{Checkpoint, named_tensors};
use convgru_train::write_atomically;
use serde_json::{Value, json};

use super::{output, smallest};

/// The one entry of the metadata of what is written. A single entry keeps the file the same to the byte.
pub(super) const ENTRY: &str = "stacks";

/// Names of a group that are shown before it is cut short.
const SHOWN: usize = 4;

/// Finds the cells in weights of another program, and rearranges them
///
/// Reads files of PyTorch (*.pth, *.pt, *.ckpt; nothing in them is executed) and safetensors, lists the cells
/// of known layouts with their channels and kernels, and why every other tensor is left out. Without a cell
/// the command ends with exit code 1.
#[derive(Args)]
#[command(after_help = "Examples:
  convgru import --input raft-small.pth
  convgru import --input raft-small.pth --output raft.safetensors

A written file holds the tensors of a ConvGru, `layers.0.input_weights` and so on; of several stacks, each
has its name before them. The metadata have one entry, `stacks`: names and configurations as JSON.")]
pub(crate) struct Import {
    /// Weights: .pth, .pt or .ckpt of PyTorch, or .safetensors
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Where to write the cells in our layout, as safetensors
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Import {
    /// Lists, and writes if that is wanted.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let shown = self.input.display();
        let bytes = std::fs::read(&self.input).with_context(|| format!("cannot read {shown}"))?;
        let Checkpoint { tensors, skipped } = named_tensors(&bytes).with_context(|| format!("{shown}"))?;
        drop(bytes);
        let mut found = find(&tensors);
        found.left.extend(skipped);
        if found.stacks.is_empty() {
            let systems: Vec<&str> = Layout::ALL.iter().map(|layout| layout.system).collect();
            anyhow::bail!(
                "{shown}: {} tensors, and among them no cell of a known layout ({}); {}",
                found.left.len(),
                systems.join(", "),
                groups(&found.left).join("; ")
            );
        }
        if let Some(path) = &self.output {
            write(path, &found)?;
        }
        if self.json {
            let value = json!({
                "input": self.input,
                "output": self.output,
                "stacks": found.stacks.iter().map(description).collect::<Vec<_>>(),
                "left": found.left.iter().map(|(name, reason)| json!({ "name": name, "reason": reason }))
                    .collect::<Vec<_>>(),
            });
            output::result(&value.to_string())?;
        } else {
            output::result(&listing(&found))?;
            if let Some(path) = &self.output {
                output::result(&format!("wrote {}", path.display()))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes the stacks.
fn write(path: &Path, found: &Found<f64>) -> anyhow::Result<()> {
    let description: Value = found.stacks.iter().map(description).collect();
    let bytes = smallest::safetensors(found, &[(ENTRY.to_owned(), description.to_string())])?;
    Ok(write_atomically(path, &bytes)?)
}

fn description(stack: &FoundStack<f64>) -> Value {
    json!({
        "name": stack.name,
        "layout": stack.layout.system,
        "cells": stack.stack.prefixes,
        "config": stack.stack.config,
    })
}

/// The stacks with their cells, and what is left by its reason.
fn listing(found: &Found<f64>) -> String {
    let mut lines = Vec::new();
    for FoundStack { layout, name, stack } in &found.stacks {
        let layers = stack.layers.len();
        let of = if layers == 1 { "1 cell".to_owned() } else { format!("{layers} cells") };
        let name = if name.is_empty() { "(no prefix)" } else { name };
        lines.push(format!("{name}  {of} of {}", layout.system));
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
    lines.extend(groups(&found.left).into_iter().map(|group| format!("left out: {group}")));
    lines.join("\n")
}

/// Tensors that are left, by their reason, with some of their names.
fn groups(left: &[(String, String)]) -> Vec<String> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, reason) in left {
        groups.entry(reason).or_default().push(name);
    }
    let group = |(reason, names): (&str, Vec<&str>)| {
        let more = if names.len() > SHOWN { ", ..." } else { "" };
        let tensors = if names.len() == 1 { "tensor" } else { "tensors" };
        format!("{} {tensors} ({}{more}): {reason}", names.len(), names[..names.len().min(SHOWN)].join(", "))
    };
    groups.into_iter().map(group).collect()
}
