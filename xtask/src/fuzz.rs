//! `cargo xtask fuzz`: files made up by fuzzers, for every reader.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::process;

const HELP: &str = "\
Runs the fuzzers, two at a time: one for each kind of file that is read. They begin with small files
that they make themselves, and with recorded files where these are there; what they find interesting
is kept in fuzz/corpus. A panic, a file that takes more than ten seconds or more memory than SECURITY.md
allows is a finding: its file is kept in fuzz/artifacts. Needs a nightly compiler and cargo-fuzz, which
--install gets by `cargo install`.

Usage: cargo xtask fuzz [--target NAME|all] [--seconds N] [--runs N] [--seed N] [--json] [--install]

  --target NAME   one of npy, npz, idx, pgm, png, apng, jpeg, gif, hdf5, netcdf, safetensors, pickle, mxnet,
                  checkpoint, toml, zarr, grib; all is the default
  --seconds N     seconds for each (60)
  --runs N        ends each after so many files
  --seed N        makes up the same files each time, as far as the seconds reach
  --json          prints a line of JSON for each
  --install       gets cargo-fuzz by `cargo install`; alone it runs nothing

Example:
  cargo xtask fuzz --target pickle --seconds 300";

/// The fuzzers, by the format of the files that they make up.
const TARGETS: &[&str] = &[
    "npy",
    "npz",
    "idx",
    "pgm",
    "png",
    "apng",
    "jpeg",
    "gif",
    "hdf5",
    "netcdf",
    "safetensors",
    "pickle",
    "mxnet",
    "checkpoint",
    "toml",
    "zarr",
    "grib",
];

/// Larger files than this are not made up.
const MOST_BYTES: u64 = 1 << 16;

/// How many run at the same time.
const AT_ONCE: usize = 2;

/// What is wanted.
struct Options {
    targets: Vec<&'static str>,
    seconds: u64,
    runs: Option<u64>,
    seed: Option<u64>,
    json: bool,
    install: bool,
}

/// A fuzzer at work.
struct Running {
    target: &'static str,
    begun: Instant,
    /// Its files of findings before it began.
    known: usize,
    log: PathBuf,
    child: Child,
}

/// What came of it.
struct Outcome {
    target: &'static str,
    runs: u64,
    seconds: u64,
    /// Edges of the program that were reached, and combinations of how often.
    coverage: u64,
    features: u64,
    findings: usize,
    failed: bool,
}

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        process::say(HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let options = options(arguments)?;
    if options.install {
        install()?;
        if arguments.len() == 1 {
            return Ok(ExitCode::SUCCESS);
        }
    }
    let outcomes = fuzz(&options)?;
    for outcome in &outcomes {
        process::say(&if options.json { outcome.json() } else { outcome.text() });
    }
    let failed = outcomes.iter().any(|outcome| outcome.failed);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whether there is a nightly compiler, which fuzzers need.
pub(crate) fn has_compiler() -> bool {
    let nightly = nightly().args(["rustc", "--version"]).output();
    nightly.is_ok_and(|output| output.status.success())
}

/// Gets cargo-fuzz, unless it is there.
pub(crate) fn install() -> anyhow::Result<()> {
    if nightly().args(["cargo", "fuzz", "--version"]).output().is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    let mut cargo = process::cargo();
    process::must_succeed(
        "cargo install cargo-fuzz",
        cargo.args(["install", "--locked", "--debug", "cargo-fuzz"]),
    )
}

fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command.current_dir(process::root()).args(["run", "nightly"]);
    command
}

fn options(arguments: &[OsString]) -> anyhow::Result<Options> {
    let mut options = Options {
        targets: TARGETS.to_vec(),
        seconds: 60,
        runs: None,
        seed: None,
        json: false,
        install: false,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().and_then(|given| given.to_str()).unwrap_or_default();
        match argument.to_str() {
            Some("--target") => {
                let wanted = value();
                if wanted != "all" {
                    let known = TARGETS.iter().filter(|target| **target == wanted);
                    options.targets = known.copied().collect();
                    anyhow::ensure!(
                        !options.targets.is_empty(),
                        "--target: no fuzzer `{wanted}`; there are all, {}",
                        TARGETS.join(", ")
                    );
                }
            }
            Some("--seconds") => options.seconds = number("--seconds", value())?,
            Some("--runs") => options.runs = Some(number("--runs", value())?),
            Some("--seed") => options.seed = Some(number("--seed", value())?),
            Some("--json") => options.json = true,
            Some("--install") => options.install = true,
            _ => anyhow::bail!("no option `{}`; see cargo xtask fuzz --help", argument.display()),
        }
    }
    Ok(options)
}

fn number(option: &str, given: &str) -> anyhow::Result<u64> {
    given.parse().with_context(|| format!("{option}: `{given}` is no whole number"))
}

/// Builds and runs the fuzzers that are wanted.
fn fuzz(options: &Options) -> anyhow::Result<Vec<Outcome>> {
    let root = process::root();
    let host = "x86_64-unknown-linux-gnu";
    let mut build = nightly();
    // Readers are safe Rust: the fuzzers look for panics, memory and time, and need no sanitizer. Without
    // traces of comparisons they read up to three times the files and reach more edges in the same time.
    build.args(["cargo", "fuzz", "build", "--sanitizer", "none", "--no-trace-compares", "--target", host]);
    let target_dir = root.join("fuzz").join("target");
    build.arg("--target-dir").arg(&target_dir);
    if let [one] = options.targets[..] {
        build.arg(one);
    }
    process::must_succeed("building the fuzzers (is cargo-fuzz there? see --install)", &mut build)?;
    let programs = target_dir.join(host).join("release");
    let (mut waiting, mut running, mut outcomes) = (options.targets.iter(), Vec::new(), Vec::new());
    loop {
        while running.len() < AT_ONCE
            && let Some(&target) = waiting.next()
        {
            running.push(begin(&root, &programs.join(target), target, options)?);
        }
        if running.is_empty() {
            return Ok(outcomes);
        }
        std::thread::sleep(Duration::from_millis(200));
        let mut still = Vec::new();
        for mut one in running {
            match one.child.try_wait()? {
                Some(status) => outcomes.push(end(&root, one, !status.success())?),
                None => still.push(one),
            }
        }
        running = still;
    }
}

/// Starts a fuzzer on its seeds and what it found before.
fn begin(root: &Path, program: &Path, target: &'static str, options: &Options) -> anyhow::Result<Running> {
    let folder = |name: &str| root.join("fuzz").join(name).join(target);
    let (corpus, artifacts, logs) = (folder("corpus"), folder("artifacts"), root.join("fuzz").join("logs"));
    for folder in [&corpus, &artifacts, &logs] {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    process::must_succeed("making seeds", Command::new(program).env("CONVGRU_FUZZ_SEEDS", &corpus))?;
    plant(root, target, &corpus)?;
    let log = logs.join(format!("{target}.log"));
    let output = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut fuzzer = Command::new(program);
    fuzzer
        .arg(&corpus)
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-max_len={MOST_BYTES}"));
    fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display()));
    fuzzer.arg(format!("-dict={}", root.join("fuzz/dictionaries").join(format!("{target}.dict")).display()));
    // The readers' own memory is counted within; the limits are those of the fuzzer.
    fuzzer.args(["-rss_limit_mb=1024", "-malloc_limit_mb=512", "-timeout=10", "-print_final_stats=1"]);
    if let Some(runs) = options.runs {
        fuzzer.arg(format!("-runs={runs}"));
    }
    if let Some(seed) = options.seed {
        fuzzer.arg(format!("-seed={seed}"));
    }
    // Readers of data need files: in memory, where there is such a folder.
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        fuzzer.env("TMPDIR", memory);
    }
    fuzzer.env("RAYON_NUM_THREADS", "1").current_dir(root);
    let known = count(&artifacts)?;
    let child = fuzzer.stdout(Stdio::null()).stderr(output).spawn();
    let child = child.with_context(|| format!("cannot start {}", program.display()))?;
    process::complain(&format!("==> {target}"));
    Ok(Running { target, begun: Instant::now(), known, log, child })
}

/// Copies small recorded files into the corpus of weights.
fn plant(root: &Path, target: &str, corpus: &Path) -> anyhow::Result<()> {
    let endings: &[&str] = match target {
        "safetensors" => &["safetensors"],
        "pickle" => &["pth", "pt", "ckpt"],
        "mxnet" => &["params"],
        _ => return Ok(()),
    };
    let formats = root.join("convgru-bench/parity/formats");
    let entries =
        std::fs::read_dir(&formats).with_context(|| format!("cannot list {}", formats.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let of_target = path.extension().is_some_and(|end| endings.iter().any(|ending| end == *ending));
        if of_target && entry.metadata()?.len() <= MOST_BYTES {
            std::fs::copy(&path, corpus.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn count(folder: &Path) -> anyhow::Result<usize> {
    Ok(std::fs::read_dir(folder)?.count())
}

/// Reads what a fuzzer that ended said.
fn end(root: &Path, running: Running, failed: bool) -> anyhow::Result<Outcome> {
    let Running { target, begun, known, log, .. } = running;
    let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    if failed {
        let last: Vec<&str> = text.lines().rev().take(40).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        process::complain(&format!(
            "{target}: a finding; the end of {}:\n{}",
            log.display(),
            last.join("\n")
        ));
    }
    let findings = count(&root.join("fuzz").join("artifacts").join(target))?.saturating_sub(known);
    let seconds = begun.elapsed().as_secs();
    Ok(Outcome {
        target,
        runs: last_number(&text, "stat::number_of_executed_units:"),
        seconds,
        coverage: last_number(&text, " cov: "),
        features: last_number(&text, " ft: "),
        findings,
        failed,
    })
}

/// The number after the last occurrence of a mark; 0 without one.
fn last_number(text: &str, mark: &str) -> u64 {
    let rest = text.rsplit_once(mark).map_or("", |(_, rest)| rest).trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().unwrap_or(0)
}

impl Outcome {
    fn text(&self) -> String {
        let Self { target, runs, seconds, coverage, features, findings, failed } = self;
        let end = if *failed { "FAILED" } else { "ok" };
        format!(
            "{target:12} {runs:>10} files in {seconds:>5} s, {coverage:>6} edges, {features:>6} features, \
             {findings} findings: {end}"
        )
    }

    fn json(&self) -> String {
        let Self { target, runs, seconds, coverage, features, findings, failed } = self;
        format!(
            r#"{{"target":"{target}","runs":{runs},"seconds":{seconds},"coverage":{coverage},"features":{features},"findings":{findings},"failed":{failed}}}"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let read = |arguments: &[&str]| options(&arguments.iter().map(OsString::from).collect::<Vec<_>>());
        let options = read(&["--target", "pickle", "--runs", "7", "--seconds", "3", "--json"]).unwrap();
        assert_eq!((&options.targets[..], options.runs, options.seconds), (&["pickle"][..], Some(7), 3));
        assert_eq!(read(&["--target", "all"]).unwrap().targets, TARGETS);
        for wrong in [&["--target", "x"][..], &["--target"], &["--seconds", "x"], &["--x"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_a_fuzzer_says_is_read() {
        let text = "#2 INITED cov: 10 ft: 12 corp: 1\n#90 NEW    cov: 31 ft: 45 corp: 3\nstat::number_of_executed_units: 1234\n";
        assert_eq!(last_number(text, " cov: "), 31);
        assert_eq!(last_number(text, " ft: "), 45);
        assert_eq!(last_number(text, "stat::number_of_executed_units:"), 1234);
        assert_eq!(last_number("", " cov: "), 0);
    }
}
