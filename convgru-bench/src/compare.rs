//! The whole comparison: workloads, numbers of threads, engines.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use convgru_bench::Workload;

use crate::cli::Options;
use crate::engine;
use crate::engines::{self, Engine};
use crate::inputs;
use crate::machine::Peak;
use crate::measurement::{self, Measurement};
use crate::peers;
use crate::progress::{Progress, note, print};
use crate::python;
use crate::record;
use crate::report;
use crate::revision;
use crate::rounds::Comparison;

const HOW_TO_INSTALL: &str = "`cargo xtask bench --install-peers` installs them";

/// Measures and prints what was asked for.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let workloads = options.chosen_workloads()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = options.chosen_threads(cores)?;
    let rounds = options.chosen_rounds()?;
    let engines = chosen_engines(options)?;
    let turns: usize = workloads
        .iter()
        .map(|workload| engines.iter().filter(|engine| engine.takes(workload.kind)).count())
        .sum();
    let mut progress = Progress::new(turns * rounds * threads.len());
    let peaks: Vec<Peak> = threads.iter().map(|threads| Peak::measure(*threads)).collect();
    let with_peaks: Vec<(usize, Option<f64>)> =
        threads.iter().copied().zip(peaks.iter().map(|peak| peak.fma_gflops)).collect();
    let turns = Turns { engines: &engines, rounds, memory: false };
    let mut measurements: Vec<Measurement> = Vec::new();
    for workload in &workloads {
        measurements.extend(turns.measure(workload, &with_peaks, &mut progress)?);
    }
    if options.json {
        print(&measurement::json(&measurements)?);
    } else if let Some((revision, _)) = &options.compare {
        print(&revision::report(&measurements, revision));
    } else {
        print(&measurement::report(&measurements));
    }
    let disturbed = progress.disturbances();
    note(&format!("disturbed turns: {disturbed}"));
    if options.record {
        let path = record::append(&measurements, &threads, &peaks, &disturbed)?;
        note(&format!("recorded in {}", path.display()));
        report::write()?;
    }
    Ok(())
}

/// Engines that take turns at workloads.
pub(crate) struct Turns<'a> {
    pub(crate) engines: &'a [Engine],
    pub(crate) rounds: usize,
    /// Whether memory is measured for every kind of work, and not only for training and forecasts.
    pub(crate) memory: bool,
}

impl Turns<'_> {
    /// Measures the engines that take part in a workload, with each number of threads (beside it the limit of the machine in
    /// GFLOP/s, if it is known).
    pub(crate) fn measure(
        &self,
        workload: &Workload,
        threads: &[(usize, Option<f64>)],
        progress: &mut Progress,
    ) -> anyhow::Result<Vec<Measurement>> {
        let folder = tempfile::Builder::new().prefix("convgru-bench-").tempdir()?;
        let outputs = inputs::write(workload, folder.path())?;
        let mut taking: Vec<Engine> =
            self.engines.iter().filter(|engine| engine.takes(workload.kind)).cloned().collect();
        if taking.iter().any(|engine| engine.reads_onnx)
            && let Err(error) = write_onnx(workload, folder.path())
        {
            let required = taking.iter().any(|engine| engine.reads_onnx && engine.is_required);
            anyhow::ensure!(!required, "{}: {error:#}", workload.name);
            note(&format!("LEFT OUT of {}: all that read ONNX: {error:#}", workload.name));
            taking.retain(|engine| !engine.reads_onnx);
        }
        progress.say(&format!("{}: convgru computes it in f64", workload.name));
        let exact = engine::outputs_in_f64(folder.path())?;
        let mut measurements = Vec::new();
        for &(threads, fma_peak_gflops) in threads {
            let comparison = Comparison {
                workload,
                folder: folder.path(),
                outputs: &outputs,
                exact: &exact,
                threads,
                rounds: self.rounds,
                memory: self.memory,
                fma_peak_gflops,
            };
            measurements.extend(comparison.run(&taking, progress)?);
        }
        Ok(measurements)
    }
}

/// Ours and, of the others, those that are wanted and installed.
pub(crate) fn chosen_engines(options: &Options) -> anyhow::Result<Vec<Engine>> {
    let mut engines = vec![Engine::ours()?];
    if let Some(bytes) = options.memory_budget {
        engines.push(Engine::ours_within(bytes)?);
    }
    if options.peers {
        let peers = options.chosen_engines(engines::peers())?;
        let (installed, missing): (Vec<_>, Vec<_>) =
            peers.into_iter().partition(|engine| engine.is_installed);
        let names = missing.iter().map(|engine| engine.name.as_str()).collect::<Vec<_>>().join(", ");
        let required = missing.iter().any(|engine| engine.is_required);
        anyhow::ensure!(!installed.is_empty() && !required, "not installed: {names}; {HOW_TO_INSTALL}");
        if !missing.is_empty() {
            note(&format!("not installed: {names}; {HOW_TO_INSTALL}"));
        }
        engines.extend(installed);
    }
    if let Some((revision, program)) = &options.compare {
        let other = Engine::other(revision, program.clone(), vec!["engine".into()]);
        engines.push(Engine { is_required: true, ..other });
    }
    for (name, program) in &options.engine_programs {
        anyhow::ensure!(
            engines.iter().all(|engine| engine.name != *name),
            "--engine-program {name}: there is an engine of that name; take another"
        );
        engines.push(Engine::other(name, program.clone(), Vec::new()));
    }
    if engines.len() == 1 {
        note("measuring convgru alone; --peers compares it with other libraries");
    }
    Ok(engines)
}

/// Lets Python write the workload's network in ONNX.
fn write_onnx(workload: &Workload, folder: &Path) -> anyhow::Result<()> {
    let python = python::program();
    let script = peers::sources().join("python").join("onnx_model.py");
    let output = Command::new(&python)
        .arg(script)
        .arg(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .with_context(|| format!("cannot start {}; {HOW_TO_INSTALL}", python.display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.lines().last().unwrap_or_default();
    anyhow::ensure!(output.status.success(), "{}: onnx_model.py: {last}", workload.name);
    Ok(())
}
