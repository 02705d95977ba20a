//! `cargo xtask nowcasts`: the command `nowcasts` of the program `convgru-bench`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::bench;

pub(crate) const ABOUT: &str = "Compare extrapolation of rain with pysteps (Python, installed by --install)";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    bench::run(&[&["nowcasts".into()], arguments].concat())
}
