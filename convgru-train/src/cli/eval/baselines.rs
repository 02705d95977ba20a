//! A model beside the baselines of nowcasting, for people.

use convgru_train::metric::EVENT_SCORES;
use convgru_train::trainer::NowcastScores;

/// A table for each threshold: a row for each score and model, a column for each lead time. `best` makes
/// the best of a column stand out.
pub(super) fn table(evaluation: &NowcastScores, best: &dyn Fn(&str) -> String) -> String {
    let quantity = &evaluation.quantity;
    let mut text = String::new();
    for (at, threshold) in evaluation.thresholds.iter().enumerate() {
        text +=
            &format!("{}\n", header(evaluation, format!("from {threshold} {}", quantity.unit).trim_end()));
        for score in EVENT_SCORES {
            let rows = evaluation.models().map(|(name, scores)| (name, (score.of)(scores).swap_remove(at)));
            text += &block(&score.name.to_uppercase(), &rows, score.higher_is_better, best);
        }
        text += "\n";
    }
    let title = format!("mean absolute error, {}", quantity.unit);
    text += &format!("{}\n", header(evaluation, title.trim_end_matches([',', ' '])));
    let rows = evaluation.models().map(|(name, scores)| (name, scores.mae()));
    text += &block("MAE", &rows, false, best);
    text.truncate(text.trim_end().len());
    text
}

fn header(evaluation: &NowcastScores, title: &str) -> String {
    let unit = if evaluation.quantity.minutes_per_step.is_some() { "minutes" } else { "frames" };
    let mut text = format!("{title:<26}");
    text.extend(evaluation.lead_minutes.iter().map(|lead| format!("{lead:>7}")));
    text + &format!("  {unit} ahead")
}

/// A row for each model.
fn block(
    score: &str,
    rows: &[(&str, Vec<f64>)],
    higher_is_better: bool,
    best: &dyn Fn(&str) -> String,
) -> String {
    let mut text = String::new();
    for (row, (model, values)) in rows.iter().enumerate() {
        let title = if row == 0 { score } else { "" };
        text += &format!("  {title:<6}{:<18}", model.replace('_', " "));
        for (lead, &value) in values.iter().enumerate() {
            let beaten = rows.iter().any(|(_, others)| match higher_is_better {
                true => others[lead] > value,
                false => others[lead] < value,
            });
            // What is undefined has no number.
            let cell = if value.is_nan() { format!("{:>7}", "-") } else { format!("{value:>7.3}") };
            text += &if beaten || value.is_nan() { cell } else { best(&cell) };
        }
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use convgru_model::Tensor;
    use convgru_train::dataset::Quantity;
    use convgru_train::metric::{EventDefinition, ForecastScores};

    fn evaluation() -> NowcastScores {
        let events = EventDefinition { thresholds: vec![0.5, 2.0], window: 1 };
        let frames = |values: [f32; 2]| Tensor::from_vec(&[1, 1, 1, 1, 2], values.to_vec()).unwrap();
        let scored = |forecast: [f32; 2]| {
            let mut scores = ForecastScores::new(&events, 1).unwrap();
            scores.add(&frames(forecast), &frames([1.0, 1.0])).unwrap();
            scores
        };
        NowcastScores {
            thresholds: events.thresholds.clone(),
            lead_minutes: vec![5.0],
            quantity: Quantity { unit: "mm/h".into(), minutes_per_step: Some(5.0), ..Quantity::intensity() },
            sequences: 1,
            convgru: scored([1.0, 1.0]),
            persistence: scored([1.0, 0.0]),
            optical_flow: scored([0.0, 0.0]),
        }
    }

    #[test]
    fn people_get_a_table_for_each_threshold_and_a_dash_for_what_is_undefined() {
        let text = table(&evaluation(), &|cell| format!("*{cell}"));
        assert!(text.starts_with("from 0.5 mm/h                   5  minutes ahead\n"), "{text}");
        let csi = "  CSI   convgru           *  1.000\n        persistence         0.500\n";
        assert!(text.contains(csi), "{text}");
        assert!(text.contains("from 2 mm/h"), "{text}");
        assert!(text.contains("optical flow            -\n"), "{text}");
        assert!(text.ends_with("        optical flow        1.000"), "{text}");
    }
}
