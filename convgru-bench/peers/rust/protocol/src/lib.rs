//! The protocol of an engine, as `../python/protocol.py` tells it, for Rust libraries.
#![forbid(unsafe_code)]

mod memory;
mod onnx;
mod workload;

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};

pub use onnx::{Graph, OnnxEngine};
pub use workload::{Kind, Layer, Named, Workload};

/// A library that is ready for a workload.
pub trait Engine {
    /// What was chosen, where there was a choice.
    fn variant(&self) -> String {
        String::new()
    }

    /// Does the work.
    fn iterate(&mut self) -> anyhow::Result<()>;

    /// Does the work; the last state of the topmost layer and, in training, all gradients.
    fn outputs(&mut self) -> anyhow::Result<Vec<f32>>;
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Request {
    Load { folder: PathBuf, threads: usize },
    Memory,
    Check { output: PathBuf },
    Run { iterations: usize },
    Quit,
}

/// Answers requests until told to quit. `load` makes the engine for a workload and a number of threads.
pub fn serve<E: Engine>(
    name: &str,
    version: &str,
    load: impl Fn(&Workload, usize) -> anyhow::Result<E>,
) -> anyhow::Result<()> {
    let mut engine = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.context("standard input")?;
        let request = serde_json::from_str(&line).with_context(|| format!("not a request: {line}"))?;
        let quits = matches!(request, Request::Quit);
        let reply = match request {
            Request::Load { folder, threads } => {
                Workload::read(&folder).and_then(|workload| load(&workload, threads)).map(|loaded| {
                    let variant = loaded.variant();
                    engine = Some(loaded);
                    json!({"name": name, "version": version, "variant": variant})
                })
            }
            request => match &mut engine {
                Some(engine) => answer(engine, &request),
                None if quits => Ok(json!({})),
                None => Err(anyhow::anyhow!("nothing is loaded")),
            },
        };
        let reply = reply.unwrap_or_else(|error| json!({"error": format!("{error:#}")}));
        let mut output = std::io::stdout().lock();
        writeln!(output, "{reply}").and_then(|()| output.flush()).context("standard output")?;
        if quits {
            break;
        }
    }
    Ok(())
}

fn answer(engine: &mut impl Engine, request: &Request) -> anyhow::Result<Value> {
    match request {
        Request::Memory => memory::of(|| engine.iterate()),
        Request::Check { output } => {
            let bytes: Vec<u8> = engine.outputs()?.iter().flat_map(|number| number.to_le_bytes()).collect();
            std::fs::write(output, bytes).with_context(|| format!("cannot write {}", output.display()))?;
            Ok(json!({}))
        }
        Request::Run { iterations } => {
            let times =
                (0..*iterations).map(|_| milliseconds(|| engine.iterate())).collect::<Result<Vec<_>, _>>()?;
            Ok(json!({"milliseconds": times}))
        }
        Request::Load { .. } | Request::Quit => Ok(json!({})),
    }
}

/// How long something takes.
fn milliseconds(mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}
