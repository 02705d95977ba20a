//! `cargo xtask eval`: the command `eval` of the program `convgru`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::process;

pub(crate) const ABOUT: &str = "Measure a trained model on test sequences";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    process::convgru("eval", arguments)
}
