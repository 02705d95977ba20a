//! Installing the other libraries.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::engines::{self, RUST_PEERS};
use crate::progress::note;
use crate::python;

/// Interpreters to look for, the preferred first.
const PYTHONS: [&str; 6] = ["python3.12", "python3.11", "python3.13", "python3.10", "python3", "python"];

/// The oldest Python the scripts run on.
const OLDEST: &str = "3.10";

/// Installs everything that is not there yet; Rust peers may fail one by one.
pub(crate) fn run() -> anyhow::Result<()> {
    let installed = engines::installed_at();
    fs::create_dir_all(&installed).with_context(|| format!("cannot make {}", installed.display()))?;
    let installed = installed.canonicalize()?;
    note(&format!("installing into {}", installed.display()));
    python::install(python::ENGINES)?;
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

/// A Python that is new enough.
pub(crate) fn interpreter() -> anyhow::Result<&'static str> {
    let check = "import sys, venv; sys.exit(sys.version_info < (3, 10))";
    let new_enough = |name: &&str| {
        let mut command = Command::new(name);
        command.args(["-c", check]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    PYTHONS.into_iter().find(new_enough).with_context(|| {
        format!("no Python {OLDEST} or later with the module venv; looked for {}", PYTHONS.join(", "))
    })
}

/// Builds a package of `peers/rust`.
fn rust_peer(installed: &Path, name: &str) -> anyhow::Result<()> {
    note(&format!("Rust: {name}"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = engines::sources().join("rust").join("Cargo.toml");
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

/// Runs a program whose output goes to standard error.
pub(crate) fn start(command: &mut Command) -> anyhow::Result<()> {
    command.stdout(std::io::stderr());
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    anyhow::ensure!(status.success(), "failed ({status}): {name} {}", words.join(" "));
    Ok(())
}
