//! Sequences that play: one image for each, moved behind windows by the style
//! sheet. A script adds the button and the slider; without it the sequences
//! play all the same.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::escape::escape;
use super::number::compact;
use super::palette::DIFFERENCE;
use super::rain::{CLASSES, DRY, MISSING};
use super::sprite::{BORDER, rows, sheet};
use super::{Layout, SequencePanel, Shades};
use crate::error::Result;

/// A window: its class, its name, and the row of the sheet it looks at.
struct Pane<'a> {
    class: &'static str,
    name: &'a str,
    row: usize,
}

/// The windows of a sequence. What was measured plays through in one window where there are baselines.
fn panes<'a>(panel: &'a SequencePanel, layout: Layout) -> Vec<Pane<'a>> {
    let pane = |class, name, row| Pane { class, name, row };
    if layout.baselines == 0 {
        return vec![
            pane("input", "Input", 0),
            pane("truth", "Truth", 0),
            pane("prediction", "Prediction", 1),
            pane("difference", "Difference", 2),
        ];
    }
    let mut panes = vec![pane("observed", "Observed", 0), pane("prediction", "convgru", 1)];
    panes.extend((2..).zip(&panel.baselines).map(|(row, (name, _))| pane("prediction", name, row)));
    panes
}

/// The sequences with their controls.
pub(super) fn player(panels: &[SequencePanel], layout: Layout) -> Result<String> {
    let mut html = String::new();
    let last = layout.frames() - 1;
    let across = Steps::new(layout.width, layout.frames());
    let down = Steps::new(layout.height, rows(layout));
    let _ = write!(
        html,
        "<div id=\"player\" class=\"{}\" data-times=\"{}\" style=\"--inputs:{};--frames:{};--last:{last};--ratio:{}/{};\
         --size-x:{:.5};--step-x:{:.7};--start-x:{:.7};--size-y:{:.5}\">",
        match layout.shades {
            Shades::Intensity => "intensity",
            Shades::Rain => "rain",
        },
        (0..layout.frames()).map(|frame| caption(layout, frame)).collect::<Vec<_>>().join("|"),
        layout.inputs,
        layout.frames(),
        layout.width,
        layout.height,
        across.size,
        across.step,
        across.start,
        down.size,
    );
    let _ = write!(
        html,
        "<div class=\"controls\" role=\"group\" aria-label=\"Playback\" hidden>\
         <button type=\"button\" id=\"play\">Pause</button>\
         <input type=\"range\" id=\"frame\" min=\"0\" max=\"{last}\" value=\"0\" step=\"1\" aria-label=\"Frame\">\
         <output id=\"time\" for=\"frame\">{}</output></div><div class=\"sequences\">",
        caption(layout, 0)
    );
    for (i, panel) in panels.iter().enumerate() {
        let image = STANDARD.encode(sheet(panel, layout)?);
        let panes = panes(panel, layout);
        let _ = write!(
            html,
            "<figure class=\"sequence\"><div class=\"panes\" role=\"img\" aria-label=\"Sequence {}: {} input frames, \
             then {} frames of truth beside prediction and {}\" \
             style=\"--panes:{};--sheet:url(data:image/png;base64,{image})\">",
            i + 1,
            layout.inputs,
            layout.outputs,
            if layout.baselines == 0 { "their difference" } else { "baselines" },
            panes.len()
        );
        for Pane { class, name, row } in panes {
            let y = (row as f64 * down.step + down.start) * 100.0;
            let _ = write!(
                html,
                "<div class=\"pane {class}\"><div class=\"window\"><div class=\"image\" style=\"background-position-y:{y:.4}%\">\
                 </div></div><span>{}</span></div>",
                escape(name)
            );
        }
        let _ = write!(html, "</div><figcaption>{}</figcaption></figure>", about(panel, layout, i + 1));
    }
    html.push_str("</div>");
    html.push_str(&match layout.shades {
        Shades::Rain => rain_legend(),
        Shades::Intensity if layout.baselines == 0 => difference_legend(),
        Shades::Intensity => String::new(),
    });
    html.push_str("</div>");
    Ok(html)
}

/// What a sequence is, the time that its windows show, and how large errors are.
fn about(panel: &SequencePanel, layout: Layout, number: usize) -> String {
    let mut html = match panel.name.as_str() {
        "" => format!("<b>Sequence {number}</b> "),
        name => format!("<b>{}</b> ", escape(name)),
    };
    if !panel.times.is_empty() {
        let times = escape(&panel.times.join("|"));
        let _ = write!(
            html,
            "<span class=\"clock\" data-times=\"{times}\">from {} to {}</span>",
            escape(&panel.times[0]),
            escape(&panel.times[layout.frames() - 1])
        );
    }
    let last = |_| panel.input.slice(layout.inputs - 1);
    match layout.shades {
        Shades::Intensity => {
            let _ = write!(
                html,
                "MSE {} <span>(copying the last frame: {})</span>",
                compact(error(panel, layout, |lead| panel.prediction.slice(lead)).squared),
                compact(error(panel, layout, last).squared)
            );
        }
        Shades::Rain => {
            let mean = |error: Error| format!("{:.2}", error.absolute);
            let _ = write!(
                html,
                "<span>mean absolute error, mm/h: convgru {}",
                mean(error(panel, layout, |lead| panel.prediction.slice(lead)))
            );
            for (name, frames) in &panel.baselines {
                let value = mean(error(panel, layout, |lead| frames.slice(lead)));
                let _ = write!(html, ", {} {value}", escape(name));
            }
            html.push_str("</span>");
        }
    }
    html
}

/// The time of a frame in words, with a true minus sign.
fn caption(layout: Layout, frame: usize) -> String {
    let word = match (frame < layout.inputs, layout.shades) {
        (true, Shades::Intensity) => "input",
        (true, Shades::Rain) => "observed",
        (false, Shades::Intensity) => "prediction",
        (false, Shades::Rain) => "forecast",
    };
    format!("{word} {}", layout.time(frame).replace('-', "−"))
}

/// The scale of the difference, from equal to opposite.
fn difference_legend() -> String {
    let stops: Vec<String> = DIFFERENCE.iter().map(|colour| css(*colour)).collect();
    format!(
        "<p class=\"scale\"><span>Difference |truth − prediction|</span> <span>0</span>\
         <span class=\"ramp\" style=\"background:linear-gradient(90deg,{})\" aria-hidden=\"true\"></span><span>1</span></p>",
        stops.join(",")
    )
}

/// The classes of rain rates, each at its lower end.
fn rain_legend() -> String {
    let mut html = String::from("<div class=\"scale\"><span>Rain rate, mm/h</span><ol class=\"classes\">");
    let mut class = |colour, label: &str| {
        let _ = write!(html, "<li><span style=\"background:{}\"></span>{label}</li>", css(colour));
    };
    class(DRY, "dry");
    for (from, colour) in CLASSES {
        class(colour, &from.to_string());
    }
    let missing = css(MISSING);
    html + &format!(
        "</ol><ol class=\"classes\"><li><span style=\"background:{missing}\"></span>not measured</li></ol></div>"
    )
}

fn css([r, g, b]: [u8; 3]) -> String {
    format!("rgb({r} {g} {b})")
}

/// How far a forecast is from the truth.
struct Error {
    /// Summed over a frame, mean over the frames.
    squared: f64,
    /// Mean over pixels.
    absolute: f64,
}

/// The error of a forecast where both are numbers.
fn error<'a>(panel: &SequencePanel, layout: Layout, guess: impl Fn(usize) -> &'a [f32]) -> Error {
    let (mut squares, mut sum, mut count) = (0.0, 0.0, 0u64);
    for lead in 0..layout.outputs {
        for (&a, &b) in panel.truth.slice(lead).iter().zip(guess(lead)) {
            let apart = f64::from(a) - f64::from(b);
            if apart.is_finite() {
                squares += apart * apart;
                sum += apart.abs();
                count += 1;
            }
        }
    }
    Error { squared: squares / layout.outputs as f64, absolute: sum / count as f64 }
}

/// How to look at cell `i` of `count` cells of `length` pixels, with a border
/// around each, through a window of one cell.
///
/// With a background of `size` windows, a position of p (100 % = 1) moves it
/// by `p (1 - size)` windows (CSS Backgrounds 3, section 2.6). Cell `i` has to
/// move by `-(i (length + 2 border) + border) / length`, hence `p = i step + start`.
struct Steps {
    size: f64,
    step: f64,
    start: f64,
}

impl Steps {
    fn new(length: usize, count: usize) -> Self {
        let (length, border) = (length as f64, BORDER as f64);
        let cell = length + 2.0 * border;
        let size = count as f64 * cell / length;
        Self { size, step: cell / length / (size - 1.0), start: border / length / (size - 1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_bring_each_cell_into_the_window() {
        for (length, count) in [(1, 2), (5, 3), (64, 20)] {
            let steps = Steps::new(length, count);
            for i in 0..count {
                let moved = (i as f64 * steps.step + steps.start) * (1.0 - steps.size) * length as f64;
                let wanted = -((i * (length + 2 * BORDER) + BORDER) as f64);
                assert!((moved - wanted).abs() < 1e-9, "{length} {count} {i}: {moved} {wanted}");
            }
        }
    }
}
