//! Memory of runs whose data are larger than it: `cargo xtask data-memory`.

mod measured;
mod store;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use clap::Args;
use convgru_train::interrupt::Interrupt;
use serde::Serialize;

use self::measured::Measured;
use crate::progress::{note, print};

const EXAMPLES: &str = "\
Examples:
  cargo xtask data-memory                6 GB, about 0.2 GB on the disk
  cargo xtask data-memory --gigabytes 1

Linux alone tells the peak of a process while it runs.";

/// MiB that a process may take besides the budget for reading: program, network, a batch forward and backward, threads.
const ALLOWANCE_MIB: u64 = 256;
/// MiB for reading, besides the default.
const SMALL_MIB: u64 = 256;
/// The default of `data.memory_mib` and `--memory-mib`.
const DEFAULT_MIB: u64 = 4096;

/// A small network for frames of 512 x 512 pixels, and few sequences that lie far apart in the store.
const NETWORK: &str = r#"
name = "large"
[data]
source = "frames"
input_frames = 4
output_frames = 4
train_sequences = 8
validation_sequences = 2
test_sequences = 8
[data.frames]
variable = "rain"
stride = 37
[model]
patch = 8
hidden_channels = [8]
output_activation = "sigmoid"
[training]
steps = 4
batch_size = 2
"#;

/// Makes a store of Zarr that is larger than the memory that reading may take, runs train, eval and predict of the program `convgru` on it, with
/// memory_mib = 256 and with the default, and prints peak memory and seconds of each; exit code 1 where a peak is above the budget and 256 MiB
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, override_usage = "cargo xtask data-memory [OPTIONS]")]
pub(crate) struct DataMemoryOptions {
    /// Gigabytes of the numbers
    #[arg(long, value_name = "GB", default_value_t = 6.0)]
    gigabytes: f64,
    /// Folder for the store while the command runs [default: the folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    within: Option<PathBuf>,
    /// The program `convgru`; by default the one beside this program
    #[arg(long, value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// Print a list of {command, memory_mib, peak_mib, allowed_mib, seconds} and nothing else
    #[arg(long)]
    json: bool,
}

/// A command that ran.
#[derive(Debug, Serialize)]
struct Row {
    command: &'static str,
    memory_mib: u64,
    peak_mib: u64,
    /// The budget and what a process may take besides.
    allowed_mib: u64,
    seconds: f64,
}

/// Makes the store, measures, and deletes it, also after a signal.
pub(crate) fn run(options: &DataMemoryOptions) -> anyhow::Result<()> {
    anyhow::ensure!(
        (0.05..=100.0).contains(&options.gigabytes),
        "--gigabytes {}: from 0.05 to 100",
        options.gigabytes
    );
    anyhow::ensure!(
        measured::is_possible(),
        "this system does not tell the peak memory of a process; Linux does"
    );
    let program = options
        .program
        .clone()
        .map_or_else(|| std::env::current_exe().map(|own| own.with_file_name("convgru")), Ok)?;
    let program = program
        .canonicalize()
        .with_context(|| format!("no program {}; build it or name it by --program", program.display()))?;
    let interrupt = Interrupt::on_signals()?;
    let within = options.within.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new().prefix("data-memory-").tempdir_in(&within);
    let folder = folder.with_context(|| format!("cannot make a folder in {}", within.display()))?;
    let rows = measure(options, &program, folder.path(), &interrupt);
    folder.close().context("cannot delete the store")?;
    let rows = rows?;
    print(&if options.json { serde_json::to_string(&rows)? } else { table(&rows) });
    verdict(&rows)
}

fn measure(
    options: &DataMemoryOptions,
    program: &Path,
    folder: &Path,
    interrupt: &Interrupt,
) -> anyhow::Result<Vec<Row>> {
    let store = folder.join("rain.zarr");
    let frames = store::frames_of((options.gigabytes * 1e9) as u64);
    let bytes = store::write(&store, frames)?;
    note(&format!("{frames} frames of 512 x 512 pixels, {:.2} GB on the disk", bytes as f64 / 1e9));
    let range = format!("data.frames.range=[0.0,{:.1}]", store::HIGHEST);
    std::fs::write(folder.join("large.toml"), NETWORK).context("cannot write large.toml")?;
    let mut rows = Vec::new();
    for budget in [SMALL_MIB, DEFAULT_MIB] {
        let out = format!("runs-{budget}");
        let mib = budget.to_string();
        let data = format!("data.memory_mib={budget}");
        let run = format!("{out}/large");
        let train = [
            "train",
            "--config",
            "large.toml",
            "--data",
            "rain.zarr",
            "--set",
            &range,
            "--set",
            &data,
            "--out",
            &out,
        ];
        let eval = ["eval", "--checkpoint", &run, "--data", "rain.zarr", "--memory-mib", &mib];
        let predict = [
            "predict",
            "--checkpoint",
            &run,
            "--input",
            "rain.zarr",
            "--frames",
            "4",
            "--memory-mib",
            &mib,
            "--out",
            "next.nc",
        ];
        for (name, arguments) in [("train", &train[..]), ("eval", &eval), ("predict", &predict)] {
            let mut command = Command::new(program);
            command.args(arguments).current_dir(folder);
            let Measured { peak, seconds } = measured::run(&mut command, interrupt)?;
            let row = Row {
                command: name,
                memory_mib: budget,
                peak_mib: peak.div_ceil(1 << 20),
                allowed_mib: budget + ALLOWANCE_MIB,
                seconds,
            };
            note(&format!("{name} with {budget} MiB: {} MiB, {:.1} s", row.peak_mib, row.seconds));
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Fails if a signal came.
fn expect_no_signal(interrupt: &Interrupt) -> anyhow::Result<()> {
    match interrupt.raised() {
        Some(signal) => anyhow::bail!("{}", signal.name()),
        None => Ok::<(), anyhow::Error>(()),
    }
    .context("the store is deleted")
}

fn table(rows: &[Row]) -> String {
    let mut lines = vec![format!(
        "{:<8} {:>10} {:>9} {:>12} {:>8}",
        "command", "budget MiB", "peak MiB", "allowed MiB", "seconds"
    )];
    lines.extend(rows.iter().map(|row| {
        format!(
            "{:<8} {:>10} {:>9} {:>12} {:>8.1}",
            row.command, row.memory_mib, row.peak_mib, row.allowed_mib, row.seconds
        )
    }));
    lines.join("\n")
}

fn verdict(rows: &[Row]) -> anyhow::Result<()> {
    anyhow::ensure!(!rows.is_empty(), "nothing was measured");
    let above: Vec<String> = rows
        .iter()
        .filter(|row| row.peak_mib > row.allowed_mib)
        .map(|row| format!("{} with {} MiB took {} MiB", row.command, row.memory_mib, row.peak_mib))
        .collect();
    anyhow::ensure!(above.is_empty(), "above the budget and {ALLOWANCE_MIB} MiB: {}", above.join("; "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use convgru_train::interrupt::Signal;

    use super::*;

    #[test]
    fn one_peak_above_the_budget_fails() {
        let row =
            |peak_mib| Row { command: "eval", memory_mib: 256, peak_mib, allowed_mib: 512, seconds: 1.0 };
        assert!(verdict(&[row(512)]).is_ok() && verdict(&[]).is_err());
        let error = verdict(&[row(100), row(513)]).unwrap_err().to_string();
        assert!(error.contains("eval with 256 MiB took 513 MiB"), "{error}");
    }

    #[test]
    fn a_signal_is_an_error() {
        let interrupt = Interrupt::manual();
        assert!(expect_no_signal(&interrupt).is_ok());
        interrupt.raise(Signal::Terminate);
        assert!(format!("{:#}", expect_no_signal(&interrupt).unwrap_err()).contains("SIGTERM"));
    }
}
