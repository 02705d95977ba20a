//! Forecasts in files as others read them: `cargo xtask check-forecasts`.

mod cases;
mod picture;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::progress::{note, print};
use crate::python;

const EXAMPLES: &str = "\
Examples:
  cargo xtask check-forecasts --install     once: a Python environment with xarray and the checker
  cargo xtask check-forecasts
  cargo xtask check-forecasts nowcast.nc    files of yours, after the conventions
  cargo xtask check-forecasts --plot rain.png

The packages are installed into target/peers/python, or into the folder python of CONVGRU_PEERS.";

/// Writes forecasts of every kind as netCDF and as Zarr, opens them in xarray, compares numbers, times, coordinates and missing pixels, and checks those
/// in netCDF by compliance-checker after the CF conventions; exit code 1 where something differs or is an error; warnings are shown
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, override_usage = "cargo xtask check-forecasts [OPTIONS] [FILE.nc]...")]
pub(crate) struct ForecastsOptions {
    /// Make the Python environment; goes on where it was stopped
    #[arg(long)]
    install: bool,
    /// Check these files instead, after the conventions alone
    #[arg(value_name = "FILE.nc", conflicts_with = "install")]
    files: Vec<PathBuf>,
    /// Draw a forecast of radar images of the Finnish Meteorological Institute beside the observations, and print what xarray says about it;
    /// the images lie in radar-fmi/20160928 of CONVGRU_DATA (../shared/data unless set)
    #[arg(long, value_name = "FILE.png", conflicts_with_all = ["install", "files"])]
    plot: Option<PathBuf>,
    /// With --plot, the checkpoint that forecasts; optical flow by default
    #[arg(long, value_name = "FILE", requires = "plot")]
    checkpoint: Option<PathBuf>,
    /// An interpreter that has the packages already, in place of our environment
    #[arg(long, value_name = "PROGRAM", conflicts_with = "install")]
    python: Option<PathBuf>,
    /// Print a list of {file, differences, complaints} and nothing else
    #[arg(long)]
    json: bool,
}

/// What the script says about a file.
#[derive(Debug, Deserialize, Serialize)]
struct Checked {
    file: String,
    /// What xarray reads otherwise than it was meant.
    differences: Vec<String>,
    /// What the checker says.
    complaints: Vec<String>,
}

impl Checked {
    /// Whether something differs or is an error. Warnings of the checker, such as of an order of dimensions that the conventions recommend, are shown.
    fn has_failed(&self) -> bool {
        !self.differences.is_empty() || self.complaints.iter().any(|said| said.starts_with("error"))
    }
}

/// Installs or checks.
pub(crate) fn run(options: &ForecastsOptions) -> anyhow::Result<()> {
    if options.install {
        python::install(python::FORECASTS)?;
        note("installed; `cargo xtask check-forecasts` checks");
        return Ok(());
    }
    let python = python::interpreter(options.python.as_deref(), python::FORECASTS)?;
    if let Some(file) = &options.plot {
        match picture::event() {
            Some(event) => print(&picture::draw(&python, &event, options.checkpoint.as_deref(), file)?),
            None => note(
                "SKIPPED: the picture, for radar-fmi/20160928 is not there; set CONVGRU_DATA to the folder above it",
            ),
        }
    }
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let expected = if options.files.is_empty() {
        // Each in two forms.
        2 * cases::write(folder.path())?
    } else {
        copied(&options.files, folder.path())?;
        options.files.len()
    };
    let checked = checked(&python, folder.path())?;
    anyhow::ensure!(checked.len() == expected, "{} files of {expected} were checked", checked.len());
    print(&if options.json { serde_json::to_string(&checked)? } else { table(&checked) });
    verdict(&checked)
}

/// Copies files under numbers, since names may be alike.
fn copied(files: &[PathBuf], folder: &Path) -> anyhow::Result<()> {
    for (number, file) in files.iter().enumerate() {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let copy = folder.join(format!("{number:03} {stem}.nc"));
        std::fs::copy(file, copy).with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(())
}

fn checked(python: &Path, folder: &Path) -> anyhow::Result<Vec<Checked>> {
    let mut command = python::command(python, "check_forecasts.py", folder);
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("cannot start {}", python.display()))?;
    anyhow::ensure!(output.status.success(), "check_forecasts.py failed ({})", output.status);
    let text = String::from_utf8(output.stdout).context("check_forecasts.py writes no UTF-8")?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("it wrote: {line}"))).collect()
}

fn table(checked: &[Checked]) -> String {
    let width = checked.iter().map(|own| own.file.len()).max().unwrap_or(0);
    let line = |own: &Checked| {
        let said: Vec<&String> = own.differences.iter().chain(&own.complaints).collect();
        let verdict = if own.has_failed() { "FAILED" } else { "as it was meant, and after the conventions" };
        let said: String = said.iter().map(|said| format!("\n{:width$}    {said}", "")).collect();
        format!("{:width$}  {verdict}{said}", own.file)
    };
    checked.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn verdict(checked: &[Checked]) -> anyhow::Result<()> {
    let failed = checked.iter().filter(|own| own.has_failed()).count();
    anyhow::ensure!(!checked.is_empty(), "no file was checked");
    anyhow::ensure!(failed == 0, "{failed} of {} files differ or break the conventions", checked.len());
    note(&format!("{} files are read as they were meant, and follow the conventions", checked.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_complaint_fails_and_so_does_nothing() {
        let checked = |differences: &[&str], complaints: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            Checked { file: "a".into(), differences: texts(differences), complaints: texts(complaints) }
        };
        assert!(verdict(&[checked(&[], &[])]).is_ok());
        assert!(verdict(&[checked(&[], &[]), checked(&["unit: K"], &[])]).is_err());
        let complained = [checked(&[], &["error: no unit"])];
        assert!(verdict(&complained).is_err() && table(&complained).contains("no unit"));
        assert!(verdict(&[checked(&[], &["warning: an order"])]).is_ok());
        assert!(verdict(&[]).is_err());
    }

    #[test]
    fn every_case_is_written_with_what_it_means() {
        let folder = tempfile::tempdir().unwrap();
        let count = cases::write(folder.path()).unwrap();
        let files = |end: &str| {
            let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            names.filter(|path| path.extension().is_some_and(|own| own == end)).count()
        };
        assert!(count >= 9);
        assert_eq!(["nc", "zarr", "json", "f32"].map(files), [count; 4]);
    }
}
