//! convgru as an engine: answers the lines of the protocol.

mod forecast;
mod resident;
mod work;

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use convgru_bench::Kind;
use convgru_model::{MemoryBudget, Scalar};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::inputs::{self, Inputs, Loaded as Network};
use crate::protocol::{Done, Failed, Loaded, Memory, Request, Times};
use forecast::{Forecast, ForecastTraining};
use work::{Frames, Step, Training, Work};

/// Answers requests until told to quit or until there are no more.
pub(crate) fn serve(
    budget: MemoryBudget,
    requests: &mut impl BufRead,
    replies: &mut impl Write,
) -> anyhow::Result<()> {
    while let Some(request) = next(requests)? {
        match request {
            Request::Load { folder, threads } => {
                let pool = ThreadPoolBuilder::new().num_threads(threads).build();
                match pool.map_err(anyhow::Error::from).and_then(|pool| Ok((pool, inputs::read(&folder)?))) {
                    Ok((pool, mut inputs)) => {
                        inputs.network.set_memory_budget(budget);
                        return answer(requests, replies, &pool, &mut *work(inputs)?);
                    }
                    Err(error) => refuse(replies, &error)?,
                }
            }
            Request::Quit => return reply(replies, &Done {}),
            other => refuse(replies, &anyhow::anyhow!("{} before load", other.verb()))?,
        }
    }
    Ok(())
}

/// What convgru computes in f64 for the workload in a folder: every number that an engine writes, rounded to 53 bits instead of 24.
pub(crate) fn outputs_in_f64(folder: &Path) -> anyhow::Result<Vec<f64>> {
    let mut inputs = inputs::read(folder)?;
    inputs.network.set_memory_budget(MemoryBudget::Bytes(0));
    work(inputs)?.outputs()
}

/// The work of a workload.
fn work<T: Scalar>(inputs: Inputs<T>) -> anyhow::Result<Box<dyn Work<T>>> {
    let Inputs { kind, network, frames, predicted } = inputs;
    Ok(match (network, kind) {
        (Network::Cells(network), Kind::Step) => Box::new(Step::new(network, &frames)?),
        (Network::Cells(network), Kind::Sequence) => Box::new(Frames::new(network, frames)?),
        (Network::Cells(network), Kind::Training) => Box::new(Training::new(network, frames)),
        (Network::Forecaster(network), Kind::Forecast) => Box::new(Forecast::new(network, frames, predicted)),
        (Network::Forecaster(network), Kind::ForecastTraining) => {
            Box::new(ForecastTraining::new(network, frames, predicted))
        }
        (_, kind) => anyhow::bail!("the network of the workload does nothing of the kind {kind:?}"),
    })
}

/// Answers `load` and everything after it.
fn answer(
    requests: &mut impl BufRead,
    replies: &mut impl Write,
    pool: &ThreadPool,
    work: &mut dyn Work<f32>,
) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    reply(replies, &Loaded { name: "convgru".into(), version, variant: String::new() })?;
    while let Some(request) = next(requests)? {
        match request {
            Request::Load { .. } => refuse(replies, &anyhow::anyhow!("one workload for each process"))?,
            Request::Memory => send(replies, pool.install(|| memory(work)))?,
            Request::Run { iterations } => send(replies, pool.install(|| run(work, iterations)))?,
            Request::Check { output } => {
                let written = pool.install(|| work.outputs());
                send(
                    replies,
                    written.and_then(|numbers| inputs::write_numbers(&output, &numbers)).map(|()| Done {}),
                )?;
            }
            Request::Quit => return reply(replies, &Done {}),
        }
    }
    Ok(())
}

fn run(work: &mut dyn Work<f32>, iterations: usize) -> anyhow::Result<Times> {
    let mut milliseconds = Vec::with_capacity(iterations);
    for _ in 0..iterations {
        work.prepare();
        let start = Instant::now();
        work.iterate()?;
        milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Times { milliseconds })
}

fn memory(work: &mut dyn Work<f32>) -> anyhow::Result<Memory> {
    let base_bytes = resident::now();
    run(work, 1)?;
    let reset = resident::reset_peak();
    run(work, 1)?;
    let peak_bytes = if reset { resident::peak() } else { None };
    Ok(Memory { base_bytes, peak_bytes })
}

fn next(requests: &mut impl BufRead) -> anyhow::Result<Option<Request>> {
    let mut line = String::new();
    if requests.read_line(&mut line).context("standard input")? == 0 {
        return Ok(None);
    }
    serde_json::from_str(&line).map(Some).with_context(|| format!("not a request: {}", line.trim_end()))
}

fn send<R: serde::Serialize>(replies: &mut impl Write, result: anyhow::Result<R>) -> anyhow::Result<()> {
    match result {
        Ok(value) => reply(replies, &value),
        Err(error) => refuse(replies, &error),
    }
}

fn refuse(replies: &mut impl Write, error: &anyhow::Error) -> anyhow::Result<()> {
    reply(replies, &Failed { error: format!("{error:#}") })
}

fn reply(replies: &mut impl Write, value: &impl serde::Serialize) -> anyhow::Result<()> {
    writeln!(replies, "{}", serde_json::to_string(value)?)?;
    Ok(replies.flush()?)
}

#[cfg(test)]
mod tests {
    use convgru_bench::Workload;

    use super::*;
    use crate::accuracy::{self, Written};

    #[test]
    fn outputs_in_f64_are_those_of_an_engine_before_rounding() {
        for text in [
            include_str!("../../tests/workloads/tiny_step.toml"),
            include_str!("../../tests/workloads/tiny_train.toml"),
            include_str!("../../tests/workloads/tiny_forecast.toml"),
        ] {
            let workload = Workload::from_toml(text).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let outputs = inputs::write(&workload, folder.path()).unwrap();
            let exact = outputs_in_f64(folder.path()).unwrap();
            let inputs = inputs::read::<f32>(folder.path()).unwrap();
            let written =
                Written { engine: "ours".into(), numbers: work(inputs).unwrap().outputs().unwrap() };
            let error = accuracy::measure(&written, &exact, &outputs).unwrap().error;
            // Not computed in 32 bits, and not something else.
            assert!(error > 1e-9 && error < accuracy::CLOSE, "{}: {error:e}", workload.name);
        }
    }

    #[test]
    fn what_is_asked_too_early_or_twice_is_refused() {
        let requests = "{\"do\":\"run\",\"iterations\":1}\n{\"do\":\"load\",\"folder\":\"absent\",\"threads\":1}\n{\"do\":\"quit\"}\n";
        let mut replies = Vec::new();
        serve(MemoryBudget::Unlimited, &mut requests.as_bytes(), &mut replies).unwrap();
        let text = String::from_utf8(replies).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains("run before load"), "{text}");
        assert!(lines[1].contains("cannot read absent"), "{text}");
        assert_eq!(lines[2], "{}");
        assert!(serve(MemoryBudget::Unlimited, &mut "nonsense\n".as_bytes(), &mut Vec::new()).is_err());
    }
}
