//! How many files of each kind were drawn, and how they were read.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::progress::note;

/// The longest reason that is shown.
const LONGEST: usize = 150;

/// The draws of a kind.
#[derive(Debug, Default, Serialize)]
pub(super) struct Tally {
    pub(super) kind: String,
    pub(super) drawn: usize,
    pub(super) equal: usize,
    pub(super) refused: usize,
    /// Refusals, with how many files each is of.
    pub(super) reasons: BTreeMap<String, usize>,
    /// Files that were read otherwise, or refused without a reason that the draw names.
    pub(super) failed: Vec<String>,
    /// Draws that the library of the format does not write, or reads in two ways.
    pub(super) unwritten: usize,
    /// Why nothing was drawn.
    pub(super) absent: Option<String>,
}

impl Tally {
    pub(super) fn new(kind: String) -> Self {
        Self { kind, ..Self::default() }
    }

    /// Counts a refusal under its reason without numbers and names.
    pub(super) fn refuse(&mut self, reason: String) {
        self.refused += 1;
        *self.reasons.entry(grouped(&reason)).or_default() += 1;
    }
}

/// What refusals of a kind have in common: the beginning, with `#` for numbers.
fn grouped(reason: &str) -> String {
    let after = reason.split_once(": ").map_or(reason, |(_, after)| after);
    let mut text = String::new();
    for letter in after.chars() {
        match letter {
            '0'..='9' if text.ends_with('#') => {}
            '0'..='9' => text.push('#'),
            letter => text.push(letter),
        }
    }
    while text.contains("#, #") {
        text = text.replace("#, #", "#");
    }
    text.chars().take(LONGEST).collect()
}

/// All kinds as a table, with the reasons of refusals below.
pub(super) fn table(tallies: &[Tally]) -> String {
    let mut lines = vec![format!(
        "{:<8} {:>6} {:>6} {:>8} {:>7} {:>10}",
        "kind", "drawn", "equal", "refused", "failed", "unwritten"
    )];
    for own in tallies {
        lines.push(format!(
            "{:<8} {:>6} {:>6} {:>8} {:>7} {:>10}",
            own.kind,
            own.drawn,
            own.equal,
            own.refused,
            own.failed.len(),
            own.unwritten
        ));
    }
    for own in tallies.iter().filter(|own| !own.reasons.is_empty()) {
        lines.push(format!("\nrefused of {}:", own.kind));
        lines.extend(own.reasons.iter().map(|(reason, count)| format!("{count:>6}  {reason}")));
    }
    lines.join("\n")
}

/// Fails where a file failed, or nothing was compared.
pub(super) fn verdict(tallies: &[Tally]) -> anyhow::Result<()> {
    for own in tallies {
        if let Some(reason) = &own.absent {
            note(&format!("SKIPPED: {}, {reason}; `cargo xtask check-readers --install` gets it", own.kind));
        }
    }
    let failed: usize = tallies.iter().map(|own| own.failed.len()).sum();
    let drawn: usize = tallies.iter().map(|own| own.drawn).sum();
    anyhow::ensure!(
        failed == 0,
        "{failed} of {drawn} files are read otherwise, or refused for no reason that is documented"
    );
    let equal: usize = tallies.iter().map(|own| own.equal).sum();
    anyhow::ensure!(equal > 0, "no file was compared: of {drawn} none was written and read");
    note(&format!(
        "{drawn} files were drawn, {equal} are read as their own libraries read them, and none otherwise"
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_fails_and_so_does_nothing_to_compare() {
        let tally = |equal| Tally { drawn: 3, equal, ..Tally::new("zarr".into()) };
        assert!(verdict(&[tally(3)]).is_ok());
        assert!(verdict(&[tally(0)]).is_err() && verdict(&[]).is_err());
        let failed = Tally { failed: vec!["a.zarr: 1 of 1 numbers differ".into()], ..tally(2) };
        assert!(verdict(&[tally(3), failed]).is_err());
        let absent = Tally { absent: Some("no Python module zarr".into()), ..Tally::new("zarr".into()) };
        assert!(verdict(&[tally(3), absent]).is_ok());
    }

    #[test]
    fn refusals_with_other_numbers_are_one_reason() {
        let mut tally = Tally::new("hdf5".into());
        tally.refuse("/a-1.h5: has the shape [3, 14, 15], which is not read".into());
        tally.refuse("/a-22.h5: has the shape [9, 2], which is not read".into());
        assert_eq!(
            tally.reasons.into_iter().collect::<Vec<_>>(),
            [("has the shape [#], which is not read".into(), 2)]
        );
    }
}
