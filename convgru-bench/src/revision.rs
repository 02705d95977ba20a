//! `--compare`: how much the times of workloads changed since another commit.

use crate::engines::OURS;
use crate::measurement::{Measurement, groups, milliseconds};

/// The table: for each workload and number of threads both times, their ratio and the interval of 95 % around it.
pub(crate) fn report(measurements: &[Measurement], revision: &str) -> String {
    let width = measurements.iter().map(|m| m.workload.len()).max().unwrap_or(0).max("workload".len());
    let mut text = format!(
        "{:<width$}  {:>7}  {:>10}  {:>10}  {:>8}  {:>13}\n",
        "workload", "threads", revision, "now, ms", "ratio", "95 %"
    );
    for group in groups(measurements) {
        let of = |ours: bool| group.iter().find(|m| (m.engine == OURS) == ours);
        let (Some(now), Some(before)) = (of(true), of(false)) else { continue };
        let (interval, verdict) = match before.ratio_interval {
            Some(interval @ [low, high]) => (format!("{low:.3} {high:.3}"), verdict(interval)),
            None => ("-".into(), "too few rounds for an interval"),
        };
        text += &format!(
            "{:<width$}  {:>7}  {:>10}  {:>10}  {:>8.3}  {interval:>13}  {verdict}\n",
            now.workload,
            now.threads,
            milliseconds(before.median_ms),
            milliseconds(now.median_ms),
            before.ratio_to_us,
        );
    }
    text + "\nratio: time before / time now; above 1 this working tree is faster\n"
}

/// Two processes of the same program differ by as much, by their places in memory.
const SAME: f64 = 0.01;

/// What an interval of the ratio says.
fn verdict([low, high]: [f64; 2]) -> &'static str {
    if low > 1.0 + SAME {
        "faster now"
    } else if high < 1.0 - SAME {
        "slower now"
    } else {
        "no difference seen"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::tests::measurement;

    #[test]
    fn the_table_has_a_line_for_each_workload_with_its_verdict() {
        let beside = |workload: &str, ms: f64, ratio_interval| {
            let before = Measurement { ratio_interval, ..measurement(workload, 2, "1234567", ms) };
            [measurement(workload, 2, OURS, 10.0), before]
        };
        let measurements = [
            beside("raft", 12.0, Some([1.1, 1.3])),
            beside("seed_seq", 9.0, Some([0.85, 0.95])),
            beside("stream_hd", 10.1, Some([1.004, 1.008])),
            beside("mnist_train", 10.1, None),
        ]
        .concat();
        let text = report(&measurements, "1234567");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("1234567") && lines[0].contains("now, ms"), "{text}");
        let ends = ["faster now", "slower now", "no difference seen", "too few rounds for an interval"];
        for (line, end) in lines[1..].iter().zip(ends) {
            assert!(line.ends_with(end), "{line}");
        }
        assert!(lines[1].contains("1.200    1.100 1.300"), "{text}");
    }
}
