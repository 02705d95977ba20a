//! `cargo xtask test-avx512`: tests on an emulated processor with AVX-512.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::process;

const HELP: &str = "\
Runs tests of the kernels on an emulated processor with AVX-512 (Bochs), for machines
whose own has none. Slow: a few million vector operations a second.

Usage: cargo xtask test-avx512 [ARGUMENTS OF cargo test]

Without arguments: the unit tests, gates and guard pages of convgru-kernels, and
convolutions and tiles over a few drawn shapes. Needs a Debian system; missing packages
(bochs and others) are installed once, which asks for root.

Example:
  cargo xtask test-avx512 --package convgru-kernels --test gates";

/// What is run by default: small, and every kernel of every instruction set is in it.
const DEFAULT: &[&[&str]] = &[
    &[
        "--package",
        "convgru-kernels",
        "--lib",
        "--test",
        "gates",
        "--test",
        "guard_pages",
        "--test",
        "instruction_sets",
    ],
    &["--package", "convgru-kernels", "--test", "convolution", "--test", "winograd", "agrees_with"],
];

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        process::say(HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let defaults = DEFAULT.iter().map(|run| run.iter().map(OsString::from).collect::<Vec<_>>());
    let runs = if arguments.is_empty() { defaults.collect() } else { vec![arguments.to_vec()] };
    for run in runs {
        let mut cargo = process::cargo();
        cargo.arg("test").args(run);
        let runner = process::root().join("xtask").join("test-avx512.sh");
        cargo.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", runner);
        cargo.env("CONVGRU_REQUIRE_ISA", "portable,avx2,avx512");
        if std::env::var_os("PROPTEST_CASES").is_none() {
            cargo.env("PROPTEST_CASES", "6");
        }
        process::must_succeed("a test on the emulated processor", &mut cargo)?;
    }
    Ok(ExitCode::SUCCESS)
}
