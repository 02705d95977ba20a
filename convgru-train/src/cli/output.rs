//! Results on stdout, everything else on stderr. A reader that went away is no
//! error, and nothing here panics when one did.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
pub(crate) use convgru_train::counted::counted;
use convgru_train::metric::Metrics;
use convgru_train::printable::{escaped, escaped_json, escaped_lines};
use serde::Serialize;

pub(crate) use super::display::Stream;
pub(super) use super::display::shows_notes;
use super::display::{has_colour, shows_details};

/// What is said when stdout takes nothing.
const NOT_WRITTEN: &str = "cannot write the output";

/// Prints the help or the version on stdout, or what is wrong with a command line on stderr.
pub(super) fn of_parser(error: &clap::Error) -> anyhow::Result<()> {
    error.print().and_then(|()| std::io::stdout().flush()).context(NOT_WRITTEN)
}

/// Writes lines to stdout. Names out of files and paths among them do nothing to a terminal.
pub(crate) fn result(text: &str) -> anyhow::Result<()> {
    to_stdout(&escaped_lines(text))
}

/// Writes one line of JSON to stdout.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    to_stdout(&escaped_json(&serde_json::to_string(value)?))
}

/// Writes lines with [highlights](highlighter), on stderr unless it is to be quiet, in which names are [printable](convgru_train::printable) already.
pub(crate) fn highlighted(stream: Stream, text: &str) -> anyhow::Result<()> {
    match stream {
        Stream::Stdout => to_stdout(text),
        Stream::Stderr => {
            if shows_notes() {
                to_stderr(text);
            }
            Ok(())
        }
    }
}

/// Writes lines to stderr, unless it is to be quiet. Names out of files and paths among them do nothing to a terminal.
pub(crate) fn note(text: &str) {
    if shows_notes() {
        to_stderr(&escaped_lines(text));
    }
}

/// Writes lines to stderr if more is to be said.
pub(crate) fn detail(text: &str) {
    if shows_details() {
        to_stderr(&escaped_lines(text));
    }
}

/// Writes lines to stderr that `--quiet` does not hide: how to resume a training that ended early.
pub(crate) fn advise(text: &str) {
    to_stderr(&escaped_lines(text));
}

fn to_stdout(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).context(NOT_WRITTEN)
}

fn to_stderr(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes a warning to stderr.
pub(crate) fn warn(text: &str) {
    to_stderr(&format!("{} {}", coloured("warning:", "33"), escaped_lines(text)));
}

/// Writes the error, with its causes, as one line to stderr.
pub(crate) fn report_error(error: &anyhow::Error) {
    to_stderr(&format!("{} {}", coloured("error:", "31"), escaped(&causes(error))));
}

/// The error and its causes in one line; a cause that the text already tells is left out.
pub(super) fn causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let lines = cause.to_string();
        let line: Vec<_> = lines.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect();
        let line = line.join(" ");
        if !text.contains(&line) {
            let between = if text.is_empty() { "" } else { ": " };
            text += &format!("{between}{line}");
        }
    }
    text
}

/// Whether the reader of stdout went away.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// The text in bold and a colour, where stderr has colours.
fn coloured(text: &str, colour: &str) -> String {
    if has_colour(Stream::Stderr) { format!("\x1b[1;{colour}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Makes text stand out, where a stream has colours.
pub(crate) fn highlighter(stream: Stream) -> impl Fn(&str) -> String {
    let wanted = has_colour(stream);
    move |text| if wanted { format!("\x1b[1;32m{text}\x1b[0m") } else { text.to_owned() }
}

/// The metrics as a table with a header.
pub(crate) fn table(rows: &[(&str, Metrics)]) -> String {
    let mut text = format!("{:<18}{:>10}{:>10}{:>10}{:>10}", "", "MSE", "MAE", "PSNR dB", "SSIM");
    for (name, metrics) in rows {
        let Metrics { mse, mae, psnr, ssim } = metrics;
        text += &format!("\n{name:<18}{mse:>10.3}{mae:>10.3}{psnr:>10.3}{ssim:>10.4}");
    }
    text
}

/// Seconds as people say them.
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

/// How the user called this program: a wrapper such as `cargo xtask` sets
/// `CONVGRU_PROGRAM`, so that proposed commands can be typed as they are shown.
pub(crate) fn program() -> String {
    std::env::var("CONVGRU_PROGRAM").unwrap_or_else(|_| "convgru".to_owned())
}

/// The arguments of this program, as a shell takes them.
pub(crate) fn arguments() -> String {
    let arguments = std::env::args_os().skip(1);
    let shown = |argument: OsString| escaped(&shell_path(Path::new(&argument))).into_owned();
    arguments.map(shown).collect::<Vec<_>>().join(" ")
}

/// An argument as a shell takes it.
pub(crate) fn shell(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// A path as a shell takes it. Bytes that are no text, and characters that a terminal would act on, are written as
/// numbers, which bash, zsh and ksh read.
pub(crate) fn shell_path(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    match path.to_str() {
        Some(text) if !text.chars().any(char::is_control) => shell(text),
        _ => {
            let escaped = |byte: &u8| match byte {
                b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
                0x20..=0x7e => char::from(*byte).to_string(),
                _ => format!("\\x{byte:02x}"),
            };
            format!("$'{}'", bytes.iter().map(escaped).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn paths_survive_the_shell() {
        use std::os::unix::ffi::OsStrExt;
        for (bytes, text) in [
            (&b"runs/a b"[..], "'runs/a b'"),
            (b"r\xff/\x1b[31m'\\", r"$'r\xff/\x1b[31m\'\\'"),
            (b"\xc3\xa9", "'\u{e9}'"),
        ] {
            assert_eq!(shell_path(std::ffi::OsStr::from_bytes(bytes).as_ref()), text);
        }
    }

    #[test]
    fn durations_read_well() {
        for (seconds, text) in [(0.4, "0 s"), (59.0, "59 s"), (61.0, "1 min 01 s"), (7322.0, "2 h 02 min")] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn causes_are_told_once_and_in_one_line() {
        let full = || std::io::Error::other("no\n  space");
        let error = convgru_train::Error::io("write", "run/a.ckpt")(full());
        let error = anyhow::Error::new(error).context("saving");
        assert_eq!(causes(&error), "saving: cannot write run/a.ckpt: no space");
        assert_eq!(causes(&anyhow::Error::new(full()).context("saving")), "saving: no space");
    }

    #[test]
    fn arguments_survive_the_shell() {
        for (argument, text) in
            [("runs/a-1", "runs/a-1"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("", "''")]
        {
            assert_eq!(shell(argument), text);
        }
    }
}
