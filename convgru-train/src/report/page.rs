//! The page as a whole.

use std::fmt::Write;

use super::axis::Axis;
use super::chart::{Chart, Line, range, smoothed, thinned};
use super::escape::escape;
use super::number::compact;
use super::player::player;
use super::{Layout, Report, ScoreChart, tables};
use crate::error::Result;

const STYLE: &str = include_str!("assets/report.css");
const SCRIPT: &str = include_str!("assets/player.js");

/// Forbids every request, so that the page cannot come to depend on anything.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// Points of a curve beyond which neighbours are averaged: more than the
/// drawing has pixels would not be seen.
const CURVE_POINTS: usize = 600;

/// The largest magnitude that is drawn: beyond it the range of an axis could
/// overflow, and a loss has left what a chart can tell.
const LARGEST_DRAWN: f64 = 1e100;

/// The share of all steps that the smoothed curve remembers.
const SMOOTHING: f64 = 1.0 / 40.0;

/// The page as one self-contained HTML document.
///
/// It loads nothing: style, script, charts and images are inside. All text is
/// escaped. It follows the reader's choice of light or dark and of reduced
/// motion, and works without scripts.
///
/// # Errors
/// [`Error::Data`](crate::Error::Data) if the shapes of the sequences do not
/// fit together. Numbers that are not finite are shown as such.
///
/// # Example
/// ```
/// use convgru_train::report::{Report, html};
///
/// let report = Report { title: "First <run>".into(), ..Report::default() };
/// assert!(html(&report)?.contains("<h1>First &lt;run&gt;</h1>"));
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub fn html(report: &Report) -> Result<String> {
    let title = escape(&report.title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>{title}</h1><p>{}</p></header>\n<main>\n",
        escape(&report.summary)
    );
    page.push_str(&highlights(report));
    if let Some(layout) = Layout::shared(&report.sequences)? {
        section(&mut page, "Predictions", &player(&report.sequences, layout)?);
    }
    if !report.table.is_empty() {
        section(&mut page, "Metrics", &tables::metrics(&report.table));
    }
    section(
        &mut page,
        if same_times(report) { "Error by frame" } else { "Error by lead time" },
        &lead_times(report),
    );
    section(&mut page, "Scores by lead time", &scores(report));
    section(&mut page, "Loss", &loss(report));
    section(&mut page, "Facts", &pairs(&report.facts));
    section(&mut page, "Files", &pairs(&report.files));
    if !report.next.is_empty() {
        let commands = escape(&report.next.join("\n"));
        section(&mut page, "What to run next", &format!("<pre><code>{commands}</code></pre>"));
    }
    if !report.config_toml.is_empty() {
        let config = escape(&report.config_toml);
        let _ = writeln!(
            page,
            "<section><details><summary>Configuration</summary><pre><code>{config}</code></pre></details></section>"
        );
    }
    let _ = write!(page, "</main>\n<footer>Written by convgru {}</footer>\n", env!("CARGO_PKG_VERSION"));
    if !report.sequences.is_empty() {
        let _ = write!(page, "<script>\n{SCRIPT}</script>\n");
    }
    page.push_str("</body>\n</html>\n");
    Ok(page)
}

/// A part of the page; nothing if it has no content.
fn section(page: &mut String, heading: &str, content: &str) {
    if !content.is_empty() {
        let _ = writeln!(page, "<section><h2>{heading}</h2>{content}</section>");
    }
}

/// The figures to take away.
fn highlights(report: &Report) -> String {
    let Some((_, model)) = report.table.first() else {
        return String::new();
    };
    let mut html = String::from("<section class=\"highlights\" aria-label=\"Highlights\">");
    let mut tile = |value: &str, label: &str| {
        let _ = write!(html, "<div><b>{value}</b><span>{label}</span></div>");
    };
    if let Some((name, baseline)) = report.table.get(1) {
        let label = format!("of the squared error of <i>{}</i>", escape(name));
        tile(&format!("{}×", tables::ratio(model.mse, baseline.mse)), &label);
    }
    tile(&compact(model.mse), "MSE, summed over a frame");
    tile(&format!("{:.3}", model.ssim), "SSIM");
    tile(&format!("{:.1} dB", model.psnr), "PSNR");
    html.push_str("</section>\n");
    html
}

/// Label and value, side by side.
fn pairs(pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let mut html = String::from("<dl>");
    for (label, value) in pairs {
        let _ = write!(html, "<div><dt>{}</dt><dd>{}</dd></div>", escape(label), escape(value));
    }
    html.push_str("</dl>");
    html
}

/// Whether a value can be drawn: it is a number and not beyond all measure.
fn is_drawn(value: f64) -> bool {
    value.abs() <= LARGEST_DRAWN
}

/// Training loss with its smoothed course, validation, and the learning rate.
fn loss(report: &Report) -> String {
    let drawn = |points: Vec<(f64, f64)>| -> Vec<(f64, f64)> {
        points.into_iter().filter(|point| is_drawn(point.1)).collect()
    };
    let training = drawn(report.steps.iter().map(|point| (point.step as f64, point.loss)).collect());
    let validation = drawn(report.validations.iter().map(|point| (point.step as f64, point.loss)).collect());
    let rates = drawn(report.steps.iter().map(|point| (point.step as f64, point.learning_rate)).collect());
    let smooth = smoothed(&training, training.len() as f64 * SMOOTHING);
    let line = |name: &str, class, points: &[(f64, f64)], markers| Line {
        name: name.into(),
        class,
        points: if markers { points.to_vec() } else { thinned(points, CURVE_POINTS) },
        markers,
        in_legend: !points.is_empty(),
    };
    let lines = [
        line("training, each step", "faint", &training, false),
        line("training, smoothed", "model", &smooth, false),
        line("validation", "baseline-a", &validation, true),
    ];
    let Some((low, high)) = range(&lines) else {
        return String::new();
    };
    let steps = || report.steps.iter().map(|p| p.step).chain(report.validations.iter().map(|p| p.step));
    let x = Axis::whole(steps().min().unwrap_or(0) as f64, steps().max().unwrap_or(0) as f64, 8);
    let mut html = Chart {
        id: "loss",
        description: &format!("{} by step, training and validation", report.loss_name),
        x_name: "step",
        y_name: &report.loss_name,
        x: x.clone(),
        y: Axis::fitting(low, high, 6),
        lines: &lines,
        height: 300.0,
    }
    .draw();
    let rate = [line("learning rate", "rate", &rates, false)];
    if let Some((_, high)) = range(&rate) {
        html.push_str(
            &Chart {
                id: "rate",
                description: "learning rate by step",
                x_name: "step",
                y_name: "rate",
                x,
                y: Axis::linear(0.0, high.max(0.0), 2),
                lines: &rate,
                height: 140.0,
            }
            .draw(),
        );
    }
    html
}

/// A small chart for each score.
fn scores(report: &Report) -> String {
    let charts: Vec<String> =
        report.scores.iter().enumerate().filter_map(|(at, chart)| score(at, chart)).collect();
    if charts.is_empty() {
        return String::new();
    }
    format!("<div class=\"small-charts\">{}</div>", charts.concat())
}

fn score(at: usize, chart: &ScoreChart) -> Option<String> {
    let line = |(i, (name, values)): (usize, &(String, Vec<f64>))| Line {
        name: name.clone(),
        class: tables::line_class(i),
        points: chart.leads.iter().copied().zip(values.iter().copied()).filter(|p| is_drawn(p.1)).collect(),
        markers: true,
        in_legend: true,
    };
    let lines: Vec<Line> = chart.series.iter().enumerate().map(line).collect();
    let (low, high) = range(&lines)?;
    let (first, last) = (chart.leads.first()?, chart.leads.last()?);
    let drawn = Chart {
        id: &format!("score-{at}"),
        description: &format!("{} by lead time", chart.name),
        x_name: &chart.lead_name,
        y_name: &chart.value_name,
        x: Axis::whole(*first, *last, 6),
        y: Axis::linear(low.min(0.0), high.max(0.0), 4),
        lines: &lines,
        height: 380.0,
    };
    Some(format!("<div><h3>{}</h3>{}</div>", escape(&chart.name), drawn.draw()))
}

/// Whether predictions are at the times of the input.
fn same_times(report: &Report) -> bool {
    report.sequences.first().is_some_and(|panel| panel.same_times)
}

/// The chart of error by lead time, its numbers folded under it.
fn lead_times(report: &Report) -> String {
    let line = |(i, (name, mse)): (usize, &(String, Vec<f64>))| Line {
        name: name.clone(),
        class: tables::line_class(i),
        points: (1..)
            .zip(mse)
            .filter(|(_, mse)| is_drawn(**mse))
            .map(|(lead, &mse)| (f64::from(lead), mse))
            .collect(),
        markers: true,
        in_legend: true,
    };
    let lines: Vec<Line> = report.lead_times.iter().enumerate().map(line).collect();
    let Some((_, high)) = range(&lines) else {
        return String::new();
    };
    let steps = report.lead_times.iter().map(|(_, mse)| mse.len()).max().unwrap_or(0);
    let chart = Chart {
        id: "lead",
        description: "mean squared error of each predicted frame, model and baselines",
        x_name: if same_times(report) { "frame" } else { "frames ahead" },
        y_name: "MSE per frame",
        x: Axis::whole(1.0, steps as f64, 10),
        y: Axis::linear(0.0, high.max(0.0), 5),
        lines: &lines,
        height: 290.0,
    };
    format!(
        "{}<details><summary>The numbers</summary>{}</details>",
        chart.draw(),
        tables::lead_times(&report.lead_times, same_times(report))
    )
}
