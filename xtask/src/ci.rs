//! `cargo xtask ci`: everything that must hold before a change goes in.

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::{check_report, crash_test, fuzz, process, python, supply_chain, test_aarch64, tidy};

const HELP: &str = "\
Runs every check: plain-text rules, formatting, lints, tests, documentation,
gradients, parity with other implementations, exported networks in ONNX Runtime, forecasts in
xarray and the libraries of benchmarks at a tiny network where these are installed, kernels under AddressSanitizer and readers under fuzzers where there is a nightly compiler,
kernels under Miri where there is that,
kernels on an emulated 64-bit ARM processor where Debian's compiler for it is installed,
the crates that come with ours, the same bits over threads, builds and instruction sets, a training
that is killed at every call of the file system where strace is installed, the program installed by itself, and a short training, with
its report in a browser where there is one. If kernels or models changed since the commit before, times of both commits are printed; they
never fail the run.

Usage: cargo xtask ci [--after-tests] [--install]

  --after-tests   leaves out `cargo test --workspace`, which has just been run
  --install       installs strace and the compiler and emulator for ARM (with apt, as root) and cargo-deny (with cargo
                  install) where they are missing; the run skips and names checks whose tools cannot be installed

Tests that need recorded data skip aloud where it is absent; with
CONVGRU_REQUIRE_DATA=1 in the environment its absence is a failure.

Example:
  cargo xtask ci";

/// A check: its name and the command that performs it.
struct Stage {
    name: &'static str,
    command: Command,
    /// Whether its failure fails the run.
    required: bool,
}

impl Stage {
    fn new(name: &'static str, command: Command) -> Self {
        Self { name, command, required: true }
    }
}

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        process::say(HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let (mut after_tests, mut with_install) = (false, false);
    for argument in arguments {
        match argument.to_str() {
            Some("--after-tests") => after_tests = true,
            Some("--install") => with_install = true,
            _ => anyhow::bail!("no option `{}`; see cargo xtask ci --help", argument.display()),
        }
    }
    let begun = Instant::now();
    if with_install {
        install();
    }
    announce("tidy");
    tidy::check(&process::root())?;
    for stage in stages(after_tests) {
        announce(stage.name);
        let start = Instant::now();
        let mut command = stage.command;
        match process::must_succeed(stage.name, &mut command) {
            Err(error) if stage.required => return Err(error),
            Err(error) => process::complain(&format!("    {error:#}; not required")),
            Ok(()) => {
                let seconds = start.elapsed().as_secs_f64();
                process::complain(&format!("    {} passed in {seconds:.0} s", stage.name));
            }
        }
    }
    process::say(&format!("every check passed in {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(ExitCode::SUCCESS)
}

fn stages(after_tests: bool) -> Vec<Stage> {
    let runs = process::root().join("target").join("ci-runs");
    let stage = |name, arguments: &[&str]| {
        let mut command = process::cargo();
        command.args(arguments);
        Stage::new(name, command)
    };
    let mut stages = vec![
        stage("fmt", &["fmt", "--all", "--check"]),
        stage("clippy", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]),
        stage(
            "clippy without default features",
            &["clippy", "--package", "convgru-train", "--no-default-features", "--", "--deny", "warnings"],
        ),
        stage(
            "clippy of the model alone",
            &["clippy", "--package", "convgru-model", "--", "--deny", "warnings"],
        ),
    ];
    if !after_tests {
        stages.push(stage("test", &["test", "--workspace"]));
    }
    let mut doc = stage("doc", &["doc", "--workspace", "--no-deps"]);
    doc.command.env("RUSTDOCFLAGS", "--deny warnings");
    stages.push(doc);
    stages.push(stage("gradcheck", &["xtask", "gradcheck"]));
    let parity = std::env::var("CONVGRU_PARITY").unwrap_or_else(|_| "../shared/parity".into());
    if process::root().join(&parity).exists() || std::env::var("CONVGRU_REQUIRE_DATA").as_deref() == Ok("1") {
        stages.push(stage("parity", &["xtask", "parity", "--dir", &parity]));
    } else {
        process::complain(&format!("SKIPPED: parity with all recorded values, for {parity} is not there"));
        stages.push(stage("parity", &["xtask", "parity"]));
    }
    if python::is_installed("onnx") && python::is_installed("pytorch") {
        stages.push(stage("exported networks", &["xtask", "onnx", "--torch"]));
    } else if python::is_installed("onnx") {
        process::complain(
            "SKIPPED: exported networks in PyTorch, which `cargo xtask onnx --install --torch` gets",
        );
        stages.push(stage("exported networks", &["xtask", "onnx"]));
    } else {
        process::complain(
            "SKIPPED: exported networks in ONNX Runtime, which `cargo xtask onnx --install` gets",
        );
    }
    if python::is_installed("forecasts") {
        stages.push(stage("forecasts in xarray", &["xtask", "check-forecasts"]));
    } else {
        process::complain("SKIPPED: forecasts in xarray, which `cargo xtask check-forecasts --install` gets");
    }
    if python::is_installed("readers") {
        stages.push(stage("drawn files in other readers", &["xtask", "check-readers"]));
    } else {
        process::complain(
            "SKIPPED: drawn files in other readers, which `cargo xtask check-readers --install` gets",
        );
    }
    if python::is_installed("engines") {
        stages.push(peers(stage(
            "other libraries at a tiny network",
            &["xtask", "bench", "--peers", "--json"],
        )));
    } else {
        process::complain(
            "SKIPPED: other libraries at a tiny network, which `cargo xtask bench --install-peers` gets",
        );
    }
    stages.extend(address_sanitizer());
    stages.extend(miri());
    stages.extend(fuzzers());
    if test_aarch64::is_installed() {
        // Without the large images, which take minutes on an emulated processor.
        let kernels = ["--package", "convgru-kernels", "--lib", "--test", "gates", "--test", "convolution"];
        let tests =
            [&["xtask", "test-aarch64"], &kernels[..], &["--test", "refused", "--test", "aliasing"]].concat();
        stages.push(stage("kernels on 64-bit ARM", &tests));
        let tiles =
            ["xtask", "test-aarch64", "--package", "convgru-kernels", "--test", "winograd", "each_tile"];
        stages.push(stage("Winograd's algorithm on 64-bit ARM", &tiles));
        stages.push(stage("loops for 64-bit ARM", &["xtask", "test-aarch64", "--disassembly"]));
    } else {
        process::complain(
            "SKIPPED: kernels on 64-bit ARM, whose compiler and emulator `cargo xtask test-aarch64 --install` gets",
        );
    }
    stages.push(stage("supply chain", &["xtask", "supply-chain"]));
    stages.push(stage("determinism", &["xtask", "determinism", "--quick"]));
    if crash_test::is_installed() {
        stages.push(stage("crash test", &["xtask", "crash-test", "--quick"]));
    } else {
        process::complain(
            "SKIPPED: crash test, which needs strace: `cargo xtask crash-test --install` gets it",
        );
    }
    stages.push(stage("benchmarks once", &["bench", "--package", "convgru-bench", "--", "--test"]));
    stages.extend(times_beside_the_commit_before());
    stages.extend(installed_program());
    let mut training =
        stage("a short training", &["xtask", "train", "--json", "--set", "training.steps=20", "--out"]);
    training.command.arg(&runs);
    stages.push(training);
    if check_report::browser().is_some() {
        let mut report = stage("its report in a browser", &["xtask", "check-report"]);
        report.command.arg(runs.join("quick").join("report.html"));
        stages.push(report);
    } else {
        process::complain("SKIPPED: a report in a browser, which `cargo xtask check-report --install` gets");
    }
    stages
}

/// Every Python library of the benchmarks that needs no compiler computes a tiny network as convgru does in f64; one that is named and
/// fails is an error.
fn peers(mut stage: Stage) -> Stage {
    for engine in ["pytorch-eager", "pytorch-by-hand", "onnxruntime", "openvino", "ncnn", "mnn", "jax"] {
        stage.command.args(["--engine", engine]);
    }
    let workload = process::root().join("convgru-bench/tests/workloads/tiny_sequence.toml");
    stage.command.args(["--threads", "1", "--rounds", "1", "--workload-file"]).arg(workload);
    stage
}

/// Two workloads of this commit and of the commit before, in turns, if kernels or models differ.
fn times_beside_the_commit_before() -> Option<Stage> {
    let mut differ = Command::new("git");
    differ.current_dir(process::root()).args(["diff", "--quiet", "HEAD~1", "--"]);
    let status = differ.args(["convgru-kernels/src", "convgru-model/src"]).status();
    // 1: they differ; 0: they do not; anything else: there is no such commit.
    if status.is_ok_and(|status| status.code() != Some(1)) {
        process::complain(
            "SKIPPED: times beside the commit before: kernels and models are the same there, or there is none",
        );
        return None;
    }
    let mut command = process::cargo();
    command.args(["xtask", "bench", "--compare", "HEAD~1", "--rounds", "8", "--threads", "2"]);
    command.args(["--workload", "grurcn_fwd", "--workload", "mnist_train"]);
    Some(Stage { required: false, ..Stage::new("times beside the commit before", command) })
}

/// The program as users install it: without xtask, and from another folder.
fn installed_program() -> [Stage; 2] {
    let root = process::target().join("ci-install");
    let mut install = process::cargo();
    install
        .args(["install", "--path", "convgru-train", "--locked", "--force", "--no-track", "--root"])
        .arg(&root);
    let program = root.join("bin").join("convgru").with_extension(std::env::consts::EXE_EXTENSION);
    let mut help = Command::new(program);
    help.arg("--help");
    [Stage::new("installing convgru", install), Stage::new("convgru --help", help)]
}

/// Gets what stages need and is missing. What cannot be had is named here, and its stage is skipped.
fn install() {
    let tools: [Tool; 3] = [
        ("strace", crash_test::is_installed, crash_test::install),
        ("the compiler for ARM", test_aarch64::is_installed, test_aarch64::install),
        ("cargo-deny", supply_chain::is_installed, supply_chain::install),
    ];
    for (name, is_installed, install) in tools {
        if is_installed() {
            continue;
        }
        announce(&format!("installing {name}"));
        let start = Instant::now();
        match install() {
            Ok(()) => process::complain(&format!("    installed in {:.0} s", start.elapsed().as_secs_f64())),
            Err(error) => process::complain(&format!("{name} cannot be had: {error:#}")),
        }
    }
}

/// A program that stages use: its name, whether it is there, and how it is got.
type Tool = (&'static str, fn() -> bool, fn() -> anyhow::Result<()>);

/// A program of the nightly toolchain.
fn nightly(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly"]).args(arguments);
    command
}

/// Kernels under AddressSanitizer, where there is a nightly compiler for it.
fn address_sanitizer() -> Option<Stage> {
    let host = "x86_64-unknown-linux-gnu";
    let there = nightly(&["rustc", "--version"]).output().is_ok_and(|output| output.status.success());
    if !there || !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        process::complain("SKIPPED: AddressSanitizer, which needs a nightly compiler on x86-64 Linux");
        return None;
    }
    let mut command = nightly(&["cargo", "test", "--package", "convgru-kernels", "--target", host]);
    command.args(["--test", "gates", "--test", "convolution", "--test", "winograd"]);
    command.args(["--test", "descriptors", "--test", "refused"]);
    command.env("RUSTFLAGS", "-Zsanitizer=address").env("PROPTEST_CASES", "24");
    // What the system does not give is an error of the kernels.
    command.env("ASAN_OPTIONS", "allocator_may_return_null=1");
    command.env("CARGO_TARGET_DIR", process::root().join("target").join("address-sanitizer"));
    Some(Stage::new("address sanitizer", command))
}

/// A call of every entry of the kernels under Miri, which knows the rules of aliasing and of memory without a value, where
/// there is one with a standard library for it (docs/unsafe.md).
fn miri() -> Option<Stage> {
    if !nightly(&["cargo", "miri", "setup"]).output().is_ok_and(|output| output.status.success()) {
        process::complain(
            "SKIPPED: Miri, which `rustup component add --toolchain nightly miri rust-src` gets where it can be had",
        );
        return None;
    }
    let mut command =
        nightly(&["cargo", "miri", "test", "--package", "convgru-kernels", "--test", "aliasing"]);
    // The queues of rayon's threads break Stacked Borrows.
    command.env("RAYON_NUM_THREADS", "1");
    command.env("MIRIFLAGS", "-Zmiri-disable-isolation -Zmiri-ignore-leaks");
    command.env("CARGO_TARGET_DIR", process::root().join("target").join("miri"));
    Some(Stage::new("miri", command))
}

/// Every reader a minute on files made up by a fuzzer, where there is a nightly compiler for that: the same files for every
/// change. Gets cargo-fuzz where it is missing.
fn fuzzers() -> Option<Stage> {
    if !fuzz::has_compiler() || !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        process::complain("SKIPPED: fuzzers, which need a nightly compiler on x86-64 Linux");
        return None;
    }
    let mut command = process::cargo();
    command.args(["xtask", "fuzz", "--install", "--seconds", "60", "--seed", "1"]);
    Some(Stage::new("fuzzers", command))
}

fn announce(name: &str) {
    process::complain(&format!("==> {name}"));
}
