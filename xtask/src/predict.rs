//! `cargo xtask predict`: the command `predict` of the program `convgru`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::process;

pub(crate) const ABOUT: &str = "Continue your own frames with a trained model";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    process::convgru("predict", arguments)
}
