//! Results that are kept: `record/<cpu>/<date>.csv` for programs, `.txt` for people.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};

use crate::machine::{self, Peak};
use crate::measurement::{self, Measurement};

const HEADER: &str = "workload,threads,engine,version,variant,median_ms,gflops,fma_peak_gflops,ratio_to_us,\
                      error,largest_error,memory_bytes,rounds";

/// The format of records, which `.txt` names. It goes up when a column changes its meaning or its place.
const FORMAT: (&str, &str) = ("record format", "2");

/// A run that was kept.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// The date, and a number from the second of a day on.
    pub(crate) name: String,
    /// The folder, which is the CPU's name.
    pub(crate) cpu: String,
    /// Facts about the machine, by name.
    pub(crate) facts: BTreeMap<String, String>,
    pub(crate) measurements: Vec<Measurement>,
}

/// Where records are.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("record")
}

/// Keeps a run and returns its file.
pub(crate) fn append(
    measurements: &[Measurement],
    threads: &[usize],
    peaks: &[Peak],
    disturbed: &str,
) -> anyhow::Result<PathBuf> {
    let folder = folder().join(machine::slug(&machine::cpu_model()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let today = date(seconds / 86_400);
    let names = std::iter::once(today.clone()).chain((2..100).map(|number| format!("{today}-{number:02}")));
    let free = names.map(|name| folder.join(name + ".csv")).find(|path| !path.exists());
    let Some(path) = free else { bail!("{} has 99 records of {today}", folder.display()) };
    let save = |path: &Path, text: String| {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    save(&path, csv(measurements))?;
    save(&path.with_extension("txt"), text(measurements, threads, peaks, disturbed))?;
    Ok(path)
}

/// Every record, the oldest of each machine first.
pub(crate) fn read_all(folder: &Path) -> anyhow::Result<Vec<Record>> {
    let mut records = Vec::new();
    for cpu in sorted(folder)? {
        for path in sorted(&cpu)?.into_iter().filter(|path| path.extension().is_some_and(|e| e == "csv")) {
            records.push(read(&path)?);
        }
    }
    Ok(records)
}

fn sorted(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    // By stem, so that a day's first record comes before its second.
    paths.sort_by(|a, b| a.file_stem().cmp(&b.file_stem()));
    Ok(paths)
}

fn read(path: &Path) -> anyhow::Result<Record> {
    let load =
        |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let name = |path: Option<&std::ffi::OsStr>| path.unwrap_or_default().to_string_lossy().into_owned();
    let text = path.with_extension("txt");
    let facts = load(&text)?;
    let facts = facts.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(": "));
    let facts: BTreeMap<_, _> = facts.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let (key, needed) = FORMAT;
    let format = facts.get(key).map_or("none", String::as_str);
    anyhow::ensure!(
        format == needed,
        "{}: {key} {format} where {needed} is needed; move the record to another folder, or measure again",
        text.display()
    );
    Ok(Record {
        name: name(path.file_stem()),
        cpu: name(path.parent().and_then(Path::file_name)),
        facts,
        measurements: parse(&load(path)?).with_context(|| path.display().to_string())?,
    })
}

fn csv(measurements: &[Measurement]) -> String {
    let mut text = format!("{HEADER}\n");
    for m in measurements {
        let word = |text: &str| text.replace([',', '\n'], " ");
        let optional = |value: Option<String>| value.unwrap_or_default();
        text += &[
            word(&m.workload),
            m.threads.to_string(),
            word(&m.engine),
            word(&m.version),
            word(&m.variant),
            format!("{:.4}", m.median_ms),
            format!("{:.2}", m.gflops),
            optional(m.fma_peak_gflops.map(|peak| format!("{peak:.1}"))),
            format!("{:.4}", m.ratio_to_us),
            optional(m.error.map(|error| format!("{error:.2e}"))),
            optional(m.largest_error.map(|error| format!("{error:.2e}"))),
            optional(m.memory_bytes.map(|bytes| bytes.to_string())),
            m.rounds.to_string(),
        ]
        .join(",");
        text.push('\n');
    }
    text
}

fn parse(text: &str) -> anyhow::Result<Vec<Measurement>> {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    anyhow::ensure!(header == HEADER, "the first line is `{header}` where `{HEADER}` is needed");
    lines
        .enumerate()
        .map(|(index, line)| row(line).with_context(|| format!("line {}: {line}", index + 2)))
        .collect()
}

fn row(line: &str) -> anyhow::Result<Measurement> {
    let cells: Vec<&str> = line.split(',').collect();
    let [
        workload,
        threads,
        engine,
        version,
        variant,
        ms,
        gflops,
        peak,
        ratio,
        error,
        largest,
        memory,
        rounds,
    ] = cells[..]
    else {
        bail!("{} cells where 13 are needed", cells.len());
    };
    Ok(Measurement {
        workload: workload.into(),
        threads: threads.parse()?,
        engine: engine.into(),
        version: version.into(),
        variant: variant.into(),
        median_ms: ms.parse()?,
        gflops: gflops.parse()?,
        fma_peak_gflops: if peak.is_empty() { None } else { Some(peak.parse()?) },
        ratio_to_us: ratio.parse()?,
        ratio_interval: None,
        error: if error.is_empty() { None } else { Some(error.parse()?) },
        largest_error: if largest.is_empty() { None } else { Some(largest.parse()?) },
        memory_bytes: if memory.is_empty() { None } else { Some(memory.parse()?) },
        rounds: rounds.parse()?,
    })
}

fn text(measurements: &[Measurement], threads: &[usize], peaks: &[Peak], disturbed: &str) -> String {
    let mut text = String::new();
    let (key, format) = FORMAT;
    text += &format!("{key}: {format}\n");
    for (name, value) in machine::facts() {
        text += &format!("{name}: {value}\n");
    }
    for (threads, peak) in threads.iter().zip(peaks) {
        let number = |value: Option<f64>| value.map_or("not measured".into(), |value| format!("{value:.1}"));
        text += &format!(
            "limit of {threads} threads: FMA {} GFLOP/s, memory read {} GB/s\n",
            number(peak.fma_gflops),
            number(peak.read_gb_per_s)
        );
    }
    text += &format!("disturbed turns: {disturbed}\n");
    text + "\n" + &measurement::report(measurements)
}

/// The date of a day since 1970, in the proleptic Gregorian calendar.
fn date(days: u64) -> String {
    // Years that begin in March have the leap day at their end; an era is 400 of them.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year_of_era + next_year)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::measurement::tests::measurement;

    #[test]
    fn dates_of_days() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(20_454), "2026-01-01");
        assert_eq!(date(20_453), "2025-12-31");
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mut kept = vec![measurement("raft", 2, "theirs", 25.0), measurement("raft", 2, "convgru", 10.0)];
        kept[1].memory_bytes = Some(7);
        kept[1].fma_peak_gflops = None;
        kept[1].error = None;
        kept[1].largest_error = None;
        assert_eq!(parse(&csv(&kept)).unwrap(), kept);
        assert!(parse("something,else\n").is_err());
        let error = format!("{:#}", parse(&format!("{HEADER}\nraft,2\n")).unwrap_err());
        assert!(error.contains("line 2") && error.contains("2 cells where 13"), "{error}");
    }

    #[test]
    fn a_record_of_another_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let kept = [measurement("raft", 1, "convgru", 10.0)];
        let path = folder.path().join("2026-01-02.csv");
        fs::write(&path, csv(&kept)).unwrap();
        let facts = text(&kept, &[1], &[Peak::default()], "0 of 5");
        assert!(facts.starts_with("record format: 2\n"), "{facts}");
        let refused = |facts: &str| {
            fs::write(path.with_extension("txt"), facts).unwrap();
            format!("{:#}", read(&path).unwrap_err())
        };
        let error = refused(&facts.replace("format: 2", "format: 3"));
        assert!(error.contains("2026-01-02.txt: record format 3 where 2 is needed"), "{error}");
        let error = refused(&facts.replace("record format: 2\n", ""));
        assert!(error.contains("record format none where 2"), "{error}");
        // The column was the difference from another engine once.
        let difference = csv(&kept).replace(",error,", ",difference,");
        let error = parse(&difference).unwrap_err().to_string();
        assert!(error.contains("difference") && error.contains("is needed"), "{error}");
    }

    #[test]
    fn records_of_a_folder_are_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let cpu = folder.path().join("a-cpu");
        fs::create_dir(&cpu).unwrap();
        for name in ["2026-01-02-02", "2026-01-02", "2025-12-31"] {
            let kept = [measurement("raft", 1, "convgru", 10.0)];
            fs::write(cpu.join(format!("{name}.csv")), csv(&kept)).unwrap();
            fs::write(cpu.join(format!("{name}.txt")), text(&kept, &[1], &[Peak::default()], "0 of 5"))
                .unwrap();
        }
        let records = read_all(folder.path()).unwrap();
        let names: Vec<_> = records.iter().map(|record| record.name.as_str()).collect();
        assert_eq!(names, ["2025-12-31", "2026-01-02", "2026-01-02-02"]);
        assert!(records[0].facts.contains_key("cores"), "{:?}", records[0].facts);
        assert_eq!(records[0].cpu, "a-cpu");
        assert!(read_all(&folder.path().join("absent")).unwrap().is_empty());
    }
}
