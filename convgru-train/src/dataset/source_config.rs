//! Which source of data a configuration has, and how that is written.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::{DataConfig, DigitsConfig, FramesConfig, OnCorrupt, RadarConfig};

/// Where sequences come from, with the settings that this source has.
#[derive(Clone, Debug, PartialEq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    /// The names in a configuration.
    pub(crate) const NAMES: [&str; 4] = ["strokes", "mnist", "radar", "frames"];
    pub(crate) const ALL: [Self; 4] = [Self::Strokes, Self::Mnist, Self::Radar, Self::Frames];

    /// The name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strokes => "strokes",
            Self::Mnist => "mnist",
            Self::Radar => "radar",
            Self::Frames => "frames",
        }
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

    /// The source of a kind: this one where it is of that kind, otherwise its defaults. Both kinds of digits have the same settings, which
    /// stay.
    pub fn of_kind(&self, kind: SourceKind) -> Self {
        match (kind, self) {
            (SourceKind::Strokes, Self::Strokes(digits) | Self::Mnist(digits)) => {
                Self::Strokes(digits.clone())
            }
            (SourceKind::Mnist, Self::Strokes(digits) | Self::Mnist(digits)) => Self::Mnist(digits.clone()),
            (SourceKind::Strokes, _) => Self::Strokes(DigitsConfig::default()),
            (SourceKind::Mnist, _) => Self::Mnist(DigitsConfig::default()),
            (SourceKind::Radar, Self::Radar(radar)) => Self::Radar(radar.clone()),
            (SourceKind::Radar, _) => Self::Radar(RadarConfig::default()),
            (SourceKind::Frames, Self::Frames(frames)) => Self::Frames(frames.clone()),
            (SourceKind::Frames, _) => Self::Frames(FramesConfig::default()),
        }
    }
}

/// The fields of `[data]` that moving digits have.
const OF_DIGITS: [&str; 5] = ["digits", "size", "digit_size", "min_speed", "max_speed"];

/// The values of `data.source` that have a field of `[data]`, in words; `None` for fields of all sources and for what is no field.
fn sources_with(field: &str) -> Option<&'static str> {
    match field {
        "radar" => Some("\"radar\""),
        "frames" => Some("\"frames\""),
        _ => OF_DIGITS.contains(&field).then_some("\"strokes\" and \"mnist\""),
    }
}

/// Removes the fields of other sources from a section `[data]` that has those of all, as runs, checkpoints and weights of earlier versions
/// do; false for any other section, which is left as it is.
pub(crate) fn strip_other_sources(data: &mut Table) -> bool {
    let of_all = OF_DIGITS.into_iter().chain(["source", "radar", "frames"]);
    let named = data.get("source").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
    if !of_all.clone().all(|field| data.contains_key(field)) {
        return false;
    }
    let quoted = format!("\"{named}\"");
    for field in of_all {
        if sources_with(field).is_some_and(|sources| !sources.contains(&quoted)) {
            data.remove(field);
        }
    }
    true
}

/// `[data]` as it is written: the fields of all sources, each there or not.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digits: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digit_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_speed: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_speed: Option<f64>,
    input_frames: Option<usize>,
    output_frames: Option<usize>,
    train_sequences: Option<usize>,
    validation_sequences: Option<usize>,
    test_sequences: Option<usize>,
    on_corrupt: Option<OnCorrupt>,
    memory_mib: Option<usize>,
    prefetch: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    radar: Option<RadarConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames: Option<FramesConfig>,
}

impl From<DataConfig> for Fields {
    fn from(config: DataConfig) -> Self {
        let mut fields = Self {
            source: Some(config.source.kind()),
            input_frames: Some(config.input_frames),
            output_frames: Some(config.output_frames),
            train_sequences: Some(config.train_sequences),
            validation_sequences: Some(config.validation_sequences),
            test_sequences: Some(config.test_sequences),
            on_corrupt: Some(config.on_corrupt),
            memory_mib: Some(config.memory_mib),
            prefetch: Some(config.prefetch),
            ..Self::default()
        };
        match config.source {
            Source::Strokes(digits) | Source::Mnist(digits) => {
                let DigitsConfig { digits, size, digit_size, min_speed, max_speed } = digits;
                (fields.digits, fields.size, fields.digit_size) =
                    (Some(digits), Some(size), Some(digit_size));
                (fields.min_speed, fields.max_speed) = (Some(min_speed), Some(max_speed));
            }
            Source::Radar(radar) => fields.radar = Some(radar),
            Source::Frames(frames) => fields.frames = Some(frames),
        }
        fields
    }
}

impl Fields {
    /// The names of the fields that only some sources have.
    fn of_some_sources(&self) -> Vec<&'static str> {
        let there = [
            ("digits", self.digits.is_some()),
            ("size", self.size.is_some()),
            ("digit_size", self.digit_size.is_some()),
            ("min_speed", self.min_speed.is_some()),
            ("max_speed", self.max_speed.is_some()),
            ("radar", self.radar.is_some()),
            ("frames", self.frames.is_some()),
        ];
        there.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
    }

    fn digits(&self) -> DigitsConfig {
        let default = DigitsConfig::default();
        DigitsConfig {
            digits: self.digits.unwrap_or(default.digits),
            size: self.size.unwrap_or(default.size),
            digit_size: self.digit_size.unwrap_or(default.digit_size),
            min_speed: self.min_speed.unwrap_or(default.min_speed),
            max_speed: self.max_speed.unwrap_or(default.max_speed),
        }
    }
}

impl TryFrom<Fields> for DataConfig {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let kind = match (fields.source, &fields.radar, &fields.frames) {
            (Some(kind), _, _) => kind,
            (None, Some(_), _) => SourceKind::Radar,
            (None, None, Some(_)) => SourceKind::Frames,
            (None, None, None) => SourceKind::Strokes,
        };
        let named = format!("\"{}\"", kind.name());
        for field in fields.of_some_sources() {
            if let Some(sources) = sources_with(field).filter(|sources| !sources.contains(&named)) {
                return Err(not_of(field, sources, kind));
            }
        }
        let source = match kind {
            SourceKind::Strokes => Source::Strokes(fields.digits()),
            SourceKind::Mnist => Source::Mnist(fields.digits()),
            SourceKind::Radar => Source::Radar(fields.radar.unwrap_or_default()),
            SourceKind::Frames => Source::Frames(fields.frames.unwrap_or_default()),
        };
        let default = Self::default();
        Ok(Self {
            source,
            input_frames: fields.input_frames.unwrap_or(default.input_frames),
            output_frames: fields.output_frames.unwrap_or(default.output_frames),
            train_sequences: fields.train_sequences.unwrap_or(default.train_sequences),
            validation_sequences: fields.validation_sequences.unwrap_or(default.validation_sequences),
            test_sequences: fields.test_sequences.unwrap_or(default.test_sequences),
            on_corrupt: fields.on_corrupt.unwrap_or(default.on_corrupt),
            memory_mib: fields.memory_mib.unwrap_or(default.memory_mib),
            prefetch: fields.prefetch.unwrap_or(default.prefetch),
        })
    }
}

/// What to say about a field that the source has not.
fn not_of(field: &str, sources: &str, kind: SourceKind) -> String {
    format!(
        "data.{field} belongs to the data.source {sources}, but data.source is \"{}\"; leave it out, or choose its source",
        kind.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DataConfig, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    #[test]
    fn a_section_chooses_its_source() {
        for (text, kind) in [
            ("", SourceKind::Strokes),
            ("size = 32", SourceKind::Strokes),
            ("source = \"mnist\"\nsize = 32", SourceKind::Mnist),
            ("source = \"radar\"", SourceKind::Radar),
            ("[radar]\ndownsample = 2", SourceKind::Radar),
            ("[frames]\nrange = [0.0, 100.0]", SourceKind::Frames),
        ] {
            let config = read(text).unwrap();
            assert_eq!(config.source.kind(), kind, "{text}");
            let written = toml::to_string(&config).unwrap();
            assert_eq!(read(&written).unwrap(), config);
            // Only the fields of its source are written.
            let others = SourceKind::ALL
                .into_iter()
                .filter(|other| !matches!(other, SourceKind::Mnist | SourceKind::Strokes));
            for other in others.filter(|other| *other != kind) {
                assert!(!written.contains(&format!("[{}]", other.name())), "{written}");
            }
        }
    }

    #[test]
    fn fields_of_other_sources_are_refused_by_name() {
        for (text, words) in [
            ("source = \"radar\"\nsize = 32", ["data.size", "\"strokes\" and \"mnist\"", "\"radar\""]),
            ("source = \"strokes\"\n[frames]", ["data.frames", "\"frames\"", "\"strokes\""]),
            ("source = \"frames\"\n[radar]\ndownsample = 2", ["data.radar", "\"radar\"", "\"frames\""]),
            ("[radar]\n[frames]", ["data.frames", "\"frames\"", "\"radar\""]),
        ] {
            let error = read(text).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
        }
    }

    #[test]
    fn sections_of_earlier_versions_had_the_fields_of_all_sources() {
        let digits =
            "digits = 2\nsize = 48\ndigit_size = 28\nmin_speed = 3.6\nmax_speed = 3.6\nmemory_mib = 7";
        for kind in SourceKind::ALL {
            let text = format!(
                "source = \"{}\"\n{digits}\n[radar]\ndownsample = 3\n[frames]\nstride = 5",
                kind.name()
            );
            assert!(read(&text).is_err());
            let mut table: Table = text.parse().unwrap();
            assert!(strip_other_sources(&mut table));
            let config = read(&table.to_string()).unwrap();
            assert_eq!((config.source.kind(), config.memory_mib), (kind, 7));
            match config.source {
                Source::Strokes(digits) | Source::Mnist(digits) => assert_eq!(digits.size, 48),
                Source::Radar(radar) => assert_eq!(radar.downsample, 3),
                Source::Frames(frames) => assert_eq!(frames.stride, 5),
            }
        }
        // What a person writes is left as it is.
        let mut table: Table = "source = \"radar\"\nsize = 4\n[radar]\n[frames]".parse().unwrap();
        let before = table.clone();
        assert!(!strip_other_sources(&mut table) && table == before);
    }
}
