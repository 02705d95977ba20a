//! The table of a gradient check.

use std::fmt;

use serde::Serialize;

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What was checked.
    pub case: String,
    /// Shapes and options.
    pub shapes: String,
    /// The number of gradient entries compared; all of them.
    pub elements: usize,
    /// Largest error against dual numbers through the reference; none without a
    /// reference, or if the check did not come so far.
    pub worst_dual: Option<f64>,
    /// Largest error against central differences; none if the check did not come so far.
    pub worst_difference: Option<f64>,
    /// Error of the forward pass against the reference.
    pub value_error: Option<f64>,
    /// Whether two backward passes gave the same bits.
    pub bits_equal: bool,
    /// Whether gradients are added to what was there.
    pub accumulates: bool,
    /// Whether everything is within its tolerance.
    pub passed: bool,
    /// What is wrong, if anything is.
    pub note: Option<String>,
}

impl Row {
    /// The row of a case that could not be checked.
    pub(super) fn failure(case: &str, note: String) -> Self {
        Self {
            case: case.to_owned(),
            shapes: String::new(),
            elements: 0,
            worst_dual: None,
            worst_difference: None,
            value_error: None,
            bits_equal: false,
            accumulates: false,
            passed: false,
            note: Some(note),
        }
    }
}

/// The results of many checks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The number of checks.
    pub cases: usize,
    /// Largest error against dual numbers of all checks.
    pub worst_dual: f64,
    /// Largest error against central differences of all checks.
    pub worst_difference: f64,
    /// Whether a gradient broken on purpose was noticed, by dual numbers and by
    /// differences.
    pub negative_control_caught: bool,
    /// The checks.
    pub rows: Vec<Row>,
}

impl Report {
    /// The report of the given rows.
    pub fn new(rows: Vec<Row>, negative_control_caught: bool) -> Self {
        let worst = |error: fn(&Row) -> Option<f64>| rows.iter().filter_map(error).fold(0.0, worse);
        Self {
            cases: rows.len(),
            worst_dual: worst(|row| row.worst_dual),
            worst_difference: worst(|row| row.worst_difference),
            negative_control_caught,
            rows,
        }
    }

    /// Whether every check passed and the negative control was caught; a report
    /// without checks has not passed.
    pub fn passed(&self) -> bool {
        self.negative_control_caught && !self.rows.is_empty() && self.rows.iter().all(|row| row.passed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = |error: Option<f64>| error.map_or("-".to_owned(), |error| format!("{error:.1e}"));
        let width = |cell: fn(&Row) -> &str, title: &str| {
            self.rows.iter().map(|row| cell(row).len()).max().unwrap_or(0).max(title.len())
        };
        let case_width = width(|row| &row.case, "case");
        let shapes_width = width(|row| &row.shapes, "shapes");
        writeln!(
            f,
            "{:case_width$}  {:shapes_width$}  {:>8}  {:>8}  {:>10}  {:>5}  result",
            "case", "shapes", "elements", "dual", "difference", "bits"
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "{:case_width$}  {:shapes_width$}  {:>8}  {:>8}  {:>10}  {:>5}  {}",
                row.case,
                row.shapes,
                row.elements,
                error(row.worst_dual),
                error(row.worst_difference),
                if row.bits_equal { "equal" } else { "-" },
                match &row.note {
                    None => "passed".to_owned(),
                    Some(note) => format!("FAILED: {note}"),
                }
            )?;
        }
        let failed = self.rows.iter().filter(|row| !row.passed).count();
        write!(
            f,
            "{} checks, {failed} failed; worst error {:.1e} (dual), {:.1e} (differences); negative control {}",
            self.cases,
            self.worst_dual,
            self.worst_difference,
            if self.negative_control_caught { "caught" } else { "NOT CAUGHT" }
        )
    }
}

/// The larger of two errors; a NaN is larger than anything.
pub(super) fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a >= b { a } else { b }
}
