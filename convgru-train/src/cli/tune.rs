//! `convgru tune`: a random search over configurations.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use convgru_train::config::RunConfig;
use convgru_train::interrupt::Interrupt;
use convgru_train::trainer::with_threads;
use convgru_train::tune::{Ending, Search, SearchConfig, SearchOutcome, Trial};

use convgru_train::printable::printable;
use serde_json::Value;

use super::configuration::ConfigurationArguments;
use super::output;
use super::progress::Progress;

/// Writes OUT/tune.json and a folder for the run of each trial. Ctrl-C saves and ends; the same
/// command continues, with the same results.
#[derive(Args)]
#[command(after_help = "Examples:
  convgru tune --ranges tune.toml --set training.steps=200
  convgru tune --ranges tune.toml --trials 50 --out runs/tune-wide --json

A file of ranges:
  trials = 20
  median_stopping = true
  [ranges]
  \"optimizer.learning_rate\" = { log = [1e-4, 1e-2] }
  \"training.batch_size\" = { int = [4, 16] }
  \"model.hidden_channels\" = [[16], [32], [32, 32]]")]
pub(crate) struct Tune {
    /// TOML file with the ranges and the settings of the search
    #[arg(long, value_name = "FILE.toml")]
    ranges: PathBuf,
    #[command(flatten)]
    configuration: ConfigurationArguments,
    /// Folder of the search
    #[arg(long, value_name = "DIR", default_value = "runs/tune")]
    out: PathBuf,
    /// Number of configurations to try [default: trials in the file of ranges]
    #[arg(long, value_name = "N", value_parser = super::count)]
    trials: Option<usize>,
    /// Continue a trial although the data have changed since it began
    #[arg(long)]
    allow_changed_data: bool,
    /// Print the trials as one line of JSON, the best first
    #[arg(long)]
    json: bool,
}

impl Tune {
    /// Searches, and prints what was found.
    pub(crate) fn run(self, interrupt: &Interrupt) -> anyhow::Result<ExitCode> {
        let read = || {
            let search = SearchConfig::read(&self.ranges)?;
            self.configuration.expect_undecided(|field| decided(field, &search))?;
            Ok::<_, anyhow::Error>((search, self.configuration.fresh()?))
        };
        let (mut search, base) = interrupt.at_once("no trial was begun", read)?;
        self.configuration.expect_data(&base)?;
        search.trials = self.trials.unwrap_or(search.trials);
        let threads = base.training.threads;
        with_threads(threads, || self.search(search, base, interrupt))?
    }

    fn search(
        &self,
        search: SearchConfig,
        base: RunConfig,
        interrupt: &Interrupt,
    ) -> anyhow::Result<ExitCode> {
        let trials = search.trials;
        let open = || Search::open(search, base, &self.out);
        let mut search = interrupt.at_once("the trials before are saved; the same command goes on", open)?;
        search.allow_changed_data = self.allow_changed_data;
        let before = search.trials().len();
        if before > trials {
            output::note(&format!(
                "{} has {before} trials already, more than the {trials} asked for; all are shown",
                printable(&self.out)
            ));
        }
        let mut progress = Progress::new();
        let outcome = search.run(interrupt, &mut progress, |number, settings| {
            let settings: Vec<_> = settings.iter().map(|(field, value)| format!("{field}={value}")).collect();
            output::note(&format!("trial {number}/{trials}: {}", settings.join(" ")));
        })?;
        drop(progress);
        let ranked = search.ranked();
        if self.json {
            output::json(&ranked.iter().map(|trial| as_json(trial)).collect::<Result<Vec<_>, _>>()?)?;
        } else if !ranked.is_empty() {
            output::result(&table(&ranked))?;
        }
        for trial in &ranked {
            if let Ending::Failed(reason) = &trial.ending {
                output::warn(&format!("trial {} failed: {reason}", trial.number));
            }
        }
        let have_all_failed = ranked.iter().all(|trial| matches!(trial.ending, Ending::Failed(_)));
        Ok(match outcome {
            SearchOutcome::Finished if have_all_failed => ExitCode::FAILURE,
            SearchOutcome::Finished => ExitCode::SUCCESS,
            SearchOutcome::Interrupted(signal) => {
                let done = search.trials().len();
                output::advise(&format!(
                    "{}: {done} of {trials} trials are done; the same command continues",
                    signal.name()
                ));
                ExitCode::from(signal.exit_code())
            }
        })
    }
}

/// Why each trial has its own value of a field, where it has.
fn decided(field: &str, search: &SearchConfig) -> Option<String> {
    let lies_in =
        |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
    let range = search.ranges.keys().find(|own| *own == field || lies_in(own, field) || lies_in(field, own));
    match (field, range) {
        ("name", _) => {
            Some("a search names its trials itself, trial-0001 and so on; name its folder with --out".into())
        }
        ("training.monitor", _) if search.metric.is_some() => Some(
            "`metric` in the file of ranges decides which trial is the best; leave one of them out".into(),
        ),
        (_, Some(range)) => Some(format!(
            "the file of ranges varies {range}; leave this out, or take the range out of the file"
        )),
        (_, None) => None,
    }
}

/// A trial for programs: what it drew are numbers, texts and lists, not TOML.
fn as_json(trial: &Trial) -> anyhow::Result<Value> {
    let drawn = |(field, toml): (&String, &String)| -> anyhow::Result<(String, Value)> {
        let value = toml.parse::<toml::Value>()?;
        Ok((field.clone(), serde_json::to_value(value)?))
    };
    let mut json = serde_json::to_value(trial)?;
    json["settings"] = trial.settings.iter().map(drawn).collect::<anyhow::Result<_>>()?;
    Ok(json)
}

/// The trials, a line each.
fn table(trials: &[&Trial]) -> String {
    let mut text = format!("{:>5}{:>12}{:>8}  {:<10}settings", "trial", "best", "steps", "ended");
    for trial in trials {
        let best = trial.best.map_or_else(|| "-".to_owned(), |best| format!("{best:.4}"));
        let ended = match trial.ending {
            Ending::Finished => "finished",
            Ending::Behind => "behind",
            Ending::Failed(_) => "failed",
        };
        let settings: Vec<_> =
            trial.settings.iter().map(|(field, value)| format!("{field}={value}")).collect();
        text +=
            &format!("\n{:>5}{best:>12}{:>8}  {ended:<10}{}", trial.number, trial.steps, settings.join(" "));
    }
    text
}
