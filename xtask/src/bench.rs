//! `cargo xtask bench`: the program `convgru-bench`, and for `--compare` the same program of another commit.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::process;
use crate::program::BENCH;

const COMPARE: &str = "--compare";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut arguments = arguments.to_vec();
    // `--compare REV` and `--compare=REV`.
    let one_word = arguments.iter().position(|argument| {
        argument
            .to_str()
            .is_some_and(|text| text.strip_prefix(COMPARE).is_some_and(|rest| rest.starts_with('=')))
    });
    if let Some(place) = one_word {
        let revision =
            arguments[place].to_str().and_then(|text| text.split_once('=')).map(|(_, rest)| rest.into());
        arguments.splice(place..=place, [COMPARE.into(), revision.unwrap_or_default()]);
    }
    if let Some(place) = arguments.iter().position(|argument| argument == COMPARE)
        && let Some(revision) = arguments.get(place + 1)
    {
        let (name, program) = build(revision)?;
        let mut both = OsString::from(name + "=");
        both.push(program);
        arguments[place + 1] = both;
    }
    BENCH.run(&arguments)
}

/// Builds the program of a revision, unless an earlier call did: the short hash of the commit, and the program.
fn build(revision: &OsStr) -> anyhow::Result<(String, PathBuf)> {
    let mut resolve = git(&["rev-parse", "--verify", "--short=7", "--end-of-options"]);
    let mut commit = revision.to_owned();
    commit.push("^{commit}");
    let output = resolve.arg(commit).output().context(NO_GIT)?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{COMPARE} {}: {}", revision.display(), said.trim());
    let hash = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let folder = process::target().join("compare").join(&hash);
    let program = folder.join("convgru-bench").with_extension(std::env::consts::EXE_EXTENSION);
    if !program.exists() {
        let source = folder.join("source");
        check_out(&hash, &source)?;
        compile(&source, &program)?;
        remove(&source)?;
    }
    Ok((hash, program))
}

const NO_GIT: &str = "cannot start git; is it on the PATH?";

fn git(arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.current_dir(process::root()).args(arguments);
    git
}

/// Writes the files of a commit into a folder. An earlier call may have been interrupted.
fn check_out(hash: &str, folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        remove(folder)?;
    }
    let mut add = git(&["worktree", "add", "--quiet", "--force", "--detach"]);
    process::must_succeed("checking out the other commit", add.arg(folder).arg(hash))
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    process::must_succeed("forgetting the files of the other commit", &mut git(&["worktree", "prune"]))
}

/// Compiles the program of the checked-out commit as `cargo xtask bench` does ours, among the same compiled libraries.
fn compile(source: &Path, program: &Path) -> anyhow::Result<()> {
    let mut cargo = process::cargo();
    cargo.args(["build", "--release", "--package", "convgru-bench", "--bin", "convgru-bench"]);
    cargo.arg("--manifest-path").arg(source.join("Cargo.toml"));
    cargo.env("CARGO_TARGET_DIR", process::target());
    process::must_succeed("building the other commit", &mut cargo)?;
    let built = process::target().join("release").join("convgru-bench");
    let built = built.with_extension(std::env::consts::EXE_EXTENSION);
    std::fs::copy(&built, program)
        .with_context(|| format!("cannot copy {} to {}", built.display(), program.display()))?;
    Ok(())
}
