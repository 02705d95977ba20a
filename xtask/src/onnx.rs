//! `cargo xtask onnx`: the command `onnx` of the program `convgru-bench`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::{bench, process};

pub(crate) const ABOUT: &str = "Compare exported networks with ONNX Runtime (Python, installed by --install)";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    bench::run(&[&["onnx".into()], arguments].concat())
}

/// Whether the Python environment is where the command makes it.
pub(crate) fn is_installed() -> bool {
    let chosen = std::env::var_os("CONVGRU_ONNX_PYTHON").map(Into::into);
    chosen.unwrap_or_else(|| process::root().join("target").join("onnx-python")).is_dir()
}
