//! docs/benchmarks.md and docs/benchmarks.svg, made from the newest records.

mod chart;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::measurement::Measurement;
use crate::progress::note;
use crate::record::{self, Record};

const BEGIN: &str = "<!-- From here on `cargo xtask bench` writes: begin -->";
const END: &str = "<!-- end -->";

/// What a machine did: of each workload and number of threads the newest run.
pub(super) struct Machine<'a> {
    /// Its newest record.
    pub(super) newest: &'a Record,
    /// The measurements of one workload with one number of threads, and the name of their record.
    pub(super) groups: Vec<(&'a str, &'a [Measurement])>,
}

/// Writes both files.
pub(crate) fn write() -> anyhow::Result<()> {
    let records = record::read_all(&record::folder())?;
    let page = docs().join("benchmarks.md");
    let text = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let (text, picture) = generate(&text, &records)?;
    fs::write(&page, text).with_context(|| format!("cannot write {}", page.display()))?;
    let path = docs().join("benchmarks.svg");
    match picture {
        Some(picture) => {
            fs::write(&path, picture).with_context(|| format!("cannot write {}", path.display()))?
        }
        None if path.exists() => {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        None => {}
    }
    note(&format!("docs/benchmarks.md and its picture show {} records", records.len()));
    Ok(())
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// The page with a new generated part, and the picture if there is something to show.
fn generate(page: &str, records: &[Record]) -> anyhow::Result<(String, Option<String>)> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        anyhow::bail!("docs/benchmarks.md lacks the lines `{BEGIN}` and `{END}`");
    };
    let machines = machines(records);
    let picture = machines.first().map(chart::draw);
    let mut generated = String::new();
    if machines.is_empty() {
        generated += "There are no records yet; `cargo xtask bench --peers --record` makes the first.\n";
    } else {
        generated += "![GFLOP/s of every engine at every workload](benchmarks.svg)\n";
    }
    for machine in &machines {
        generated.push('\n');
        generated += &tables::write(machine);
    }
    Ok((format!("{before}{BEGIN}\n\n{generated}\n{END}{after}"), picture))
}

/// Machines, that of the newest record first.
fn machines(records: &[Record]) -> Vec<Machine<'_>> {
    let mut machines: Vec<Machine<'_>> = Vec::new();
    for of_cpu in records.chunk_by(|a, b| a.cpu == b.cpu) {
        let Some(newest) = of_cpu.last() else { continue };
        let mut groups: Vec<(&str, &[Measurement])> = Vec::new();
        for record in of_cpu {
            let same = |a: &Measurement, b: &Measurement| a.workload == b.workload && a.threads == b.threads;
            for group in record.measurements.chunk_by(same) {
                match groups.iter_mut().find(|(_, other)| same(&other[0], &group[0])) {
                    Some(older) => *older = (&record.name, group),
                    None => groups.push((&record.name, group)),
                }
            }
        }
        machines.push(Machine { newest, groups });
    }
    machines.sort_by(|a, b| b.newest.name.cmp(&a.newest.name));
    machines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::tests::measurement;

    fn record(name: &str, cpu: &str, measurements: Vec<Measurement>) -> Record {
        let facts = [("cpu", "A CPU <fast>"), ("cores", "2")];
        let facts = facts.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Record { name: name.into(), cpu: cpu.into(), facts, measurements }
    }

    fn records() -> Vec<Record> {
        let both = |ours: f64| {
            vec![
                measurement("raft", 2, "convgru", ours),
                measurement("raft", 2, "openvino", 25.0),
                measurement("grurcn_train", 2, "convgru", 8.0),
            ]
        };
        vec![
            record("2026-01-01", "a", both(12.0)),
            record("2026-01-02", "a", both(10.0)[..2].to_vec()),
            record("2026-01-03", "b", both(11.0)),
        ]
    }

    #[test]
    fn the_committed_page_is_what_the_records_say() {
        let records = record::read_all(&record::folder()).unwrap();
        let page = fs::read_to_string(docs().join("benchmarks.md")).unwrap();
        let (made, picture) = generate(&page, &records).unwrap();
        assert!(
            made == page,
            "docs/benchmarks.md is not what the records say; run `cargo xtask bench report`"
        );
        let committed = fs::read_to_string(docs().join("benchmarks.svg")).ok();
        assert!(picture == committed, "docs/benchmarks.svg is not what the records say; as above");
    }

    #[test]
    fn the_newest_run_of_each_workload_counts() {
        let records = records();
        let machines = machines(&records);
        assert_eq!(machines[0].newest.cpu, "b");
        let [(raft, raft_values), (older, _)] = machines[1].groups[..] else { panic!() };
        assert_eq!((raft, older), ("2026-01-02", "2026-01-01"));
        assert_eq!(raft_values[0].median_ms, 10.0);
    }

    #[test]
    fn what_stands_around_the_generated_part_stays() {
        let page = format!("# Title\n\nWords.\n\n{BEGIN}\nold\n{END}\n\nMore words.\n");
        let (made, picture) = generate(&page, &records()).unwrap();
        assert!(made.starts_with("# Title\n\nWords.\n") && made.ends_with("\n\nMore words.\n"), "{made}");
        assert!(!made.contains("old") && made.contains("openvino"), "{made}");
        assert_eq!(generate(&made, &records()).unwrap().0, made);
        assert!(picture.unwrap().contains("</svg>"));
        let (empty, picture) = generate(&page, &[]).unwrap();
        assert!(empty.contains("no records yet") && picture.is_none());
        assert!(generate("# Title\n", &[]).is_err());
    }
}
