//! The same bits, whoever computes them: `cargo xtask determinism`.

mod quantities;
mod results;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use clap::Args;
use convgru_model::{Isa, Parameters};
use convgru_train::trainer::TrainedModel;
use serde_json::{Value, json};

use crate::progress::{note, print};
use crate::synthetic_data::Kind;
pub(crate) use quantities::{QuantitiesOptions, run as compute};
use results::{Results, bound};

const EXAMPLES: &str = "\
Examples:
  cargo xtask determinism            1, 2, 3 and 8 threads, twice each, both builds, every instruction set
  cargo xtask determinism --quick    1 and 3 threads, and one way to run the rest
  cargo xtask determinism --json

Each way to run is a process of its own. It computes outputs and gradients of stacks, a pyramid and other cells,
and trains for some steps: the networks of two presets, and small ones on arrays and radar images in files.";

/// Compares the bits of outputs, gradients and trained weights over threads, repeats, builds and instruction sets
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, override_usage = "cargo xtask determinism [OPTIONS]")]
pub(crate) struct DeterminismOptions {
    /// Fewer ways to run: what CI does
    #[arg(long)]
    quick: bool,
    /// Folder with the programs of a build without optimisation and with checks
    #[arg(long, value_name = "DIR")]
    checked: Option<PathBuf>,
    /// Print {ways, failed} and nothing else
    #[arg(long)]
    json: bool,
}

/// Trainings: the network of a preset, less data.
const TRAININGS: &[(&str, &[&str])] = &[
    ("quick", &["training.steps=6", "training.batch_size=2"]),
    ("digits", &["training.steps=3", "training.batch_size=2"]),
];

/// Of every training, so that little besides the steps takes time.
const LITTLE: &[&str] = &[
    "data.validation_sequences=2",
    "data.test_sequences=2",
    "training.validate_every=100",
    "training.checkpoint_every=100",
    "data.input_frames=4",
    "data.output_frames=3",
];

/// Of trainings that read their data from files.
const FROM_FILES: &[&str] =
    &["training.steps=6", "training.validate_every=100", "training.checkpoint_every=100"];

/// A way to run.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Way<'a> {
    build: &'static str,
    programs: &'a Path,
    isa: &'static str,
    threads: usize,
    /// Counts repeats, from 1.
    time: usize,
}

/// A way to run and what it has in common with the first of its instruction set, and of all.
struct Row<'a> {
    way: Way<'a>,
    quantities: usize,
    other_bits: Vec<String>,
    /// The quantity whose distance is the largest share of its bound, and the distance.
    farthest: Option<(String, f64)>,
    beyond: Vec<String>,
}

/// Runs every way; an error if bits differ where they must not, or instruction sets are too far apart.
pub(crate) fn run(options: &DeterminismOptions) -> anyhow::Result<()> {
    let here = std::env::current_exe()?;
    let here = here.parent().context("the program lies in no folder")?;
    let folder = tempfile::tempdir().context("cannot make a folder for numbers")?;
    let mut first: Option<Results> = None;
    let mut rows = Vec::new();
    for isa in Isa::all().into_iter().rev().map(Isa::name) {
        let mut of_isa: Option<Results> = None;
        for way in ways(options, here, isa, first.is_none()) {
            note(&format!("{} build, {isa}, {} threads, time {}", way.build, way.threads, way.time));
            let results = results(&way, &folder.path().join(rows.len().to_string()))?;
            let distances = first.as_ref().map(|first| results.distances(first)).unwrap_or_default();
            let share = |(name, apart): &(&String, &f64)| **apart / bound(name);
            let farthest = distances.iter().max_by(|a, b| share(a).total_cmp(&share(b)));
            let beyond = distances.iter().filter(|(name, apart)| apart.is_nan() || **apart > bound(name));
            rows.push(Row {
                way,
                quantities: results.len(),
                other_bits: of_isa.as_ref().map(|of_isa| results.other_bits(of_isa)).unwrap_or_default(),
                farthest: farthest.map(|(name, apart)| (name.clone(), *apart)),
                beyond: beyond.map(|(name, apart)| format!("{name}: {apart:.1e}")).collect(),
            });
            if of_isa.is_none() {
                of_isa = Some(results);
            }
        }
        first = first.or(of_isa);
    }
    let failed = rows.iter().filter(|row| !row.other_bits.is_empty() || !row.beyond.is_empty()).count();
    print(&if options.json { to_json(&rows, failed).to_string() } else { to_text(&rows) });
    anyhow::ensure!(failed == 0, "{failed} of {} ways to run compute something else", rows.len());
    Ok(())
}

/// The ways to run an instruction set. The best one is run in more of them.
fn ways<'a>(options: &'a DeterminismOptions, here: &'a Path, isa: &'static str, best: bool) -> Vec<Way<'a>> {
    let way = |threads, time| Way { build: "release", programs: here, isa, threads, time };
    let mut ways = match (options.quick, best) {
        (true, true) => vec![way(1, 1), way(3, 1)],
        (true, false) => vec![way(2, 1)],
        (false, true) => {
            [1, 2, 3, 8].iter().flat_map(|threads| [way(*threads, 1), way(*threads, 2)]).collect()
        }
        (false, false) => vec![way(1, 1), way(3, 1), way(8, 1)],
    };
    if let Some(checked) = options.checked.as_deref().filter(|_| best || !options.quick) {
        ways.push(Way { build: "checked", programs: checked, ..way(2, 1) });
    }
    ways
}

/// Runs both programs and reads what they wrote.
fn results(way: &Way<'_>, folder: &Path) -> anyhow::Result<Results> {
    let numbers = folder.join("numbers");
    let threads = way.threads.to_string();
    let start = |program: &str, arguments: &[&str]| -> anyhow::Result<Vec<u8>> {
        let program = way.programs.join(program);
        let mut command = Command::new(&program);
        command.args(arguments).args(["--threads", &threads]).env("CONVGRU_ISA", way.isa);
        let output = command.stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("cannot start {}", program.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{} failed: {}", program.display(), said.trim_end());
        Ok(output.stdout)
    };
    let out = numbers.to_string_lossy();
    start("convgru-bench", &["quantities", "--out", &out])?;
    let runs = folder.join("runs");
    let runs = runs.to_string_lossy();
    let train = |name: &str, arguments: &[&str]| -> anyhow::Result<()> {
        let arguments = [&["train", "--json", "--out", &runs], arguments].concat();
        let said: Value = serde_json::from_slice(&start("convgru", &arguments)?)?;
        let run = said["run"].as_str().context("the result of a run names no folder")?;
        Ok(fs::write(numbers.join(format!("{name}, trained weights")), weights(Path::new(run))?)?)
    };
    for (preset, changes) in TRAININGS {
        let changes = changes.iter().chain(LITTLE).flat_map(|change| ["--set", *change]);
        train(preset, &["--preset", preset].into_iter().chain(changes).collect::<Vec<_>>())?;
    }
    for kind in Kind::ALL {
        let data = folder.join(kind.name());
        kind.write(&data)?;
        let (path, settings) = (data.to_string_lossy(), kind.settings());
        let mut arguments = vec!["--preset", "quick", "--data", &*path];
        arguments.extend(settings.iter().chain(FROM_FILES).flat_map(|change| ["--set", *change]));
        train(kind.name(), &arguments)?;
    }
    let results = Results::read(&numbers)?;
    fs::remove_dir_all(folder)?;
    Ok(results)
}

/// The weights of a finished run.
fn weights(run: &Path) -> anyhow::Result<Vec<u8>> {
    let model = TrainedModel::read(&run.join("model.safetensors"))?.model;
    let mut bytes = Vec::new();
    model.parameters().for_each(&mut |_, tensor| {
        bytes.extend(tensor.as_slice().iter().flat_map(|number| number.to_le_bytes()))
    });
    Ok(bytes)
}

fn to_text(rows: &[Row<'_>]) -> String {
    let mut text = format!(
        "{:<8} {:<9} {:>7} {:>4} {:>11}  {}\n",
        "build", "ISA", "threads", "time", "equal bits", "farthest from the first way"
    );
    for row in rows {
        let Way { build, isa, threads, time, .. } = row.way;
        let equal = format!("{} of {}", row.quantities - row.other_bits.len(), row.quantities);
        let farthest = row.farthest.as_ref().filter(|(_, apart)| *apart > 0.0);
        let farthest = farthest.map_or("the same bits".into(), |(name, apart)| {
            format!("{apart:.1e} of {:.0e} allowed: {name}", bound(name))
        });
        text += &format!("{build:<8} {isa:<9} {threads:>7} {time:>4} {equal:>11}  {farthest}\n");
        for name in &row.other_bits {
            text += &format!("  OTHER BITS {name}\n");
        }
        for name in &row.beyond {
            text += &format!("  TOO FAR {name}\n");
        }
    }
    text + "\nBits are compared with the bits of the first way of the same instruction set.\n"
}

fn to_json(rows: &[Row<'_>], failed: usize) -> Value {
    let row = |row: &Row<'_>| {
        json!({
            "build": row.way.build,
            "isa": row.way.isa,
            "threads": row.way.threads,
            "time": row.way.time,
            "quantities": row.quantities,
            "other_bits": row.other_bits,
            "farthest": row.farthest.as_ref().map(|(name, apart)| json!({ "quantity": name, "distance": apart, "bound": bound(name) })),
            "beyond": row.beyond,
        })
    };
    json!({ "ways": rows.iter().map(row).collect::<Vec<_>>(), "failed": failed })
}
