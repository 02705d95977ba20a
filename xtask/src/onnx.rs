//! Where `cargo xtask onnx` keeps its Python environment.

use crate::process;

/// Whether the Python environment is where the command makes it.
pub(crate) fn is_installed() -> bool {
    let chosen = std::env::var_os("CONVGRU_ONNX_PYTHON").map(Into::into);
    chosen.unwrap_or_else(|| process::root().join("target").join("onnx-python")).is_dir()
}
