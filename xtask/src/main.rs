//! Commands for working on convgru: `cargo xtask <command>`.
//!
//! This program links none of the other crates, so that it builds in seconds. It
//! starts what does the work, passes arguments on, and passes exit codes back.
#![forbid(unsafe_code)]

mod bench;
mod ci;
mod crash_test;
mod determinism;
mod emulate;
mod eval;
mod export;
mod fuzz;
mod gradcheck;
mod import;
mod look;
mod mutants;
mod nowcasts;
mod onnx;
mod parity;
mod predict;
mod process;
mod retrain;
mod runs;
mod supply_chain;
mod tidy;
mod train;
mod tune;
mod unsafe_docs;

use std::ffi::OsString;
use std::process::ExitCode;

/// A command: its name, one line of help, and the function that runs it.
struct Command {
    name: &'static str,
    about: &'static str,
    run: fn(&[OsString]) -> anyhow::Result<ExitCode>,
}

const COMMANDS: &[Command] = &[
    Command { name: "train", about: train::ABOUT, run: train::run },
    Command { name: "runs", about: runs::ABOUT, run: runs::run },
    Command { name: "tune", about: tune::ABOUT, run: tune::run },
    Command { name: "eval", about: eval::ABOUT, run: eval::run },
    Command { name: "predict", about: predict::ABOUT, run: predict::run },
    Command { name: "gradcheck", about: gradcheck::ABOUT, run: gradcheck::run },
    Command { name: "parity", about: parity::ABOUT, run: parity::run },
    Command { name: "import", about: import::ABOUT, run: import::run },
    Command { name: "export", about: export::ABOUT, run: export::run },
    Command { name: "onnx", about: onnx::ABOUT, run: onnx::run },
    Command { name: "retrain", about: retrain::ABOUT, run: retrain::run },
    Command { name: "look", about: look::ABOUT, run: look::run },
    Command { name: "nowcasts", about: nowcasts::ABOUT, run: nowcasts::run },
    Command { name: "bench", about: bench::ABOUT, run: bench::run },
    Command { name: "emulate", about: emulate::ABOUT, run: emulate::run },
    Command { name: "fuzz", about: fuzz::ABOUT, run: fuzz::run },
    Command { name: "crash-test", about: crash_test::ABOUT, run: crash_test::run },
    Command { name: "determinism", about: determinism::ABOUT, run: determinism::run },
    Command { name: "mutants", about: mutants::ABOUT, run: mutants::run },
    Command { name: "supply-chain", about: supply_chain::ABOUT, run: supply_chain::run },
    Command { name: "tidy", about: tidy::ABOUT, run: tidy::run },
    Command { name: "unsafe-docs", about: unsafe_docs::ABOUT, run: unsafe_docs::run },
    Command { name: "ci", about: ci::ABOUT, run: ci::run },
];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let name = arguments.first().map(|name| name.to_string_lossy().into_owned());
    match name.as_deref() {
        None | Some("help" | "--help" | "-h") => {
            process::say(&help());
            if name.is_none() { ExitCode::from(2) } else { ExitCode::SUCCESS }
        }
        Some(name) => match COMMANDS.iter().find(|command| command.name == name) {
            Some(command) => (command.run)(&arguments[1..]).unwrap_or_else(|error| {
                process::complain(&format!("error: {error:#}"));
                ExitCode::FAILURE
            }),
            None => {
                process::complain(&format!("error: no command `{name}`\n\n{}", help()));
                ExitCode::from(2)
            }
        },
    }
}

fn help() -> String {
    let mut text = String::from("Usage: cargo xtask <command> [arguments]\n\nCommands:\n");
    for command in COMMANDS {
        text += &format!("  {:<12} {}\n", command.name, command.about);
    }
    text + "\nEach command has --help with an example.\n\nExample:\n  cargo xtask train --preset quick\n"
}
