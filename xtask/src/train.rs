//! `cargo xtask train`: the command `train` of the program `convgru`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::process;

pub(crate) const ABOUT: &str =
    "Train a model; without arguments on moving digits it draws itself, in under three minutes";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    process::convgru("train", arguments)
}
