//! A workload as files: the same frames and weights for every engine.

use std::fs;
use std::path::Path;

use anyhow::Context;
use convgru_bench::{Kind, Network, Workload};
use convgru_model::{ConvGru, Forecaster, MemoryBudget, Noise, Parameters, Scalar, Tensor};
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
    predicted: usize,
    /// Of a stack of cells.
    layers: usize,
    network: Network,
    frames: String,
    frame_shape: Vec<usize>,
    noise: Option<Entry>,
    parameters: Vec<Entry>,
}

/// A tensor in a file of 32-bit floating-point numbers, little endian.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    name: String,
    shape: Vec<usize>,
    file: String,
}

/// What an engine of ours reads, in f32 or in f64.
pub(crate) struct Inputs<T> {
    /// What is done.
    pub(crate) kind: Kind,
    /// With the weights of the files.
    pub(crate) network: Loaded<T>,
    /// `[T, N, C, H, W]`
    pub(crate) frames: Tensor<T>,
    /// Frames that are predicted.
    pub(crate) predicted: usize,
}

/// A network with weights.
pub(crate) enum Loaded<T> {
    Cells(ConvGru<T>),
    Forecaster(Forecaster<T>),
}

impl<T: Scalar> Loaded<T> {
    /// Limits the memory that a training step keeps.
    pub(crate) fn set_memory_budget(&mut self, budget: MemoryBudget) {
        match self {
            Self::Cells(network) => network.set_memory_budget(budget),
            Self::Forecaster(network) => network.set_memory_budget(budget),
        }
    }
}

/// A tensor that engines write: the state of the topmost layer, the frames that are predicted or the gradient of a parameter.
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
    let mut outputs = Vec::new();
    let (layers, parameters) = match &workload.network {
        Network::ConvGru(config) => {
            let mut network = workload.cells()?;
            let top = config.hidden_channels.last().copied().unwrap_or(0);
            let len = workload.batch * top * workload.height * workload.width;
            outputs.push(Output { name: "top state".into(), len });
            (config.layers(), write_parameters(workload, network.parameters_mut(), folder, &mut outputs)?)
        }
        Network::Mlcast(config) => {
            let mut network = workload.forecaster()?;
            let len = workload.predicted * workload.batch * config.members * config.image_channels;
            let len = len * workload.height * workload.width;
            outputs.push(Output { name: "forecast".into(), len });
            (0, write_parameters(workload, network.parameters_mut(), folder, &mut outputs)?)
        }
    };
    let frames = workload.frames();
    write_numbers(&folder.join("frames.f32"), frames.as_slice())?;
    let noise = match workload.noise() {
        Some(noise) => {
            write_numbers(&folder.join("noise.f32"), noise.as_slice())?;
            Some(Entry { name: "noise".into(), shape: noise.shape().to_vec(), file: "noise.f32".into() })
        }
        None => None,
    };
    let facts = Facts {
        name: workload.name.clone(),
        kind: workload.kind,
        batch: workload.batch,
        height: workload.height,
        width: workload.width,
        steps: workload.steps,
        predicted: workload.predicted,
        layers,
        network: workload.network.clone(),
        frames: "frames.f32".into(),
        frame_shape: frames.shape().to_vec(),
        noise,
        parameters,
    };
    let path = folder.join(FACTS);
    fs::write(&path, serde_json::to_vec_pretty(&facts)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(outputs)
}

/// Writes the weights of a network, and says which gradients belong to the output of an engine.
fn write_parameters(
    workload: &Workload,
    parameters: &mut impl Parameters<f32>,
    folder: &Path,
    outputs: &mut Vec<Output>,
) -> anyhow::Result<Vec<Entry>> {
    let (mut entries, mut written) = (Vec::new(), Ok(()));
    parameters.for_each_mut(&mut |name, tensor| {
        // A bias of zero would hide an engine that forgets to add it.
        if name.ends_with("bias") {
            let shape = tensor.shape().to_vec();
            *tensor = Tensor::from_fn(&shape, |i| (i * 37 % 101) as f32 / 500.0 - 0.1);
        }
        let file = format!("{name}.f32");
        if written.is_ok() {
            written = write_numbers(&folder.join(&file), tensor.as_slice());
        }
        if workload.kind.trains() {
            outputs.push(Output { name: format!("gradient of {name}"), len: tensor.len() });
        }
        entries.push(Entry { name: name.to_owned(), shape: tensor.shape().to_vec(), file });
    });
    written.map(|()| entries)
}

/// Reads what [`write`] wrote.
pub(crate) fn read<T: Scalar>(folder: &Path) -> anyhow::Result<Inputs<T>> {
    let path = folder.join(FACTS);
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let facts: Facts = serde_json::from_slice(&text)
        .with_context(|| format!("{} does not describe a workload", path.display()))?;
    let frames = tensor(&facts.frame_shape, &folder.join(&facts.frames))?;
    let network = match facts.network {
        Network::ConvGru(config) => {
            let mut network = ConvGru::new(config, 1)?;
            read_parameters(network.parameters_mut(), &facts.parameters, folder)?;
            Loaded::Cells(network)
        }
        Network::Mlcast(config) => {
            let mut network = Forecaster::new(config, 1)?;
            read_parameters(network.parameters_mut(), &facts.parameters, folder)?;
            if let Some(noise) = &facts.noise {
                network.set_noise(Noise::Given(tensor(&noise.shape, &folder.join(&noise.file))?));
            }
            Loaded::Forecaster(network)
        }
    };
    Ok(Inputs { kind: facts.kind, network, frames, predicted: facts.predicted })
}

/// Replaces all weights of a network by the weights of the files.
fn read_parameters<T: Scalar>(
    parameters: &mut impl Parameters<T>,
    entries: &[Entry],
    folder: &Path,
) -> anyhow::Result<()> {
    let mut read = Ok(());
    parameters.for_each_mut(&mut |name, parameter| {
        if read.is_ok() {
            read = read_parameter(name, parameter, entries, folder);
        }
    });
    read
}

fn read_parameter<T: Scalar>(
    name: &str,
    parameter: &mut Tensor<T>,
    entries: &[Entry],
    folder: &Path,
) -> anyhow::Result<()> {
    let entry = entries.iter().find(|entry| entry.name == name && entry.shape == parameter.shape());
    let entry =
        entry.with_context(|| format!("{} lacks {name} {:?}", folder.display(), parameter.shape()))?;
    *parameter = tensor(&entry.shape, &folder.join(&entry.file))?;
    Ok(())
}

/// A tensor from its file.
fn tensor<T: Scalar>(shape: &[usize], path: &Path) -> anyhow::Result<Tensor<T>> {
    let numbers = read_numbers(path)?.into_iter().map(T::from_f32).collect();
    Ok(Tensor::from_vec(shape, numbers)?)
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
        let inputs = read::<f32>(folder.path()).unwrap();
        assert_eq!(inputs.frames.as_slice(), workload.frames().as_slice());
        assert_eq!(inputs.kind, Kind::Training);
        let Loaded::Cells(network) = inputs.network else { panic!("another network") };
        let parameters: usize = outputs[1..].iter().map(|output| output.len).sum();
        assert_eq!(parameters, network.parameters().count());
        let first = &network.parameters().layers[0];
        assert!(first.bias.as_ref().unwrap().as_slice()[0] != 0.0);
        assert_eq!(
            first.input_weights.as_slice(),
            workload.cells().unwrap().parameters().layers[0].input_weights.as_slice()
        );
        write_numbers(&folder.path().join("layers.0.bias.f32"), &[1.0]).unwrap();
        assert!(read::<f64>(folder.path()).is_err());
    }

    #[test]
    fn a_network_that_continues_frames_is_read_with_its_noise() {
        let workload = Workload::from_toml(include_str!("../tests/workloads/tiny_forecast.toml")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let outputs = write(&workload, folder.path()).unwrap();
        let inputs = read::<f32>(folder.path()).unwrap();
        let Loaded::Forecaster(network) = inputs.network else { panic!("another network") };
        assert_eq!(inputs.predicted, 3);
        let noise = workload.noise().unwrap();
        assert_eq!(noise.shape(), [2, 3, 2, 16, 2, 2]);
        assert_eq!(*network.noise(), Noise::Given(noise));
        let forecast = network.forward(&inputs.frames, inputs.predicted).unwrap();
        assert_eq!(outputs[0].len, forecast.len());
        let parameters: usize = outputs[1..].iter().map(|output| output.len).sum();
        assert_eq!(parameters, network.parameters().count());
    }
}
