//! The section `[data]` of a configuration.

use serde::{Deserialize, Serialize};

use super::{FoundData, Source, Split};
use crate::{Error, ReadBudget, Result};

/// What happens when a file of a recording is damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnCorrupt {
    /// The file is named, and nothing begins.
    #[default]
    Stop,
    /// The file is named in a warning, and its frames are missing.
    Skip,
}

impl OnCorrupt {
    /// What could be read. Errors of the content of files are gathered in `left_out`, or the first one ends it. Every other
    /// one always does: memory that is not allowed, or a file that cannot be opened now, is no damage.
    ///
    /// # Errors
    /// The first that is not gathered.
    pub(super) fn kept<T>(
        self,
        outcomes: impl IntoIterator<Item = Result<T>>,
        left_out: &mut Vec<Error>,
    ) -> Result<Vec<T>> {
        let mut kept = Vec::new();
        for outcome in outcomes {
            match (outcome, self) {
                (Ok(read), _) => kept.push(read),
                (Err(error @ Error::Format { .. }), Self::Skip) => left_out.push(error),
                (Err(error), _) => return Err(error),
            }
        }
        Ok(kept)
    }
}

/// Sequences: where they come from, how many, of how many frames. In TOML the fields of the source stand beside these: the fields of
/// moving digits in `[data]` itself, all others in a section of their own, which chooses the source.
///
/// ```
/// use convgru_train::dataset::{DataConfig, DigitsConfig, Source};
///
/// let digits = DigitsConfig { digits: 3, ..DigitsConfig::default() };
/// let config = DataConfig { source: Source::Strokes(digits), ..DataConfig::default() };
/// assert!(config.validate().is_ok());
/// assert_eq!(config.steps(), 20);
///
/// let digits = DigitsConfig { size: 20, ..DigitsConfig::default() };
/// let error = DataConfig { source: Source::Strokes(digits), ..config }.validate().unwrap_err();
/// assert!(error.to_string().starts_with("config field `data.size`"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataConfig {
    /// Where sequences come from: `"strokes"`, `"mnist"`, `"radar"` or `"frames"`, and the fields of that source.
    #[serde(flatten)]
    pub source: Source,
    /// Frames the model reads, 1 to 1000.
    pub input_frames: usize,
    /// Frames the model predicts, 1 to 1000.
    pub output_frames: usize,
    /// Sequences per training epoch. Every epoch draws new ones.
    pub train_sequences: usize,
    /// Sequences of the validation set, the same in every epoch; of recordings at most so many,
    /// evenly over time.
    pub validation_sequences: usize,
    /// Sequences of the test set, the same in every evaluation; of recordings at most so
    /// many. The standard test file of Moving MNIST has 10,000.
    pub test_sequences: usize,
    /// What happens when a file of a recording is damaged: `"stop"` or `"skip"`.
    pub on_corrupt: OnCorrupt,
    /// MiB of memory that the images of MNIST, or the frames of one split of a recording, may take: the numbers, and what is kept for each
    /// file, sequence and frame. While files are decoded, as much is taken besides.
    pub memory_mib: usize,
    /// Batches of a training that are made ahead, while steps are taken: 0 to 1000, 0 for none. The
    /// result does not depend on it.
    pub prefetch: usize,
    /// Whether the network reads a channel more that tells which pixels were measured (1) and which are missing (0), so that what was not
    /// measured is told from 0. Missing pixels are 0 for the network in any case.
    pub mask_channel: bool,
    /// What a training found in its data; a training writes it when it opens them. No setting, but the data must be such data where it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<FoundData>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            source: Source::default(),
            input_frames: 10,
            output_frames: 10,
            train_sequences: 10_000,
            validation_sequences: 500,
            test_sequences: 1_000,
            on_corrupt: OnCorrupt::Stop,
            memory_mib: 4096,
            prefetch: 2,
            mask_channel: false,
            found: None,
        }
    }
}

/// The most values one sequence may hold: 1 GiB of `f32`.
const LARGEST_SEQUENCE: usize = 1 << 28;

/// The most sequences of an epoch or a set: their order is kept in memory.
const MOST_SEQUENCES: usize = 10_000_000;

impl DataConfig {
    /// Frames per sequence: those read and those predicted, which are at the same times where the network reads
    /// [other frames](crate::dataset::FramesConfig::input).
    pub fn steps(&self) -> usize {
        if self.input().is_some() { self.input_frames } else { self.input_frames + self.output_frames }
    }

    /// [`steps`](Self::steps) with the fields that decide them, for messages.
    pub(in crate::dataset) fn steps_by_field(&self) -> String {
        let fields = if self.input().is_some() {
            "data.input_frames"
        } else {
            "data.input_frames + data.output_frames"
        };
        format!("{fields} = {}", self.steps())
    }

    /// Sequences of one epoch of a split.
    pub fn sequences(&self, split: Split) -> usize {
        match split {
            Split::Train => self.train_sequences,
            Split::Validation => self.validation_sequences,
            Split::Test => self.test_sequences,
        }
    }

    /// The shape of a frame, `[C, H, W]`, where the configuration alone decides it.
    pub fn frame_shape(&self) -> Option<[usize; 3]> {
        match &self.source {
            Source::Strokes(digits) | Source::Mnist(digits) => Some([1, digits.size, digits.size]),
            Source::Radar(radar) => {
                let [height, width] = radar.crop;
                (height > 0).then_some([1, height, width])
            }
            Source::Frames(_) => None,
        }
    }

    /// The budget of one reading, and what helps where it is too small.
    pub(crate) fn budget(&self) -> ReadBudget {
        let advice = match self.source {
            Source::Radar(_) => ", raise data.radar.downsample, or choose fewer events",
            Source::Frames(_) => ", or set data.frames.resize",
            Source::Strokes(_) | Source::Mnist(_) => "",
        };
        ReadBudget::with_advice(self.memory_mib, "data.memory_mib", advice)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] for the first field that cannot work, with its value
    /// and the values that can.
    pub fn validate(&self) -> Result<()> {
        within("input_frames", self.input_frames, 1, 1000)?;
        within("output_frames", self.output_frames, 1, 1000)?;
        match &self.source {
            Source::Strokes(digits) | Source::Mnist(digits) => digits.validate()?,
            Source::Radar(radar) => radar.validate()?,
            Source::Frames(frames) => frames.validate(self.steps())?,
        }
        self.validate_input()?;
        let values = self.frame_shape().map_or(0, |frame| self.steps() * frame.iter().product::<usize>());
        if values > LARGEST_SEQUENCE {
            let [_, height, width] = self.frame_shape().unwrap_or_default();
            return Err(invalid(
                if matches!(self.source, Source::Radar(_)) { "radar.crop" } else { "size" },
                format!(
                    "is too large: a sequence of {} frames of {height} x {width} has {values} values, but at most {LARGEST_SEQUENCE} are possible; take smaller or fewer frames",
                    self.steps()
                ),
            ));
        }
        within("train_sequences", self.train_sequences, 1, MOST_SEQUENCES)?;
        within("validation_sequences", self.validation_sequences, 1, MOST_SEQUENCES)?;
        within("test_sequences", self.test_sequences, 1, MOST_SEQUENCES)?;
        within("prefetch", self.prefetch, 0, 1000)?;
        self.found.as_ref().map_or(Ok(()), FoundData::validate)?;
        within("memory_mib", self.memory_mib, 1, 1 << 20)
    }
}

pub(super) fn invalid(field: &str, reason: String) -> Error {
    Error::Config { field: format!("data.{field}"), reason }
}

pub(super) fn within(field: &str, value: usize, low: usize, high: usize) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(invalid(field, format!("is {value}, but must be {low} to {high}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::DigitsConfig;

    #[test]
    fn defaults_are_valid_and_survive_toml() {
        let config = DataConfig::default();
        config.validate().unwrap();
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<DataConfig>(&text).unwrap(), config);
        assert_eq!(toml::from_str::<DataConfig>("source = \"strokes\"").unwrap(), config);
    }

    #[test]
    fn unknown_fields_and_sources_are_refused() {
        let error = toml::from_str::<DataConfig>("source = \"strokes\"\ndigit = 2").unwrap_err().to_string();
        assert!(error.contains("digit") && error.contains("digits"), "{error}");
        let error = toml::from_str::<DataConfig>("source = \"cifar\"").unwrap_err().to_string();
        assert!(error.contains("strokes") && error.contains("mnist"), "{error}");
    }

    #[test]
    fn each_field_has_limits_that_name_it() {
        type Change = fn(&mut DataConfig, &mut DigitsConfig);
        let changes: [(&str, Change); 19] = [
            ("digits", |_, d| d.digits = 0),
            ("digits", |_, d| d.digits = 17),
            ("digit_size", |_, d| d.digit_size = 7),
            ("digit_size", |_, d| d.digit_size = usize::MAX),
            ("size", |_, d| d.size = 28),
            ("size", |_, d| d.size = 1025),
            ("size", |c, d| (d.size, c.input_frames) = (1024, 1000)),
            ("input_frames", |c, _| c.input_frames = 0),
            ("output_frames", |c, _| c.output_frames = 0),
            ("output_frames", |c, _| c.output_frames = usize::MAX),
            ("min_speed", |_, d| d.min_speed = -1.0),
            ("min_speed", |_, d| d.min_speed = f64::NAN),
            ("max_speed", |_, d| d.max_speed = 36.5),
            ("max_speed", |_, d| d.max_speed = f64::INFINITY),
            ("max_speed", |_, d| d.min_speed = 4.0),
            ("train_sequences", |c, _| c.train_sequences = 0),
            ("validation_sequences", |c, _| c.validation_sequences = 0),
            ("test_sequences", |c, _| c.test_sequences = usize::MAX),
            ("prefetch", |c, _| c.prefetch = usize::MAX),
        ];
        for (name, change) in changes {
            let (mut config, mut digits) = (DataConfig::default(), DigitsConfig::default());
            change(&mut config, &mut digits);
            config.source = Source::Strokes(digits);
            match config.validate().unwrap_err() {
                Error::Config { field, reason } => {
                    assert_eq!(field, format!("data.{name}"));
                    assert!(reason.starts_with("is "), "{reason}");
                }
                error => panic!("{error}"),
            }
        }
    }
}
