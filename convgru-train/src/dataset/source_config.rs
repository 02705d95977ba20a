//! Which source of data a configuration has, and how that is written.

use serde::{Deserialize, Serialize};

use super::{DigitsConfig, FramesConfig, RadarConfig, RainScale};

/// Where sequences come from, with the settings that this source has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Fields", into = "Fields")]
pub enum Source {
    /// Handwriting-like digits drawn from strokes; needs no files.
    Strokes(DigitsConfig),
    /// The images of MNIST (or of a data set with its file names and format)
    /// from a folder.
    Mnist(DigitsConfig),
    /// Rain seen by radars, from a folder.
    Radar(RadarConfig),
    /// Sequences of one's own: arrays, GIFs, folders of images.
    Frames(FramesConfig),
}

/// The kinds of [`Source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// [`Source::Strokes`].
    Strokes,
    /// [`Source::Mnist`].
    Mnist,
    /// [`Source::Radar`].
    Radar,
    /// [`Source::Frames`].
    Frames,
}

impl SourceKind {
    /// The names in a configuration, in the order of the kinds.
    pub(crate) const NAMES: [&str; 4] = ["strokes", "mnist", "radar", "frames"];
    pub(crate) const ALL: [Self; 4] = [Self::Strokes, Self::Mnist, Self::Radar, Self::Frames];

    /// The name in a configuration.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl Default for Source {
    fn default() -> Self {
        Self::Strokes(DigitsConfig::default())
    }
}

impl Source {
    /// Its kind.
    pub fn kind(&self) -> SourceKind {
        match self {
            Self::Strokes(_) => SourceKind::Strokes,
            Self::Mnist(_) => SourceKind::Mnist,
            Self::Radar(_) => SourceKind::Radar,
            Self::Frames(_) => SourceKind::Frames,
        }
    }

    /// The name in a configuration.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// How rain rates become values: of radar images, and of frames that are read as rain.
    pub fn rain(&self) -> Option<RainScale> {
        match self {
            Self::Strokes(_) | Self::Mnist(_) => None,
            Self::Radar(radar) => Some(radar.rain()),
            Self::Frames(frames) => frames.rain.clone(),
        }
    }

    /// The source of a kind: this one where it is of that kind, otherwise its defaults. Both kinds of digits have the same settings, which
    /// stay; radar images get the scale and the parts of frames of rain.
    pub fn of_kind(&self, kind: SourceKind) -> Self {
        match (kind, self) {
            (SourceKind::Strokes, Self::Strokes(digits) | Self::Mnist(digits)) => {
                Self::Strokes(digits.clone())
            }
            (SourceKind::Mnist, Self::Strokes(digits) | Self::Mnist(digits)) => Self::Mnist(digits.clone()),
            (SourceKind::Strokes, _) => Self::Strokes(DigitsConfig::default()),
            (SourceKind::Mnist, _) => Self::Mnist(DigitsConfig::default()),
            (SourceKind::Radar, Self::Radar(radar)) => Self::Radar(radar.clone()),
            (SourceKind::Radar, Self::Frames(FramesConfig { rain: Some(rain), crop, shares, .. })) => {
                // Radar images are read as frames of rain are.
                let own = RadarConfig {
                    downsample: 1,
                    crop: *crop,
                    held_back: shares[1],
                    ..RadarConfig::default()
                };
                Self::Radar(RadarConfig { flips: false, rotations: false, ..own.on(rain) })
            }
            (SourceKind::Radar, _) => Self::Radar(RadarConfig::default()),
            (SourceKind::Frames, Self::Frames(frames)) => Self::Frames(frames.clone()),
            (SourceKind::Frames, _) => Self::Frames(FramesConfig::default()),
        }
    }
}

/// A source as fields of `[data]`: the fields of digits stand there, the fields of other sources in a section.
#[derive(Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
enum Fields {
    Strokes(DigitsConfig),
    Mnist(DigitsConfig),
    Radar {
        #[serde(default)]
        radar: RadarConfig,
    },
    Frames {
        #[serde(default)]
        frames: FramesConfig,
    },
}

impl From<Fields> for Source {
    fn from(fields: Fields) -> Self {
        match fields {
            Fields::Strokes(digits) => Self::Strokes(digits),
            Fields::Mnist(digits) => Self::Mnist(digits),
            Fields::Radar { radar } => Self::Radar(radar),
            Fields::Frames { frames } => Self::Frames(frames),
        }
    }
}

impl From<Source> for Fields {
    fn from(source: Source) -> Self {
        match source {
            Source::Strokes(digits) => Self::Strokes(digits),
            Source::Mnist(digits) => Self::Mnist(digits),
            Source::Radar(radar) => Self::Radar { radar },
            Source::Frames(frames) => Self::Frames { frames },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Preset, RunConfig};

    #[test]
    fn radar_images_are_read_as_the_frames_of_rain_of_a_preset() {
        let preset = RunConfig::preset(Preset::Mlcast).data.source;
        let Source::Frames(frames) = &preset else { panic!("{preset:?}") };
        let Source::Radar(radar) = preset.of_kind(SourceKind::Radar) else { panic!("no radar images") };
        assert_eq!(Some(radar.rain()), frames.rain);
        assert_eq!((radar.downsample, radar.crop, radar.held_back), (1, [256, 256], 0.15));
        assert_eq!(preset.of_kind(SourceKind::Frames), preset);
        // Other frames tell nothing of radar images.
        let plain = Source::Frames(FramesConfig::default());
        assert_eq!(plain.of_kind(SourceKind::Radar), Source::Radar(RadarConfig::default()));
    }
}
