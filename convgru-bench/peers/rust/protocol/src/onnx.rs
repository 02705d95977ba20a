//! Engines that read the ONNX files of a workload: of the graphs there the fastest is kept.

use std::path::Path;

use anyhow::Context;

use crate::workload::{Kind, Named, Workload};
use crate::{Engine, milliseconds};

/// A graph that a library has loaded.
pub trait Graph: Sized {
    /// The library's tensors.
    type Tensor;

    /// Loads a graph.
    fn open(path: &Path, threads: usize) -> anyhow::Result<Self>;

    /// A tensor of the library.
    fn tensor(named: Named) -> anyhow::Result<Self::Tensor>;

    /// Its numbers.
    fn numbers(tensor: &Self::Tensor) -> anyhow::Result<Vec<f32>>;

    /// From all inputs to all outputs, in the order of the graph: frames before states.
    fn run(&self, inputs: &[&Self::Tensor]) -> anyhow::Result<Vec<Self::Tensor>>;
}

/// The fastest graph of a workload.
pub struct OnnxEngine<G: Graph> {
    name: String,
    graph: G,
    frames: Vec<G::Tensor>,
    zeros: Vec<G::Tensor>,
}

impl<G: Graph> OnnxEngine<G> {
    /// Tries every graph of the folder.
    pub fn load(workload: &Workload, threads: usize) -> anyhow::Result<Self> {
        anyhow::ensure!(workload.kind != Kind::Training, "it does not train");
        let entries = std::fs::read_dir(&workload.folder)
            .with_context(|| format!("cannot list {}", workload.folder.display()))?;
        let mut best: Option<(f64, Self)> = None;
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "onnx") {
                continue;
            }
            let mut engine = Self::open(workload, &path, threads)
                .with_context(|| format!("cannot load {}", path.display()))?;
            engine.iterate()?;
            let mut time = f64::INFINITY;
            for _ in 0..3 {
                time = time.min(milliseconds(|| engine.iterate())?);
            }
            if best.as_ref().is_none_or(|(fastest, _)| time < *fastest) {
                best = Some((time, engine));
            }
        }
        let (_, engine) = best.with_context(|| format!("{} has no .onnx file", workload.folder.display()))?;
        Ok(engine)
    }

    fn open(workload: &Workload, path: &Path, threads: usize) -> anyhow::Result<Self> {
        let frames = (0..workload.steps).map(|step| G::tensor(workload.frame(step)));
        let zeros = (0..workload.layers.len()).map(|layer| G::tensor(workload.zero_state(layer)));
        Ok(Self {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            graph: G::open(path, threads)?,
            frames: frames.collect::<anyhow::Result<_>>()?,
            zeros: zeros.collect::<anyhow::Result<_>>()?,
        })
    }

    /// The last state of the topmost layer.
    fn top(&self) -> anyhow::Result<G::Tensor> {
        if self.name.starts_with("sequence") {
            let inputs: Vec<&G::Tensor> = self.frames.iter().chain(&self.zeros).collect();
            return self.graph.run(&inputs)?.pop().context("the graph has no output");
        }
        let mut states = Vec::new();
        for (step, frame) in self.frames.iter().enumerate() {
            let before = if step == 0 { &self.zeros } else { &states };
            let inputs: Vec<&G::Tensor> = std::iter::once(frame).chain(before).collect();
            states = self.graph.run(&inputs)?;
        }
        states.pop().context("the graph has no output")
    }
}

impl<G: Graph> Engine for OnnxEngine<G> {
    fn variant(&self) -> String {
        self.name.clone()
    }

    fn iterate(&mut self) -> anyhow::Result<()> {
        std::hint::black_box(self.top()?);
        Ok(())
    }

    fn outputs(&mut self) -> anyhow::Result<Vec<f32>> {
        G::numbers(&self.top()?)
    }
}
