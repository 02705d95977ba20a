//! Installing the other libraries.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::engines::{self, RUST_PEERS};
use crate::progress::note;

/// Interpreters to look for, the preferred first.
const PYTHONS: [&str; 6] = ["python3.12", "python3.11", "python3.13", "python3.10", "python3", "python"];

/// The oldest Python the scripts run on.
const OLDEST: &str = "3.10";

/// What was installed, to tell whether it has to be done again.
const MARKER: &str = "installed-requirements.txt";

/// Installs everything that is not there yet; Rust peers may fail one by one.
pub(crate) fn run() -> anyhow::Result<()> {
    let installed = engines::installed_at();
    fs::create_dir_all(&installed).with_context(|| format!("cannot make {}", installed.display()))?;
    let installed = installed.canonicalize()?;
    note(&format!("installing into {}", installed.display()));
    python_peers(&installed)?;
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

fn python_peers(installed: &Path) -> anyhow::Result<()> {
    let requirements = engines::sources().join("python").join("requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let marker = installed.join(MARKER);
    let python = engines::python(installed);
    if python.exists() && fs::read_to_string(&marker).is_ok_and(|there| there == wanted) {
        note("Python: already installed");
        return Ok(());
    }
    note(
        "Python: downloads about 3 GB and takes 7 GB and some minutes; PyTorch's GPU libraries are most of it",
    );
    if !python.exists() {
        let base = interpreter()?;
        start(Command::new(base).args(["-m", "venv"]).arg(installed.join("venv")))?;
    }
    let pip = [OsStr::new("-m"), "pip".as_ref(), "install".as_ref(), "--requirement".as_ref()];
    start(Command::new(&python).args(pip).arg(&requirements))?;
    for module in ["torch", "onnx", "onnxruntime", "openvino", "jax"] {
        start(Command::new(&python).args(["-c", &format!("import {module}")]))
            .with_context(|| format!("{module} was installed and cannot be loaded"))?;
    }
    fs::write(&marker, wanted).with_context(|| format!("cannot write {}", marker.display()))
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
