//! One workload with one number of threads: engines are started, checked and timed in turn.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use convgru_bench::Workload;

use crate::accuracy::{self, Accuracy, Written};
use crate::child::{Running, tell};
use crate::engines::Engine;
use crate::inputs::{self, Output};
use crate::machine;
use crate::measurement::Measurement;
use crate::progress::{Progress, note};
use crate::protocol::{Loaded, Memory, Request, Times};
use crate::statistics::{median, median_interval, ratios};

/// How long an engine works in a turn, at least one iteration.
const TURN: Duration = Duration::from_millis(500);

/// Before an engine's turn threads of the one before it go to sleep: OpenMP of some
/// libraries spins for 200 ms after its work.
const PAUSE: Duration = Duration::from_millis(250);

/// The share of a core that an engine may use while it is not its turn.
const IDLE: f64 = 0.05;

/// The share of the machine that other programs may use.
const OTHERS: f64 = 0.1;

/// What is compared.
pub(crate) struct Comparison<'a> {
    pub(crate) workload: &'a Workload,
    /// Where its frames and weights are.
    pub(crate) folder: &'a Path,
    /// What engines write.
    pub(crate) outputs: &'a [Output],
    /// The same numbers as computed in f64.
    pub(crate) exact: &'a [f64],
    pub(crate) threads: usize,
    pub(crate) rounds: usize,
    /// Whether memory is measured for every kind of work.
    pub(crate) memory: bool,
    pub(crate) fma_peak_gflops: Option<f64>,
}

/// An engine that is ready, and its times.
struct Entrant {
    process: Running,
    loaded: Loaded,
    memory_bytes: Option<u64>,
    accuracy: Accuracy,
    iterations: usize,
    medians: Vec<f64>,
}

impl Comparison<'_> {
    /// Measures the engines; ours is the first. One that does not start is left out aloud, unless it is required; one that computes
    /// something else ends everything.
    pub(crate) fn run(
        &self,
        engines: &[Engine],
        progress: &mut Progress,
    ) -> anyhow::Result<Vec<Measurement>> {
        let mut entrants = Vec::new();
        for engine in engines {
            progress.say(&format!("{}: {} gets ready", self.title(), engine.name));
            match self.enter(engine) {
                Ok((mut entrant, written)) => {
                    entrant.accuracy = accuracy::measure(&written, self.exact, self.outputs)?;
                    entrants.push(entrant);
                }
                Err(error) if engine.is_required => return Err(error),
                Err(error) => {
                    note(&format!("LEFT OUT of {}: {error:#}", self.title()));
                    progress.advance(self.rounds);
                }
            }
        }
        for round in 0..self.rounds {
            progress.say(&format!("{}: round {} of {}", self.title(), round + 1, self.rounds));
            // Back and forth, so that no engine always works after the same one.
            let count = entrants.len();
            for turn in (0..count).map(|turn| if round % 2 == 0 { turn } else { count - 1 - turn }) {
                let disturbances = take_turn(&mut entrants, turn)?;
                progress.advance(1);
                progress.disturbed(&disturbances);
            }
        }
        let ours = entrants.first().map(|entrant| entrant.medians.clone()).unwrap_or_default();
        entrants.iter().map(|entrant| self.measurement(entrant, &ours)).collect()
    }

    fn title(&self) -> String {
        let plural = if self.threads == 1 { "" } else { "s" };
        format!("{}, {} thread{plural}", self.workload.name, self.threads)
    }

    /// Starts an engine and lets it do the work a few times.
    fn enter(&self, engine: &Engine) -> anyhow::Result<(Entrant, Written)> {
        let mut process = Running::start(engine, self.threads, self.folder)?;
        let load = Request::Load { folder: self.folder.to_path_buf(), threads: self.threads };
        let loaded: Loaded = process.ask(&load)?;
        let kind = self.workload.kind;
        let memory_bytes = if self.memory || kind.trains() || kind.forecasts() {
            process.ask::<Memory>(&Request::Memory)?.over_base()
        } else {
            None
        };
        let path = self.folder.join(format!("{}.output", engine.name));
        tell(&mut process, &Request::Check { output: path.clone() })?;
        let numbers = inputs::read_numbers(&path)
            .with_context(|| format!("{} said that it wrote its output", engine.name))?;
        let typical = warm_up(&mut process)?;
        let iterations = (TURN.as_secs_f64() * 1e3 / typical).ceil().clamp(1.0, 1000.0) as usize;
        let entrant = Entrant {
            process,
            loaded,
            memory_bytes,
            accuracy: Accuracy::default(),
            iterations,
            medians: Vec::new(),
        };
        Ok((entrant, Written { engine: engine.name.clone(), numbers }))
    }

    fn measurement(&self, entrant: &Entrant, ours: &[f64]) -> anyhow::Result<Measurement> {
        let engine = entrant.process.name();
        let ratios = ratios(&entrant.medians, ours);
        let (Some(median_ms), Some(ratio_to_us)) = (median(&entrant.medians), median(&ratios)) else {
            anyhow::bail!("{engine}: no rounds");
        };
        Ok(Measurement {
            workload: self.workload.name.clone(),
            threads: self.threads,
            engine: engine.to_owned(),
            version: entrant.loaded.version.clone(),
            variant: entrant.loaded.variant.clone(),
            median_ms,
            gflops: self.workload.gflop / median_ms * 1e3,
            fma_peak_gflops: self.fma_peak_gflops,
            ratio_to_us,
            ratio_interval: median_interval(&ratios),
            error: Some(entrant.accuracy.error),
            largest_error: Some(entrant.accuracy.largest),
            memory_bytes: entrant.memory_bytes,
            rounds: self.rounds,
        })
    }
}

/// Works for half a turn at least, and three times; returns the last median.
fn warm_up(process: &mut Running) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut typical = run(process, 1)?;
    let mut calls = 1;
    while calls < 3 || begun.elapsed() < TURN / 2 {
        let left = (TURN.as_secs_f64() * 500.0 / typical).clamp(1.0, 100.0) as usize;
        typical = run(process, left)?;
        calls += left;
    }
    Ok(typical)
}

/// One engine works; returns what disturbed it.
fn take_turn(entrants: &mut [Entrant], turn: usize) -> anyhow::Result<Vec<String>> {
    let mut disturbances = Vec::new();
    let quiet = machine::busy_while(|| std::thread::sleep(PAUSE));
    let name = entrants[turn].process.name().to_owned();
    if let Some(share) = quiet.filter(|share| *share > OTHERS) {
        disturbances.push(format!(
            "before the turn of {name} other programs used {:.0} % of the machine, {:.0} % are harmless",
            share * 100.0,
            OTHERS * 100.0
        ));
    }
    let busy =
        |entrants: &[Entrant]| entrants.iter().map(|entrant| entrant.process.busy()).collect::<Vec<_>>();
    let before = busy(entrants);
    let begun = Instant::now();
    let Entrant { process, iterations, medians, .. } = &mut entrants[turn];
    medians.push(run(process, *iterations)?);
    let took = begun.elapsed();
    for (index, (before, after)) in before.into_iter().zip(busy(entrants)).enumerate() {
        let (Some(before), Some(after)) = (before, after) else { continue };
        let spent = after.saturating_sub(before);
        if index != turn && spent > took.mul_f64(IDLE) + Duration::from_millis(20) {
            disturbances.push(format!(
                "{} used a core for {} of the {} ms that were {name}'s",
                entrants[index].process.name(),
                spent.as_millis(),
                took.as_millis(),
            ));
        }
    }
    Ok(disturbances)
}

/// The median of so many iterations in milliseconds.
fn run(process: &mut Running, iterations: usize) -> anyhow::Result<f64> {
    let times: Times = process.ask(&Request::Run { iterations })?;
    let count = times.milliseconds.len();
    let sound = count == iterations && times.milliseconds.iter().all(|time| *time > 0.0 && time.is_finite());
    anyhow::ensure!(
        sound,
        "{}: asked for {iterations} times above zero, got {count}: {:?}",
        process.name(),
        times.milliseconds
    );
    median(&times.milliseconds).with_context(|| format!("{}: no times", process.name()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_required_engine_that_fails_ends_the_comparison() {
        let workload = Workload::from_toml(include_str!("../tests/workloads/tiny_step.toml")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let outputs = inputs::write(&workload, folder.path()).unwrap();
        let comparison = Comparison {
            workload: &workload,
            folder: folder.path(),
            outputs: &outputs,
            exact: &[],
            threads: 1,
            rounds: 1,
            memory: false,
            fma_peak_gflops: None,
        };
        let engine = Engine::other("broken", "false".into(), Vec::new());
        let mut progress = Progress::new(2);
        assert!(comparison.run(std::slice::from_ref(&engine), &mut progress).unwrap().is_empty());
        let required = Engine { is_required: true, ..engine };
        let error = comparison.run(&[required], &mut progress).unwrap_err().to_string();
        assert!(error.contains("broken ended"), "{error}");
    }
}
