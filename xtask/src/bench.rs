//! `cargo xtask bench`: the benchmarks of convgru-bench.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::process;

pub(crate) const ABOUT: &str = "Measure convolutions, cells, sequences and training steps";

const HELP: &str = "\
Measures convgru at the workloads of the field (convgru-bench/workloads/*.toml).

Usage: cargo xtask bench [FILTER] [-- CRITERION OPTIONS]

  FILTER   only benchmarks whose name contains it

Example:
  cargo xtask bench cell_step";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        process::say(HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let mut cargo = process::cargo();
    cargo.args(["bench", "--package", "convgru-bench", "--"]).args(arguments.iter().filter(|a| *a != "--"));
    process::must_succeed("the benchmarks", &mut cargo)?;
    Ok(ExitCode::SUCCESS)
}
