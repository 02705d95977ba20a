//! Peak memory of the second iteration, and what was resident before the first.

use std::fs;

use serde_json::{Value, json};

pub(crate) fn of(mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Value> {
    let base = field("VmRSS:");
    work()?;
    let reset = fs::write("/proc/self/clear_refs", "5").is_ok();
    work()?;
    let peak = if reset { field("VmHWM:") } else { None };
    Ok(json!({"base_bytes": base, "peak_bytes": peak}))
}

fn field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
