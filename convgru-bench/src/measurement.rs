//! What comes out, and how it is printed.

use serde::Serialize;

use crate::verdict;

/// One engine at one workload with one number of threads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measurement {
    pub(crate) workload: String,
    pub(crate) threads: usize,
    pub(crate) engine: String,
    pub(crate) version: String,
    /// What the engine chose, where it had a choice.
    pub(crate) variant: String,
    /// The median over rounds of the medians of each.
    pub(crate) median_ms: f64,
    /// Operations of the direct convolution over the time, in 10^9.
    pub(crate) gflops: f64,
    /// The machine's limit for this many threads, from the same run.
    pub(crate) fma_peak_gflops: Option<f64>,
    /// The engine's time over ours: above one we are the faster.
    pub(crate) ratio_to_us: f64,
    /// The interval of 95 % around this ratio, from the ratios of the rounds; nothing of fewer than six rounds, and in
    /// records.
    pub(crate) ratio_interval: Option<[f64; 2]>,
    /// The relative 2-norm of the difference from convgru in f64, the worst of all outputs; nothing in records made before it
    /// was measured.
    pub(crate) error: Option<f64>,
    /// The largest difference of a number, over the largest magnitude in its tensor.
    pub(crate) largest_error: Option<f64>,
    /// Memory of a training step or a forecast beyond weights and inputs.
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) rounds: usize,
}

/// What `--json` prints of a measurement.
#[derive(Serialize)]
struct Row<'a> {
    workload: &'a str,
    threads: usize,
    engine: &'a str,
    version: &'a str,
    variant: &'a str,
    median_ms: f64,
    gflops: f64,
    fma_peak_gflops: Option<f64>,
    ratio_to_us: f64,
    ratio_interval: Option<[f64; 2]>,
    error: Option<f64>,
    largest_error: Option<f64>,
}

/// A list for programs.
pub(crate) fn json(measurements: &[Measurement]) -> anyhow::Result<String> {
    let rows: Vec<_> = measurements
        .iter()
        .map(|m| Row {
            workload: &m.workload,
            threads: m.threads,
            engine: &m.engine,
            version: &m.version,
            variant: &m.variant,
            median_ms: m.median_ms,
            gflops: m.gflops,
            fma_peak_gflops: m.fma_peak_gflops,
            ratio_to_us: m.ratio_to_us,
            ratio_interval: m.ratio_interval,
            error: m.error,
            largest_error: m.largest_error,
        })
        .collect();
    Ok(serde_json::to_string_pretty(&rows)?)
}

const HEADINGS: [&str; 10] = [
    "workload",
    "threads",
    "engine",
    "ms",
    "error",
    "largest",
    "time / ours",
    "GFLOP/s",
    "of peak",
    "memory",
];

/// The measurements of each workload with one number of threads.
pub(crate) fn groups(measurements: &[Measurement]) -> impl Iterator<Item = &[Measurement]> {
    measurements.chunk_by(|a, b| a.workload == b.workload && a.threads == b.threads)
}

/// The table and, of each workload, which engine is the fastest.
pub(crate) fn report(measurements: &[Measurement]) -> String {
    let verdicts: Vec<String> = groups(measurements).filter_map(verdict::lines).flatten().collect();
    let table = table(measurements);
    if verdicts.is_empty() { table } else { format!("{table}\n{}\n", verdicts.join("\n")) }
}

/// A table for people: the engines of a workload from the fastest to the slowest.
fn table(measurements: &[Measurement]) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    for group in groups(measurements) {
        let mut sorted: Vec<_> = group.iter().collect();
        sorted.sort_by(|a, b| a.median_ms.total_cmp(&b.median_ms));
        rows.extend(sorted.into_iter().map(cells));
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 10] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Words are aligned on the left and numbers on the right.
            let padded = if column == 0 || column == 2 {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            };
            line += &padded;
            line += "  ";
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// An engine with its version and what it chose.
pub(crate) fn version_of(m: &Measurement) -> String {
    if m.variant.is_empty() || m.engine.ends_with(&m.variant) {
        format!("{} {}", m.engine, m.version)
    } else {
        format!("{} {} ({})", m.engine, m.version, m.variant)
    }
}

fn cells(m: &Measurement) -> [String; 10] {
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    [
        m.workload.clone(),
        m.threads.to_string(),
        version_of(m),
        milliseconds(m.median_ms),
        or_dash(m.error.map(|error| format!("{error:.1e}"))),
        or_dash(m.largest_error.map(|error| format!("{error:.1e}"))),
        format!("{:.2}", m.ratio_to_us),
        format!("{:.1}", m.gflops),
        or_dash(m.fma_peak_gflops.map(|peak| format!("{:.0} %", 100.0 * m.gflops / peak))),
        or_dash(m.memory_bytes.map(|bytes| format!("{:.0} MB", bytes as f64 / 1e6))),
    ]
}

/// A time with three digits or more.
pub(crate) fn milliseconds(value: f64) -> String {
    let decimals = match value {
        v if v < 10.0 => 3,
        v if v < 100.0 => 2,
        _ => 1,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::engines::OURS;

    pub(crate) fn measurement(workload: &str, threads: usize, engine: &str, median_ms: f64) -> Measurement {
        Measurement {
            workload: workload.into(),
            threads,
            engine: engine.into(),
            version: "1.2".into(),
            variant: if engine == OURS { String::new() } else { "step".into() },
            median_ms,
            gflops: 1000.0 / median_ms,
            fma_peak_gflops: Some(200.0),
            ratio_to_us: median_ms / 10.0,
            ratio_interval: None,
            error: Some(1.5e-6),
            largest_error: Some(6e-6),
            memory_bytes: None,
            rounds: 3,
        }
    }

    #[test]
    fn a_table_is_aligned_and_sorted() {
        let text = report(&[
            measurement("raft", 1, "theirs", 25.0),
            measurement("raft", 1, OURS, 10.0),
            measurement("raft", 2, OURS, 5.0),
        ]);
        let lines: Vec<_> = text.lines().collect();
        // Four lines of the table, a line between, two verdicts about the group with two engines.
        assert_eq!(lines.len(), 7, "{text}");
        assert!(lines[4].is_empty() && lines[5].contains("raft, 1 thread: fastest within"), "{text}");
        assert!(lines[1].contains("convgru 1.2") && lines[1].contains("50 %"), "{text}");
        assert!(
            lines[2].contains("theirs 1.2 (step)")
                && lines[2].contains("1.5e-6")
                && lines[2].contains("2.50"),
            "{text}"
        );
        assert_eq!(lines[0].find("time / ours").map(|at| at + 11), lines[2].find("2.50").map(|at| at + 4));
    }

    #[test]
    fn json_has_the_fields_that_were_promised() {
        let text = json(&[measurement("raft", 1, "theirs", 25.0)]).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value[0]["ratio_to_us"], 2.5);
        assert_eq!(value[0]["fma_peak_gflops"], 200.0);
        assert_eq!(value[0]["error"], 1.5e-6);
        assert_eq!(value[0]["variant"], "step");
        assert_eq!(value[0].as_object().unwrap().len(), 12);
    }
}
