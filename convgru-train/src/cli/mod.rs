//! The command line: one file per command.

mod commands;
mod completions;
mod configuration;
mod crops;
mod display;
mod dry_run;
mod eval;
mod exit_codes;
mod export;
mod import;
mod input;
mod inspect;
mod man;
mod out;
mod output;
mod own_files;
mod predict;
mod progress;
mod runs;
mod train;
mod tune;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use convgru_train::interrupt::Interrupt;
use convgru_train::trainer::MOST_THREADS;

/// Train convolutional GRUs to continue videos, and use what they learned.
#[derive(Parser)]
#[command(name = "convgru", version, arg_required_else_help = true)]
#[command(after_help = format!("Example:\n  convgru train\n  convgru train --help\n\n{}", exit_codes::table()))]
struct Arguments {
    #[command(flatten)]
    display: display::Display,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<train::Train>),
    Inspect(inspect::Inspect),
    Crops(crops::Crops),
    Tune(tune::Tune),
    Runs(runs::Runs),
    Eval(eval::Eval),
    Predict(predict::Predict),
    Watch(watch::Watch),
    Import(import::Import),
    Export(export::Export),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Runs the command of the arguments and says how it ended, by one of [`EXIT_CODES`](exit_codes::EXIT_CODES).
pub(crate) fn run() -> ExitCode {
    let told: Vec<_> = std::env::args_os().collect();
    let parser = parser().color(display::colours_of_help(&told));
    let read = parser.try_get_matches_from(told).and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match read {
        Ok(arguments) => arguments,
        Err(error) => return told_by_parser(&error),
    };
    arguments.display.choose();
    if let Err(error) = convgru_model::Isa::from_environment() {
        output::report_error(&error.into());
        return ExitCode::from(2);
    }
    output::detail(&format!(
        "convgru {}, {}, {}",
        env!("CARGO_PKG_VERSION"),
        convgru_model::Isa::current().name(),
        output::counted(std::thread::available_parallelism().map_or(1, usize::from), "core")
    ));
    let done = Interrupt::on_signals().map_err(Into::into).and_then(|interrupt| match arguments.command {
        Command::Train(train) => train.run(&interrupt),
        Command::Tune(tune) => tune.run(&interrupt),
        Command::Watch(watch) => watch.run(&interrupt),
        other => interrupt.at_once("there is no result", || result(other)),
    });
    match done {
        Ok(code) => code,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::report_error(&error);
            exit_codes::of(&error)
        }
    }
}

/// Prints what the parser tells instead of arguments: help, the version or an error.
fn told_by_parser(told: &clap::Error) -> ExitCode {
    match output::of_parser(told) {
        Err(error) if !told.use_stderr() && !output::is_broken_pipe(&error) => {
            output::report_error(&error);
            ExitCode::FAILURE
        }
        _ => ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2)),
    }
}

/// The parser of the command line. Each command has its line of [`COMMANDS`](commands::COMMANDS), and its own documentation
/// below it.
fn parser() -> clap::Command {
    commands::COMMANDS.iter().fold(Arguments::command(), |parser, &(name, line)| {
        parser.mut_subcommand(name, |command| {
            let details = command.get_long_about().or(command.get_about()).map(ToString::to_string);
            let command = command.about(line);
            match details {
                Some(details) => command.long_about(format!("{line}\n\n{details}")),
                None => command,
            }
        })
    })
}

/// Runs a command that leaves nothing behind but its result.
fn result(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Train(_) | Command::Tune(_) | Command::Watch(_) => {
            unreachable!("they look at signals themselves")
        }
        Command::Inspect(inspect) => inspect.run(),
        Command::Crops(crops) => crops.run(),
        Command::Runs(runs) => runs.run(),
        Command::Eval(eval) => eval.run(),
        Command::Predict(predict) => predict.run(),
        Command::Import(import) => import.run(),
        Command::Export(export) => export.run(),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    }
}

/// The most frames or sequences one command takes at once.
const MOST: usize = 100_000;

/// A number from 1 to [`MOST`] on the command line.
fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=MOST) => Ok(number),
        _ => Err(format!("a whole number from 1 to {MOST} is needed")),
    }
}

/// The largest whole number of a configuration.
const MOST_OF_FIELD: u64 = i64::MAX as u64;

/// A number from 0 to [`MOST_OF_FIELD`] on the command line.
fn whole(text: &str) -> Result<u64, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number @ 0..=MOST_OF_FIELD) => Ok(number),
        _ if is_number => Err(format!("is too large; the largest value is {MOST_OF_FIELD}")),
        _ => Err("a whole number of 0 or more is needed".into()),
    }
}

/// A number from 1 to [`MOST_OF_FIELD`] on the command line.
fn positive(text: &str) -> Result<u64, String> {
    let needed = || "a whole number of 1 or more is needed".to_owned();
    match whole(text) {
        Ok(0) => Err(needed()),
        Err(error) if !error.contains("too large") => Err(needed()),
        number => number,
    }
}

/// A number on the command line, such as the example.
fn number(text: &str, example: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| format!("a number is needed, such as {example}"))
}

/// The largest number of MiB on the command line, as in a configuration.
const MOST_MEBIBYTES: usize = 1 << 20;

/// A number of MiB from 1 to [`MOST_MEBIBYTES`] on the command line.
fn mebibytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=MOST_MEBIBYTES) => Ok(number),
        _ => Err(format!("a whole number from 1 to {MOST_MEBIBYTES} is needed")),
    }
}

/// A number of threads on the command line, 0 for one per core.
fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 0..=MOST_THREADS) => Ok(number),
        _ => Err(format!("a whole number from 0 to {MOST_THREADS} is needed; 0 means one per core")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_for_what_is_written_is_out() {
        for command in parser().get_subcommands() {
            for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
                let means_out =
                    ["output", "out-dir", "outdir", "dir", "folder", "dest", "to", "write"].contains(&flag);
                assert!(!means_out, "{} --{flag}", command.get_name());
            }
        }
    }

    #[test]
    fn the_list_has_every_command_of_the_program() {
        let parser = parser();
        parser.clone().debug_assert();
        let lines: Vec<_> = parser
            .get_subcommands()
            .map(|command| {
                (command.get_name(), command.get_about().map(ToString::to_string).unwrap_or_default())
            })
            .collect();
        assert_eq!(lines, commands::COMMANDS.map(|(name, line)| (name, line.to_owned())));
    }
}
