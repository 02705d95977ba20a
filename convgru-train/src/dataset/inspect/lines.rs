//! The configuration that reads data, as lines of TOML to copy.

use std::fmt::Write;
use std::path::Path;

use super::Inspection;
use crate::dataset::{FramesConfig, RadarConfig};

/// Frames of a window where nobody says otherwise.
pub(super) const DEFAULT_WINDOW: [usize; 2] = [10, 10];
/// The patch of the network that is trained by default.
const DEFAULT_PATCH: usize = 8;

/// What the section `[data.frames]` needs.
pub(super) struct FrameLines {
    pub(super) config: FramesConfig,
    /// `None` of pictures, and where no number was measured.
    pub(super) range: Option<[f64; 2]>,
    /// Whether all numbers were looked at.
    pub(super) is_whole: bool,
    pub(super) missing: Vec<f64>,
    pub(super) unit: String,
    pub(super) quantity: String,
    pub(super) minutes_per_step: Option<f64>,
    /// The size that frames of several sizes are brought to.
    pub(super) resize: Option<[usize; 2]>,
    pub(super) model: ModelLines,
}

/// What the section `[model]` needs, for frames that the default does not read.
pub(super) struct ModelLines {
    pub(super) channels: usize,
    /// Height and width.
    pub(super) size: [usize; 2],
}

/// Lines of TOML.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// A key with a value, and a comment that may be empty.
    fn key(&mut self, key: &str, value: impl Into<toml::Value>, comment: &str) {
        let comment = if comment.is_empty() { String::new() } else { format!("  # {comment}") };
        // Writing to a string cannot fail.
        writeln!(self.0, "{key} = {}{comment}", value.into()).unwrap_or_default();
    }

    /// A key with a list of numbers, the largest with an exponent.
    fn numbers(&mut self, key: &str, numbers: &[f64], comment: &str) {
        self.line(&format!("{key} = {numbers:?}  # {comment}"));
    }

    fn section(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.line(&format!("[{name}]"));
    }

    /// The folder with the data, and the fields of `[data]` that every source has.
    fn data(&mut self, path: &Path, found: &Inspection) {
        let absolute = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        // A path that is no text is given with --data.
        if let Some(text) = absolute.to_str() {
            self.key("data_folder", text, "");
        }
        self.section("data");
        if !found.can_train() {
            self.line(
                "# A training needs a window in each split; these data are too short: give more frames.",
            );
        }
        self.key("source", found.source, "");
        if found.source != "mnist" {
            self.key("input_frames", integer(found.window[0]), "frames that the network reads");
            self.key("output_frames", integer(found.window[1]), "frames that it forecasts");
        }
    }
}

impl FrameLines {
    /// The whole configuration.
    pub(super) fn to_toml(&self, path: &Path, found: &Inspection) -> String {
        let mut lines = Lines::default();
        lines.data(path, found);
        lines.section("data.frames");
        self.objects(&mut lines, found);
        self.axes(&mut lines, found);
        if let (Some([low, high]), None) = (self.range, &self.config.rain) {
            let comment = match self.is_whole {
                true => "the numbers of the values 0 and 1",
                false => "the numbers of the values 0 and 1, with some room: not all frames were looked at",
            };
            lines.numbers("range", &[low, high], comment);
        }
        if !self.missing.is_empty() {
            lines.numbers("missing", &self.missing, "pixels that were not measured; they do not count");
        }
        if let Some(size) = self.resize.or((self.config.resize != [0, 0]).then_some(self.config.resize)) {
            lines.key("resize", size.map(integer).to_vec(), "height and width");
        }
        if self.config.channels != 0 {
            lines.key("channels", integer(self.config.channels), "");
        }
        if self.config.stride != 1 {
            lines.key("stride", integer(self.config.stride), "");
        }
        if self.config.shares != FramesConfig::default().shares {
            lines.key("shares", self.config.shares.to_vec(), "of training, validation and test");
        }
        if !self.quantity.is_empty() || self.config.quantity != FramesConfig::default().quantity {
            let own = &self.config.quantity;
            let quantity = if *own == FramesConfig::default().quantity { &self.quantity } else { own };
            lines.key("quantity", quantity.as_str(), "for reports");
        }
        match self.unit.as_str() {
            "" if self.config.rain.is_some() => {
                lines.line("# unit = \"mm/h\"  # the unit of the numbers, which data.frames.rain needs")
            }
            "" if self.range.is_some() => {
                lines.line("# unit = \"mm/h\"  # the unit of the numbers, for reports")
            }
            "" => {}
            unit => lines.key("unit", unit, ""),
        }
        match self.minutes_per_step {
            Some(minutes) => lines.key("minutes_per_step", minutes, ""),
            None => lines.line("# minutes_per_step = 5.0  # from a frame to the next, for reports"),
        }
        if self.config.crop != [0, 0] {
            lines.key("crop", self.config.crop.map(integer).to_vec(), "height and width of the parts");
        }
        if !self.config.crop_list.is_empty() {
            lines.key("crop_list", self.config.crop_list.as_str(), "where they lie");
            lines.key("time_depth", integer(self.config.time_depth), "frames of each row");
        }
        if let Some(rain) = &self.config.rain {
            lines.section("data.frames.rain");
            let fields = toml::to_string(rain).unwrap_or_default();
            fields.lines().for_each(|field| lines.line(field));
        }
        // Which frames a network reads is known with the axes.
        if found.open.is_none() {
            self.model.write(&mut lines);
        }
        lines.0
    }

    fn objects(&self, lines: &mut Lines, found: &Inspection) {
        let several = found.choices.iter().filter(|choice| choice.setting != "data.frames.axes").count() > 1;
        let comment = if several { "the largest of several; see what else may be meant" } else { "" };
        for (key, value) in [("variable", &self.config.variable), ("member", &self.config.member)] {
            if !value.is_empty() {
                lines.key(key, value.as_str(), comment);
            }
        }
    }

    fn axes(&self, lines: &mut Lines, found: &Inspection) {
        let open: Vec<_> =
            found.choices.iter().filter(|choice| choice.setting == "data.frames.axes").collect();
        if open.is_empty() {
            // Where names or shape tell the axes, they do so for other files, too.
            if !self.config.axes.is_auto() {
                let comment = "n sequences, t time, c channels, h rows, w columns";
                lines.key("axes", self.config.axes.to_string(), comment);
            }
            return;
        }
        lines.line("# What are the axes? Take the # away from the line that is right:");
        for choice in open {
            lines.line(&format!("# axes = {}  # {}", choice.value, choice.meaning));
        }
    }
}

impl ModelLines {
    /// The lines for the default network, where it does not read such frames.
    fn write(&self, lines: &mut Lines) {
        let [height, width] = self.size;
        let divides = |patch: &usize| height.is_multiple_of(*patch) && width.is_multiple_of(*patch);
        let patch = (1..=DEFAULT_PATCH).rev().find(divides).unwrap_or(1);
        if patch == DEFAULT_PATCH && self.channels == 1 {
            return;
        }
        lines.section("model");
        if patch != DEFAULT_PATCH {
            let comment = match patch {
                1 | 2 => {
                    "divides height and width; with data.frames.resize to multiples of 8 the network is faster"
                }
                _ => "divides height and width",
            };
            lines.key("patch", integer(patch), comment);
        }
        if self.channels != 1 {
            lines.key("image_channels", integer(self.channels), "");
        }
    }
}

/// The configuration that reads radar images: what differs from the preset.
pub(super) fn of_radar(path: &Path, found: &Inspection, config: &RadarConfig, is_dry: bool) -> String {
    let mut lines = Lines::default();
    lines.data(path, found);
    lines.section("data.radar");
    lines.key("scale", "log-rate", "");
    lines.key("downsample", integer(config.downsample), "pixels along each axis that become one");
    lines.key(
        "crop",
        config.crop.map(integer).to_vec(),
        "parts of the frames that are learned from, after that",
    );
    lines.key("minutes_per_step", i64::from(config.minutes_per_step), "");
    if is_dry {
        lines.key("minimum_rain", config.minimum_rain, "sequences with less rain are left out");
        lines.key("minimum_measured", config.minimum_measured, "and those with fewer measured pixels");
    }
    lines.0
}

/// The configuration that draws moving digits from images.
pub(super) fn of_digits(path: &Path, found: &Inspection) -> String {
    let mut lines = Lines::default();
    lines.data(path, found);
    lines.0
}

/// A number of TOML.
fn integer(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
