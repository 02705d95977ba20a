//! The outcomes for each part of the code.

use std::collections::BTreeMap;
use std::io::Write;

use crate::judge::{Outcome, Verdict};

const COLUMNS: [(Verdict, &str); 6] = [
    (Verdict::Caught, "caught"),
    (Verdict::Timeout, "too slow"),
    (Verdict::Missed, "missed"),
    (Verdict::Unreached, "not reached"),
    (Verdict::Refused, "do not compile"),
    (Verdict::Apart, "apart"),
];

/// Prints the outcomes as JSON, or a table and the survivors.
pub(crate) fn print(outcomes: &[&Outcome], json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(outcomes)?)?;
        return Ok(());
    }
    let mut parts: BTreeMap<String, Vec<Verdict>> = BTreeMap::new();
    for outcome in outcomes {
        parts.entry(part(&outcome.file)).or_default().push(outcome.verdict);
        parts.entry("together".into()).or_default().push(outcome.verdict);
    }
    let names: Vec<_> = COLUMNS.iter().map(|(_, name)| *name).collect();
    writeln!(
        out,
        "| files | mutants | {} |\n|---|---:|{}",
        names.join(" | "),
        "---:|".repeat(COLUMNS.len())
    )?;
    for (part, verdicts) in &parts {
        let counts =
            COLUMNS.map(|(of, _)| verdicts.iter().filter(|verdict| **verdict == of).count().to_string());
        writeln!(out, "| {part} | {} | {} |", verdicts.len(), counts.join(" | "))?;
    }
    for outcome in outcomes {
        if matches!(outcome.verdict, Verdict::Missed | Verdict::Unreached) {
            writeln!(out, "{:?}: {}", outcome.verdict, outcome.name)?;
        }
    }
    Ok(())
}

/// The crate and the module of a file.
fn part(file: &str) -> String {
    let mut parts = file.split('/');
    let (package, module) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
    format!("`{package}`: {}", module.trim_end_matches(".rs"))
}
