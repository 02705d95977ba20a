//! `cargo xtask parity`: the command `parity` of the program `convgru`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::process;

pub(crate) const ABOUT: &str = "Compare with recorded outputs and gradients of other implementations";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    process::convgru("parity", arguments)
}
