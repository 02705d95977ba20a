//! PyTorch as a process that takes a step for each batch.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::Context;
use convgru_train::trainer::TrainedModel;
use serde::Deserialize;
use tempfile::TempDir;

use super::package;
use super::plan::Plan;
use crate::python;

/// The process. It ends when its input does, and is ended where nothing is wanted of it any more.
pub(super) struct Peer {
    process: Child,
    input: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    folder: TempDir,
}

/// What it says about a step.
#[derive(Debug, Deserialize)]
pub(super) struct Taken {
    pub(super) loss: f64,
    pub(super) gradient_norm: f64,
    pub(super) seconds: f64,
}

impl Peer {
    /// Starts it with the first weights.
    pub(super) fn start(python: &Path, plan: &Plan, weights: &[u8]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        fs::write(folder.path().join("plan.json"), serde_json::to_vec(plan)?)?;
        fs::write(folder.path().join("weights.safetensors"), weights)?;
        let mut process = python::command(python, "compare_pytorch.py", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", python.display()))?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let (input, output) = input.zip(output).context("no pipes to the process")?;
        Ok(Self { process, input: Some(input), lines: BufReader::new(output), folder })
    }

    /// One step, of frames, noise and known pixels; the last two may be empty as the plan says.
    pub(super) fn step(&mut self, learning_rate: f64, numbers: [&[f32]; 3]) -> anyhow::Result<Taken> {
        let mut bytes = learning_rate.to_le_bytes().to_vec();
        bytes.extend(numbers.into_iter().flatten().flat_map(|value| value.to_le_bytes()));
        let input = self.input.as_mut().context("the process has been ended")?;
        let sent = input.write_all(&bytes).and_then(|()| input.flush());
        let mut line = String::new();
        let answered = sent.and_then(|()| self.lines.read_line(&mut line));
        anyhow::ensure!(
            matches!(answered, Ok(1..)),
            "PyTorch ended; its messages are above. `cargo xtask compare-pytorch --install` installs the packages"
        );
        serde_json::from_str(&line).with_context(|| format!("compare_pytorch.py wrote: {line}"))
    }

    /// Ends it; our network with its weights.
    pub(super) fn finish(mut self, ours: &TrainedModel) -> anyhow::Result<TrainedModel> {
        drop(self.input.take());
        let status = self.process.wait()?;
        anyhow::ensure!(status.success(), "compare_pytorch.py failed ({status})");
        let bytes = fs::read(self.folder.path().join("retrained.safetensors"))?;
        let model = package::with_weights(&ours.model, &bytes)?;
        Ok(TrainedModel { model, config: ours.config.clone(), step: ours.step })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Both fail where it has ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
