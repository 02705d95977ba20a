//! Files as other libraries read them: `cargo xtask check-readers`.

mod comparison;
mod drawn;
mod tally;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::Context;
use clap::{Args, ValueEnum};

use self::comparison::{Comparison, compare};
use self::drawn::Line;
use self::tally::Tally;
use crate::progress::{note, print};
use crate::python;

const EXAMPLES: &str = "\
Examples:
  cargo xtask check-readers --install            once: a Python environment with the reference libraries
  cargo xtask check-readers                      40 files of every kind
  cargo xtask check-readers --draws 1000 --seed 7
  cargo xtask check-readers --kind zarr --seed 7 --first 123 --draws 1    one draw again

The packages are installed into target/peers/python, or into the folder python of CONVGRU_PEERS.";

/// Draws files at random, reads them by convgru and by the library that is the reference of their format, and compares every number: equal bit
/// for bit (of GRIB within one rounding), or refused for a reason that is documented; exit code 1 where a file is read otherwise, or refused
/// though it should be read
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, override_usage = "cargo xtask check-readers [OPTIONS]")]
pub(crate) struct ReadersOptions {
    /// Make the Python environment; goes on where it was stopped
    #[arg(long)]
    install: bool,
    /// Files of each kind
    #[arg(long, value_name = "N", default_value_t = 40)]
    draws: usize,
    /// What the draws depend on, with their kind and number
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// The number of the first draw
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    first: usize,
    /// Only this kind (repeatable); all by default
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<Kind>,
    /// Where files that are read otherwise are kept
    #[arg(long, value_name = "FOLDER", default_value = "check-readers-failed")]
    keep: PathBuf,
    /// An interpreter that has the packages already, in place of our environment
    #[arg(long, value_name = "PROGRAM", conflicts_with = "install")]
    python: Option<PathBuf>,
    /// Print a list of {kind, drawn, equal, refused, reasons, failed, unwritten, absent} and nothing else
    #[arg(long)]
    json: bool,
}

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Layouts, filters, types and indices of HDF5; the reference is h5py
    Hdf5,
    /// Classic netCDF with attributes of the conventions; the references are netCDF4 and xarray
    Netcdf3,
    /// netCDF-4 with attributes of the conventions; the references are netCDF4 and xarray
    Netcdf4,
    /// Stores of Zarr, versions 2 and 3; the references are zarr and xarray
    Zarr,
    /// Messages of GRIB; the reference is ecCodes
    Grib,
    /// `.npy` and `.npz`; the reference is NumPy
    Numpy,
}

impl Kind {
    /// The name that the script has for it.
    fn name(self) -> String {
        self.to_possible_value().map(|own| own.get_name().to_owned()).unwrap_or_default()
    }
}

/// Installs or compares.
pub(crate) fn run(options: &ReadersOptions) -> anyhow::Result<()> {
    if options.install {
        python::install(python::READERS)?;
        note("installed; `cargo xtask check-readers` compares");
        return Ok(());
    }
    anyhow::ensure!(options.draws > 0, "--draws 0: one file of each kind at least");
    let python = python::interpreter(options.python.as_deref(), python::READERS)?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let kinds = if options.kinds.is_empty() { Kind::value_variants() } else { &options.kinds[..] };
    let mut tallies: Vec<Tally> = kinds.iter().map(|kind| Tally::new(kind.name())).collect();
    let mut drawing = started(&python, folder.path(), kinds, options)?;
    let output = drawing.stdout.take().context("no pipe to draw_files.py")?;
    // A panic is a finding, which is told with its file.
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let compared = BufReader::new(output).lines().try_for_each(|line| {
        let line = line.context("draw_files.py writes no UTF-8")?;
        let line = serde_json::from_str(&line).with_context(|| format!("draw_files.py wrote: {line}"))?;
        one(&line, folder.path(), options, &mut tallies)
    });
    std::panic::set_hook(quiet);
    if compared.is_err() {
        drop(drawing.kill());
    }
    let status = drawing.wait().context("cannot wait for draw_files.py")?;
    compared?;
    anyhow::ensure!(status.success(), "draw_files.py failed ({status})");
    print(&if options.json { serde_json::to_string(&tallies)? } else { tally::table(&tallies) });
    tally::verdict(&tallies)
}

/// The script that draws, with its answers on a pipe.
fn started(python: &Path, folder: &Path, kinds: &[Kind], options: &ReadersOptions) -> anyhow::Result<Child> {
    let names: Vec<String> = kinds.iter().map(|kind| kind.name()).collect();
    let mut command = python::command(python, "draw_files.py", folder);
    command.arg(names.join(","));
    command.args([options.first as u64, options.draws as u64, options.seed].map(|number| number.to_string()));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command.spawn().with_context(|| format!("cannot start {}", python.display()))
}

/// Takes note of a draw; files that fail are kept, others deleted.
fn one(line: &Line, folder: &Path, options: &ReadersOptions, tallies: &mut [Tally]) -> anyhow::Result<()> {
    let tally = tallies.iter_mut().find(|tally| tally.kind == line.kind);
    let tally = tally.with_context(|| format!("draw_files.py wrote of the kind {}", line.kind))?;
    if let Some(reason) = &line.absent {
        tally.absent = Some(reason.clone());
        return Ok(());
    }
    tally.drawn += 1;
    if line.skipped.is_some() {
        tally.unwritten += 1;
        return Ok(());
    }
    match compare(line, folder)? {
        Comparison::Equal => tally.equal += 1,
        Comparison::Refused(reason) => tally.refuse(reason),
        Comparison::Failed(difference) => {
            let kept = drawn::keep(line, folder, &options.keep)?;
            let again =
                format!("--kind {} --seed {} --first {} --draws 1", line.kind, options.seed, line.number);
            let told = format!("{}: {difference} ({again}; {})", kept.display(), line.described);
            note(&format!("FAILED {told}"));
            tally.failed.push(told);
        }
    }
    drawn::delete(line, folder)
}
