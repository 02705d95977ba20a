//! `cargo xtask crash-test`: the command `crash-test` of the program `convgru-bench`.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::process;
use crate::program::{self, BENCH};

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let is = |argument: &OsString, names: &[&str]| names.iter().any(|name| argument == name);
    if arguments.iter().any(|argument| is(argument, &["--install"])) {
        install()?;
    }
    let rest: Vec<OsString> =
        arguments.iter().filter(|argument| !is(argument, &["--install"])).cloned().collect();
    if rest.is_empty() && !arguments.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if !rest.iter().any(|argument| is(argument, &["--help", "-h"])) {
        // Both programs lie in one folder, where the test finds the other.
        program::build_all()?;
    }
    BENCH.run(&[&["crash-test".into()], &rest[..]].concat())
}

/// Gets strace.
pub(crate) fn install() -> anyhow::Result<()> {
    let apt =
        |what: &str, arguments: &[&str]| process::must_succeed(what, Command::new("apt-get").args(arguments));
    apt("reading Debian's lists (as root)", &["update"])?;
    apt("installing strace (as root)", &["install", "--yes", "--no-install-recommends", "strace"])
}

/// Whether strace can be started.
pub(crate) fn is_installed() -> bool {
    Command::new("strace").arg("--version").output().is_ok_and(|output| output.status.success())
}
