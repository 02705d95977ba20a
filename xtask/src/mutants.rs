//! `cargo xtask mutants`: small faults in the code, each of which a test must notice.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;

use crate::process;

const HELP: &str = "\
Lets cargo-mutants change the code of kernels, gates, cells, losses and optimisers, one small change at a
time, in a copy, and runs the tests of the changed crate. Which files and how: .cargo/mutants.toml. Everything
takes days on two cores; a part is chosen by --file, --shard or --in-diff, and --list shows what there is.

Usage: cargo xtask mutants [--install] [--file GLOB] [--shard K/N] [--jobs N] [--json] [-- CARGO TEST ARGUMENTS]

  --install   gets cargo-mutants by `cargo install` (minutes)
  --json      with --list prints the mutants as JSON; otherwise the outcomes when all are done

Other options are those of cargo-mutants. Survivors are written to target/mutants/mutants.out/missed.txt;
docs/mutants.md says which were seen and why they stay. Exit code 2 means that mutants survived, 3 that
tests took too long.

Example:
  cargo xtask mutants --file 'convgru-train/src/optimizer/**' -- --lib optimizer::";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let ours = arguments.iter().take_while(|argument| *argument != "--");
    let asks = |name: &str| ours.clone().any(|argument| argument == name);
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
    let outcomes = asks("--json") && !asks("--list");
    let drop = |argument: &&OsString| *argument == "--install" || (outcomes && *argument == "--json");
    let rest: Vec<&OsString> = arguments.iter().filter(|argument| !drop(argument)).collect();
    if rest.is_empty() && asks("--install") {
        return Ok(ExitCode::SUCCESS);
    }
    let out = process::target().join("mutants");
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut cargo = process::cargo();
    cargo.current_dir(process::root()).args(["mutants", "--workspace", "--output"]).arg(&out).args(rest);
    let status = cargo.status().context("cannot start cargo")?;
    if outcomes {
        let path = out.join("mutants.out").join("outcomes.json");
        process::say(&std::fs::read_to_string(&path).with_context(|| {
            format!("no {}; `cargo xtask mutants --install` gets cargo-mutants", path.display())
        })?);
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
