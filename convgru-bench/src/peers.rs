//! Where the other libraries are: their programs in the source, and what is installed.

use std::path::{Path, PathBuf};

/// The folder of this crate's peers in the source.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// Where peers are installed.
pub(crate) fn installed_at() -> PathBuf {
    match std::env::var_os("CONVGRU_PEERS") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers"),
    }
}

/// Where cargo puts the Rust peers.
pub(crate) fn rust_programs(installed: &Path) -> PathBuf {
    installed.join("rust").join("release")
}
