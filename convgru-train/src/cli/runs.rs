//! `convgru runs`: runs in a table, and what sets two apart.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use convgru_train::config::RunConfig;
use convgru_train::printable::printable;
use convgru_train::schedule::Monitor;
use convgru_train::trainer::{RunFolder, RunList, RunSummary};
use serde_json::json;

use super::output;

#[derive(Args)]
#[command(after_help = "Examples:
  convgru runs
  convgru runs --sort mse --json
  convgru runs --compare quick quick-2")]
pub(crate) struct Runs {
    /// Folder that contains the runs
    #[arg(long, value_name = "DIR", default_value = "runs")]
    out: PathBuf,
    /// Order of the runs: name, mse (lowest MSE of the best validation first), test (lowest test MSE first) or time (shortest first)
    #[arg(long, value_enum, default_value_t = Order::Name, conflicts_with = "compare")]
    sort: Order,
    /// Compare two runs, each by its name in --out or by the path of its folder: show the fields of their configurations that change results
    #[arg(long, num_args = 2, value_names = ["RUN", "RUN"])]
    compare: Option<Vec<PathBuf>>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// An order of runs.
#[derive(Clone, Copy, ValueEnum)]
enum Order {
    Name,
    Mse,
    Test,
    Time,
}

impl Runs {
    /// Lists or compares.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match &self.compare {
            Some(names) => self.compare(names)?,
            None => self.list()?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn list(&self) -> anyhow::Result<()> {
        let RunList { mut runs, damaged } = RunSummary::all(&self.out)
            .with_context(|| format!("--out {}: give the folder that holds runs", printable(&self.out)))?;
        damaged.iter().for_each(|reason| output::warn(&format!("a run is left out: {reason}")));
        // A run without a validation comes last.
        let mse = |run: &RunSummary| run.best.map_or(f64::INFINITY, |best| best.mse);
        match self.sort {
            Order::Name => {}
            Order::Mse => runs.sort_by(|a, b| mse(a).total_cmp(&mse(b))),
            Order::Test => {
                let mse = |run: &RunSummary| run.test.as_ref().map_or(f64::INFINITY, |test| test.mse);
                runs.sort_by(|a, b| mse(a).total_cmp(&mse(b)));
            }
            Order::Time => runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds)),
        }
        if self.json {
            return output::json(&runs);
        }
        if runs.is_empty() {
            return output::result(&format!(
                "no runs in {}; `{} train` makes one",
                printable(&self.out),
                output::program()
            ));
        }
        output::result(&table(&runs))
    }

    fn compare(&self, names: &[PathBuf]) -> anyhow::Result<()> {
        let config = |name: &PathBuf| -> anyhow::Result<(RunSummary, RunConfig)> {
            let folder = RunFolder::named(&self.out, name)?;
            let config = RunConfig::read(&folder.config())?;
            Ok((RunSummary::read(&folder)?, config))
        };
        let [(first, of_first), (second, of_second)] = [config(&names[0])?, config(&names[1])?];
        let differences = of_first.differences(&of_second);
        if self.json {
            return output::json(&json!({ "runs": [first, second], "differences": differences }));
        }
        let verdict = match differences.is_empty() {
            true => "the same configuration: the same results".to_owned(),
            false => format!("different ({}, {}):\n  {}", first.name, second.name, differences.join("\n  ")),
        };
        output::result(&format!("{}\n\n{verdict}", table(&[first, second])))
    }
}

/// A line for each run; rain has columns of its own where a run was tested on it.
fn table(runs: &[RunSummary]) -> String {
    let mut thresholds: Vec<f64> = runs
        .iter()
        .flat_map(|run| &run.test)
        .flat_map(|test| test.csi.iter().map(|(from, _)| *from))
        .collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    let width = runs.iter().map(|run| run.name.len()).max().unwrap_or(0).max(4);
    let mut text = format!(
        "{:width$}  {:8}  {:>13}  {:>14}  {:>10}  {:>10}  {:>7}  {:>8}  {:>10}  {:>7}  {:>6}",
        "run", "config", "steps", "time", "loss", "best MSE", "ratio", "at step", "test MSE", "ratio", "SSIM"
    );
    text.extend(thresholds.iter().map(|threshold| format!("  {:>8}", format!("CSI {threshold}"))));
    // What is the best by another result than the MSE has a column with its name and value.
    let has_monitors = runs.iter().any(|run| run.monitor != Monitor::Mse);
    text.extend(has_monitors.then_some("  best by"));
    for run in runs {
        let number = |value: Option<f64>, digits: usize| {
            value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
        };
        let test = run.test.as_ref();
        text += &format!(
            "\n{:width$}  {:8}  {:>13}  {:>14}  {:>10}  {:>10}  {:>7}  {:>8}  {:>10}  {:>7}  {:>6}",
            run.name,
            run.config_hash.get(..8).unwrap_or(&run.config_hash),
            format!("{}/{}", run.step, run.steps),
            output::duration(run.seconds),
            number(run.loss, 6),
            number(run.best.map(|best| best.mse), 3),
            number(run.best.map(|best| best.ratio), 3),
            run.best.map_or("-".to_owned(), |best| best.step.to_string()),
            number(test.map(|test| test.mse), 3),
            number(test.map(|test| test.ratio), 3),
            number(test.map(|test| test.ssim), 4),
        );
        for threshold in &thresholds {
            let csi = test.and_then(|test| test.csi.iter().find(|(from, _)| from == threshold)?.1);
            text += &format!("  {:>8}", number(csi, 3));
        }
        if has_monitors {
            text += &format!("  {} {}", run.monitor, number(run.best.map(|best| best.value), 4));
        }
    }
    text
}
