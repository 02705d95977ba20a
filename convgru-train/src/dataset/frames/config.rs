//! The section `[data.frames]` of a configuration.

use serde::{Deserialize, Deserializer, Serialize};

use super::InputFramesConfig;
use crate::dataset::config::{invalid, within};
use crate::dataset::{Axes, HIGHEST_RATE, Quantity, RainScale, Transform};
use crate::{Error, Result};

/// Sequences of frames from a folder or a file: arrays, GIFs, animated PNG, folders of PNG or JPEG images.
///
/// ```
/// use convgru_train::dataset::{DataConfig, FramesConfig, Source};
///
/// let frames = FramesConfig { range: [-20.0, 60.0], ..FramesConfig::default() };
/// let config = DataConfig { source: Source::Frames(frames.clone()), ..DataConfig::default() };
/// assert!(config.validate().is_ok());
/// let frames = FramesConfig { shares: [0.9, 0.2, 0.1], ..frames };
/// let config = DataConfig { source: Source::Frames(frames), ..config };
/// assert!(config.validate().unwrap_err().to_string().contains("data.frames.shares"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FramesConfig {
    /// What the axes of arrays are, such as `"ntchw"`; `"auto"` takes them by their number, see [`Axes`].
    pub axes: Axes,
    /// The member of `.npz` files with the frames; empty where there is one alone.
    pub member: String,
    /// The dataset of HDF5 and netCDF files with the frames, such as `rain` or `group/rain`; empty where there is one alone with
    /// numbers and as many axes as frames have.
    pub variable: String,
    /// The numbers that become the values 0 and 1. `[0, 0]` for the range of the type: 0 to 255 of `uint8`, 0
    /// to 65535 of `uint16`, 0 to 1 of floating-point numbers and of those with a `scale_factor`.
    pub range: [f64; 2],
    /// Numbers that stand for pixels that were not measured, such as `[-9999.0]`, besides NaN and those that a file names itself
    /// (`_FillValue`, `missing_value`). They stay out of loss and metrics.
    #[serde(deserialize_with = "one_or_several")]
    pub missing: Vec<f64>,
    /// Height and width that frames are brought to by the mean over areas; `[0, 0]` leaves them, and refuses frames of
    /// several sizes.
    pub resize: [usize; 2],
    /// 1 for grey, 3 for colour, 0 for what is found.
    pub channels: usize,
    /// Frames from the beginning of a sequence to the beginning of the next one in the same file.
    pub stride: usize,
    /// The shares of training, validation and test where no folders of these names tell. Of three files (or sequences of a file) or more
    /// each belongs to one of them; fewer are split in time.
    pub shares: [f64; 3],
    /// What values are, for reports.
    pub quantity: String,
    /// Its unit, for reports; where it is set, files that tell other units are read as if they had this one.
    pub unit: String,
    /// Minutes from a frame to the next where files tell none; 0 where unknown. Files that tell times of which no two are so far apart are refused.
    pub minutes_per_step: f64,
    /// Height and width in pixels of the parts of frames that sequences show; `[0, 0]` for whole frames. Training draws places and times; the
    /// other splits have places side by side, evenly over time.
    pub crop: [usize; 2],
    /// A CSV file with the columns `t`, `x` and `y`, which lists the parts of one file for sequences: the number of a frame, and the
    /// column and the row of the part's first pixel, all from 0. Empty for any part.
    pub crop_list: String,
    /// The number of frames from `t` on that a row of the list stands for. A sequence of training begins at any of them that leaves room for the sequence.
    pub time_depth: usize,
    /// The scale of rain. If it is set, the unit of the numbers decides how they become rain rates, and rain rates become values on this scale. Otherwise values are
    /// linear in the numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rain: Option<RainScale>,
    /// The frames that the network reads in place of these, at the same times, such as events. If it is set, the network gives one of these frames for
    /// each of them; otherwise it reads these frames and continues them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Box<InputFramesConfig>>,
}

impl Default for FramesConfig {
    fn default() -> Self {
        Self {
            axes: Axes::default(),
            member: String::new(),
            variable: String::new(),
            range: [0.0, 0.0],
            missing: Vec::new(),
            resize: [0, 0],
            channels: 0,
            stride: 1,
            shares: [0.8, 0.1, 0.1],
            quantity: "intensity".into(),
            unit: String::new(),
            minutes_per_step: 0.0,
            crop: [0, 0],
            crop_list: String::new(),
            time_depth: 24,
            rain: None,
            input: None,
        }
    }
}

impl FramesConfig {
    /// The range of numbers, where one is given.
    pub(in crate::dataset) fn explicit_range(&self) -> Option<[f64; 2]> {
        match self.rain {
            Some(_) => Some([0.0, HIGHEST_RATE]),
            None => (self.range != [0.0, 0.0]).then_some(self.range),
        }
    }

    /// The quantity of values: 0 and 1 are the ends of `range`; without a `range` values are the numbers; with `rain` they are rain rates on its scale.
    pub fn meaning(&self) -> Quantity {
        if let Some(rain) = &self.rain {
            let minutes = (self.minutes_per_step > 0.0).then_some(self.minutes_per_step);
            return rain.quantity(minutes);
        }
        let [low, high] = self.explicit_range().unwrap_or([0.0, 1.0]);
        Quantity {
            name: self.quantity.clone(),
            unit: self.unit.clone(),
            minutes_per_step: (self.minutes_per_step > 0.0).then_some(self.minutes_per_step),
            transform: Transform::Linear { scale: high - low, offset: low },
        }
    }

    /// Checks every field, for sequences of so many frames.
    pub(in crate::dataset) fn validate(&self, steps: usize) -> Result<()> {
        self.validate_parts(steps)?;
        if let Some(rain) = &self.rain {
            rain.validate("frames.rain")?;
            let reason = |what: &str| {
                format!(
                    "is {what}, but data.frames.rain says how numbers of rain become values; leave one of them out"
                )
            };
            if self.range != [0.0, 0.0] {
                return Err(refused("range", reason(&format!("{:?}", self.range))));
            }
            if self.channels > 1 {
                return Err(refused("channels", reason(&self.channels.to_string())));
            }
        }
        let [low, high] = self.explicit_range().unwrap_or([0.0, 1.0]);
        if !(low < high && low.is_finite() && high.is_finite()) {
            return Err(refused(
                "range",
                format!("is [{low}, {high}], but the second number must be larger"),
            ));
        }
        if let Some(missing) = self.missing.iter().find(|missing| missing.is_infinite()) {
            return Err(refused("missing", format!("has {missing}, but must be finite numbers")));
        }
        let [height, width] = self.resize;
        if (height == 0) != (width == 0) || height > 4096 || width > 4096 {
            let reason =
                format!("is [{height}, {width}], but must be a height and a width of 1 to 4096, or [0, 0]");
            return Err(refused("resize", reason));
        }
        if !matches!(self.channels, 0 | 1 | 3) {
            let reason =
                format!("is {}, but must be 1 for grey, 3 for colour or 0 for what is found", self.channels);
            return Err(refused("channels", reason));
        }
        within("frames.stride", self.stride, 1, 1_000_000)?;
        let sum: f64 = self.shares.iter().sum();
        if !(self.shares.iter().all(|&share| share > 0.0) && (sum - 1.0).abs() < 1e-6) {
            let reason =
                format!("is {:?}, but must be three numbers above 0 with the sum 1, not {sum}", self.shares);
            return Err(refused("shares", reason));
        }
        if !(self.minutes_per_step >= 0.0 && self.minutes_per_step.is_finite()) {
            let reason = format!("is {}, but must be 0 or more", self.minutes_per_step);
            return Err(refused("minutes_per_step", reason));
        }
        Ok(())
    }
}

impl FramesConfig {
    /// Checks which parts of frames are taken, for sequences of so many frames.
    fn validate_parts(&self, steps: usize) -> Result<()> {
        let [height, width] = self.crop;
        if (height == 0) != (width == 0) || height > 4096 || width > 4096 {
            let reason = format!(
                "is [{height}, {width}], but must be a height and a width of 1 to 4096, or [0, 0] for whole frames"
            );
            return Err(refused("crop", reason));
        }
        if self.crop_list.is_empty() {
            return Ok(());
        }
        if self.crop == [0, 0] {
            let reason = "lists parts of frames, but data.frames.crop does not say how large they are; set it, such as [256, 256]";
            return Err(refused("crop_list", reason.into()));
        }
        if self.resize != [0, 0] || self.stride != 1 {
            let reason = format!(
                "counts pixels and frames of the file, which data.frames.resize = {:?} and data.frames.stride = {} would change; leave these out",
                self.resize, self.stride
            );
            return Err(refused("crop_list", reason));
        }
        if self.time_depth < steps {
            let reason = format!(
                "is {}, but a sequence has {steps} frames (data.input_frames + data.output_frames); take fewer frames, or the number of frames that \
                 the rows of the list stand for",
                self.time_depth
            );
            return Err(refused("time_depth", reason));
        }
        Ok(())
    }
}

/// A number, or a list of numbers.
fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number or a list of numbers")]
    enum OneOrSeveral {
        One(f64),
        Several(Vec<f64>),
    }
    Ok(match OneOrSeveral::deserialize(deserializer)? {
        OneOrSeveral::One(number) => vec![number],
        OneOrSeveral::Several(numbers) => numbers,
    })
}

fn refused(field: &str, reason: String) -> Error {
    invalid(&format!("frames.{field}"), reason)
}
