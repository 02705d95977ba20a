//! `cargo xtask fuzz`: files of weights made up by a fuzzer.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::process;

pub(crate) const ABOUT: &str = "Feed made-up files to the readers of weights";

const HELP: &str = "\
Runs the fuzzer on everything that reads weights of other programs, for some seconds, from the
recorded files as a beginning where they are there. Needs a nightly compiler and cargo-fuzz, which
--install gets by `cargo install`.

Usage: cargo xtask fuzz [--seconds N] [--install]

Example:
  cargo xtask fuzz --seconds 300";

/// Seconds where none are given.
const SECONDS: u64 = 60;

/// Larger files than this are not made up.
const MOST_BYTES: u64 = 1 << 16;

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut seconds = SECONDS;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.to_str() {
            Some("--help" | "-h") => {
                process::say(HELP);
                return Ok(ExitCode::SUCCESS);
            }
            Some("--install") => {
                process::must_succeed(
                    "cargo install cargo-fuzz",
                    process::cargo().args(["install", "cargo-fuzz"]),
                )?;
            }
            Some("--seconds") => {
                let given = rest.next().and_then(|given| given.to_str()).unwrap_or_default();
                seconds =
                    given.parse().with_context(|| format!("--seconds: `{given}` is no number of seconds"))?;
            }
            _ => anyhow::bail!("no option `{}`; see cargo xtask fuzz --help", argument.display()),
        }
    }
    let root = process::root();
    let corpus = root.join("fuzz").join("corpus").join("named_tensors");
    std::fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
    plant(&root, &corpus)?;
    let mut fuzz = Command::new("rustup");
    fuzz.current_dir(&root).args(["run", "nightly", "cargo", "fuzz", "run", "named_tensors", "--"]);
    fuzz.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={MOST_BYTES}"));
    // A file may not take much more memory than it has bytes.
    fuzz.args(["-rss_limit_mb=1024", "-timeout=10"]);
    process::must_succeed("the fuzzer (is cargo-fuzz there? see --install)", &mut fuzz)?;
    Ok(ExitCode::SUCCESS)
}

/// Copies small recorded files into the corpus.
fn plant(root: &Path, corpus: &Path) -> anyhow::Result<()> {
    let parity = std::env::var("CONVGRU_PARITY").unwrap_or_else(|_| "../shared/parity".into());
    let formats = root.join(parity).join("formats");
    let Ok(entries) = std::fs::read_dir(&formats) else {
        process::complain(&format!("no recorded files in {}; it begins with nothing", formats.display()));
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        if entry.metadata()?.len() <= MOST_BYTES {
            std::fs::copy(entry.path(), corpus.join(entry.file_name()))?;
        }
    }
    Ok(())
}
