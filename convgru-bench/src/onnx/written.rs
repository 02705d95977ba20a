//! Networks, inputs and our results as files for the scripts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use convgru_model::Tensor;
use serde::Serialize;

use crate::inputs::write_numbers;

/// A network with everything that is compared.
pub(super) struct Network {
    /// What it is, in words.
    pub(super) name: String,
    /// The type of ours.
    pub(super) kind: &'static str,
    /// Its configuration.
    pub(super) config: serde_json::Value,
    /// Its weights as safetensors, with their description.
    pub(super) weights: Vec<u8>,
    /// The same in the layout of torch.nn.GRU or of mlcast, where these have a place for them.
    pub(super) theirs: Option<Vec<u8>>,
    /// ONNX files by the form they have.
    pub(super) models: Vec<(&'static str, Vec<u8>)>,
    /// What is computed.
    pub(super) runs: Vec<Run>,
}

/// Inputs and our results.
pub(super) struct Run {
    /// `[T, N, C, H, W]`
    pub(super) input: Tensor<f32>,
    /// The other inputs of a network that reads several.
    pub(super) more: Vec<Tensor<f32>>,
    /// The states before.
    pub(super) states: Vec<Tensor<f32>>,
    /// What is given besides, by its names in the files: the same in every step.
    pub(super) beside: Vec<(String, Tensor<f32>)>,
    /// How many steps are computed.
    pub(super) steps: usize,
    /// Our results by their names in the files.
    pub(super) expected: Vec<(String, Tensor<f32>)>,
}

#[derive(Serialize)]
struct NetworkEntry<'a> {
    name: &'a str,
    kind: &'a str,
    config: &'a serde_json::Value,
    weights: String,
    theirs: Option<String>,
    models: BTreeMap<&'a str, String>,
    runs: Vec<RunEntry<'a>>,
}

#[derive(Serialize)]
struct RunEntry<'a> {
    input: TensorEntry,
    more: Vec<TensorEntry>,
    states: Vec<TensorEntry>,
    beside: BTreeMap<&'a str, TensorEntry>,
    steps: usize,
    expected: BTreeMap<&'a str, TensorEntry>,
}

/// Numbers of 32 bits, little endian.
#[derive(Serialize)]
struct TensorEntry {
    shape: Vec<usize>,
    file: String,
}

struct Files<'a> {
    folder: &'a Path,
    count: usize,
}

impl Files<'_> {
    fn name(&mut self, extension: &str) -> String {
        self.count += 1;
        format!("{}.{extension}", self.count)
    }

    fn bytes(&mut self, bytes: &[u8], extension: &str) -> anyhow::Result<String> {
        let file = self.name(extension);
        let path = self.folder.join(&file);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(file)
    }

    fn tensor(&mut self, tensor: &Tensor<f32>) -> anyhow::Result<TensorEntry> {
        let file = self.name("f32");
        write_numbers(&self.folder.join(&file), tensor.as_slice())?;
        Ok(TensorEntry { shape: tensor.shape().to_vec(), file })
    }

    fn run<'a>(&mut self, run: &'a Run) -> anyhow::Result<RunEntry<'a>> {
        let more = run.more.iter().map(|input| self.tensor(input)).collect::<anyhow::Result<_>>()?;
        let states = run.states.iter().map(|state| self.tensor(state)).collect::<anyhow::Result<_>>()?;
        let mut expected = BTreeMap::new();
        for (name, tensor) in &run.expected {
            expected.insert(name.as_str(), self.tensor(tensor)?);
        }
        let mut beside = BTreeMap::new();
        for (name, tensor) in &run.beside {
            beside.insert(name.as_str(), self.tensor(tensor)?);
        }
        Ok(RunEntry { input: self.tensor(&run.input)?, more, states, beside, steps: run.steps, expected })
    }
}

/// Writes `networks.json` and the files it names.
pub(super) fn write(networks: &[Network], folder: &Path) -> anyhow::Result<()> {
    let mut files = Files { folder, count: 0 };
    let mut entries = Vec::new();
    for Network { name, kind, config, weights, theirs, models, runs } in networks {
        let weights = files.bytes(weights, "safetensors")?;
        let theirs = theirs.as_ref().map(|bytes| files.bytes(bytes, "safetensors")).transpose()?;
        let mut written = BTreeMap::new();
        for (form, bytes) in models {
            written.insert(*form, files.bytes(bytes, "onnx")?);
        }
        let runs = runs.iter().map(|run| files.run(run)).collect::<anyhow::Result<_>>()?;
        entries.push(NetworkEntry { name, kind, config, weights, theirs, models: written, runs });
    }
    fs::write(folder.join("networks.json"), serde_json::to_vec(&entries)?)
        .context("cannot write networks.json")
}
