//! Exported networks in ONNX Runtime, compared with ours: `cargo xtask onnx`.

mod networks;
mod raft_update;
mod recurrent;
mod written;

use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::progress::{note, print};
use crate::python;

/// The largest difference of a number that is accepted, `f32` to `f32`; where an output has numbers beyond 1,
/// as a part of the largest of them.
const TOLERANCE: f64 = 1e-5;

const EXAMPLES: &str = "\
Examples:
  cargo xtask onnx --install     once: a Python environment with ONNX and ONNX Runtime
  cargo xtask onnx
  cargo xtask onnx --install --torch
  cargo xtask onnx --torch       besides, our weights in python/convgru_torch.py, torch.nn.GRU and mlcast

The packages are installed into target/peers/python, or into the folder python of CONVGRU_PEERS.";

/// Exports random networks, checks the files with ONNX, runs them in ONNX Runtime at two sizes and
/// compares with our own results; exit code 1 where a number differs by more than 1e-5,
/// in outputs with numbers beyond 1 by more than 1e-5 of the largest of them
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, override_usage = "cargo xtask onnx [OPTIONS]")]
pub(crate) struct OnnxOptions {
    /// Make the Python environment; goes on where it was stopped
    #[arg(long)]
    install: bool,
    /// With PyTorch and mlcast too, which load our safetensors (with --install: some GB)
    #[arg(long)]
    torch: bool,
    /// An interpreter that has the packages already, in place of our environment
    #[arg(long, value_name = "PROGRAM", conflicts_with = "install")]
    python: Option<std::path::PathBuf>,
    /// Print a list of {network, form, nodes, sizes, largest_difference, passed} and nothing else
    #[arg(long)]
    json: bool,
}

impl OnnxOptions {
    /// The interpreter that has every package the scripts load.
    fn interpreter(&self) -> anyhow::Result<std::path::PathBuf> {
        if self.torch {
            python::interpreter(self.python.as_deref(), python::PYTORCH)?;
        }
        python::interpreter(self.python.as_deref(), python::ONNX)
    }
}

/// What a script says about one file or more of a network.
#[derive(Debug, Deserialize)]
struct Measured {
    network: String,
    form: String,
    nodes: Option<usize>,
    sizes: Vec<String>,
    largest_difference: f64,
}

/// The same with a verdict.
#[derive(Debug, Serialize)]
struct Row {
    network: String,
    form: String,
    nodes: Option<usize>,
    sizes: Vec<String>,
    largest_difference: f64,
    passed: bool,
}

impl From<Measured> for Row {
    fn from(measured: Measured) -> Self {
        let Measured { network, form, nodes, sizes, largest_difference } = measured;
        // A difference that is no number has not passed.
        let passed = largest_difference <= TOLERANCE;
        Self { network, form, nodes, sizes, largest_difference, passed }
    }
}

/// Installs or compares.
pub(crate) fn run(options: &OnnxOptions) -> anyhow::Result<()> {
    if options.install {
        return install(options.torch);
    }
    let python = options.interpreter()?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    written::write(&networks::all()?, folder.path())?;
    let scripts: &[&str] =
        if options.torch { &["onnx_check.py", "torch_check.py"] } else { &["onnx_check.py"] };
    let mut rows = Vec::new();
    for script in scripts {
        for line in written_by(&python, script, folder.path())?.lines() {
            let measured: Measured =
                serde_json::from_str(line).with_context(|| format!("{script} wrote: {line}"))?;
            rows.push(Row::from(measured));
        }
    }
    if options.json {
        print(&serde_json::to_string(&rows)?);
    } else {
        print(&table(&rows));
    }
    verdict(&rows)
}

fn install(torch: bool) -> anyhow::Result<()> {
    python::install(python::ONNX)?;
    if torch {
        python::install(python::PYTORCH)?;
        python::install(python::MLCAST)?;
    }
    note("installed; `cargo xtask onnx` compares");
    Ok(())
}

/// What a script writes about the files of a folder.
fn written_by(python: &Path, script: &str, folder: &Path) -> anyhow::Result<String> {
    let mut command = python::command(python, script, folder);
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("cannot start {}", python.display()))?;
    let hint = "a package that is missing is installed by `cargo xtask onnx --install`, PyTorch with --torch";
    anyhow::ensure!(output.status.success(), "{script} failed ({}); {hint}", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{script} writes no UTF-8"))
}

fn table(rows: &[Row]) -> String {
    let width = |cell: fn(&Row) -> &str| rows.iter().map(|row| cell(row).len()).max().unwrap_or(0).max(7);
    let (network, form) = (width(|row| &row.network), width(|row| &row.form));
    let mut text = format!("{:network$}  {:form$}  nodes  difference  T x N x C x H x W", "network", "form");
    for row in rows {
        let failed = if row.passed { "" } else { "  FAILED" };
        text += &format!(
            "\n{:network$}  {:form$}  {:>5}  {:>10.1e}  {}{failed}",
            row.network,
            row.form,
            row.nodes.map_or("-".to_owned(), |nodes| nodes.to_string()),
            row.largest_difference,
            row.sizes.join(", ")
        );
    }
    text
}

fn verdict(rows: &[Row]) -> anyhow::Result<()> {
    let failed = rows.iter().filter(|row| !row.passed).count();
    anyhow::ensure!(!rows.is_empty(), "the scripts compared nothing");
    anyhow::ensure!(failed == 0, "{failed} of {} differ by more than {TOLERANCE:e}", rows.len());
    let largest = rows.iter().map(|row| row.largest_difference).fold(0.0, f64::max);
    note(&format!("{} comparisons, largest difference {largest:.1e}, accepted {TOLERANCE:e}", rows.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(largest_difference: f64) -> Row {
        let text = |text: &str| text.to_owned();
        let measured = Measured {
            network: text("a"),
            form: text("step"),
            nodes: Some(9),
            sizes: vec![],
            largest_difference,
        };
        Row::from(measured)
    }

    #[test]
    fn one_difference_too_large_fails_and_so_does_nothing() {
        assert!(verdict(&[row(1e-7), row(0.0)]).is_ok());
        let error = verdict(&[row(1e-7), row(2e-5)]).unwrap_err().to_string();
        assert!(error.contains("1 of 2 differ"), "{error}");
        assert!(verdict(&[row(f64::NAN)]).is_err());
        assert!(verdict(&[]).is_err());
        assert!(table(&[row(2e-5)]).contains("FAILED"));
    }
}
