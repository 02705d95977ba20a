//! The members of an ensemble, for people.

use convgru_train::counted::counted;
use convgru_train::metric::{EnsembleMetrics, EnsembleScores};

/// A row for all frames and one for each lead time.
pub(super) fn table(scores: &EnsembleScores) -> String {
    let title = counted(scores.members, "member");
    let mut text = format!("{title:<18}{:>12}{:>12}{:>12}", "CRPS", "fair CRPS", "spread");
    let lead_times = (1..).map(|t| format!("  frame {t}")).zip(&scores.per_step);
    for (name, metrics) in [("all frames".to_owned(), &scores.overall)].into_iter().chain(lead_times) {
        let EnsembleMetrics { crps, fair_crps, spread } = metrics;
        text += &format!("\n{name:<18}{crps:>12.6}{fair_crps:>12.6}{spread:>12.6}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_a_row_for_each_lead_time() {
        let metrics = |crps| EnsembleMetrics { crps, fair_crps: 0.25, spread: 0.125 };
        let scores = EnsembleScores { members: 4, overall: metrics(0.5), per_step: vec![metrics(1.0)] };
        let expected = "4 members                 CRPS   fair CRPS      spread\n\
                        all frames            0.500000    0.250000    0.125000\n  \
                        frame 1             1.000000    0.250000    0.125000";
        assert_eq!(table(&scores), expected);
    }
}
