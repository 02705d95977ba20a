//! `cargo xtask test-aarch64`: tests on an emulated 64-bit ARM processor.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context;

use crate::disassembly::{self, Loop};
use crate::process;

const HELP: &str = "\
Builds tests for 64-bit ARM Linux and runs them on an emulated processor (qemu-user). Checks results only:
an emulated processor says nothing about speed.

Usage: cargo xtask test-aarch64 [--install] [--disassembly] [--json] [ARGUMENTS OF cargo test]

  --install       installs Debian's compiler and library for ARM, the linker and the emulator with apt, as root
  --disassembly   runs no test; looks at the machine code of the matrix products instead: their innermost
                  loops must use fmla and keep all sums in registers
  --json          with --disassembly: prints a line of JSON for each kind of loop

Without arguments of cargo test: all tests of convgru-kernels, and the tests of convgru-model of drawn
cells, gradients and streams; a quarter of an hour. A compiler of Debian is used (/usr/bin/rustc, package rustc-web); the
compiler of rustup stays as it is.

Example:
  cargo xtask test-aarch64 --package convgru-kernels --test gates";

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// The compiler for ARM and its standard library, as Debian's packages install them.
const COMPILER: &str = "/usr/bin/rustc";
const LIBRARY: &str = "/usr/lib/rustlib/aarch64-unknown-linux-gnu/lib";
const LINKER: &str = "aarch64-linux-gnu-gcc";
const EMULATOR: &str = "qemu-aarch64";

/// The function that matrix products are compiled into: `simd/neon.rs` runs kernels of tiles in it.
const PRODUCTS: &str = "neon::Neon::run_tile";

/// A loop with at least as many multiplications is a matrix product: four rows of a block of channels.
const LEAST: usize = 16;

const PACKAGES: &[&str] = &[
    "rustc-web",
    "libstd-rust-web-dev",
    "libstd-rust-web-dev:arm64",
    "gcc-aarch64-linux-gnu",
    "libc6-dev-arm64-cross",
    "qemu-user",
];

/// What runs without arguments of `cargo test`.
const DEFAULT: &[&[&str]] = &[
    &["--package", "convgru-kernels", "--lib", "--tests"],
    &["--package", "convgru-model", "--test", "drawn_cells", "--test", "gradients", "--test", "streams"],
];

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        process::say(HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let own = ["--install", "--disassembly", "--json"];
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let of_cargo: Vec<OsString> =
        arguments.iter().filter(|argument| !own.iter().any(|own| argument == own)).cloned().collect();
    if has("--install") {
        install()?;
        if arguments.len() == 1 {
            return Ok(ExitCode::SUCCESS);
        }
    }
    anyhow::ensure!(
        is_installed(),
        "the compiler for ARM, its library, the linker or the emulator is missing; \
         `cargo xtask test-aarch64 --install` installs them on Debian"
    );
    if has("--disassembly") {
        anyhow::ensure!(of_cargo.is_empty(), "--disassembly takes no arguments of cargo test");
        return look_at_loops(has("--json"));
    }
    let defaults = DEFAULT.iter().map(|run| run.iter().map(OsString::from).collect::<Vec<_>>());
    let runs = if of_cargo.is_empty() { defaults.collect() } else { vec![of_cargo] };
    for run in runs {
        let mut cargo = cargo();
        cargo.args(["test", "--target", TARGET]).args(run);
        cargo.env("CONVGRU_REQUIRE_ISA", "portable,neon");
        if std::env::var_os("PROPTEST_CASES").is_none() {
            cargo.env("PROPTEST_CASES", "16");
        }
        process::must_succeed("a test on the emulated processor", &mut cargo)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Installs the packages that are needed.
pub(crate) fn install() -> anyhow::Result<()> {
    let root = |what: &str, program: &str, arguments: &[&str]| {
        process::must_succeed(what, Command::new(program).args(arguments))
    };
    root("adding the packages of ARM (as root)", "dpkg", &["--add-architecture", "arm64"])?;
    root("reading Debian's lists (as root)", "apt-get", &["update"])?;
    let install = [&["install", "--yes", "--no-install-recommends"], PACKAGES].concat();
    root("installing the compiler for ARM and the emulator (as root)", "apt-get", &install)
}

/// Whether everything that is needed is there.
pub(crate) fn is_installed() -> bool {
    let starts = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    Path::new(LIBRARY).is_dir() && [COMPILER, LINKER, EMULATOR].into_iter().all(starts)
}

/// Cargo with the compiler, linker and emulator for ARM. Its files lie apart from files of the other compiler.
/// Programs are linked statically: with the dynamic library of C, Debian's emulator 7.2 hangs when a program
/// starts a thread.
fn cargo() -> Command {
    let mut cargo = process::cargo();
    cargo.env("RUSTC", COMPILER);
    cargo.env("CARGO_TARGET_DIR", target_dir());
    cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER);
    cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", EMULATOR);
    cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "-C target-feature=+crt-static");
    cargo
}

fn target_dir() -> PathBuf {
    process::target().join("aarch64")
}

/// Builds the kernels as users get them and counts instructions in the loops of matrix products.
fn look_at_loops(json: bool) -> anyhow::Result<ExitCode> {
    let mut build = cargo();
    build.args(["build", "--release", "--target", TARGET, "--package", "convgru-kernels"]);
    process::must_succeed("building the kernels for ARM", &mut build)?;
    let library = target_dir().join(TARGET).join("release").join("libconvgru_kernels.rlib");
    let mut objdump = Command::new("aarch64-linux-gnu-objdump");
    objdump.args(["--disassemble", "--demangle", "--no-show-raw-insn"]).arg(&library);
    let output = objdump.output().context("cannot start aarch64-linux-gnu-objdump")?;
    anyhow::ensure!(output.status.success(), "{} failed", process::line(&objdump));
    let loops = disassembly::loops(&String::from_utf8_lossy(&output.stdout));
    let is_product = |one: &&Loop| one.function.contains(PRODUCTS) && one.multiplications >= LEAST;
    let mut kinds = BTreeMap::<&Loop, usize>::new();
    for one in loops.iter().filter(is_product) {
        *kinds.entry(one).or_default() += 1;
    }
    for (one, count) in &kinds {
        process::say(&if json { one.json(*count) } else { one.text(*count) });
    }
    anyhow::ensure!(!kinds.is_empty(), "no loop of {PRODUCTS} in {} has {LEAST} fmla", library.display());
    let spilling: usize = kinds.iter().filter(|(one, _)| one.spills > 0).map(|(_, count)| count).sum();
    anyhow::ensure!(spilling == 0, "{spilling} loops move vectors to the stack or from it");
    Ok(ExitCode::SUCCESS)
}
