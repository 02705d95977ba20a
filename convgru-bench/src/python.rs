//! Python environments with pinned packages, each in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::engines;
use crate::install::{self, start};
use crate::progress::note;

/// An environment, and the command that uses it.
pub(crate) struct Environment {
    /// Its folder in `target/`.
    folder: &'static str,
    /// The variable that names another folder.
    variable: &'static str,
    /// What is typed to use it; with `--install` it makes it.
    command: &'static str,
}

/// ONNX and ONNX Runtime, with `--torch` PyTorch.
pub(crate) const ONNX: Environment =
    Environment { folder: "onnx-python", variable: "CONVGRU_ONNX_PYTHON", command: "cargo xtask onnx" };

/// The library pysteps.
pub(crate) const PYSTEPS: Environment = Environment {
    folder: "pysteps-python",
    variable: "CONVGRU_PYSTEPS_PYTHON",
    command: "cargo xtask compare-pysteps",
};

impl Environment {
    /// The interpreter that was asked for, or that of the environment.
    pub(crate) fn interpreter(&self, chosen: Option<&Path>) -> anyhow::Result<PathBuf> {
        if let Some(chosen) = chosen {
            return Ok(chosen.to_path_buf());
        }
        let python = self.program();
        anyhow::ensure!(
            python.exists(),
            "no Python environment in {}; make one with `{} --install`",
            self.path().display(),
            self.command
        );
        Ok(python)
    }

    /// Makes it with the packages of files in `peers/python/requirements/`, and loads some modules.
    pub(crate) fn install(&self, requirements: &[&str], modules: &str) -> anyhow::Result<()> {
        let path = self.path();
        note(&format!("installing into {}", path.display()));
        let python = self.program();
        if !python.exists() {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
            }
            start(Command::new(install::interpreter()?).args(["-m", "venv"]).arg(&path))?;
        }
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--disable-pip-version-check"]);
        for file in requirements {
            pip.arg("--requirement").arg(script(&format!("requirements/{file}")));
        }
        start(&mut pip)?;
        start(Command::new(&python).args(["-c", &format!("import {modules}")]))
            .with_context(|| format!("of {modules} one was installed and cannot be loaded"))?;
        note(&format!("installed; `{}` compares", self.command));
        Ok(())
    }

    fn path(&self) -> PathBuf {
        match std::env::var_os(self.variable) {
            Some(folder) => folder.into(),
            None => {
                let here = Path::new(env!("CARGO_MANIFEST_DIR"));
                here.parent().unwrap_or(here).join("target").join(self.folder)
            }
        }
    }

    fn program(&self) -> PathBuf {
        self.path().join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
    }
}

/// A file in `peers/python/`.
pub(crate) fn script(name: &str) -> PathBuf {
    engines::sources().join("python").join(name)
}

/// A script with the folder that it works on; it leaves nothing behind in the source.
pub(crate) fn command(python: &Path, name: &str, folder: &Path) -> Command {
    let mut command = Command::new(python);
    command.arg(script(name)).arg(folder).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
