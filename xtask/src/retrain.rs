//! `cargo xtask retrain`: the command `retrain` of the program `convgru-bench`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::bench;

pub(crate) const ABOUT: &str =
    "Train a network twice, by convgru and by PyTorch (Python, installed by onnx --install --torch)";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    bench::run(&[&["retrain".into()], arguments].concat())
}
