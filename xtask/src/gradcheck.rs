//! `cargo xtask gradcheck`: the command `gradcheck` of the program `convgru`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::process;

pub(crate) const ABOUT: &str = "Prove every backward pass against dual numbers and differences";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    process::convgru("gradcheck", arguments)
}
