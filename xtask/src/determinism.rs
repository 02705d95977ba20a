//! `cargo xtask determinism`: the command `determinism` of the program `convgru-bench`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::{bench, process};

pub(crate) const ABOUT: &str = "Compare bits over threads, repeats, builds and instruction sets";

/// Builds both programs twice, with optimisation and with checks, and passes arguments on.
pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut all = vec![OsString::from("determinism")];
    if !arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        process::build_programs(&["--release"])?;
        process::build_programs(&[])?;
        all.extend(["--checked".into(), process::target().join("debug").into()]);
    }
    all.extend_from_slice(arguments);
    bench::run(&all)
}
