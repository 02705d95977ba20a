//! Sequences that play: one image for each, moved behind windows by the style
//! sheet. A script adds the button and the slider; without it the sequences
//! play all the same.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::number::compact;
use super::palette::DIFFERENCE;
use super::sprite::{BORDER, ROWS, sheet};
use super::{Layout, SequencePanel};
use crate::error::Result;

/// Class and name of the windows, with the row of the sheet each looks at.
const PANES: [(&str, &str, usize); 4] = [
    ("input", "Input", 0),
    ("truth", "Truth", 0),
    ("prediction", "Prediction", 1),
    ("difference", "Difference", 2),
];

/// The sequences with their controls.
pub(super) fn player(panels: &[SequencePanel], layout: Layout) -> Result<String> {
    let mut html = String::new();
    let last = layout.frames() - 1;
    let across = Steps::new(layout.width, layout.frames());
    let down = Steps::new(layout.height, ROWS);
    let _ = write!(
        html,
        "<div id=\"player\" data-times=\"{}\" style=\"--inputs:{};--frames:{};--last:{last};--ratio:{}/{};\
         --size-x:{:.5};--step-x:{:.7};--start-x:{:.7};--size-y:{:.5}\">",
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
        let _ = write!(
            html,
            "<figure class=\"sequence\"><div class=\"panes\" role=\"img\" aria-label=\"Sequence {}: {} input frames, \
             then {} frames of truth beside prediction and their difference\" \
             style=\"--sheet:url(data:image/png;base64,{image})\">",
            i + 1,
            layout.inputs,
            layout.outputs
        );
        for (class, name, row) in PANES {
            let y = (row as f64 * down.step + down.start) * 100.0;
            let _ = write!(
                html,
                "<div class=\"pane {class}\"><div class=\"window\"><div class=\"image\" style=\"background-position-y:{y:.4}%\">\
                 </div></div><span>{name}</span></div>"
            );
        }
        let _ = write!(
            html,
            "</div><figcaption><b>Sequence {}</b> MSE {} <span>(copying the last frame: {})</span></figcaption></figure>",
            i + 1,
            compact(squared_error(panel, layout, |lead| panel.prediction.slice(lead))),
            compact(squared_error(panel, layout, |_| panel.input.slice(layout.inputs - 1))),
        );
    }
    html.push_str("</div>");
    html.push_str(&legend());
    html.push_str("</div>");
    Ok(html)
}

/// The time of a frame in words, with a true minus sign.
fn caption(layout: Layout, frame: usize) -> String {
    let word = if frame < layout.inputs { "input" } else { "prediction" };
    format!("{word} {}", layout.time(frame).replace('-', "−"))
}

/// The scale of the difference, from equal to opposite.
fn legend() -> String {
    let stops: Vec<String> = DIFFERENCE.iter().map(|[r, g, b]| format!("rgb({r} {g} {b})")).collect();
    format!(
        "<p class=\"scale\"><span>Difference |truth − prediction|</span> <span>0</span>\
         <span class=\"ramp\" style=\"background:linear-gradient(90deg,{})\" aria-hidden=\"true\"></span><span>1</span></p>",
        stops.join(",")
    )
}

/// Squared error summed over a frame, mean over the frames of the truth.
fn squared_error<'a>(panel: &SequencePanel, layout: Layout, guess: impl Fn(usize) -> &'a [f32]) -> f64 {
    let frame = |lead: usize| -> f64 {
        let pairs = panel.truth.slice(lead).iter().zip(guess(lead));
        pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
    };
    (0..layout.outputs).map(frame).sum::<f64>() / layout.outputs as f64
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
