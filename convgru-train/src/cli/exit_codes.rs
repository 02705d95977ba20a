//! How the program ends.

use std::fmt;
use std::process::ExitCode;

/// Exit codes, and when they are. docs/cli.md has the same table.
pub(super) const EXIT_CODES: [(u8, &str); 6] = [
    (0, "Success; also when the program that read its output ended early (1 for `watch`)."),
    (
        1,
        "An error in the data, a file, a configuration, or the machine. One line on stderr names the cause and what to do.",
    ),
    (
        2,
        "A value on the command line, or CONVGRU_ISA, is invalid, whatever the files contain; nothing was started.",
    ),
    (129, "SIGHUP, the terminal was closed: a training is saved and can be resumed."),
    (130, "SIGINT, Ctrl-C: a training is saved and can be resumed."),
    (143, "SIGTERM: a training is saved and can be resumed."),
];

/// Marks an error as one of the command line. It says nothing itself: the errors below it do.
#[derive(Clone, Copy, Debug)]
struct OfCommandLine;

impl fmt::Display for OfCommandLine {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// The error of a value on the command line that is wrong by itself: the program ends with 2.
pub(super) fn wrong_argument(error: impl Into<anyhow::Error>) -> anyhow::Error {
    error.into().context(OfCommandLine)
}

/// The code of an error.
pub(super) fn of(error: &anyhow::Error) -> ExitCode {
    if error.is::<OfCommandLine>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// The table for the help.
pub(super) fn table() -> String {
    let lines = EXIT_CODES.map(|(code, when)| format!("  {code:<4} {when}"));
    format!("Exit codes:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use convgru_train::interrupt::Signal;

    #[test]
    fn the_documentation_has_the_table_and_nothing_else() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (_, section) = text.split_once("## Exit codes\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        assert_eq!(rows, EXIT_CODES.map(|(code, when)| format!("| {code} | {when} |")));
    }

    #[test]
    fn a_wrong_argument_is_marked_through_contexts_and_adds_no_words() {
        let error = wrong_argument(anyhow::anyhow!("--out a.bmp: no")).context("while reading");
        assert_eq!(of(&error), ExitCode::from(2));
        assert_eq!(of(&anyhow::anyhow!("no such file")), ExitCode::FAILURE);
        assert_eq!(super::super::output::causes(&error), "while reading: --out a.bmp: no");
    }

    #[test]
    fn every_signal_has_its_code() {
        for signal in [Signal::Interrupt, Signal::Terminate, Signal::Hangup] {
            assert!(EXIT_CODES.iter().any(|(code, _)| *code == signal.exit_code()));
        }
    }
}
