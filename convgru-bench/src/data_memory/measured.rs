//! The peak memory of a program.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use convgru_train::interrupt::Interrupt;

use super::expect_no_signal;

/// Between two looks at the peak, which the system keeps itself: what grows in the last of them before the end is not seen.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// What a program took.
pub(super) struct Measured {
    /// Bytes in memory at the peak.
    pub(super) peak: u64,
    pub(super) seconds: f64,
}

/// Whether the system tells the peak of a process.
pub(super) fn is_possible() -> bool {
    peak(std::process::id()).is_some()
}

/// Runs a program to its end; a signal to this program ends it.
///
/// # Errors
/// What the program said where it fails.
pub(super) fn run(command: &mut Command, interrupt: &Interrupt) -> anyhow::Result<Measured> {
    let errors = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors.reopen()?);
    let begun = Instant::now();
    let name = command.get_program().to_string_lossy().into_owned();
    let mut process = command.spawn().with_context(|| format!("cannot start {name}"))?;
    let mut most = 0;
    let status = loop {
        most = most.max(peak(process.id()).unwrap_or(0));
        if let Some(status) = process.try_wait().context("cannot wait for the program")? {
            break status;
        }
        if let Err(signal) = expect_no_signal(interrupt) {
            drop(process.kill());
            drop(process.wait());
            return Err(signal);
        }
        std::thread::sleep(BETWEEN_LOOKS);
    };
    let said = fs::read_to_string(errors.path()).unwrap_or_default();
    anyhow::ensure!(status.success(), "{name} failed ({status}): {}", said.trim_end());
    Ok(Measured { peak: most, seconds: begun.elapsed().as_secs_f64() })
}

/// The most bytes that were in memory of a process that runs.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use convgru_train::interrupt::Signal;

    use super::*;

    #[test]
    fn a_program_has_a_peak_and_ends_with_a_signal() {
        let interrupt = Interrupt::manual();
        assert!(is_possible());
        let measured = run(Command::new("sleep").arg("0.05"), &interrupt).unwrap();
        assert!(measured.peak > 0 && measured.seconds >= 0.05);
        assert!(run(Command::new("sleep").arg("never"), &interrupt).is_err());
        interrupt.raise(Signal::Interrupt);
        let begun = Instant::now();
        assert!(run(Command::new("sleep").arg("30"), &interrupt).is_err());
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
