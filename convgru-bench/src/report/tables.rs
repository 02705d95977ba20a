//! The tables of a machine in Markdown.

use super::Machine;
use crate::accuracy::CLOSE;
use crate::engines::OURS;
use crate::measurement::{Measurement, milliseconds};
use crate::verdict::{self, Verdict};

/// A heading, the machine's facts, speeds and memory.
pub(super) fn write(machine: &Machine<'_>) -> String {
    let fact =
        |name: &str| machine.newest.facts.get(name).map_or("unknown", String::as_str).replace('<', "&lt;");
    let mut text = format!("## {}\n\n", fact("cpu"));
    text += &format!(
        "{} cores, {}, {}, {}, {}. Newest record: `convgru-bench/record/{}/{}.txt`.\n\n",
        fact("cores"),
        fact("caches"),
        fact("memory"),
        fact("kernel"),
        fact("rustc"),
        machine.newest.cpu,
        machine.newest.name
    );
    text += &speeds(machine);
    let memory = memory(machine);
    if !memory.is_empty() {
        text.push('\n');
        text += &memory;
    }
    text
}

/// The other engines of a machine, in the order they first appear.
pub(super) fn others<'a>(machine: &Machine<'a>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for (_, group) in &machine.groups {
        for measurement in *group {
            if measurement.engine != OURS && !names.contains(&measurement.engine.as_str()) {
                names.push(&measurement.engine);
            }
        }
    }
    names
}

fn find<'a>(group: &'a [Measurement], engine: &str) -> Option<&'a Measurement> {
    group.iter().find(|measurement| measurement.engine == engine)
}

fn speeds(machine: &Machine<'_>) -> String {
    let others = others(machine);
    let version = |engine: &&str| {
        let found = machine.groups.iter().rev().find_map(|(_, group)| find(group, engine));
        found.map_or(String::new(), |measurement| format!("{engine} {}", measurement.version))
    };
    let headings: Vec<_> = others.iter().map(version).collect();
    let mut text = String::from(
        "In parentheses is the error: the relative 2-norm of the difference from convgru in f64.",
    );
    if !others.is_empty() {
        text += &format!(
            " The columns of the others say how many times as long as convgru they take, the last two the least of them: \
             with an error of at most {CLOSE:.0e}, and with any."
        );
    }
    text += "\n\n| workload | threads | convgru ms | GFLOP/s | of the FMA peak |";
    headings.iter().for_each(|heading| text += &format!(" {heading} |"));
    if !others.is_empty() {
        text += &format!(" fastest other within {CLOSE:.0e} | fastest other |");
    }
    text += " record |\n|---|---:|---:|---:|---:|";
    text += &"---:|".repeat(others.len() + if others.is_empty() { 0 } else { 2 });
    text += "---|\n";
    for (record, group) in &machine.groups {
        let Some(ours) = find(group, OURS) else { continue };
        let peak =
            ours.fma_peak_gflops.map_or("-".into(), |peak| format!("{:.0} %", 100.0 * ours.gflops / peak));
        text += &format!(
            "| {} | {} | {}{} | {:.0} | {peak} |",
            ours.workload,
            ours.threads,
            milliseconds(ours.median_ms),
            error(ours),
            ours.gflops
        );
        for other in &others {
            text += &format!(" {} |", find(group, other).map_or("-".into(), ratio));
        }
        if !others.is_empty() {
            for verdict in [verdict::within_close(group), verdict::at_all(group)] {
                text += &format!(" {} |", fastest_other(verdict));
            }
        }
        text += &format!(" {record} |\n");
    }
    text
}

fn ratio(measurement: &Measurement) -> String {
    format!("{:.2}{}", measurement.ratio_to_us, error(measurement))
}

/// The error in parentheses, where it was measured.
fn error(measurement: &Measurement) -> String {
    measurement.error.map_or(String::new(), |error| format!(" ({error:.0e})"))
}

fn fastest_other(verdict: Option<Verdict<'_>>) -> String {
    let other = verdict.and_then(|verdict| verdict.fastest_other);
    other.map_or("-".into(), |other| format!("**{} {:.2}**", other.engine, other.ratio_to_us))
}

/// Peak memory of training steps and forecasts, where it was measured.
fn memory(machine: &Machine<'_>) -> String {
    let others: Vec<_> = others(machine)
        .into_iter()
        .filter(|name| {
            let measured =
                |group: &[Measurement]| find(group, name).is_some_and(|m| m.memory_bytes.is_some());
            machine.groups.iter().any(|(_, group)| measured(group))
        })
        .collect();
    let mut rows = String::new();
    for (_, group) in &machine.groups {
        let Some((ours, bytes)) = find(group, OURS).and_then(|ours| Some((ours, ours.memory_bytes?))) else {
            continue;
        };
        rows += &format!("| {} | {} | {:.0} MB |", ours.workload, ours.threads, bytes as f64 / 1e6);
        for other in &others {
            let bytes = find(group, other).and_then(|measurement| measurement.memory_bytes);
            rows += &bytes.map_or(" - |".into(), |bytes| format!(" {:.0} MB |", bytes as f64 / 1e6));
        }
        rows.push('\n');
    }
    if rows.is_empty() {
        return rows;
    }
    let mut text = String::from(
        "Peak memory of a training step, or of a forecast, over the memory of weights and inputs:\n\n",
    );
    text += "| workload | threads | convgru |";
    others.iter().for_each(|other| text += &format!(" {other} |"));
    text += &format!("\n|---|---:|---:|{}\n", "---:|".repeat(others.len()));
    text + &rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::tests::measurement;
    use crate::record::Record;

    #[test]
    fn ratios_and_memory_stand_in_their_columns() {
        let mut measurements = [
            measurement("mnist_train", 1, OURS, 10.0),
            measurement("mnist_train", 1, "pytorch-eager", 31.0),
            measurement("mnist_train", 1, "pytorch-compile", 25.0),
        ];
        measurements[2].error = Some(2e-5);
        measurements[0].memory_bytes = Some(100_000_000);
        measurements[1].memory_bytes = Some(400_000_000);
        let newest = Record {
            name: "2026-01-01".into(),
            cpu: "c".into(),
            facts: Default::default(),
            measurements: Vec::new(),
        };
        let text = write(&Machine { newest: &newest, groups: vec![("2026-01-01", &measurements)] });
        assert!(
            text.contains("| mnist_train | 1 | 10.00 (2e-6) | 100 | 50 % | 3.10 (2e-6) | 2.50 (2e-5) | **pytorch-eager 3.10** | \
                 **pytorch-compile 2.50** | 2026-01-01 |"),
            "{text}"
        );
        assert!(text.contains("| mnist_train | 1 | 100 MB | 400 MB |"), "{text}");
        let columns = |line: &str| line.matches('|').count();
        let table: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(columns(table[0]), columns(table[1]));
        assert_eq!(columns(table[0]), columns(table[2]));
    }
}
