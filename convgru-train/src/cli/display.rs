//! How much is printed, and in which colours: options of every command.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::{Args, ColorChoice, ValueEnum};

/// The options.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Display {
    /// Print only results, warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Print more: the machine, fields that differ from the preset, each checkpoint
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Colours [default: auto]
    #[arg(long, global = true, value_enum, value_name = "WHEN", hide_default_value = true, default_value_t)]
    color: Color,
}

/// When there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set to a text that is not empty
    #[default]
    Auto,
    Always,
    Never,
}

/// Where text goes.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    /// Results.
    Stdout,
    /// Everything else.
    Stderr,
}

/// The choices of the command line, once it is read.
static CHOSEN: OnceLock<Display> = OnceLock::new();

impl Display {
    /// Lets the options hold from now on.
    pub(super) fn choose(self) {
        // The first command line is the only one.
        let _ = CHOSEN.set(self);
    }

    fn chosen() -> Self {
        CHOSEN.get().copied().unwrap_or_default()
    }
}

/// Whether notes and progress are shown.
pub(super) fn shows_notes() -> bool {
    !Display::chosen().quiet
}

/// Whether details are shown.
pub(super) fn shows_details() -> bool {
    Display::chosen().verbose
}

/// Whether text in a stream has colours.
pub(super) fn has_colour(stream: Stream) -> bool {
    let is_terminal = || match stream {
        Stream::Stdout => std::io::stdout().is_terminal(),
        Stream::Stderr => std::io::stderr().is_terminal(),
    };
    let is_wanted = || std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match Display::chosen().color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => is_wanted() && is_terminal(),
    }
}

/// The colours of help and of errors about the command line itself, which are shown before it is read.
pub(super) fn colours_of_help(arguments: &[OsString]) -> ColorChoice {
    let told = |(at, argument): (usize, &OsString)| {
        let text = argument.to_str()?;
        match text.strip_prefix("--color=") {
            Some(value) => Some(value.to_owned()),
            None if text == "--color" => Some(arguments.get(at + 1)?.to_str()?.to_owned()),
            None => None,
        }
    };
    match arguments.iter().enumerate().rev().find_map(told).as_deref() {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}
