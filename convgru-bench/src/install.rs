//! Installing the other libraries.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::engines::RUST_PEERS;
use crate::peers;
use crate::progress::note;
use crate::python::{self, start};

/// Installs everything that is not there yet; Rust peers may fail one by one.
pub(crate) fn run() -> anyhow::Result<()> {
    let installed = peers::installed_at();
    fs::create_dir_all(&installed).with_context(|| format!("cannot make {}", installed.display()))?;
    let installed = installed.canonicalize()?;
    note(&format!("installing into {}", installed.display()));
    python::install(python::ENGINES)?;
    python::install(python::MLCAST)?;
    let failed: Vec<_> = RUST_PEERS
        .iter()
        .filter_map(|peer| {
            rust_peer(&installed, peer.name).err().map(|error| format!("{}: {error:#}", peer.name))
        })
        .collect();
    if !failed.is_empty() {
        note(&format!("not built, and left out of comparisons:\n  {}", failed.join("\n  ")));
    }
    note("installed; `cargo xtask bench --peers` compares");
    Ok(())
}

/// Builds a package of `peers/rust`.
fn rust_peer(installed: &Path, name: &str) -> anyhow::Result<()> {
    note(&format!("Rust: {name}"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = peers::sources().join("rust").join("Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--locked", "--package", &format!("peer-{name}"), "--manifest-path"]);
    // The libraries are built for the machine they run on, as their guides recommend.
    command
        .arg(manifest)
        .arg("--target-dir")
        .arg(installed.join("rust"))
        .env("RUSTFLAGS", "-C target-cpu=native");
    start(&mut command)
}
