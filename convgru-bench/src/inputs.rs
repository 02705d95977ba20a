//! A workload as files: the same frames and weights for every engine.

use std::fs;
use std::path::Path;

use anyhow::Context;
use convgru_bench::{Kind, Workload};
use convgru_model::{ConvGru, ConvGruConfig, Parameters, Tensor};
use serde::{Deserialize, Serialize};

const FACTS: &str = "workload.json";

/// `workload.json`, which says what the other files are.
#[derive(Debug, Serialize, Deserialize)]
struct Facts {
    name: String,
    kind: Kind,
    batch: usize,
    height: usize,
    width: usize,
    steps: usize,
    layers: usize,
    network: ConvGruConfig,
    frames: String,
    frame_shape: Vec<usize>,
    parameters: Vec<Entry>,
}

/// A tensor in a file of 32-bit floating-point numbers, little endian.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    name: String,
    shape: Vec<usize>,
    file: String,
}

/// What an engine of ours reads.
pub(crate) struct Inputs {
    /// What is done.
    pub(crate) kind: Kind,
    /// With the weights of the files.
    pub(crate) network: ConvGru<f32>,
    /// `[T, N, C, H, W]`
    pub(crate) frames: Tensor<f32>,
}

/// A tensor that engines write: the state of the topmost layer or the gradient of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    /// Its name in messages.
    pub(crate) name: String,
    /// How many numbers it has.
    pub(crate) len: usize,
}

/// Writes frames and weights of a workload, the same at every call, and returns what an
/// engine has to give back.
pub(crate) fn write(workload: &Workload, folder: &Path) -> anyhow::Result<Vec<Output>> {
    let mut network = workload.network()?;
    // A bias of zero would hide an engine that forgets to add it.
    network.parameters_mut().for_each_mut(&mut |name, tensor| {
        if name.ends_with("bias") {
            let shape = tensor.shape().to_vec();
            *tensor = Tensor::from_fn(&shape, |i| (i * 37 % 101) as f32 / 500.0 - 0.1);
        }
    });
    let top = network.config().hidden_channels.last().copied().unwrap_or(0);
    let state = workload.batch * top * workload.height * workload.width;
    let mut outputs = vec![Output { name: "top state".into(), len: state }];
    let mut parameters = Vec::new();
    for (name, tensor) in network.parameters().to_named() {
        let file = format!("{name}.f32");
        write_numbers(&folder.join(&file), tensor.as_slice())?;
        if workload.kind == Kind::Training {
            outputs.push(Output { name: format!("gradient of {name}"), len: tensor.len() });
        }
        parameters.push(Entry { name, shape: tensor.shape().to_vec(), file });
    }
    let frames = workload.frames();
    write_numbers(&folder.join("frames.f32"), frames.as_slice())?;
    let facts = Facts {
        name: workload.name.clone(),
        kind: workload.kind,
        batch: workload.batch,
        height: workload.height,
        width: workload.width,
        steps: workload.steps,
        layers: network.config().layers(),
        network: network.config().clone(),
        frames: "frames.f32".into(),
        frame_shape: frames.shape().to_vec(),
        parameters,
    };
    let path = folder.join(FACTS);
    fs::write(&path, serde_json::to_vec_pretty(&facts)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(outputs)
}

/// Reads what [`write`] wrote.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Inputs> {
    let path = folder.join(FACTS);
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let facts: Facts = serde_json::from_slice(&text)
        .with_context(|| format!("{} does not describe a workload", path.display()))?;
    let mut network = ConvGru::new(facts.network, 1)?;
    let mut tensors = Vec::new();
    for entry in &facts.parameters {
        let numbers = read_numbers(&folder.join(&entry.file))?;
        tensors.push((entry.name.as_str(), Tensor::from_vec(&entry.shape, numbers)?));
    }
    let mut missing = Vec::new();
    network.parameters_mut().for_each_mut(&mut |name, parameter| match tensors
        .iter()
        .position(|(other, tensor)| *other == name && tensor.shape() == parameter.shape())
    {
        Some(found) => *parameter = tensors.swap_remove(found).1,
        None => missing.push(format!("{name} {:?}", parameter.shape())),
    });
    anyhow::ensure!(missing.is_empty(), "{} lacks {}", path.display(), missing.join(", "));
    let frames = Tensor::from_vec(&facts.frame_shape, read_numbers(&folder.join(&facts.frames))?)?;
    Ok(Inputs { kind: facts.kind, network, frames })
}

/// Writes numbers as engines do.
pub(crate) fn write_numbers(path: &Path, numbers: &[f32]) -> anyhow::Result<()> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads numbers that an engine wrote.
pub(crate) fn read_numbers(path: &Path) -> anyhow::Result<Vec<f32>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    anyhow::ensure!(
        rest.is_empty(),
        "{}: {} bytes are not a whole number of floats",
        path.display(),
        bytes.len()
    );
    Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let workload = Workload::from_toml(include_str!("../tests/workloads/tiny_train.toml")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let outputs = write(&workload, folder.path()).unwrap();
        let inputs = read(folder.path()).unwrap();
        assert_eq!(inputs.frames.as_slice(), workload.frames().as_slice());
        assert_eq!(inputs.kind, Kind::Training);
        let parameters: usize = outputs[1..].iter().map(|output| output.len).sum();
        assert_eq!(parameters, inputs.network.parameters().count());
        let first = &inputs.network.parameters().layers[0];
        assert!(first.bias.as_ref().unwrap().as_slice()[0] != 0.0);
        assert_eq!(
            first.input_weights.as_slice(),
            workload.network().unwrap().parameters().layers[0].input_weights.as_slice()
        );
        write_numbers(&folder.path().join("layers.0.bias.f32"), &[1.0]).unwrap();
        assert!(read(folder.path()).is_err());
    }
}
