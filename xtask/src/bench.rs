//! `cargo xtask bench`: the program `convgru-bench`.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;

use crate::process;

pub(crate) const ABOUT: &str = "Compare with other libraries, or measure convgru alone";

/// Builds the program with optimisation and passes arguments and exit code on; it has the help.
pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let program = |command: &[&str]| {
        let mut cargo = process::cargo();
        cargo.args(command).args(["--release", "--package", "convgru-bench", "--bin", "convgru-bench"]);
        cargo.arg("--manifest-path").arg(process::root().join("Cargo.toml"));
        cargo
    };
    let no_cargo = "cannot start cargo; is it on the PATH?";
    // Cargo shows how the building goes, and is quiet about starting what it built.
    if !program(&["build"]).status().context(no_cargo)?.success() {
        return Ok(ExitCode::FAILURE);
    }
    let status = program(&["run", "--quiet"]).arg("--").args(arguments).status().context(no_cargo)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
