//! Commands for working on convgru: `cargo xtask <command>`.
//!
//! This program links none of the other crates, so that it builds in seconds. It
//! starts what does the work, passes arguments on, and passes exit codes back.
#![forbid(unsafe_code)]

mod bench;
mod check_report;
mod ci;
mod coverage;
mod crash_test;
mod determinism;
mod disassembly;
mod fuzz;
mod mutants;
mod process;
mod program;
mod python;
mod supply_chain;
mod test_aarch64;
mod test_avx512;
mod tidy;
mod unsafe_docs;

use std::ffi::OsString;
use std::process::ExitCode;

use program::{BENCH, CONVGRU, Program};

/// The list of commands of `convgru`, which the program itself has its help from.
#[path = "../../convgru-train/src/cli/commands.rs"]
mod convgru_commands;

/// A command: its name, one line of help, and what runs it.
struct Command {
    name: &'static str,
    about: &'static str,
    run: Run,
}

/// What runs a command.
enum Run {
    /// The command of the same name of one of our programs.
    Of(&'static Program),
    /// A function of this program.
    Here(fn(&[OsString]) -> anyhow::Result<ExitCode>),
}

use Run::{Here, Of};

#[rustfmt::skip]
const OWN_COMMANDS: [Command; 21] = [
    Command { name: "gradcheck", about: "Prove every backward pass against dual numbers and differences", run: Of(&BENCH) },
    Command { name: "parity", about: "Compare with recorded outputs and gradients of other implementations", run: Of(&BENCH) },
    Command { name: "onnx", about: "Compare exported networks with ONNX Runtime (Python, installed by --install)", run: Of(&BENCH) },
    Command { name: "compare-pytorch", about: "Train a network twice, by convgru and by PyTorch (Python, installed by --install)", run: Of(&BENCH) },
    Command { name: "compare-pysteps", about: "Compare extrapolation of rain with pysteps (Python, installed by --install)", run: Of(&BENCH) },
    Command { name: "check-forecasts", about: "Check forecasts in files with xarray and the CF conventions (Python, installed by --install)", run: Of(&BENCH) },
    Command { name: "check-readers", about: "Compare our reading of random files with other libraries (Python, installed by --install)", run: Of(&BENCH) },
    Command { name: "bench", about: "Compare with other libraries, or measure convgru alone", run: Here(bench::run) },
    Command { name: "data-memory", about: "Measure the memory of runs with data larger than memory", run: Here(data_memory) },
    Command { name: "determinism", about: "Compare results bit by bit over threads, repeats, builds and instruction sets", run: Here(determinism::run) },
    Command { name: "crash-test", about: "Kill a training at every file system call and resume it", run: Here(crash_test::run) },
    Command { name: "fuzz", about: "Feed generated files to every reader", run: Here(fuzz::run) },
    Command { name: "mutants", about: "Put small faults into the code and check that tests detect them", run: Here(mutants::run) },
    Command { name: "coverage", about: "Count the lines of code that tests execute", run: Here(coverage::run) },
    Command { name: "test-aarch64", about: "Run tests on an emulated 64-bit ARM processor", run: Here(test_aarch64::run) },
    Command { name: "test-avx512", about: "Run tests on an emulated processor with AVX-512", run: Here(test_avx512::run) },
    Command { name: "check-report", about: "Open a report in a headless browser without a network, and take screenshots", run: Here(check_report::run) },
    Command { name: "supply-chain", about: "Check the number of crates, licences, sources and oldest versions", run: Here(supply_chain::run) },
    Command { name: "tidy", about: "Check plain-text rules: file sizes, files with unsafe code, crate headers", run: Here(tidy::run) },
    Command { name: "unsafe-docs", about: "Write the table in docs/unsafe.md: files, counts, invariants", run: Here(unsafe_docs::run) },
    Command { name: "ci", about: "Run all checks that must pass before a change is merged", run: Here(ci::run) },
];

/// Builds both programs beside each other, where one finds the other, and passes arguments on.
fn data_memory(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    if !arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        program::build_all()?;
    }
    BENCH.run(&[&["data-memory".into()], arguments].concat())
}

/// All commands: those of `convgru` first.
fn commands() -> impl Iterator<Item = Command> {
    let of_convgru =
        convgru_commands::COMMANDS.map(|(name, about)| Command { name, about, run: Of(&CONVGRU) });
    of_convgru.into_iter().chain(OWN_COMMANDS)
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let name = arguments.first().map(|name| name.to_string_lossy().into_owned());
    match name.as_deref() {
        None | Some("help" | "--help" | "-h") => {
            process::say(&help());
            if name.is_none() { ExitCode::from(2) } else { ExitCode::SUCCESS }
        }
        Some(name) => match commands().find(|command| command.name == name) {
            Some(command) => run(&command, &arguments).unwrap_or_else(|error| {
                process::complain(&format!("error: {error:#}"));
                ExitCode::FAILURE
            }),
            None => {
                process::complain(&format!("error: no command `{name}`\n\n{}", help()));
                ExitCode::from(2)
            }
        },
    }
}

/// Runs a command with its name and its arguments.
fn run(command: &Command, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    match command.run {
        Of(program) => program.run(arguments),
        Here(run) => run(&arguments[1..]),
    }
}

fn help() -> String {
    let mut text = String::from("Usage: cargo xtask <command> [arguments]\n\nCommands:\n");
    for command in commands() {
        text += &format!("  {:<15} {}\n", command.name, command.about);
    }
    text + "\nEach command has --help with an example.\n\nExample:\n  cargo xtask train --preset quick\n"
}
