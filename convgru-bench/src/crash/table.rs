//! What came of all faults, as a table.

use std::time::Duration;

use serde_json::{Value, json};

use super::fault::Point;
use super::trial::{Next, Verdict};

/// Failures that are told one by one.
const TOLD: usize = 20;

/// One kind of fault in one scenario.
#[derive(Debug)]
pub(super) struct Row {
    scenario: &'static str,
    fault: &'static str,
    /// Faults that met a file of the run.
    points: usize,
    /// Faults that met another file, or no call at all.
    elsewhere: usize,
    survived: usize,
    resumed: usize,
    restarted: usize,
    damaged: usize,
    left: usize,
    abandoned: usize,
    equal: usize,
    failures: Vec<String>,
}

impl Row {
    pub(super) fn new(scenario: &'static str, fault: &'static str) -> Self {
        Self {
            scenario,
            fault,
            points: 0,
            elsewhere: 0,
            survived: 0,
            resumed: 0,
            restarted: 0,
            damaged: 0,
            left: 0,
            abandoned: 0,
            equal: 0,
            failures: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, point: &Point, verdict: Option<&Verdict>) {
        let Some(verdict) = verdict else {
            self.elsewhere += 1;
            return;
        };
        self.points += 1;
        let after = &verdict.after;
        match after.next {
            Next::Survived => self.survived += 1,
            Next::Resumed => self.resumed += 1,
            Next::Restarted => self.restarted += 1,
        }
        self.damaged += verdict.damaged + after.damaged;
        self.left += after.left;
        self.abandoned += after.abandoned;
        self.equal += usize::from(after.equal);
        let faults: Vec<&str> = verdict.faults.iter().chain(&after.faults).map(String::as_str).collect();
        if !faults.is_empty() {
            self.failures.push(format!("{}: {point}: {}", self.scenario, faults.join("; ")));
        }
    }

    /// The row as a line.
    pub(super) fn text(&self) -> String {
        format!(
            "{:<13} {:<8} {:>6} {:>8} {:>7} {:>9} {:>6} {:>7} {:>5} {:>9} {:>6}",
            self.scenario,
            self.fault,
            self.points,
            self.survived,
            self.resumed,
            self.restarted,
            self.equal,
            self.damaged,
            self.left,
            self.abandoned,
            self.failures.len()
        )
    }
}

/// All rows.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
}

impl Table {
    /// Trials that are not as they must be.
    pub(super) fn failed(&self) -> usize {
        self.rows.iter().map(|row| row.failures.len()).sum()
    }

    pub(super) fn text(&self, elapsed: Duration) -> String {
        let mut text = format!(
            "{:<13} {:<8} {:>6} {:>8} {:>7} {:>9} {:>6} {:>7} {:>5} {:>9} {:>6}\n",
            "run",
            "fault",
            "points",
            "survived",
            "resumed",
            "restarted",
            "equal",
            "damaged",
            "left",
            "abandoned",
            "failed"
        );
        for row in &self.rows {
            text += &format!("{}\n", row.text());
        }
        let elsewhere: usize = self.rows.iter().map(|row| row.elsewhere).sum();
        let points: usize = self.rows.iter().map(|row| row.points).sum();
        text += &format!(
            "\n{points} faults met files of runs, {elsewhere} more met other files or no call, in {} s\n\
             left: files besides those of an uninterrupted run after the next start; abandoned: files of runs that had no checkpoint yet\n",
            elapsed.as_secs()
        );
        let failures: Vec<&String> = self.rows.iter().flat_map(|row| &row.failures).collect();
        for failure in failures.iter().take(TOLD) {
            text += &format!("FAILED {failure}\n");
        }
        if failures.len() > TOLD {
            text += &format!("and {} more\n", failures.len() - TOLD);
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "scenario": row.scenario,
                    "fault": row.fault,
                    "points": row.points,
                    "elsewhere": row.elsewhere,
                    "survived": row.survived,
                    "resumed": row.resumed,
                    "restarted": row.restarted,
                    "equal": row.equal,
                    "damaged": row.damaged,
                    "left": row.left,
                    "abandoned": row.abandoned,
                    "failures": row.failures,
                })
            })
            .collect();
        json!({ "scenarios": rows, "failed": self.failed() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::fault::{Call, Fault};
    use crate::crash::trial::After;

    #[test]
    fn a_file_that_is_left_fails() {
        let point = Point { call: Call { name: "rename".into(), ordinal: 3 }, fault: Fault::Kill };
        let after =
            After { next: Next::Resumed, damaged: 0, left: 0, abandoned: 0, equal: true, faults: vec![] };
        let mut verdict = Verdict { damaged: 0, faults: vec![], after };
        let mut row = Row::new("train", "SIGKILL");
        row.add(&point, Some(&verdict));
        row.add(&point, None);
        verdict.after.left = 1;
        verdict.after.faults.push(".model.safetensors.tmp is left".into());
        row.add(&point, Some(&verdict));
        let table = Table { rows: vec![row] };
        assert_eq!(table.failed(), 1);
        let json = table.json();
        let row = &json["scenarios"][0];
        assert_eq!(
            [&row["points"], &row["elsewhere"], &row["equal"], &row["left"]],
            [&json!(2), &json!(1), &json!(2), &json!(1)]
        );
        let text = table.text(Duration::from_secs(2));
        assert!(text.contains("FAILED train: SIGKILL at rename 3: .model.safetensors.tmp is left"), "{text}");
    }
}
