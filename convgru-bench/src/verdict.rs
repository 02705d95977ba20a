//! Which engine is the fastest at a workload, with and without regard to its error.

use crate::accuracy::CLOSE;
use crate::engines::OURS;
use crate::measurement::{Measurement, version_of};

/// The fastest of all engines, and the fastest besides ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict<'a> {
    pub(crate) fastest: &'a Measurement,
    pub(crate) fastest_other: Option<&'a Measurement>,
}

/// The engines of a workload with one number of threads whose error is at most [`CLOSE`]; none if no engine's is.
pub(crate) fn within_close(group: &[Measurement]) -> Option<Verdict<'_>> {
    among(group, |measurement| measurement.error.is_some_and(|error| error <= CLOSE))
}

/// The engines of a workload with one number of threads, whatever their error.
pub(crate) fn at_all(group: &[Measurement]) -> Option<Verdict<'_>> {
    among(group, |_| true)
}

fn among(group: &[Measurement], counts: impl Fn(&Measurement) -> bool) -> Option<Verdict<'_>> {
    let fastest = |ours_too: bool| {
        let counted = group.iter().filter(|m| counts(m) && (ours_too || m.engine != OURS));
        counted.min_by(|a, b| a.ratio_to_us.total_cmp(&b.ratio_to_us))
    };
    Some(Verdict { fastest: fastest(true)?, fastest_other: fastest(false) })
}

/// Two lines about a workload with one number of threads; nothing where one engine alone was measured.
pub(crate) fn lines(group: &[Measurement]) -> Option<[String; 2]> {
    let [first, _, ..] = group else { return None };
    let title = format!("{}, {} thread{}", first.workload, first.threads, plural(first.threads));
    let line = |which: &str, verdict: Option<Verdict<'_>>| {
        format!("{title}: fastest {which}: {}", verdict.map_or("none".into(), |verdict| words(&verdict)))
    };
    Some([line(&format!("within {CLOSE:.0e} of f64"), within_close(group)), line("at all", at_all(group))])
}

fn plural(threads: usize) -> &'static str {
    if threads == 1 { "" } else { "s" }
}

fn words(verdict: &Verdict<'_>) -> String {
    let name = |m: &Measurement| {
        let error = m.error.map_or(String::new(), |error| format!(", error {error:.1e}"));
        format!("{}, time / ours {:.2}{error}", version_of(m), m.ratio_to_us)
    };
    match verdict.fastest_other {
        Some(other) if verdict.fastest.engine == OURS => {
            format!("{}; of the others {}", name(verdict.fastest), name(other))
        }
        _ => name(verdict.fastest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::tests::measurement;

    /// Ours takes 10 ms; engines with their times and errors.
    fn group(ours: f64, others: &[(&str, f64, f64)]) -> Vec<Measurement> {
        let mut group = vec![Measurement { error: Some(ours), ..measurement("raft", 2, OURS, 10.0) }];
        group.extend(others.iter().map(|&(name, ms, error)| Measurement {
            error: Some(error),
            ..measurement("raft", 2, name, ms)
        }));
        group
    }

    #[test]
    fn an_engine_with_a_larger_error_is_the_fastest_at_all_alone() {
        let group = group(2e-6, &[("rough", 5.0, 3e-4), ("slow", 30.0, 5e-7), ("next", 20.0, 1e-5)]);
        let [close, all] = lines(&group).unwrap();
        assert_eq!(
            close,
            "raft, 2 threads: fastest within 1e-5 of f64: convgru 1.2, time / ours 1.00, error 2.0e-6; of the others \
             next 1.2 (step), time / ours 2.00, error 1.0e-5"
        );
        assert_eq!(all, "raft, 2 threads: fastest at all: rough 1.2 (step), time / ours 0.50, error 3.0e-4");
    }

    #[test]
    fn ours_gets_no_verdict_with_a_larger_error() {
        let close = group(2e-5, &[("slow", 30.0, 5e-7)]);
        let verdict = within_close(&close).unwrap();
        assert_eq!(verdict.fastest.engine, "slow");
        assert_eq!(at_all(&close).unwrap().fastest.engine, OURS);
        let [line, _] = lines(&group(2e-5, &[("rough", 5.0, 1.1e-5)])).unwrap();
        assert_eq!(line, "raft, 2 threads: fastest within 1e-5 of f64: none");
    }

    #[test]
    fn without_others_or_errors_there_is_nothing_to_say() {
        assert!(lines(&group(2e-6, &[])).is_none());
        let mut old = group(2e-6, &[("theirs", 5.0, 5e-7)]);
        old.iter_mut().for_each(|m| m.error = None);
        assert!(within_close(&old).is_none());
        assert_eq!(at_all(&old).unwrap().fastest.engine, "theirs");
        assert_eq!(at_all(&old).unwrap().fastest_other.unwrap().engine, "theirs");
    }
}
