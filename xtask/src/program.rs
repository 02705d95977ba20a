//! The programs of the workspace that commands start.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::process::{cargo, must_succeed, root};

/// A program: its package and its name.
pub(crate) struct Program {
    package: &'static str,
    name: &'static str,
}

/// What users run.
pub(crate) const CONVGRU: Program = Program { package: "convgru-train", name: "convgru" };

/// What verifies and measures.
pub(crate) const BENCH: Program = Program { package: "convgru-bench", name: "convgru-bench" };

/// Builds all programs with optimisation, beside each other.
pub(crate) fn build_all() -> anyhow::Result<()> {
    let mut cargo = cargo();
    cargo.args(["build", "--release", "--package", CONVGRU.package, "--package", BENCH.package, "--bins"]);
    must_succeed("building convgru", &mut cargo)
}

impl Program {
    /// Builds the program with optimisation and becomes it, in the caller's folder.
    pub(crate) fn run(&self, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
        // Cargo shows how the building goes, and is quiet about starting what it built.
        if !self.cargo(&["build"]).status().context(NO_CARGO)?.success() {
            return Ok(ExitCode::FAILURE);
        }
        let mut cargo = self.cargo(&["run", "--quiet"]);
        // Hints the program prints name the command that was typed.
        cargo.env("CONVGRU_PROGRAM", "cargo xtask").arg("--").args(arguments);
        replace_with(&mut cargo).context(NO_CARGO)
    }

    fn cargo(&self, command: &[&str]) -> Command {
        let mut cargo = cargo();
        cargo.args(command).args(["--release", "--package", self.package, "--bin", self.name]);
        cargo.arg("--manifest-path").arg(root().join("Cargo.toml"));
        cargo
    }
}

const NO_CARGO: &str = "cannot start cargo; is it on the PATH?";

/// Becomes another program, so that signals reach it and its exit code is ours.
#[cfg(unix)]
fn replace_with(command: &mut Command) -> std::io::Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    Err(command.exec())
}

/// Runs another program and passes its exit code on.
#[cfg(not(unix))]
fn replace_with(command: &mut Command) -> std::io::Result<ExitCode> {
    let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
