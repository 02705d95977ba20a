//! The Python environment of every comparison with a Python library.
//!
//! There is one, in the folder `python` where the other libraries are installed ([`crate::peers::installed_at`]). Each command
//! installs the packages that it needs, at the versions of `peers/python/requirements.txt`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::peers;
use crate::progress::note;

/// Interpreters to look for, the preferred first.
const PYTHONS: [&str; 6] = ["python3.12", "python3.11", "python3.13", "python3.10", "python3", "python"];

/// The oldest Python the scripts run on.
const OLDEST: &str = "3.10";

/// Packages that a command needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packages {
    /// Its name; a file of this name in the environment says that the packages are there.
    name: &'static str,
    /// As `pip` calls them.
    packages: &'static [&'static str],
    /// The modules that are loaded after installation.
    modules: &'static str,
    /// The command that installs them.
    command: &'static str,
    /// Whether they are installed without the packages that they name, most of which the scripts do not load.
    alone: bool,
}

/// ONNX and ONNX Runtime.
pub(crate) const ONNX: Packages = Packages {
    name: "onnx",
    packages: &["onnx", "onnxruntime", "numpy"],
    modules: "onnx, onnxruntime",
    command: "cargo xtask onnx --install",
    alone: false,
};

/// PyTorch.
pub(crate) const PYTORCH: Packages = Packages {
    name: "pytorch",
    packages: &["torch", "setuptools", "safetensors", "numpy"],
    modules: "torch, safetensors",
    command: "cargo xtask compare-pytorch --install",
    alone: false,
};

/// mlcast, beside PyTorch.
pub(crate) const MLCAST: Packages = Packages {
    name: "mlcast",
    packages: &["mlcast", "beartype", "jaxtyping", "loguru"],
    modules: "mlcast.models.convgru, mlcast.losses",
    command: "cargo xtask compare-pytorch --install",
    alone: true,
};

/// The library pysteps.
pub(crate) const PYSTEPS: Packages = Packages {
    name: "pysteps",
    packages: &["pysteps", "opencv-python-headless", "numpy"],
    modules: "pysteps, cv2",
    command: "cargo xtask compare-pysteps --install",
    alone: false,
};

/// Readers of netCDF and Zarr, and the checker of the CF conventions.
pub(crate) const FORECASTS: Packages = Packages {
    name: "forecasts",
    packages: &["xarray", "netCDF4", "compliance-checker", "matplotlib", "numpy", "zarr"],
    modules: "xarray, netCDF4, compliance_checker.runner, matplotlib, zarr",
    command: "cargo xtask check-forecasts --install",
    alone: false,
};

/// Readers of every format that convgru reads.
pub(crate) const READERS: Packages = Packages {
    name: "readers",
    packages: &["h5py", "netCDF4", "xarray", "zarr", "eccodes", "eccodeslib", "numpy"],
    modules: "h5py, netCDF4, xarray, zarr, eccodes",
    command: "cargo xtask check-readers --install",
    alone: false,
};

/// The engines of benchmarks.
pub(crate) const ENGINES: Packages = Packages {
    name: "engines",
    packages: &[
        "torch",
        "setuptools",
        "onnx",
        "onnxruntime",
        "openvino",
        "ncnn",
        "pnnx",
        "MNN",
        "jax",
        "jaxlib",
        "numpy",
    ],
    modules: "torch, onnx, onnxruntime, openvino, ncnn, MNN, _tools, jax",
    command: "cargo xtask bench --install-peers",
    alone: false,
};

/// The interpreter that was asked for, or the environment's where it has the packages.
///
/// # Errors
/// With the command that installs the packages where they are absent or of other versions.
pub(crate) fn interpreter(chosen: Option<&Path>, needed: Packages) -> anyhow::Result<PathBuf> {
    if let Some(chosen) = chosen {
        return Ok(chosen.to_path_buf());
    }
    anyhow::ensure!(
        is_installed(needed),
        "the packages of `{}` are not installed in {} at the versions of today; `{}` installs them",
        needed.name,
        environment().display(),
        needed.command
    );
    Ok(program())
}

/// Whether packages are installed at the versions of `requirements.txt`.
pub(crate) fn is_installed(packages: Packages) -> bool {
    let there = fs::read_to_string(marker(packages));
    there.is_ok_and(|there| versions(packages).is_ok_and(|wanted| there == wanted))
}

/// Installs packages and loads their modules; makes the environment where there is none.
pub(crate) fn install(packages: Packages) -> anyhow::Result<()> {
    if is_installed(packages) {
        note(&format!("Python: the packages of `{}` are installed already", packages.name));
        return Ok(());
    }
    let folder = environment();
    note(&format!("Python: installing {} into {}", packages.packages.join(", "), folder.display()));
    if packages.packages.contains(&"torch") {
        note("PyTorch downloads about 3 GB and takes 7 GB; its GPU libraries are most of that");
    }
    if !program().exists() {
        let parent = folder.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        start(Command::new(base_interpreter()?).args(["-m", "venv"]).arg(&folder))?;
    }
    let mut pip = Command::new(program());
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--constraint"]);
    pip.arg(script("requirements.txt")).args(packages.alone.then_some("--no-deps"));
    start(pip.args(packages.packages))?;
    start(Command::new(program()).args(["-c", &format!("import {}", packages.modules)]))
        .with_context(|| format!("of {} one was installed and cannot be loaded", packages.modules))?;
    let marker = marker(packages);
    fs::write(&marker, versions(packages)?).with_context(|| format!("cannot write {}", marker.display()))
}

/// The environment's interpreter, whether it is there or not.
pub(crate) fn program() -> PathBuf {
    environment().join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

fn environment() -> PathBuf {
    peers::installed_at().join("python")
}

fn marker(packages: Packages) -> PathBuf {
    environment().join(format!("{}.installed", packages.name))
}

/// The lines of `requirements.txt` about some packages.
fn versions(packages: Packages) -> anyhow::Result<String> {
    let path = script("requirements.txt");
    let pins = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    packages.packages.iter().map(|package| pinned(&pins, package)).collect()
}

fn pinned(pins: &str, package: &str) -> anyhow::Result<String> {
    let line = pins.lines().find(|line| line.split_once("==").is_some_and(|(name, _)| name == package));
    Ok(format!("{}\n", line.with_context(|| format!("requirements.txt has no version of {package}"))?))
}

/// A file in `peers/python/`.
pub(crate) fn script(name: &str) -> PathBuf {
    peers::sources().join("python").join(name)
}

/// A script with the folder that it works on; it leaves nothing behind in the source.
pub(crate) fn command(python: &Path, name: &str, folder: &Path) -> Command {
    let mut command = Command::new(python);
    command.arg(script(name)).arg(folder).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A Python that is new enough.
fn base_interpreter() -> anyhow::Result<&'static str> {
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

/// Runs a program whose output goes to standard error.
pub(crate) fn start(command: &mut Command) -> anyhow::Result<()> {
    command.stdout(std::io::stderr());
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    anyhow::ensure!(status.success(), "failed ({status}): {name} {}", words.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_has_one_version() {
        let pins = fs::read_to_string(script("requirements.txt")).unwrap();
        for packages in [ONNX, PYTORCH, MLCAST, PYSTEPS, FORECASTS, READERS, ENGINES] {
            assert_eq!(versions(packages).unwrap().lines().count(), packages.packages.len());
            for package in packages.packages {
                let lines = pins.lines().filter(|line| line.starts_with(&format!("{package}==")));
                assert_eq!(lines.count(), 1, "{package}");
            }
        }
        assert!(pinned(&pins, "torc").is_err());
    }
}
