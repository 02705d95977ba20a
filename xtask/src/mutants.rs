//! `cargo xtask mutants`: small faults in the code, each of which a test must notice.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;

use crate::process;

const HELP: &str = "\
Changes the code of kernels, gates, cells, losses and optimisers in small ways, one at a time, and sees
whether a test fails. cargo-mutants lists the changes (which files: .cargo/mutants.toml). A copy of the
workspace gets all of them, each behind a question whether it is on, so that it is compiled once; each
change is tested by the tests that reach it, until one fails.

Usage: cargo xtask mutants [--install] [--file BEGINNING]... [--test BEGINNING]... [--lib]
                           [--program NAME]... [--shard K/N] [--opt-level N] [--again] [--json]
       cargo xtask mutants --alone [OPTIONS OF cargo mutants]

  --install   gets cargo-mutants by `cargo install` (minutes)
  --file      changes of files whose paths begin so alone
  --test      tests whose names begin so alone: the crate, a slash, the path of the test
  --lib       tests inside of the crates alone, which compile in less time
  --program   tests inside of the crates and those of this program of `tests/`, such as gradients
  --shard     every N-th change, from the K-th: a sample of all
  --opt-level how much the code with changes is optimised, 1 if not given: 0 compiles in a third of the time and
              takes four times as long in tests
  --again     changes that survived before are tested again
  --json      prints the outcomes as JSON
  --alone     compiles each change alone, for the few that cannot be switched on: in constants and `if let`

What was done is in target/mutants/outcomes.jsonl; a run that was stopped goes on from there. Delete the file when
code or tests changed. Exit code 2 means that changes survived; docs/mutants.md says which were seen and why they
stay.

Example:
  cargo xtask mutants --file convgru-train/src/optimizer --test convgru-train/optimizer::";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let asks = |name: &str| arguments.iter().any(|argument| argument == name);
    if asks("--help") || asks("-h") {
        process::say(HELP);
        return Ok(ExitCode::SUCCESS);
    }
    if asks("--install") {
        let mut install = process::cargo();
        process::must_succeed(
            "cargo install cargo-mutants",
            install.args(["install", "--locked", "cargo-mutants"]),
        )?;
    }
    let rest: Vec<_> =
        arguments.iter().filter(|argument| *argument != "--install" && *argument != "--alone").collect();
    if rest.is_empty() && asks("--install") {
        return Ok(ExitCode::SUCCESS);
    }
    let out = process::target().join("mutants");
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut cargo = process::cargo();
    cargo.current_dir(process::root());
    if asks("--alone") {
        cargo.args(["mutants", "--workspace", "--output"]).arg(&out);
    } else {
        cargo.args(["run", "--quiet", "--locked", "--manifest-path", "mutants/Cargo.toml", "--target-dir"]);
        cargo.arg(out.join("program")).arg("--").arg("--target").arg(process::target());
    }
    let status = cargo.args(rest).status().context("cannot start cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
