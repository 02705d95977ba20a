//! What is computed to be compared: outputs and gradients of one network of each engine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use convgru_model::composed::{CellConfig, CellKind, Recurrent, RecurrentConfig};
use convgru_model::{
    ConvGru, ConvGruConfig, Forecaster, OutputGradients, Parameters, PredictionGradient, PyramidConfig,
    ResetGate, Sequence, Tensor, Workspace,
};
use convgru_train::trainer::with_threads;

/// Where the numbers go.
#[derive(Debug, Clone, Args)]
pub(crate) struct QuantitiesOptions {
    #[arg(long)]
    threads: usize,
    /// A file of little-endian f32 for each quantity
    #[arg(long)]
    out: PathBuf,
}

/// Computes everything and writes it down.
pub(crate) fn run(options: &QuantitiesOptions) -> anyhow::Result<()> {
    let out = &options.out;
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    with_threads(options.threads, || -> anyhow::Result<()> {
        // Few pixels, Winograd's tiles of both sizes, and convolutions that are not transformed.
        let small = ConvGruConfig::new(9, &[24, 16]);
        stack("stack", small, [5, 2, 9, 23, 38], out)?;
        // So large that input and state are added up in registers.
        stack("large images", ConvGruConfig::new(4, &[16]), [2, 1, 4, 304, 304], out)?;
        pyramid(out)?;
        for (name, kind) in [("gru", CellKind::Gru), ("lstm", CellKind::Lstm), ("trajgru", CellKind::TrajGru)]
        {
            let reset = if kind == CellKind::TrajGru { ResetGate::After } else { ResetGate::default() };
            recurrent(name, CellConfig { kind, reset, flows: 3, ..CellConfig::new(6, 16) }, out)?;
        }
        Ok(())
    })?
}

fn drawn(shape: &[usize]) -> Tensor<f32> {
    Tensor::from_fn(shape, |i| ((i.wrapping_mul(2_654_435_761) >> 7) % 2001) as f32 / 1000.0 - 1.0)
}

/// Bit patterns of numbers in a file that says in its name what they are.
fn write(out: &Path, network: &str, what: &str, tensors: &[&Tensor<f32>]) -> anyhow::Result<()> {
    let numbers = tensors.iter().flat_map(|tensor| tensor.as_slice());
    let bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
    let path = out.join(format!("{network}, {what}"));
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn write_gradients(
    out: &Path,
    network: &str,
    parameters: &impl Parameters<f32>,
    d_inputs: &[&Tensor<f32>],
) -> anyhow::Result<()> {
    let named = parameters.to_named();
    let tensors: Vec<&Tensor<f32>> = named.iter().map(|(_, tensor)| tensor).collect();
    write(out, network, "gradients of weights", &tensors)?;
    write(out, network, "gradient of the input", d_inputs)
}

fn stack(name: &str, config: ConvGruConfig, shape: [usize; 5], out: &Path) -> anyhow::Result<()> {
    let network = ConvGru::<f32>::new(config, 7)?;
    let frames = drawn(&shape);
    write(out, name, "states", &[&network.forward(&frames)?.outputs[0]])?;
    let mut workspace = Workspace::default();
    let sequence = Sequence { input_gradient: true, ..Sequence::from(&frames) };
    let states = network.forward_train(sequence, &mut workspace)?;
    let d_states = OutputGradients { outputs: vec![Some(&states.outputs[0])], ..Default::default() };
    let mut gradients = network.parameters().zeros_like();
    let back = network.backward(&mut workspace, &d_states, &mut gradients)?;
    write_gradients(out, name, &gradients, &[&back.inputs[0]])
}

fn pyramid(out: &Path) -> anyhow::Result<()> {
    let network = Forecaster::<f32>::new(PyramidConfig::default(), 7)?;
    let frames = drawn(&[4, 2, 1, 41, 50]);
    write(out, "pyramid", "forecast", &[&network.forward(&frames, 3)?])?;
    let mut workspace = Workspace::default();
    let sequence = Sequence { input_gradient: true, ..Sequence::from(&frames) };
    let prediction = network.forward_train(sequence, 3, None, &mut workspace)?;
    let mut gradients = network.parameters().zeros_like();
    let loss = PredictionGradient::Output(prediction.output);
    let back = network.backward(&mut workspace, loss, &mut gradients)?;
    write_gradients(out, "pyramid", &gradients, &[&back.inputs[0]])
}

fn recurrent(name: &str, cell: CellConfig, out: &Path) -> anyhow::Result<()> {
    let frames = drawn(&[4, 2, cell.in_channels, 21, 34]);
    let network = Recurrent::<f32>::new(RecurrentConfig::chain([cell]), 7)?;
    write(out, name, "states", &[&network.forward(&frames)?.outputs[0]])?;
    let mut workspace = Workspace::default();
    let sequence = Sequence { input_gradient: true, ..Sequence::from(&frames) };
    let states = network.forward_train(sequence, &mut workspace)?;
    let d_states = OutputGradients { outputs: vec![Some(&states.outputs[0])], ..Default::default() };
    let mut gradients = network.parameters().zeros_like();
    let back = network.backward(&mut workspace, &d_states, &mut gradients)?;
    write_gradients(out, name, &gradients, &[&back.inputs[0]])
}
