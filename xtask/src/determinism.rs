//! `cargo xtask determinism`: the command `determinism` of the program `convgru-bench`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::process;
use crate::program::{self, BENCH};

/// Builds both programs with optimisation, and with checks as tests run them, and passes arguments on.
pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut all = vec![OsString::from("determinism")];
    if !arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        program::build_all()?;
        // Tests have other features of some crates: programs of their own would be another build of everything.
        let mut tests = process::cargo();
        process::must_succeed(
            "building with checks",
            tests.args(["test", "--workspace", "--no-run", "--quiet"]),
        )?;
        all.extend(["--checked".into(), process::target().join("debug").into()]);
    }
    all.extend_from_slice(arguments);
    BENCH.run(&all)
}
