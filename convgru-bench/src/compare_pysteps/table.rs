//! Scores side by side.

use convgru_train::metric::ForecastScores;
use serde_json::{Value, json};

/// Scores of several forecasts on the same pixels.
pub(super) struct Comparison {
    /// In mm/h.
    pub(super) thresholds: Vec<f64>,
    pub(super) lead_minutes: Vec<f64>,
    pub(super) sequences: usize,
    pub(super) models: Vec<(&'static str, ForecastScores)>,
}

impl Comparison {
    /// For programs; undefined scores are null.
    pub(super) fn json(&self) -> Value {
        let scores = |scores: &ForecastScores| json!({ "csi": scores.csi(), "fss": scores.fss(), "mae": scores.mae() });
        let models: serde_json::Map<String, Value> =
            self.models.iter().map(|(name, of)| ((*name).to_owned(), scores(of))).collect();
        json!({
            "thresholds": self.thresholds,
            "lead_minutes": self.lead_minutes,
            "sequences": self.sequences,
            "models": models,
        })
    }

    /// For people: a row for each threshold and forecast, a column for each lead time.
    pub(super) fn table(&self) -> String {
        let mut text = format!("{:<26}", format!("{} sequences, minutes", self.sequences));
        text.extend(self.lead_minutes.iter().map(|lead| format!("{lead:>7}")));
        for (at, threshold) in self.thresholds.iter().enumerate() {
            for (title, score) in
                [("CSI", ForecastScores::csi as fn(&_) -> Vec<Vec<f64>>), ("FSS", ForecastScores::fss)]
            {
                text += &format!("\n{title} from {threshold} mm/h");
                for (name, scores) in &self.models {
                    text += &row(name, &score(scores)[at]);
                }
            }
        }
        text += "\nmean absolute error, mm/h";
        for (name, scores) in &self.models {
            text += &row(name, &scores.mae());
        }
        text
    }
}

fn row(name: &str, values: &[f64]) -> String {
    let mut text = format!("\n  {name:<24}");
    text.extend(values.iter().map(|value| match value.is_nan() {
        true => format!("{:>7}", "-"),
        false => format!("{value:>7.3}"),
    }));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use convgru_model::Tensor;
    use convgru_train::metric::EventDefinition;

    #[test]
    fn both_forms_have_every_forecast() {
        let mut scores =
            ForecastScores::new(&EventDefinition { thresholds: vec![0.5], window: 1 }, 1).unwrap();
        let frames = |values: [f32; 2]| Tensor::from_vec(&[1, 1, 1, 1, 2], values.to_vec()).unwrap();
        scores.add(&frames([1.0, 0.0]), &frames([1.0, 1.0])).unwrap();
        let comparison = Comparison {
            thresholds: vec![0.5],
            lead_minutes: vec![5.0],
            sequences: 1,
            models: vec![("ours", scores.clone()), ("theirs", scores)],
        };
        assert!(comparison.table().contains("  theirs                    0.500"), "{}", comparison.table());
        assert_eq!(comparison.json()["models"]["ours"]["csi"], json!([[0.5]]));
    }
}
