//! Time and memory at every point, for people and for programs.

use serde::Serialize;

use super::Row;
use super::axis::Axis;
use crate::measurement::{Measurement, milliseconds};

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    axis: &'static str,
    value: usize,
    training: bool,
    threads: usize,
    engine: &'a str,
    version: &'a str,
    median_ms: f64,
    gflops: f64,
    ratio_to_us: f64,
    error: Option<f64>,
    memory_bytes: Option<u64>,
}

/// A list with an object for each engine at each point.
pub(super) fn json(rows: &[Row]) -> anyhow::Result<String> {
    let lines = rows.iter().flat_map(|row| {
        row.measurements.iter().map(|m| Line {
            axis: row.axis.name,
            value: row.value,
            training: row.kind.trains(),
            threads: m.threads,
            engine: &m.engine,
            version: &m.version,
            median_ms: m.median_ms,
            gflops: m.gflops,
            ratio_to_us: m.ratio_to_us,
            error: m.error,
            memory_bytes: m.memory_bytes,
        })
    });
    Ok(serde_json::to_string_pretty(&lines.collect::<Vec<_>>())?)
}

/// A table in Markdown for each axis and kind of work.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut text = String::new();
    for group in rows.chunk_by(|a, b| a.axis.name == b.axis.name && a.kind == b.kind) {
        let [first, ..] = group else { continue };
        text += &format!("### {}\n\n", title(first.axis, first.kind.trains()));
        text += &table(group);
        text.push('\n');
    }
    text
}

pub(super) fn title(axis: &Axis, trains: bool) -> String {
    format!("{}, {}", axis.name, if trains { "training" } else { "forward pass" })
}

/// The engines of some rows, in the order in which they first appear.
pub(super) fn engines<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for measurement in rows.into_iter().flat_map(|row| &row.measurements) {
        if !names.contains(&measurement.engine.as_str()) {
            names.push(&measurement.engine);
        }
    }
    names
}

fn table(group: &[Row]) -> String {
    let engines = engines(group);
    let headings: String = engines.iter().map(|name| format!(" {name}, ms | MB |")).collect();
    let mut text =
        format!("| {} |{headings}\n|---:|{}\n", group[0].axis.name, "---:|---:|".repeat(engines.len()));
    for row in group {
        text += &format!("| {} |", row.value);
        for engine in &engines {
            let measurement = row.measurements.iter().find(|m| m.engine == *engine);
            text += &measurement.map_or_else(|| " - | - |".into(), cells);
        }
        text.push('\n');
    }
    text
}

fn cells(m: &Measurement) -> String {
    let ratio =
        if m.engine == crate::engines::OURS { String::new() } else { format!(" ({:.2})", m.ratio_to_us) };
    let memory = m.memory_bytes.map_or("-".into(), |bytes| format!("{:.1}", bytes as f64 / 1e6));
    format!(" {}{ratio} | {memory} |", milliseconds(m.median_ms))
}

#[cfg(test)]
pub(super) mod tests {
    use convgru_bench::Kind;

    use super::*;
    use crate::engines::OURS;
    use crate::growth::axis::AXES;
    use crate::measurement::tests::measurement;

    /// Two points of two axes; the other engine lacks one.
    pub(in crate::growth) fn rows() -> Vec<Row> {
        let row = |axis: usize, value: usize, engines: &[(&str, f64)]| Row {
            axis: &AXES[axis],
            value,
            kind: Kind::Sequence,
            measurements: engines
                .iter()
                .map(|(name, ms)| Measurement {
                    memory_bytes: Some(2_500_000),
                    ..measurement("w", 1, name, *ms)
                })
                .collect(),
        };
        vec![
            row(0, 16, &[(OURS, 10.0), ("theirs", 20.0)]),
            row(0, 32, &[(OURS, 40.0)]),
            row(1, 8, &[(OURS, 1.0), ("theirs", 2.0)]),
        ]
    }

    #[test]
    fn a_table_has_a_line_for_each_value_and_two_columns_for_each_engine() {
        let text = markdown(&rows());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "### rows and columns, forward pass");
        assert_eq!(lines[2], "| rows and columns | convgru, ms | MB | theirs, ms | MB |");
        assert_eq!(lines[4], "| 16 | 10.00 | 2.5 | 20.00 (2.00) | 2.5 |");
        assert_eq!(lines[5], "| 32 | 40.00 | 2.5 | - | - |");
        assert_eq!(lines[7], "### channels, forward pass");
    }

    #[test]
    fn programs_get_one_object_for_each_engine_at_each_point() {
        let value: serde_json::Value = serde_json::from_str(&json(&rows()).unwrap()).unwrap();
        assert_eq!(value.as_array().unwrap().len(), 5);
        assert_eq!(value[1]["engine"], "theirs");
        assert_eq!(value[1]["memory_bytes"], 2_500_000);
        assert_eq!(value[2]["value"], 32);
    }
}
