//! The tables of the page: metrics beside baselines, and error by lead time.

use std::fmt::Write;

use super::escape::escape;
use super::number::compact;
use crate::metric::Metrics;

/// A column of the table of metrics.
struct Column {
    name: &'static str,
    meaning: &'static str,
    lower_is_better: bool,
    value: fn(&Metrics) -> f64,
}

const COLUMNS: [Column; 4] = [
    Column {
        name: "MSE",
        meaning: "squared error summed over a frame",
        lower_is_better: true,
        value: |row| row.mse,
    },
    Column {
        name: "MAE",
        meaning: "absolute error summed over a frame",
        lower_is_better: true,
        value: |row| row.mae,
    },
    Column { name: "SSIM", meaning: "structural similarity", lower_is_better: false, value: |row| row.ssim },
    Column {
        name: "PSNR",
        meaning: "peak signal to noise ratio, dB",
        lower_is_better: false,
        value: |row| row.psnr,
    },
];

/// The metrics; the best of each column stands out. The last column is each
/// row's MSE as a multiple of the first baseline's MSE.
pub(super) fn metrics(rows: &[(String, Metrics)]) -> String {
    let baseline = rows.get(1);
    let mut html =
        String::from("<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Prediction by</th>");
    for column in &COLUMNS {
        let _ = write!(
            html,
            "<th scope=\"col\" title=\"{}\">{} <span class=\"better\">{}</span></th>",
            column.meaning,
            column.name,
            if column.lower_is_better {
                "<span aria-hidden=\"true\">↓</span><span class=\"spoken\">lower is better</span>"
            } else {
                "<span aria-hidden=\"true\">↑</span><span class=\"spoken\">higher is better</span>"
            }
        );
    }
    if let Some((name, _)) = baseline {
        let _ = write!(html, "<th scope=\"col\" class=\"wide\">MSE ÷ <i>{}</i></th>", escape(name));
    }
    html.push_str("</tr></thead><tbody>");
    let largest = rows.iter().map(|(_, row)| row.mse).filter(|mse| mse.is_finite()).fold(0.0, f64::max);
    for (i, (name, row)) in rows.iter().enumerate() {
        let class = if i == 0 { " class=\"model\"" } else { "" };
        let _ = write!(html, "<tr{class}><th scope=\"row\">{}</th>", escape(name));
        for column in &COLUMNS {
            let value = (column.value)(row);
            let best = rows.len() > 1
                && rows.iter().map(|(_, row)| (column.value)(row)).all(|other| {
                    other.is_nan() || if column.lower_is_better { value <= other } else { value >= other }
                });
            let tag = if best { "b" } else { "span" };
            let _ = write!(html, "<td><{tag}>{}</{tag}></td>", compact(value));
        }
        if let Some((_, baseline)) = baseline {
            let share = if largest > 0.0 && row.mse.is_finite() { row.mse / largest * 100.0 } else { 0.0 };
            let _ = write!(
                html,
                "<td class=\"wide\"><span class=\"ratio\">{}</span>\
                 <span class=\"bar\" aria-hidden=\"true\"><span class=\"{}\" style=\"width:{share:.1}%\"></span></span></td>",
                ratio(row.mse, baseline.mse),
                line_class(i)
            );
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>");
    html
}

/// The ratio of two errors; a dash if there is none.
pub(super) fn ratio(error: f64, baseline: f64) -> String {
    if baseline > 0.0 { format!("{:.3}", error / baseline) } else { "–".into() }
}

/// The class that colours the line, key and bar of a row: the model, the first
/// baseline, the second, and all others.
pub(super) fn line_class(row: usize) -> &'static str {
    ["model", "baseline-a", "baseline-b"].get(row).copied().unwrap_or("baseline-c")
}

/// The numbers behind the chart of error by lead time, or by frame where predictions are at the times of the input.
pub(super) fn lead_times(series: &[(String, Vec<f64>)], same_times: bool) -> String {
    let steps = series.iter().map(|(_, mse)| mse.len()).max().unwrap_or(0);
    let (head, time) = if same_times { ("Frame", "") } else { ("Lead time", "t+") };
    let mut html = format!("<div class=\"scroll\"><table><thead><tr><th scope=\"col\">{head}</th>");
    for (name, _) in series {
        let _ = write!(html, "<th scope=\"col\">{}</th>", escape(name));
    }
    html.push_str("</tr></thead><tbody>");
    for step in 0..steps {
        let _ = write!(html, "<tr><th scope=\"row\">{time}{}</th>", step + 1);
        for (_, mse) in series {
            let value = mse.get(step).copied().unwrap_or(f64::NAN);
            let _ = write!(html, "<td>{}</td>", compact(value));
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>");
    html
}
