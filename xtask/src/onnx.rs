//! Whether `cargo xtask onnx` finds its Python packages.

use crate::process;

/// Whether the command has installed them: the file that `convgru-bench/src/python.rs` writes is there.
pub(crate) fn is_installed() -> bool {
    let chosen = std::env::var_os("CONVGRU_PEERS").map(Into::into);
    let peers = chosen.unwrap_or_else(|| process::root().join("target").join("peers"));
    peers.join("python").join("onnx.installed").is_file()
}
