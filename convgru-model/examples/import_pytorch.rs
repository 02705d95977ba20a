//! Weights of another program, without that program: what is in a file, and a cell of it at work.
//!
//! ```text
//! cargo run --release -p convgru-model --example import_pytorch -- raft-small.pth
//! ```
//! Without a file the example makes one, as RobustVideoMatting names its tensors.

use std::error::Error;
use std::io::Write;

use convgru_model::import::network::ImportedNetwork;
use convgru_model::import::{layout, named_tensors, network};
use convgru_model::{ConvGru, ConvGruParameters, Parameters, Tensor, export};

/// Tensors with names, as a model whose weights are written.
struct Named(Vec<(String, Tensor<f64>)>);

impl Parameters<f64> for Named {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<f64>)) {
        self.0.iter().for_each(|(name, tensor)| visit(name, tensor));
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<f64>)) {
        self.0.iter_mut().for_each(|(name, tensor)| visit(name, tensor));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    let bytes = match std::env::args().nth(1) {
        Some(path) => std::fs::read(path)?,
        None => a_file()?,
    };
    // Zip or legacy file of torch.save, safetensors or MXNet: told by its first bytes. Nothing in it is executed.
    let weights = named_tensors(&bytes)?;
    writeln!(out, "{} tensors, {} skipped", weights.tensors.len(), weights.skipped.len())?;

    // First the systems that are more than a layout of kernels, then cells of known layouts.
    let found = network::detect(weights.tensors);
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
    let cells = layout::detect(&found.rest);
    for incomplete in found.incomplete.iter().chain(&cells.incomplete) {
        writeln!(out, "not whole: {}: {}", incomplete.cells.join(", "), incomplete.reason)?;
    }
    for stack in cells.stacks {
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
    Ok(export::to_safetensors(&Named(tensors), &[])?)
}
