//! Starting other programs.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;

/// The workspace this program was built from.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The cargo that started this program.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Builds `convgru` and `convgru-bench` with optimisation, beside each other.
pub(crate) fn build_programs() -> anyhow::Result<()> {
    let mut cargo = cargo();
    cargo.args(["build", "--release", "--package", "convgru-train", "--package", "convgru-bench", "--bins"]);
    must_succeed("building convgru", &mut cargo)
}

/// Builds the program `convgru` with optimisation and runs one of its commands in the
/// caller's folder.
pub(crate) fn convgru(command: &str, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    // Cargo shows how the building goes, and is quiet about starting what it built.
    let status = program(&["build"], command).status().context(NO_CARGO)?;
    if !status.success() {
        return Ok(ExitCode::FAILURE);
    }
    let mut cargo = program(&["run", "--quiet"], command);
    // Hints the program prints name the command that was typed.
    cargo.env("CONVGRU_PROGRAM", "cargo xtask");
    cargo.arg("--").arg(command).args(arguments);
    replace_with(&mut cargo).context(NO_CARGO)
}

const NO_CARGO: &str = "cannot start cargo; is it on the PATH?";

/// A command of cargo for the program `convgru`, with what its `command` needs.
fn program(cargo_command: &[&str], command: &str) -> Command {
    let mut cargo = cargo();
    cargo.args(cargo_command).args(["--release", "--package", "convgru-train", "--bin", "convgru"]);
    cargo.arg("--manifest-path").arg(root().join("Cargo.toml"));
    // The gradient checker is a quarter of the time it takes to build, and one command needs it.
    if command != "gradcheck" {
        cargo.args(["--no-default-features", "--features", "hdf5"]);
    }
    cargo
}

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

/// Runs a program to its end in the workspace; an error if it fails.
pub(crate) fn must_succeed(what: &str, command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .current_dir(root())
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    anyhow::ensure!(status.success(), "{what} failed ({status}): {}", line(command));
    Ok(())
}

/// A command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    format!("{} {}", command.get_program().to_string_lossy(), words.join(" "))
}

/// Prints to standard output; a closed pipe is no reason to fail.
pub(crate) fn say(text: &str) {
    drop(writeln!(std::io::stdout(), "{}", text.trim_end()));
}

/// Prints to standard error.
pub(crate) fn complain(text: &str) {
    drop(writeln!(std::io::stderr(), "{}", text.trim_end()));
}
