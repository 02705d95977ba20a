//! The commands `gradcheck` and `parity`.

use std::path::PathBuf;

use clap::{Args, value_parser};
use convgru_bench::parity::Row;
use convgru_bench::{gradcheck, parity};
use convgru_model::gradcheck::{DIFFERENCE_TOLERANCE, DUAL_TOLERANCE};
use convgru_train::printable::{escaped_json, escaped_lines};
use serde::Serialize;

use crate::progress;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask gradcheck
  cargo xtask gradcheck --draws 20 --seed 7 --json")]
pub(crate) struct GradcheckOptions {
    /// Draws of shapes and numbers for each case
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u64).range(1..=100_000))]
    draws: u64,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Checks every gradient and prints the table.
///
/// # Errors
/// If an error is larger than allowed, or a gradient that is broken on purpose passes.
pub(crate) fn gradcheck(options: &GradcheckOptions) -> anyhow::Result<()> {
    let report = gradcheck::run(&gradcheck::cases(), options.draws, options.seed);
    let text = format!(
        "{report}\nallowed: {DUAL_TOLERANCE:.0e} against dual numbers, {DIFFERENCE_TOLERANCE:.0e} against differences"
    );
    print(&text, options.json.then_some(&report))?;
    anyhow::ensure!(report.passed(), "a gradient differs, or a broken one was not noticed");
    Ok(())
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask parity
  cargo xtask parity --dir FOLDER --json")]
pub(crate) struct ParityOptions {
    /// Folder with the recorded values
    #[arg(long, value_name = "DIR", default_value = "convgru-bench/parity")]
    dir: PathBuf,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Reproduces recorded values and prints the table.
///
/// # Errors
/// If no file of the folder can be reproduced, or one that should be is not.
pub(crate) fn parity(options: &ParityOptions) -> anyhow::Result<()> {
    let rows = parity::run(&options.dir)?;
    print(&table(&rows), options.json.then_some(&rows))?;
    let supported: Vec<&Row> = rows.iter().filter(|row| row.supported).collect();
    let failed = supported.iter().filter(|row| !row.passed).count();
    anyhow::ensure!(!supported.is_empty(), "no file in {} is supported", options.dir.display());
    anyhow::ensure!(failed == 0, "{failed} of {} files are not reproduced", supported.len());
    Ok(())
}

/// Prints the text; with JSON wanted that on standard output, and the text on standard error.
fn print(text: &str, json: Option<&impl Serialize>) -> anyhow::Result<()> {
    match json {
        Some(value) => {
            progress::note(&escaped_lines(text));
            progress::print(&escaped_json(&serde_json::to_string(value)?));
        }
        None => progress::print(&escaped_lines(text)),
    }
    Ok(())
}

fn table(rows: &[Row]) -> String {
    let width = |cell: fn(&Row) -> &str| rows.iter().map(|row| cell(row).len()).max().unwrap_or(0).max(6);
    let (file_width, system_width) = (width(|row| &row.file), width(|row| &row.system));
    let error = |error: Option<f64>| error.map_or("-".to_owned(), |error| format!("{error:.1e}"));
    let mut text = format!(
        "{:file_width$}  {:system_width$}  {:>8}  {:>8}  {:>8}  result",
        "file", "system", "output", "gradient", "32 bits"
    );
    for row in rows {
        let result = match (row.passed, row.supported) {
            (true, _) => "passed",
            (false, true) => "FAILED",
            (false, false) => "-",
        };
        text += &format!(
            "\n{:file_width$}  {:system_width$}  {:>8}  {:>8}  {:>8}  {result}",
            row.file,
            row.system,
            error(row.worst_output_error),
            error(row.worst_gradient_error),
            error(row.worst_single_error)
        );
        if let Some(note) = &row.note {
            text += &format!(" ({note})");
        }
    }
    let count = |condition: fn(&Row) -> bool| rows.iter().filter(|row| condition(row)).count();
    text + &format!(
        "\n{} files: {} passed, {} failed, {} not supported yet",
        rows.len(),
        count(|row| row.passed),
        count(|row| row.supported && !row.passed),
        count(|row| !row.supported)
    )
}
