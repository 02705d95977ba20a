//! convgru as an engine: answers the lines of the protocol.

mod forecast;
mod resident;
mod work;

use std::io::{BufRead, Write};
use std::time::Instant;

use anyhow::Context;
use convgru_bench::Kind;
use convgru_model::MemoryBudget;
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
                        return serve_loaded(requests, replies, &pool, inputs);
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

fn serve_loaded(
    requests: &mut impl BufRead,
    replies: &mut impl Write,
    pool: &ThreadPool,
    inputs: Inputs,
) -> anyhow::Result<()> {
    let Inputs { kind, network, frames, predicted } = inputs;
    match (network, kind) {
        (Network::Cells(network), Kind::Step) => {
            answer(requests, replies, pool, Step::new(&network, &frames)?)
        }
        (Network::Cells(network), Kind::Sequence) => {
            answer(requests, replies, pool, Frames::new(&network, &frames)?)
        }
        (Network::Cells(network), Kind::Training) => {
            answer(requests, replies, pool, Training::new(&network, &frames))
        }
        (Network::Forecaster(network), Kind::Forecast) => {
            answer(requests, replies, pool, Forecast::new(network, &frames, predicted))
        }
        (Network::Forecaster(network), Kind::ForecastTraining) => {
            answer(requests, replies, pool, ForecastTraining::new(&network, &frames, predicted))
        }
        (_, kind) => anyhow::bail!("the network of the workload does nothing of the kind {kind:?}"),
    }
}

/// Answers `load` and everything after it.
fn answer(
    requests: &mut impl BufRead,
    replies: &mut impl Write,
    pool: &ThreadPool,
    mut work: impl Work,
) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    reply(replies, &Loaded { name: "convgru".into(), version, variant: String::new() })?;
    while let Some(request) = next(requests)? {
        match request {
            Request::Load { .. } => refuse(replies, &anyhow::anyhow!("one workload for each process"))?,
            Request::Memory => send(replies, pool.install(|| memory(&mut work)))?,
            Request::Run { iterations } => send(replies, pool.install(|| run(&mut work, iterations)))?,
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

fn run(work: &mut impl Work, iterations: usize) -> anyhow::Result<Times> {
    let mut milliseconds = Vec::with_capacity(iterations);
    for _ in 0..iterations {
        work.prepare();
        let start = Instant::now();
        work.iterate()?;
        milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Times { milliseconds })
}

fn memory(work: &mut impl Work) -> anyhow::Result<Memory> {
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
    use super::*;

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
