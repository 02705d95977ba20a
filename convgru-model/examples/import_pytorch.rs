//! Weights of another program, without that program: what is in a file, and a cell of it at work.
//!
//! ```text
//! cargo run --release -p convgru-model --example import_pytorch -- raft-small.pth
//! ```
//! Without a file the example makes one, as RobustVideoMatting names its tensors.

use std::error::Error;
use std::io::Write;

use convgru_model::import::{NamedNetwork, NamedTensors, detect, named_tensors};
use convgru_model::{Network, Tensor, export};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    let bytes = match std::env::args().nth(1) {
        Some(path) => std::fs::read(path)?,
        None => a_file()?,
    };
    // Zip or legacy file of torch.save, safetensors or MXNet: told by its first bytes. Nothing in it is executed.
    let weights = named_tensors(&bytes)?;
    writeln!(out, "{} tensors, {} skipped", weights.tensors.len(), weights.skipped.len())?;

    // Networks of known systems, and stacks of cells of known layouts.
    let found = detect(weights.tensors);
    for NamedNetwork { name, network, origin } in found.networks {
        let system = origin.map(|origin| origin.system).unwrap_or_default();
        let Some(config) = network.description().recurrent() else { continue };
        let channels = config.in_channels(0);
        writeln!(out, "{name}: {system}, reads {channels} channels")?;
        if config.inputs() > 1 || config.cells().any(|cell| cell.context != Default::default()) {
            continue;
        }
        let frames = Tensor::from_fn(&[3, 1, channels, 24, 32], |i| (i % 97) as f64 / 97.0);
        let states = match &network {
            Network::ConvGru(network) => network.forward(&frames)?,
            Network::Recurrent(network) => network.forward(&frames)?,
            Network::Forecaster(_) | Network::RaftUpdate(_) => continue,
        };
        writeln!(out, "  three frames give {:?}", states.outputs[0].shape())?;
    }
    for incomplete in &found.incomplete {
        writeln!(out, "not whole: {}: {}", incomplete.cells.join(", "), incomplete.reason)?;
    }
    Ok(())
}

/// A file with one cell of 16 channels.
fn a_file() -> Result<Vec<u8>, Box<dyn Error>> {
    let weight = |name: &str, rows: usize| {
        let values = Tensor::from_fn(&[rows, 32, 3, 3], |i| ((i * 7919) % 1013) as f64 / 1013.0 - 0.5);
        (format!("decoder.decode4.gru.{name}.weight"), values)
    };
    let bias = |name: &str, rows: usize| (format!("decoder.decode4.gru.{name}.bias"), Tensor::zeros(&[rows]));
    let tensors = vec![weight("ih.0", 32), bias("ih.0", 32), weight("hh.0", 16), bias("hh.0", 16)];
    Ok(export::to_safetensors(&NamedTensors { tensors, skipped: Vec::new() }, &[])?)
}
