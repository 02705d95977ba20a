//! `cargo xtask supply-chain`: the crates that come with ours, and what is asked of them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context;
use serde_json::{Value, json};

use crate::process;

const HELP: &str = "\
Counts the crates that each crate of the workspace brings, beside a ceiling that is raised by hand in
xtask/src/supply_chain.rs; fails where one of them asks for a newer compiler than ours does; and lets cargo-deny
check licences, sources and bans without a network where it is installed.

Usage: cargo xtask supply-chain [--install] [--oldest] [--json]

  --install   gets cargo-deny by `cargo install` (minutes)
  --oldest    also builds everything with the oldest version that each manifest allows, in a copy of the
              workspace (nightly cargo, network, minutes)
  --json      prints {crates, newer_compiler, cargo_deny, oldest} and nothing else

Advisories need the database of RustSec, which comes by network: cargo deny check advisories

Example:
  cargo xtask supply-chain";

/// Arguments of `cargo tree`, and the crates they may bring on x86-64 Linux.
const CEILINGS: &[(&str, usize)] = &[
    ("--package convgru-kernels", 16),
    ("--package convgru-model", 42),
    ("--package convgru-model --all-features", 58),
    ("--package convgru-train --no-default-features", 115),
    ("--package convgru-train", 135),
    ("--package convgru-bench", 144),
    ("--package xtask", 10),
    ("--workspace --edges normal,build,dev", 176),
];

/// What was asked for.
#[derive(Default)]
struct Options {
    install: bool,
    oldest: bool,
    json: bool,
}

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut options = Options::default();
    for argument in arguments {
        match argument.to_str() {
            Some("--help" | "-h") => {
                process::say(HELP);
                return Ok(ExitCode::SUCCESS);
            }
            Some("--install") => options.install = true,
            Some("--oldest") => options.oldest = true,
            Some("--json") => options.json = true,
            _ => anyhow::bail!("no option `{}`; see cargo xtask supply-chain --help", argument.display()),
        }
    }
    if options.install {
        install()?;
    }
    check(&options)?;
    Ok(ExitCode::SUCCESS)
}

/// Gets cargo-deny.
pub(crate) fn install() -> anyhow::Result<()> {
    process::must_succeed(
        "cargo install cargo-deny",
        // Without optimisation it is built in half the time, and its checks take seconds.
        process::cargo().args(["install", "--locked", "--debug", "cargo-deny"]),
    )
}

/// Whether cargo-deny can be started.
pub(crate) fn is_installed() -> bool {
    process::cargo().args(["deny", "--version"]).output().is_ok_and(|output| output.status.success())
}

fn check(options: &Options) -> anyhow::Result<()> {
    let mut found = Vec::new();
    let mut crates = Vec::new();
    let mut table = format!("{:>7} {:>8}  of\n", "crates", "ceiling");
    for (selection, ceiling) in CEILINGS {
        let names = brought(selection)?;
        let count = names.len();
        table += &format!("{count:>7} {ceiling:>8}  {selection}\n");
        if count > *ceiling {
            found.push(format!(
                "{selection}: {count} crates where {ceiling} are the ceiling; raise it or bring fewer"
            ));
        }
        crates.push(json!({ "selection": selection, "crates": names, "ceiling": ceiling }));
    }
    let newer = newer_compilers()?;
    found.extend(
        newer.iter().map(|name| format!("{name}: needs a newer compiler than the workspace promises")),
    );
    let deny = deny(options.json)?;
    if deny == Some(false) {
        found.push("cargo-deny refuses a crate".into());
    }
    if options.oldest {
        build_oldest()?;
    }
    if options.json {
        let value = json!({
            "crates": crates,
            "newer_compiler": newer,
            "cargo_deny": deny,
            "oldest": options.oldest.then_some(true),
        });
        process::say(&value.to_string());
    } else {
        process::say(&table);
        process::say(
            "no crate needs a newer compiler than the workspace promises, as far as its manifest says",
        );
    }
    anyhow::ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

/// The crates of others that a selection brings, with their versions.
fn brought(selection: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut cargo = process::cargo();
    cargo.args(["tree", "--locked", "--prefix", "none", "--format", "{p}"]);
    cargo.args(["--target", "x86_64-unknown-linux-gnu"]);
    if !selection.contains("--edges") {
        cargo.args(["--edges", "normal,build"]);
    }
    cargo.args(selection.split(' '));
    Ok(foreign(&output(&mut cargo)?))
}

/// The crates in the lines of `cargo tree` that lie in no folder: ours do.
fn foreign(tree: &str) -> BTreeSet<String> {
    let lines = tree.lines().filter(|line| !line.contains('/') && !line.trim().is_empty());
    lines.map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
}

/// The crates whose manifests ask for a newer compiler than the workspace promises.
fn newer_compilers() -> anyhow::Result<Vec<String>> {
    let mut cargo = process::cargo();
    cargo.args(["metadata", "--locked", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&output(&mut cargo)?).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let asks = |package: &Value| version(package["rust_version"].as_str()?);
    let ours = packages.iter().find(|package| package["name"] == "convgru-kernels").and_then(asks);
    let ours = ours.context("convgru-kernels has no rust-version")?;
    let newer = packages.iter().filter(|package| asks(package).is_some_and(|asked| asked > ours));
    let name = |package: &Value| {
        let part = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} (rust-version {})", part("name"), part("version"), part("rust_version"))
    };
    Ok(newer.map(name).collect())
}

/// Major and minor version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next().unwrap_or("0").parse().ok()?))
}

/// Whether cargo-deny accepts bans, licences and sources; nothing where it is not installed.
fn deny(quiet: bool) -> anyhow::Result<Option<bool>> {
    if !is_installed() {
        process::complain("SKIPPED: cargo-deny, which `cargo xtask supply-chain --install` gets");
        return Ok(None);
    }
    let mut cargo = process::cargo();
    cargo.current_dir(process::root()).args(["deny", "--offline", "--log-level", "error"]);
    cargo.args(["check", "bans", "licenses", "sources"]);
    if quiet {
        return Ok(Some(cargo.output()?.status.success()));
    }
    Ok(Some(cargo.status()?.success()))
}

/// Builds a copy of the workspace with the oldest versions that its manifests allow.
fn build_oldest() -> anyhow::Result<()> {
    let copy = process::target().join("oldest");
    copy_sources(&process::root(), &copy)?;
    let mut update = Command::new("rustup");
    update.args(["run", "nightly", "cargo", "update", "-Z", "direct-minimal-versions"]);
    let status = update.current_dir(&copy).status().context("cannot start rustup")?;
    anyhow::ensure!(status.success(), "the manifests allow versions that do not go together");
    let mut check = process::cargo();
    check.args(["check", "--workspace", "--all-targets", "--locked"]).current_dir(&copy);
    // Beside the copy, and not where an outer build puts its own.
    check.env("CARGO_TARGET_DIR", copy.join("target"));
    let status = check.status().context("cannot start cargo")?;
    anyhow::ensure!(status.success(), "a manifest allows a version that is too old");
    process::complain("every crate builds with the oldest versions that the manifests allow");
    Ok(())
}

/// Copies the workspace without what is built and without hidden folders.
fn copy_sources(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.starts_with('.') || ["target", "runs"].contains(&&*text) {
            continue;
        }
        if entry.path().is_dir() {
            copy_sources(&entry.path(), &to.join(&name))?;
        } else if entry.path().is_file() {
            let copied = to.join(&name);
            std::fs::copy(entry.path(), &copied)
                .with_context(|| format!("cannot write {}", copied.display()))?;
        }
    }
    Ok(())
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .current_dir(process::root())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{} failed: {said}", process::line(command));
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_of_others_are_counted_once() {
        let tree =
            "xtask v0.1.0 (/a/xtask)\nanyhow v1.0.104\nserde v1.0.2 (proc-macro)\n\nserde v1.0.2 (*)\n";
        let names: Vec<_> = foreign(tree).into_iter().collect();
        assert_eq!(names, ["anyhow v1.0.104", "serde v1.0.2"]);
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert!(version("1.100") > version("1.89"));
        assert!(version("1.89.0") == version("1.89"));
        assert_eq!(version("2"), Some((2, 0)));
    }

    #[test]
    fn no_crate_asks_for_a_newer_compiler() {
        assert_eq!(newer_compilers().unwrap(), Vec::<String>::new());
    }
}
