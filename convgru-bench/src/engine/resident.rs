//! The memory of this process, as Linux counts it.

use std::fs;

/// Bytes in memory now; nothing where the system does not say.
pub(super) fn now() -> Option<u64> {
    field("VmRSS:")
}

/// The most bytes that were in memory since the peak was reset.
pub(super) fn peak() -> Option<u64> {
    field("VmHWM:")
}

/// Resets the peak of resident memory; whether the system can.
pub(super) fn reset_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

fn field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_at_least_what_is_there() {
        assert!(peak().unwrap() > 0 && now().unwrap() > 0);
    }
}
