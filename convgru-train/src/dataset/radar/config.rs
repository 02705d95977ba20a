//! The section `[data.radar]` of a configuration.

use serde::{Deserialize, Serialize};

use crate::dataset::config::{invalid, within};
use crate::dataset::{Quantity, RainScale, Reflectivity, ScaleKind};
use crate::{Error, Result};

/// How frames are grouped into events, the units in which training and test are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventGrouping {
    /// Folders where there are several, otherwise gaps.
    #[default]
    Auto,
    /// Each folder is an event, called by its path.
    Folders,
    /// An event lasts until frames are missing everywhere; it is called by its first
    /// time, such as `2016-08-28 10:00`.
    Gaps,
}

/// Sequences of radar images: units, resolution, parts of frames and the split.
///
/// ```
/// use convgru_train::dataset::{DataConfig, RadarConfig, Source};
///
/// let radar = RadarConfig { downsample: 2, crop: [96, 128], ..RadarConfig::default() };
/// let config = DataConfig { source: Source::Radar(radar), ..DataConfig::default() };
/// assert!(config.validate().is_ok());
/// assert_eq!(config.frame_shape(), Some([1, 96, 128]));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RadarConfig {
    /// How rain rates become values.
    pub scale: ScaleKind,
    /// The dBZ of the value 0, which stands for no rain.
    pub lowest_dbz: f64,
    /// The dBZ of the value 1.
    pub highest_dbz: f64,
    /// The rain rate in mm/h of the value 1, for the other two scales.
    pub highest_rate: f64,
    /// Where the scale `log-rate` turns from a line to a logarithm, in mm/h.
    pub knee_rate: f64,
    /// `a` and `b` of `Z = a R^b`.
    pub z_r: [f64; 2],
    /// Rain rates below this, in mm/h, are no rain.
    pub no_rain_below: f64,
    /// This many pixels along each axis become one, with the mean rain rate of those that were
    /// measured. It is missing if fewer than half of them were.
    pub downsample: usize,
    /// Height and width of the parts of frames that sequences show, after the
    /// downsampling; `[0, 0]` for whole frames. Random places in training; in the other
    /// splits places side by side.
    pub crop: [usize; 2],
    /// Minutes from a frame to the next; 0 for what is most frequent. Any other distance is
    /// a gap, which no sequence crosses.
    pub minutes_per_step: u32,
    /// Frames from the beginning of a sequence to the beginning of the next one.
    pub stride: usize,
    /// What makes an event.
    pub events: EventGrouping,
    /// The events to train on; empty for those in no other list.
    pub train_events: Vec<String>,
    /// The events to validate on; empty for the end of the events to train on.
    pub validation_events: Vec<String>,
    /// The events to test on; empty for the last one.
    pub test_events: Vec<String>,
    /// The share of training's time, at its end, that is kept for validation, and where there is but one
    /// event, for the test. At least one sequence long.
    pub held_back: f64,
    /// The least share of measured pixels in a sequence.
    pub minimum_measured: f64,
    /// The least share of measured pixels with rain in a sequence.
    pub minimum_rain: f64,
    /// In training a sequence with a share `s` of rain is kept with the probability `min(1, s / rain_importance)`, so that
    /// rain is seen more often than it falls. 0 keeps all.
    pub rain_importance: f64,
    /// Whether training mirrors sequences.
    pub flips: bool,
    /// Whether training turns sequences by quarters (by halves where parts are no squares).
    pub rotations: bool,
}

impl Default for RadarConfig {
    fn default() -> Self {
        Self {
            scale: ScaleKind::Dbz,
            lowest_dbz: 0.0,
            highest_dbz: 60.0,
            highest_rate: 100.0,
            knee_rate: 0.5,
            z_r: [223.0, 1.53],
            no_rain_below: 0.1,
            downsample: 4,
            crop: [64, 64],
            minutes_per_step: 0,
            stride: 1,
            events: EventGrouping::Auto,
            train_events: Vec::new(),
            validation_events: Vec::new(),
            test_events: Vec::new(),
            held_back: 0.25,
            minimum_measured: 0.5,
            minimum_rain: 0.02,
            rain_importance: 0.1,
            flips: true,
            rotations: true,
        }
    }
}

impl RadarConfig {
    /// The scale of its rain rates.
    pub fn rain(&self) -> RainScale {
        let &Self { scale, lowest_dbz, highest_dbz, highest_rate, knee_rate, z_r, no_rain_below, .. } = self;
        RainScale { scale, lowest_dbz, highest_dbz, highest_rate, knee_rate, z_r, no_rain_below }
    }

    /// The same with rain rates on a scale.
    pub fn on(self, rain: &RainScale) -> Self {
        let &RainScale { scale, lowest_dbz, highest_dbz, highest_rate, knee_rate, z_r, no_rain_below } = rain;
        Self { scale, lowest_dbz, highest_dbz, highest_rate, knee_rate, z_r, no_rain_below, ..self }
    }

    /// The relation of reflectivity and rain rate, on the scale of dBZ.
    pub fn reflectivity(&self) -> Reflectivity {
        self.rain().reflectivity()
    }

    /// What values mean: rain rates in mm/h.
    pub fn quantity(&self, minutes_per_step: Option<f64>) -> Quantity {
        self.rain().quantity(minutes_per_step)
    }

    /// Checks every field.
    pub(in crate::dataset) fn validate(&self) -> Result<()> {
        self.rain().validate("radar")?;
        for (field, share) in [
            ("minimum_measured", self.minimum_measured),
            ("minimum_rain", self.minimum_rain),
            ("rain_importance", self.rain_importance),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return Err(refused(field, format!("is {share}, but a share is 0 to 1")));
            }
        }
        if !(self.held_back > 0.0 && self.held_back < 1.0) {
            return Err(refused(
                "held_back",
                format!("is {}, but must be above 0 and below 1", self.held_back),
            ));
        }
        let [height, width] = self.crop;
        if (height == 0) != (width == 0) || height > 4096 || width > 4096 {
            return Err(refused(
                "crop",
                format!(
                    "is [{height}, {width}], but must be a height and a width of 1 to 4096, or [0, 0] for whole frames"
                ),
            ));
        }
        within("radar.downsample", self.downsample, 1, 64)?;
        within("radar.stride", self.stride, 1, 1000)?;
        within("radar.minutes_per_step", self.minutes_per_step as usize, 0, 100_000)?;
        self.validate_events()
    }

    /// An event can be in one list alone.
    fn validate_events(&self) -> Result<()> {
        let lists = [&self.train_events, &self.validation_events, &self.test_events];
        let all: Vec<&String> = lists.into_iter().flatten().collect();
        match all.iter().enumerate().find(|(at, name)| all[..*at].contains(name)) {
            Some((_, name)) => Err(refused(
                "test_events",
                format!(
                    "`{name}` is listed twice; an event can be trained on, validated on or tested on, once"
                ),
            )),
            None => Ok(()),
        }
    }
}

fn refused(field: &str, reason: String) -> Error {
    invalid(&format!("radar.{field}"), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        RadarConfig::default().validate().unwrap();
        type Change = fn(&mut RadarConfig);
        let wrong: [(&str, Change); 13] = [
            ("highest_rate", |c| c.highest_rate = 0.0),
            ("knee_rate", |c| c.knee_rate = f64::NAN),
            ("z_r", |c| c.z_r[1] = -1.0),
            ("highest_dbz", |c| c.highest_dbz = c.lowest_dbz),
            ("no_rain_below", |c| c.no_rain_below = -0.1),
            ("minimum_measured", |c| c.minimum_measured = 1.5),
            ("minimum_rain", |c| c.minimum_rain = f64::NAN),
            ("rain_importance", |c| c.rain_importance = -1.0),
            ("held_back", |c| c.held_back = 1.0),
            ("crop", |c| c.crop = [0, 5]),
            ("downsample", |c| c.downsample = 0),
            ("stride", |c| c.stride = 0),
            ("test_events", |c| {
                c.train_events = vec!["a".into()];
                c.test_events = vec!["a".into()];
            }),
        ];
        for (field, change) in wrong {
            let mut config = RadarConfig::default();
            change(&mut config);
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("config field `data.radar.{field}`")), "{error}");
        }
    }
}
