//! `convgru parity`: reproduce recorded values of other implementations.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use convgru_train::parity::{self, Row};

use super::output;

/// Reproduces recorded outputs and gradients of other implementations
///
/// Reads every *.safetensors file in a folder of recorded values and computes the same in
/// f64, and the states of cells in f32 (`precision = "exact"`) too. Files about something convgru does not have are listed as not passed, but only a
/// file that should be reproduced and is not makes the command end with exit code 1.
#[derive(Args)]
#[command(after_help = "Example:
  convgru parity --dir ../shared/parity --json")]
pub(crate) struct ParityArguments {
    /// Folder with the recorded values
    #[arg(long, value_name = "DIR", default_value = "../shared/parity")]
    dir: PathBuf,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Reproduces, and prints the table.
pub(crate) fn run(arguments: &ParityArguments) -> anyhow::Result<ExitCode> {
    let rows = parity::run(&arguments.dir)?;
    let text = table(&rows);
    if arguments.json {
        output::note(&text);
        output::json(&rows)?;
    } else {
        output::result(&text)?;
    }
    let supported: Vec<&Row> = rows.iter().filter(|row| row.supported).collect();
    let passed = !supported.is_empty() && supported.iter().all(|row| row.passed);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
