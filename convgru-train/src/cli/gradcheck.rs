//! `convgru gradcheck`: verify every hand-written gradient.

use std::process::ExitCode;

use clap::Args;
use convgru_model::gradcheck::{DIFFERENCE_TOLERANCE, DUAL_TOLERANCE};
use convgru_train::gradcheck;

use super::output;

/// Verifies every gradient against dual numbers and differences
///
/// Cells, stacks, sequences, layers, losses and the whole encoder-forecaster, in f64, with
/// shapes drawn at random: every entry of every gradient. Ends with exit code 1 if an error
/// is too large or a gradient broken on purpose goes unnoticed.
#[derive(Args)]
#[command(after_help = "Examples:
  convgru gradcheck
  convgru gradcheck --draws 20 --seed 7 --json")]
pub(crate) struct GradcheckArguments {
    /// Draws of shapes and numbers for each case
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = super::count)]
    draws: usize,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Checks, and prints the table.
pub(crate) fn run(arguments: &GradcheckArguments) -> anyhow::Result<ExitCode> {
    let report = gradcheck::run(&gradcheck::cases(), arguments.draws as u64, arguments.seed);
    let text = format!(
        "{report}\nallowed: {DUAL_TOLERANCE:.0e} against dual numbers, {DIFFERENCE_TOLERANCE:.0e} against differences"
    );
    if arguments.json {
        output::note(&text);
        output::json(&report)?;
    } else {
        output::result(&text)?;
    }
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
