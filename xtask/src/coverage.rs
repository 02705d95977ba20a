//! `cargo xtask coverage`: which lines tests run.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::process;

const HELP: &str = "\
Runs the tests of the workspace in a build that counts what runs, and prints the share of lines and functions
of each file. cargo-llvm-cov does the work; it needs llvm-profdata and llvm-cov of the compiler's own version of
LLVM. Where rustup has the component llvm-tools, that is used; --install gets the others by `cargo install` and,
as root, from Debian. About half an hour on two cores.

Usage: cargo xtask coverage [--install] [OPTIONS OF cargo llvm-cov]

  --install   gets cargo-llvm-cov and LLVM
  --json      prints the counts as JSON

Examples:
  cargo xtask coverage --install
  cargo xtask coverage --package convgru-kernels";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let asks = |name: &str| arguments.iter().any(|argument| argument == name);
    if asks("--help") || asks("-h") {
        process::say(HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let version = llvm_version()?;
    if asks("--install") {
        install(&version)?;
    }
    let rest: Vec<_> = arguments.iter().filter(|argument| *argument != "--install").collect();
    if rest.is_empty() && asks("--install") {
        return Ok(ExitCode::SUCCESS);
    }
    let mut cargo = process::cargo();
    cargo.current_dir(process::root()).arg("llvm-cov");
    for (variable, tool) in [("LLVM_COV", "llvm-cov"), ("LLVM_PROFDATA", "llvm-profdata")] {
        let program = format!("{tool}-{version}");
        if std::env::var_os(variable).is_none() && answers(&program) {
            cargo.env(variable, program);
        }
    }
    if !rest.iter().any(|argument| *argument == "--package" || *argument == "-p") {
        cargo.arg("--workspace");
    }
    if !asks("--json") {
        cargo.arg("--summary-only");
    }
    // Tests are looked at, and files that only tests have are no part of the result.
    cargo.args(["--ignore-filename-regex", "(^|/)tests?(/|\\.rs$)"]).args(rest);
    let status = cargo.status().context("cannot start cargo llvm-cov; --install gets it")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The version of LLVM in the compiler.
fn llvm_version() -> anyhow::Result<String> {
    let output =
        Command::new("rustc").args(["--version", "--verbose"]).output().context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.lines().find_map(|line| line.strip_prefix("LLVM version: "));
    let version = version.and_then(|version| version.split('.').next());
    Ok(version.context("rustc names no version of LLVM")?.to_owned())
}

fn answers(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn install(version: &str) -> anyhow::Result<()> {
    if !process::cargo().args(["llvm-cov", "--version"]).output().is_ok_and(|output| output.status.success())
    {
        let mut cargo = process::cargo();
        process::must_succeed(
            "cargo install cargo-llvm-cov",
            cargo.args(["install", "--locked", "cargo-llvm-cov"]),
        )?;
    }
    if !answers(&format!("llvm-profdata-{version}")) {
        let package = format!("llvm-{version}");
        let mut apt = Command::new("apt-get");
        let what = "installing LLVM (as root)";
        process::must_succeed(what, apt.args(["install", "--yes", "--no-install-recommends", &package]))?;
    }
    Ok(())
}
