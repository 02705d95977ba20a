//! The Python environment of the comparison.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::engines;
use crate::install::{interpreter, start as must_start};
use crate::progress::note;

/// Where the environment is.
fn environment() -> PathBuf {
    match std::env::var_os("CONVGRU_ONNX_PYTHON") {
        Some(folder) => folder.into(),
        None => {
            let here = Path::new(env!("CARGO_MANIFEST_DIR"));
            here.parent().unwrap_or(here).join("target").join("onnx-python")
        }
    }
}

fn program(environment: &Path) -> PathBuf {
    environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

/// The interpreter that was asked for, or that of our environment.
pub(crate) fn find(chosen: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(chosen) = chosen {
        return Ok(chosen.to_path_buf());
    }
    let environment = environment();
    let python = program(&environment);
    anyhow::ensure!(
        python.exists(),
        "no Python environment in {}; make one with `cargo xtask onnx --install`",
        environment.display()
    );
    Ok(python)
}

/// Makes the environment with pinned packages.
pub(super) fn install(torch: bool) -> anyhow::Result<()> {
    let environment = environment();
    note(&format!("installing into {}", environment.display()));
    let python = program(&environment);
    if !python.exists() {
        if let Some(parent) = environment.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        must_start(Command::new(interpreter()?).args(["-m", "venv"]).arg(&environment))?;
    }
    let files: &[&str] = if torch { &["onnx.txt", "onnx_torch.txt"] } else { &["onnx.txt"] };
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--disable-pip-version-check"]);
    for file in files {
        pip.arg("--requirement").arg(script(&format!("requirements/{file}")));
    }
    must_start(&mut pip)?;
    let modules = if torch { "onnx, onnxruntime, torch, safetensors" } else { "onnx, onnxruntime" };
    must_start(Command::new(&python).args(["-c", &format!("import {modules}")]))
        .with_context(|| format!("of {modules} one was installed and cannot be loaded"))?;
    note("installed; `cargo xtask onnx` compares");
    Ok(())
}

fn script(name: &str) -> PathBuf {
    engines::sources().join("python").join(name)
}

/// What a script writes about the files of a folder.
pub(super) fn start(python: &Path, name: &str, folder: &Path) -> anyhow::Result<String> {
    let mut command = Command::new(python);
    command.arg(script(name)).arg(folder).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("cannot start {}", python.display()))?;
    let hint = "a package that is missing is installed by `cargo xtask onnx --install`, PyTorch with --torch";
    anyhow::ensure!(output.status.success(), "{name} failed ({}); {hint}", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{name} writes no UTF-8"))
}
