//! Weights of another program, without that program: what is in a file, and a cell of it at work.
//!
//! ```text
//! cargo run --release -p convgru-model --example import_pytorch -- raft-small.pth
//! ```
//! Without a file the example makes one, as RobustVideoMatting names its tensors.

use std::error::Error;
use std::io::Write;

use convgru_model::import::network::ImportedNetwork;
use convgru_model::import::{NamedTensors, detect, named_tensors};
use convgru_model::{ConvGru, ConvGruParameters, Tensor, export};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    let bytes = match std::env::args().nth(1) {
        Some(path) => std::fs::read(path)?,
        None => a_file()?,
    };
    // Zip or legacy file of torch.save, safetensors or MXNet: told by its first bytes. Nothing in it is executed.
    let weights = named_tensors(&bytes)?;
    writeln!(out, "{} tensors, {} skipped", weights.tensors.len(), weights.skipped.len())?;

    // Systems that are more than a layout of kernels, and stacks of cells of known layouts.
    let found = detect(weights.tensors);
    for detected in found.networks {
        let config = detected.network.config();
        let channels = config.in_channels(0);
        writeln!(out, "{}: {}, reads {channels} channels", detected.name, detected.system)?;
        if config.inputs() > 1 || config.cells().any(|cell| cell.context != Default::default()) {
            continue;
        }
        let frames = Tensor::from_fn(&[3, 1, channels, 24, 32], |i| (i % 97) as f64 / 97.0);
        let states = match &detected.network {
            ImportedNetwork::ConvGru(network) => network.forward(&frames)?,
            ImportedNetwork::Recurrent(network) => network.forward(&frames)?,
        };
        writeln!(out, "  three frames give {:?}", states.outputs[0].shape())?;
    }
    for incomplete in &found.incomplete {
        writeln!(out, "not whole: {}: {}", incomplete.cells.join(", "), incomplete.reason)?;
    }
    for stack in found.stacks {
        let parameters = ConvGruParameters { layers: stack.stack.layers };
        let gru = ConvGru::from_parameters(stack.stack.config, parameters)?;
        let channels = gru.config().in_channels;
        writeln!(out, "{}: {}, reads {channels} channels", stack.name, stack.layout.system)?;
        let frames = Tensor::from_fn(&[3, 1, channels, 24, 32], |i| (i % 97) as f64 / 97.0);
        let states = gru.forward(&frames)?;
        writeln!(out, "  three frames give {:?}", states.outputs[0].shape())?;
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
