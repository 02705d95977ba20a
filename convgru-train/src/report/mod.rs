//! What a training run shows at its end: one HTML page that needs nothing
//! else, and an animation for places that show images only.
//!
//! [`html`] lays out a [`Report`]: facts, the metrics beside their baselines,
//! the loss curve, the error by lead time, and sequences that play.
//! [`animation`] draws the same sequences as a GIF, [`contact_sheet`] one of them as an image.

mod animation;
mod axis;
mod chart;
mod escape;
mod glyphs;
mod number;
mod page;
mod palette;
mod player;
mod rain;
mod shades;
mod sprite;
mod tables;

use convgru_model::Tensor;

pub use animation::animation;
pub use page::html;
pub(crate) use palette::difference_colour;
pub use shades::Shades;
pub use sprite::{Picture, contact_sheet};

use crate::checkpoint::{StepRecord, ValidationRecord};
use crate::error::{Error, Result};
use crate::metric::Metrics;

/// Everything the page tells about a training run. Parts without content are
/// left out of the page.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The heading, such as the name of the run.
    pub title: String,
    /// One sentence under the heading: what was trained on what.
    pub summary: String,
    /// Label and value, in the order to be shown: model, parameters, data,
    /// time, machine.
    pub facts: Vec<(String, String)>,
    /// The configuration as TOML, shown folded.
    pub config_toml: String,
    /// The name of the loss, for the axis of its chart.
    pub loss_name: String,
    /// The steps of the training, rising.
    pub steps: Vec<StepRecord>,
    /// Its validations, in rising order of steps.
    pub validations: Vec<ValidationRecord>,
    /// Who predicted, and the metrics on the test set: the model first, then the baselines,
    /// of which the first is what ratios refer to (copying the last frame, or the mean frame).
    pub table: Vec<(String, Metrics)>,
    /// Squared error summed over a frame, by lead time, in the order of [`table`](Self::table).
    pub lead_times: Vec<(String, Vec<f64>)>,
    /// Other scores by lead time, a small chart each.
    pub scores: Vec<ScoreChart>,
    /// Sequences to play; all have the same numbers of frames.
    pub sequences: Vec<SequencePanel>,
    /// What was written: label and path as a person would type it.
    pub files: Vec<(String, String)>,
    /// Commands to run next.
    pub next: Vec<String>,
}

/// A score as it changes with the distance into the future.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreChart {
    /// What the chart shows, such as `CSI from 2 mm/h`.
    pub name: String,
    /// The name of the axis of values, such as `CSI`.
    pub value_name: String,
    /// The name of the axis of lead times, such as `minutes ahead`.
    pub lead_name: String,
    /// The lead times, rising.
    pub leads: Vec<f64>,
    /// Who predicted, and the values, one for each lead time, NaN where there is none.
    pub series: Vec<(String, Vec<f64>)>,
}

/// A sequence with forecasts of how it goes on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SequencePanel {
    /// What to call it, such as its time and place.
    pub name: String,
    /// What values mean, and how they are shown.
    pub shades: Shades,
    /// Minutes from a frame to the next, where they are known.
    pub minutes_per_step: Option<f64>,
    /// The time of each frame on the clock; empty where it is not known.
    pub times: Vec<String>,
    /// What the model saw: `[T_in, C, H, W]`, C = 1 or 3.
    pub input: Tensor<f32>,
    /// Whether truth and prediction are at the times of the input, of which they are no continuation.
    pub same_times: bool,
    /// What came next, or what was there at the same times: `[T_out, C, H, W]`.
    pub truth: Tensor<f32>,
    /// What the model expected: `[T_out, C, H, W]`.
    pub prediction: Tensor<f32>,
    /// Forecasts to compare with: names, and frames `[T_out, C, H, W]`; the same names in all panels. Where there are
    /// none, the difference between truth and prediction is shown.
    pub baselines: Vec<(String, Tensor<f32>)>,
}

impl SequencePanel {
    /// The sizes of the panel.
    ///
    /// # Errors
    /// [`Error::Data`] if the shapes do not fit together, a dimension is zero,
    /// or there are channels that cannot be shown.
    fn layout(&self) -> Result<Layout> {
        let refuse = |reason: String| Err(Error::Data { what: "sequence of the report".into(), reason });
        let (input, truth, prediction) = (self.input.shape(), self.truth.shape(), self.prediction.shape());
        let &[inputs, channels, height, width] = input else {
            return refuse(format!("input frames are [T, C, H, W], got {input:?}"));
        };
        let others = self.baselines.iter().map(|(_, frames)| frames.shape());
        if truth.len() != 4
            || truth[1..] != input[1..]
            || std::iter::once(prediction).chain(others).any(|s| s != truth)
        {
            return refuse(format!(
                "input {input:?}, truth {truth:?} and prediction {prediction:?} (and those of baselines) must agree in all but the number of frames of the input"
            ));
        }
        if input.contains(&0) || truth.contains(&0) {
            return refuse(format!("no pixels in input {input:?} or truth {truth:?}"));
        }
        let frames = inputs + truth[0];
        if !self.times.is_empty() && self.times.len() != frames {
            return refuse(format!("{} times for {frames} frames", self.times.len()));
        }
        self.shades.expect_channels(channels)?;
        Ok(Layout {
            inputs,
            outputs: truth[0],
            channels,
            height,
            width,
            shades: self.shades,
            baselines: self.baselines.len(),
            minutes_per_step: self.minutes_per_step,
            same_times: self.same_times,
        })
    }
}

/// The sizes all panels of a report share.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Layout {
    inputs: usize,
    outputs: usize,
    channels: usize,
    height: usize,
    width: usize,
    shades: Shades,
    /// Forecasts beside the prediction.
    baselines: usize,
    minutes_per_step: Option<f64>,
    same_times: bool,
}

impl Layout {
    fn frames(&self) -> usize {
        self.inputs + self.outputs
    }

    /// The time of a frame counted from the last input: `t-2`, `t-1`, `t`, `t+1`, ... or, where the time is known,
    /// `-10 min`, `-5 min`, `0 min`, `+5 min`, ... Where predictions are at the times of the input, the number of the frame, from 1.
    fn time(&self, frame: usize) -> String {
        if self.same_times {
            let number = if frame < self.inputs { frame } else { frame - self.inputs };
            return (number + 1).to_string();
        }
        let ahead = frame as f64 + 1.0 - self.inputs as f64;
        let signed = |number: f64| match number {
            0.0 => String::new(),
            number => format!("{number:+}"),
        };
        match self.minutes_per_step {
            Some(_) if ahead == 0.0 => "0 min".into(),
            Some(minutes) => format!("{} min", signed(ahead * minutes)),
            None => format!("t{}", signed(ahead)),
        }
    }

    /// The one layout of all panels; `None` if there are none.
    fn shared(panels: &[SequencePanel]) -> Result<Option<Self>> {
        let Some(first) = panels.first() else {
            return Ok(None);
        };
        let layout = first.layout()?;
        for panel in panels {
            let other = panel.layout()?;
            let refuse = |reason| Err(Error::Data { what: "sequences of the report".into(), reason });
            if other != layout {
                return refuse(format!("all sequences need the same sizes, got {layout:?} and {other:?}"));
            }
            let names = |panel: &SequencePanel| -> Vec<String> {
                panel.baselines.iter().map(|(name, _)| name.clone()).collect()
            };
            if names(panel) != names(first) {
                return refuse(format!("forecasts are {:?} and {:?}", names(first), names(panel)));
            }
        }
        Ok(Some(layout))
    }
}

#[cfg(test)]
mod tests;
