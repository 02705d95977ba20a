//! What a workload's folder holds.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One frame from states of zeros.
    Step,
    /// All frames.
    Sequence,
    /// Forward, and backward of the sum of the top states.
    Training,
}

/// A tensor: its shape and its numbers.
#[derive(Debug, Clone)]
pub struct Named {
    pub shape: Vec<usize>,
    pub numbers: Vec<f32>,
}

/// Weights of a cell, gates in the order update, reset, candidate.
#[derive(Debug, Clone)]
pub struct Layer {
    /// `[3 hidden, in, kh, kw]`
    pub input_weights: Named,
    /// `[3 hidden, hidden, kh, kw]`
    pub hidden_weights: Named,
    /// `[3 hidden]`
    pub bias: Named,
}

impl Layer {
    pub fn hidden(&self) -> usize {
        self.hidden_weights.shape[1]
    }

    /// Height and width of the kernels.
    pub fn kernel(&self) -> [usize; 2] {
        [self.hidden_weights.shape[2], self.hidden_weights.shape[3]]
    }
}

/// Frames and weights.
#[derive(Debug, Clone)]
pub struct Workload {
    pub folder: PathBuf,
    pub kind: Kind,
    pub steps: usize,
    /// `[T, N, C, H, W]`
    pub frames: Named,
    pub layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Facts {
    kind: Kind,
    steps: usize,
    layers: usize,
    frames: String,
    frame_shape: Vec<usize>,
    parameters: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    shape: Vec<usize>,
    file: String,
}

impl Workload {
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("workload.json");
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let facts: Facts = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
        let tensor = |layer: usize, name: &str| {
            let name = format!("layers.{layer}.{name}");
            let entry = facts.parameters.iter().find(|entry| entry.name == name);
            let entry = entry.with_context(|| format!("{} lacks {name}", path.display()))?;
            numbers(folder, &entry.file, &entry.shape)
        };
        let layers = (0..facts.layers).map(|layer| {
            Ok(Layer {
                input_weights: tensor(layer, "input_weights")?,
                hidden_weights: tensor(layer, "hidden_weights")?,
                bias: tensor(layer, "bias")?,
            })
        });
        Ok(Self {
            folder: folder.to_path_buf(),
            kind: facts.kind,
            steps: facts.steps,
            frames: numbers(folder, &facts.frames, &facts.frame_shape)?,
            layers: layers.collect::<anyhow::Result<_>>()?,
        })
    }

    /// One frame, `[N, C, H, W]`.
    pub fn frame(&self, step: usize) -> Named {
        let shape = self.frames.shape[1..].to_vec();
        let len: usize = shape.iter().product();
        Named { shape, numbers: self.frames.numbers[step * len..(step + 1) * len].to_vec() }
    }

    /// A state of zeros for a layer, `[N, hidden, H, W]`.
    pub fn zero_state(&self, layer: usize) -> Named {
        let shape = vec![
            self.frames.shape[1],
            self.layers[layer].hidden(),
            self.frames.shape[3],
            self.frames.shape[4],
        ];
        let len = shape.iter().product();
        Named { shape, numbers: vec![0.0; len] }
    }
}

fn numbers(folder: &Path, file: &str, shape: &[usize]) -> anyhow::Result<Named> {
    let path = folder.join(file);
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (chunks, _) = bytes.as_chunks::<4>();
    let numbers: Vec<f32> = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect();
    anyhow::ensure!(
        numbers.len() == shape.iter().product::<usize>(),
        "{}: {} numbers where {shape:?} are needed",
        path.display(),
        numbers.len()
    );
    Ok(Named { shape: shape.to_vec(), numbers })
}
