//! What a training found in its data: which numbers they hold and what these mean.

mod compare;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::config::invalid;
use super::rain_scale::rate_of_one;
use super::source::{Content, FrameInfo};
use super::{FramesConfig, HIGHEST_RATE, Quantity, RadarConfig, Transform};
use crate::Result;

/// The kind of numbers of pictures: shares of white.
const PICTURES: &str = "pictures";
/// The kind of numbers that a file stores with a factor or an offset.
const SCALED: &str = "scaled";
/// The kind of numbers of radar images.
const RAIN_RATES: &str = "rain rates";
/// The kind of numbers that become values by a range that a user names.
const OF_NAMED_RANGE: &str = "of a named range";
/// The kind of numbers of files of several types, as earlier versions wrote it.
const SEVERAL: &str = "several types";
/// What stands between kinds of numbers.
const BETWEEN_KINDS: &str = ", ";

/// What the numbers of the data are that a run learned from: the section `[data.found]`, which a training writes into its configuration when it
/// opens its data. It is stored with every checkpoint and with `model.safetensors`, and whatever the model reads later is compared with it.
///
/// It is no setting: it is not compared when a run is resumed, but the data are. Where a configuration has it already, the data must be such data.
///
/// ```
/// use convgru_train::config::RunConfig;
///
/// let text = "[data.frames]\nrange = [0.0, 100.0]\n[data.found]\nnumbers = \"float32\"\nrange = [0.0, 100.0]\nunit = \"mm/h\"";
/// let found = RunConfig::from_toml(text).unwrap().data.found.unwrap();
/// assert_eq!((found.unit.as_str(), found.range), ("mm/h", [0.0, 100.0]));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FoundData {
    /// How numbers are stored: `"uint8"`, `"float32"` and the like, `"scaled"` with a factor or an offset, `"pictures"` or `"rain rates"`
    /// (radar images). Several with a comma between them, such as `"pictures, uint8"`; where a range or a unit is known, the kinds of all splits.
    pub numbers: String,
    /// The numbers that the values 0 and 1 stand for: `data.frames.range`, or the range of the type.
    pub range: [f64; 2],
    /// Whether values are shares of the full scale of their type, which every type can have: neither a range nor a unit is known.
    pub full_scale: bool,
    /// The unit of the numbers: `data.frames.unit`, or what the files tell; empty where neither does.
    pub unit: String,
    /// The unit that the files tell.
    pub unit_in_files: String,
    /// The CF standard name of the variable, such as `rainfall_rate`; empty where the files tell none.
    pub standard_name: String,
    /// The dataset of HDF5 and netCDF files.
    pub variable: String,
    /// Minutes from a frame to the next; 0 where unknown.
    pub minutes_per_step: f64,
    /// Channels, height and width of a frame as the network learned from them.
    pub frame: [usize; 3],
    /// Height and width of the whole radar images that `frame` is a part of, as coarse; 0 where unknown.
    pub whole: [usize; 2],
    /// From a pixel of radar images to the next, as coarse, in `spacing_unit`; 0 where their files do not tell it.
    pub spacing: f64,
    /// `"m"` or `"degrees"`.
    pub spacing_unit: String,
    /// Whether pixels were missing.
    pub has_missing: bool,
    /// Whether the files were radar images that were read as frames, with the numbers as they are stored. To any other training on frames
    /// such files are rain rates.
    pub radar_as_frames: bool,
}

impl Default for FoundData {
    /// Grey levels, as pictures have them.
    fn default() -> Self {
        Self {
            numbers: PICTURES.into(),
            range: [0.0, 1.0],
            full_scale: true,
            unit: String::new(),
            unit_in_files: String::new(),
            standard_name: String::new(),
            variable: String::new(),
            minutes_per_step: 0.0,
            frame: [0; 3],
            whole: [0; 2],
            spacing: 0.0,
            spacing_unit: String::new(),
            has_missing: false,
            radar_as_frames: false,
        }
    }
}

impl FoundData {
    /// What the headers of a file or a folder of frames tell, as a configuration reads it.
    pub(super) fn of_frames(info: &FrameInfo, content: Option<&Content>, config: &FramesConfig) -> Self {
        let told = content.map_or(String::new(), |content| content.unit.trim().to_owned());
        let unit = if config.unit.is_empty() { told.clone() } else { config.unit.clone() };
        // Numbers in a unit of rain become rain rates.
        let is_rain = |unit: &str| unit.is_empty() || rate_of_one(unit, Some(5.0)).is_ok();
        let unit = if config.rain.is_some() && is_rain(&unit) { "mm/h".to_owned() } else { unit };
        let numbers = match content {
            _ if info.channels.is_none() => PICTURES.into(),
            Some(content) if content.is_scaled => SCALED.into(),
            _ => info.number_type.to_string(),
        };
        let natural = if info.channels.is_none() { [0.0, 1.0] } else { info.natural_range };
        Self {
            numbers,
            range: config.explicit_range().unwrap_or(natural),
            full_scale: config.explicit_range().is_none() && unit.is_empty(),
            unit,
            unit_in_files: told,
            standard_name: content.map_or(String::new(), |content| content.standard_name.clone()),
            variable: content.map_or(String::new(), |content| content.name.clone()),
            minutes_per_step: config.minutes_per_step,
            radar_as_frames: content.is_some_and(|content| content.is_radar),
            ..Self::default()
        }
    }

    /// What radar images are, read as a configuration says, with so many minutes from one to the next.
    pub(super) fn of_radar(config: &RadarConfig, minutes_per_step: f64) -> Self {
        let Quantity { unit, transform, .. } = config.quantity(None);
        Self {
            numbers: RAIN_RATES.into(),
            range: [0.0, transform.to_units(1.0)],
            full_scale: false,
            unit_in_files: unit.clone(),
            unit,
            minutes_per_step,
            has_missing: true,
            ..Self::default()
        }
    }

    /// Rain of any files, in a unit that can be read as rain rates: of a network that another program trained on such.
    pub fn of_rain() -> Self {
        Self {
            range: [0.0, HIGHEST_RATE],
            full_scale: false,
            unit: "mm/h".into(),
            has_missing: true,
            ..Self::default()
        }
        .with_named_range()
    }

    /// What files hold together that each hold this; grey levels where there are none.
    pub(super) fn of_all(files: impl IntoIterator<Item = Self>) -> Self {
        let one = |mut all: Self, own: Self| {
            // Types of several ranges have no numbers in common but their shares of the full scale.
            if all.is_full_scale() && all.range != own.range {
                all.range = [0.0, 1.0];
            }
            all.with_kinds_of(&own)
        };
        files.into_iter().reduce(one).unwrap_or_default()
    }

    /// The same, with the other splits of a run, whose numbers become values by the same range.
    pub(super) fn with_splits<'a>(self, others: impl IntoIterator<Item = &'a Self>) -> Self {
        // Shares of the full scale fit any type.
        match self.is_full_scale() {
            true => self,
            false => others.into_iter().fold(self, |all, own| all.with_kinds_of(own)),
        }
    }

    /// The same, of numbers that are stored as these or as the others.
    fn with_kinds_of(mut self, other: &Self) -> Self {
        let mut kinds: Vec<&str> = self.kinds().chain(other.kinds()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        self.numbers = kinds.join(BETWEEN_KINDS);
        self
    }

    /// How numbers are stored.
    fn kinds(&self) -> impl Iterator<Item = &str> {
        self.numbers.split(BETWEEN_KINDS)
    }

    /// Whether some of the numbers are stored as a kind.
    fn has(&self, kind: &str) -> bool {
        self.kinds().any(|own| own == kind || own == SEVERAL)
    }

    /// What values of frames mean: the numbers of the range, in the unit.
    pub(crate) fn meaning(&self, config: &FramesConfig) -> Quantity {
        let [low, high] = self.range;
        let meaning = config.meaning();
        if config.rain.is_some() {
            let minutes_per_step = (self.minutes_per_step > 0.0).then_some(self.minutes_per_step);
            return Quantity { minutes_per_step, ..meaning };
        }
        let is_named = meaning.name != Quantity::intensity().name;
        Quantity {
            name: if is_named || self.standard_name.is_empty() {
                meaning.name
            } else {
                self.standard_name.replace('_', " ")
            },
            unit: self.unit.clone(),
            minutes_per_step: (self.minutes_per_step > 0.0).then_some(self.minutes_per_step),
            transform: Transform::Linear { scale: high - low, offset: low },
        }
    }

    /// What values of a data set mean: as [`meaning`](Self::meaning), but shares of the full scale are 0 to 1 whatever the type is.
    pub(super) fn of_values(&self, config: &FramesConfig) -> Quantity {
        let transform = config.meaning().transform;
        let meaning = self.meaning(config);
        if self.is_full_scale() { Quantity { transform, ..meaning } } else { meaning }
    }

    /// The same, with minutes from a frame to the next that are known by times where the configuration names none.
    pub(super) fn with_minutes(mut self, told: Option<f64>) -> Self {
        if self.minutes_per_step <= 0.0 {
            self.minutes_per_step = told.unwrap_or(0.0);
        }
        self
    }

    /// Whether values are shares of the full scale of their type.
    pub(crate) fn is_full_scale(&self) -> bool {
        self.full_scale && self.unit.is_empty()
    }

    /// Whether its numbers are rain rates of radar images.
    pub(crate) fn is_of_radar(&self) -> bool {
        self.numbers == RAIN_RATES
    }

    /// The same, of numbers of any type.
    pub(in crate::dataset) fn with_any_numbers(mut self) -> Self {
        self.numbers.clear();
        self
    }

    /// The same, of numbers that become values by a range that a user names: whatever their type is, the limits of the type are the limits of this range.
    pub(crate) fn with_named_range(mut self) -> Self {
        self.numbers = OF_NAMED_RANGE.into();
        self
    }

    /// Checks every field.
    pub(super) fn validate(&self) -> Result<()> {
        let [low, high] = self.range;
        if !(low < high && low.is_finite() && high.is_finite()) {
            return Err(invalid(
                "found.range",
                format!("is [{low}, {high}], but the second number must be larger"),
            ));
        }
        let minutes = self.minutes_per_step;
        if !(minutes >= 0.0 && minutes.is_finite()) {
            return Err(invalid("found.minutes_per_step", format!("is {minutes}, but must be 0 or more")));
        }
        if !(self.spacing >= 0.0 && self.spacing.is_finite()) {
            return Err(invalid("found.spacing", format!("is {}, but must be 0 or more", self.spacing)));
        }
        Ok(())
    }
}
