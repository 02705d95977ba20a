//! How a test says that it did not check something. Tests of every crate include this file by its path.

use std::io::Write;

/// Writes a line `SKIPPED` with the name of the test and the reason, which stands in the output also where the test passes.
pub(crate) fn say_skipped(reason: &str) {
    let thread = std::thread::current();
    // The test harness captures `eprintln!` and shows it for tests that fail alone. It does not capture this.
    let _ = writeln!(std::io::stderr(), "SKIPPED {}: {reason}", thread.name().unwrap_or("a test"));
}
