//! `cargo xtask onnx`: the command `onnx` of the program `convgru-bench`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::bench;

pub(crate) const ABOUT: &str = "Compare exported networks with ONNX Runtime (Python, installed by --install)";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    bench::run(&[&["onnx".into()], arguments].concat())
}
