//! Whether commands of convgru-bench find their Python packages.

use crate::process;

/// Whether the packages of a name are installed: the file that `convgru-bench/src/python.rs` writes is there.
pub(crate) fn is_installed(packages: &str) -> bool {
    let chosen = std::env::var_os("CONVGRU_PEERS").map(Into::into);
    let peers = chosen.unwrap_or_else(|| process::root().join("target").join("peers"));
    peers.join("python").join(format!("{packages}.installed")).is_file()
}
