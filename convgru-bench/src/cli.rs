//! The command line.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use convgru_bench::Workload;

use crate::compare_pysteps::ComparePystepsOptions;
use crate::compare_pytorch::ComparePytorchOptions;
#[cfg(unix)]
use crate::crash::CrashOptions;
use crate::data_memory::DataMemoryOptions;
use crate::determinism::{DeterminismOptions, QuantitiesOptions};
use crate::engines::Engine;
use crate::forecasts::ForecastsOptions;
use crate::onnx::OnnxOptions;
use crate::readers::ReadersOptions;
use crate::verify::{GradcheckOptions, ParityOptions};

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench --workload seed_step           ours alone, with 1 and 2 threads
  cargo xtask bench --install-peers                once: PyTorch, ONNX Runtime, ncnn, MNN and others
  cargo xtask bench --peers --workload raft --threads 2
  cargo xtask bench --peers --engine jax --json    one of the others, for a program
  cargo xtask bench --memory-budget 0              training beside training with the least memory
  cargo xtask bench --plan 64x128x3@16x16x16       the algorithms of a convolution
  cargo xtask bench --peers --record               all engines; writes docs/benchmarks.md
  cargo xtask bench --compare main                 this working tree beside another commit
  cargo xtask bench --growth --picture growth.svg  how time and memory grow with sizes

Single convolutions, cells and sequences of ours: cargo bench -p convgru-bench [-- FILTER]
Benchmark fairness: docs/bias.md
The others are installed into target/peers, or where CONVGRU_PEERS says.";

/// Compares convgru with other libraries at the workloads of the field: same frames, same weights,
/// outputs compared with convgru in f64 first, then timed in turn.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Action>,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Writes docs/benchmarks.md and docs/benchmarks.svg from the newest records
    Report,
    /// Verifies every gradient against dual numbers and differences (cargo xtask gradcheck)
    ///
    /// Cells, stacks, sequences, layers, losses and whole networks, in f64, with shapes drawn at random: every
    /// entry of every gradient. Ends with exit code 1 if an error is too large or a gradient broken on purpose
    /// goes unnoticed.
    Gradcheck(GradcheckOptions),
    /// Reproduces recorded outputs and gradients of other implementations (cargo xtask parity)
    ///
    /// Reads every *.safetensors file in a folder of recorded values and computes the same in f64, and the states
    /// of cells in f32 (`precision = "exact"`) too. Files about something convgru does not have are listed as not
    /// passed, but only a file that should be reproduced and is not makes the command end with exit code 1.
    Parity(ParityOptions),
    /// Compares exported networks with ONNX Runtime (cargo xtask onnx)
    Onnx(OnnxOptions),
    /// Trains a network twice, by convgru and by PyTorch (cargo xtask compare-pytorch)
    ComparePytorch(ComparePytorchOptions),
    /// Compares extrapolation of rain with pysteps (cargo xtask compare-pysteps)
    ComparePysteps(ComparePystepsOptions),
    /// Checks forecasts in files by xarray and the CF conventions (cargo xtask check-forecasts)
    CheckForecasts(ForecastsOptions),
    /// Compares drawn files with what other libraries read (cargo xtask check-readers)
    CheckReaders(ReadersOptions),
    /// Measures memory where data are larger than it (cargo xtask data-memory)
    DataMemory(DataMemoryOptions),
    /// Kills a training at every call of the file system (cargo xtask crash-test)
    #[cfg(unix)]
    CrashTest(CrashOptions),
    /// Compares bits over threads, repeats, builds and instruction sets (cargo xtask determinism)
    Determinism(DeterminismOptions),
    /// Writes outputs and gradients of some networks
    #[command(hide = true)]
    Quantities(QuantitiesOptions),
    /// Answers the protocol on standard input and output
    #[command(hide = true)]
    Engine {
        /// Bytes that a forward pass may keep for the backward pass
        #[arg(long, value_name = "BYTES")]
        memory_budget: Option<usize>,
    },
}

/// What is measured and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Measure the other libraries too
    #[arg(long)]
    pub(crate) peers: bool,
    /// Install the other libraries; goes on where it was stopped
    #[arg(long, exclusive = true)]
    pub(crate) install_peers: bool,
    /// Print which algorithm a convolution gets, beside what each takes here
    #[arg(long, value_name = "INxOUTxKERNEL@NxHxW", exclusive = true)]
    pub(crate) plan: Option<String>,
    /// Measure how time and memory grow with pixels, channels, steps, batch and threads, one layer with 3x3 kernels, and print tables in Markdown
    /// (with --json a list); with --peers beside other libraries
    #[arg(long, conflicts_with_all = ["workloads", "workload_files", "compare", "record", "memory_budget"])]
    pub(crate) growth: bool,
    /// With --growth, write a picture of the times of the forward pass into this SVG file
    #[arg(long, value_name = "FILE", requires = "growth")]
    pub(crate) picture: Option<PathBuf>,
    /// Print how long a step of a stream takes, of small and of large images: median, 99th percentile and maximum, with 1 and 2 threads, on an
    /// idle machine and beside another thread that reads memory
    #[arg(long, conflicts_with_all = ["peers", "workloads", "workload_files", "growth", "compare", "record", "memory_budget"])]
    pub(crate) latency: bool,
    /// Only this workload (repeatable); all by default
    #[arg(long = "workload", value_name = "NAME")]
    pub(crate) workloads: Vec<String>,
    /// A workload of your own besides, in the form of convgru-bench/workloads/*.toml (repeatable)
    #[arg(long = "workload-file", value_name = "FILE")]
    pub(crate) workload_files: Vec<PathBuf>,
    /// With --peers, only this one of them (repeatable), which then must take part; by default all that can
    #[arg(long = "engine", value_name = "NAME", requires = "peers")]
    pub(crate) engines: Vec<String>,
    /// An engine of your own besides: a program without arguments that speaks the protocol of
    /// convgru-bench/peers/python/protocol.py (repeatable)
    #[arg(long = "engine-program", value_name = "NAME=PROGRAM", value_parser = engine_program)]
    pub(crate) engine_programs: Vec<(String, PathBuf)>,
    /// Measure another commit beside this working tree, in turns, and print for each workload how much the time changed, with the interval of
    /// 95 %. cargo xtask builds the commit
    #[arg(long, value_name = "REV", value_parser = compared, conflicts_with_all = ["peers", "record", "memory_budget", "engine_programs"])]
    pub(crate) compare: Option<(String, PathBuf)>,
    /// Measure training with a memory budget of so many bytes too: the backward pass recomputes gates that do not fit
    #[arg(long, value_name = "BYTES", conflicts_with = "record")]
    pub(crate) memory_budget: Option<usize>,
    /// Threads (repeatable); 1 and 2 by default, as far as there are cores
    #[arg(long, value_name = "N")]
    pub(crate) threads: Vec<usize>,
    /// Rounds, in each of which every engine has a turn of about half a second [default: 5, and 12 with --compare]
    #[arg(long, value_name = "R")]
    pub(crate) rounds: Option<usize>,
    /// Print a list of {workload, threads, engine, version, variant, median_ms, gflops, fma_peak_gflops,
    /// ratio_to_us, ratio_interval, error, largest_error} and nothing else: ratio_interval is the interval of 95 % around ratio_to_us (null of
    /// fewer than 6 rounds), error the relative 2-norm of the difference from convgru in f64, largest_error the largest difference over
    /// the largest magnitude
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep the result in convgru-bench/record and write docs/benchmarks.md from the records
    #[arg(long, conflicts_with_all = ["workload_files", "engine_programs"])]
    pub(crate) record: bool,
}

fn engine_program(text: &str) -> Result<(String, PathBuf), String> {
    let usable = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match text.split_once('=') {
        Some((name, program)) if !name.is_empty() && name.chars().all(usable) && !program.is_empty() => {
            Ok((name.to_owned(), program.into()))
        }
        _ => Err("NAME=PROGRAM is needed, with letters, digits, - and _ in the name".into()),
    }
}

/// A revision with its program: `cargo xtask` replaces the revision that was given by both.
fn compared(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, program)) if !name.is_empty() && !program.is_empty() => Ok((name.into(), program.into())),
        _ => {
            Err("start it as `cargo xtask bench --compare REV`, which builds the program of the revision"
                .into())
        }
    }
}

impl Options {
    /// The workloads that were asked for.
    pub(crate) fn chosen_workloads(&self) -> anyhow::Result<Vec<Workload>> {
        let all = Workload::all()?;
        let names: Vec<&str> = all.iter().map(|workload| workload.name.as_str()).collect();
        for name in &self.workloads {
            anyhow::ensure!(names.contains(&name.as_str()), unknown("workload", name, &names));
        }
        let only_files = self.workloads.is_empty() && !self.workload_files.is_empty();
        let wanted = |workload: &Workload| {
            !only_files && (self.workloads.is_empty() || self.workloads.contains(&workload.name))
        };
        let mut chosen: Vec<Workload> = all.iter().filter(|workload| wanted(workload)).cloned().collect();
        for path in &self.workload_files {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let workload = Workload::from_toml(&text).with_context(|| path.display().to_string())?;
            workload.check().with_context(|| path.display().to_string())?;
            chosen.push(workload);
        }
        Ok(chosen)
    }

    /// Of the other engines those that were asked for; one that was named must take part.
    pub(crate) fn chosen_engines(&self, all: Vec<Engine>) -> anyhow::Result<Vec<Engine>> {
        let names: Vec<&str> = all.iter().map(|engine| engine.name.as_str()).collect();
        for name in &self.engines {
            anyhow::ensure!(names.contains(&name.as_str()), unknown("engine", name, &names));
        }
        if self.engines.is_empty() {
            return Ok(all);
        }
        let wanted = all.into_iter().filter(|engine| self.engines.contains(&engine.name));
        Ok(wanted.map(|engine| Engine { is_required: true, ..engine }).collect())
    }

    /// The numbers of threads, checked against the machine's cores.
    pub(crate) fn chosen_threads(&self, cores: usize) -> anyhow::Result<Vec<usize>> {
        if self.threads.is_empty() {
            return Ok([1, 2].into_iter().filter(|threads| *threads <= cores).collect());
        }
        for threads in &self.threads {
            anyhow::ensure!(
                (1..=cores).contains(threads),
                "--threads {threads}: from 1 to {cores}, the cores of this machine"
            );
        }
        let mut chosen = self.threads.clone();
        chosen.sort_unstable();
        chosen.dedup();
        Ok(chosen)
    }

    /// The number of rounds.
    pub(crate) fn chosen_rounds(&self) -> anyhow::Result<usize> {
        let rounds = self.rounds.unwrap_or(if self.compare.is_some() { 12 } else { 5 });
        anyhow::ensure!(
            (1..=1000).contains(&rounds),
            "--rounds {rounds}: from 1 to 1000; five or more even out the effects of other programs"
        );
        Ok(rounds)
    }
}

/// What to say about a name that does not exist.
fn unknown(what: &str, name: &str, names: &[&str]) -> String {
    let near = names
        .iter()
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, other)| *distance <= 1 + other.len() / 3)
        .min();
    let all = names.join(", ");
    match near {
        Some((_, nearest)) => format!("no {what} `{name}`; did you mean `{nearest}`? There are {all}"),
        None => format!("no {what} `{name}`; there are {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Options {
        Cli::try_parse_from([&["bench"], arguments].concat()).unwrap().options
    }

    #[test]
    fn defaults_fit_the_machine() {
        assert_eq!(options(&[]).chosen_threads(1).unwrap(), [1]);
        assert_eq!(options(&[]).chosen_threads(64).unwrap(), [1, 2]);
        assert_eq!(options(&["--threads", "4", "--threads", "1"]).chosen_threads(4).unwrap(), [1, 4]);
        assert!(options(&["--threads", "5"]).chosen_threads(4).is_err());
        assert_eq!(options(&[]).chosen_workloads().unwrap().len(), 17);
        assert_eq!(options(&["--workload", "raft"]).chosen_workloads().unwrap()[0].name, "raft");
    }

    #[test]
    fn engines_are_named_and_a_wrong_name_brings_the_nearest() {
        let error = options(&["--workload", "seed_stp"]).chosen_workloads().unwrap_err().to_string();
        assert!(error.contains("`seed_step`") && error.contains("nowcast_train"), "{error}");
        let error = options(&["--workload", "quite-else"]).chosen_workloads().unwrap_err().to_string();
        assert!(!error.contains("mean") && error.contains("raft"), "{error}");
        let engines = crate::engines::peers();
        let named = ["--peers", "--engine", "mnn", "--engine", "ncnn"];
        let chosen = options(&named).chosen_engines(engines.clone()).unwrap();
        assert_eq!(chosen.iter().map(|engine| engine.name.as_str()).collect::<Vec<_>>(), ["ncnn", "mnn"]);
        assert!(chosen.iter().all(|engine| engine.is_required && !engine.trains && engine.reads_onnx));
        let all = options(&["--peers"]).chosen_engines(engines.clone()).unwrap();
        assert!(all.len() == engines.len() && all.iter().all(|engine| !engine.is_required));
        let error =
            options(&["--peers", "--engine", "openvno"]).chosen_engines(engines).unwrap_err().to_string();
        assert!(error.contains("`openvino`"), "{error}");
        assert!(Cli::try_parse_from(["bench", "--engine-program", "a b=c"]).is_err());
    }
}
