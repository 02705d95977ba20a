//! What a file or folder holds, how it would be read, and the configuration that reads it.

mod choices;
mod digits;
mod files;
mod lines;
mod marks;
mod objects;
mod own_frames;
mod preview;
mod radar;
mod range;
mod sample;
mod tally;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde::Serialize;

pub use self::choices::Choice;
pub use self::files::SplitSummary;
pub use self::objects::Object;
pub use self::preview::Preview;

use super::config::DataConfig;
use super::{FramesConfig, Source, folder};
use crate::printable::printable;
use crate::{Error, Result};

/// What [`inspect`] found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Inspection {
    /// The path that was looked at.
    pub path: String,
    /// The kind of data, as `data.source` names it.
    pub source: &'static str,
    /// The format in words, such as `netCDF and HDF5`.
    pub format: String,
    /// The number of files, and their bytes.
    pub files: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// The file whose objects are listed, where there are several files.
    pub example: Option<String>,
    /// What lies in it.
    pub objects: Vec<Object>,
    /// The object that holds the frames, by its name.
    pub read_object: Option<String>,
    /// How frames would be read; `None` while something is open that decides it.
    pub frames: Option<FramesSummary>,
    /// The numbers of pixels, if any could be looked at.
    pub numbers: Option<NumbersSummary>,
    /// When frames were seen, where files tell it.
    pub time: Option<TimeSummary>,
    /// What the splits hold, in the order training, validation, test; empty where it is not known.
    pub splits: Vec<SplitSummary>,
    /// Frames of a window: those read and those predicted, as the configuration says.
    pub window: [usize; 2],
    /// What the data leave open, with the values to choose from.
    pub choices: Vec<Choice>,
    /// Why the data are not read as they are, where something is open.
    pub open: Option<String>,
    /// What a reader should know before training.
    pub warnings: Vec<String>,
    /// The configuration that reads the data, as TOML.
    pub configuration: String,
    /// Some frames to look at.
    #[serde(skip)]
    pub preview: Option<Preview>,
}

impl Inspection {
    /// Whether a training is possible: `false` where a split has no window even of two frames.
    pub fn can_train(&self) -> bool {
        self.window != [1, 1] || self.splits.iter().all(|split| split.windows > 0)
    }
}

/// How frames would be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FramesSummary {
    /// What the axes of arrays are, such as `thw`; `None` of pictures and radar images.
    pub axes: Option<String>,
    /// How the axes are known.
    pub axes_known_by: &'static str,
    /// Sequences of all files.
    pub sequences: usize,
    /// Frames of the shortest and of the longest sequence.
    pub steps: [usize; 2],
    /// Channels, rows and columns of a frame.
    pub shape: [usize; 3],
    /// How numbers are stored.
    pub number_type: String,
    /// The unit; empty where none is told.
    pub unit: String,
}

/// What the numbers of pixels are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NumbersSummary {
    /// Frames that were looked at, of how many.
    pub looked_at: usize,
    /// All frames.
    pub of: usize,
    /// The lowest, mean and highest number that was measured; `None` where none was.
    pub measured: Option<[f64; 3]>,
    /// Numbers that look as if they marked pixels that were not measured, such as -9999.
    pub marks: Vec<f64>,
    /// Other numbers that stand apart from all others: they count as measured, and may be marks.
    pub apart: Vec<f64>,
    /// The share of pixels that are missing: NaN, numbers that the file calls missing, and marks.
    pub missing_share: f64,
    /// How many numbers are infinite.
    pub infinite: u64,
}

/// When frames were seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TimeSummary {
    /// The time of the first frame, where a date is told.
    pub first: Option<String>,
    /// The time of the last frame.
    pub last: Option<String>,
    /// Minutes from a frame to the next.
    pub minutes_per_step: Option<f64>,
    /// Places where frames are missing between two others.
    pub gaps: usize,
    /// Whether frames lie in the files in the order of time; they are read in it all the same.
    pub is_in_order: bool,
}

/// Looks at what a path holds: at the headers of all files, and at the numbers of some frames.
///
/// `data` says how it would be read: its source is the kind of the data (see [`detect`](super::detect)), and what it names (axes,
/// a variable, a range) is taken as it is.
///
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::config::RunConfig;
/// use convgru_train::dataset::{DataConfig, FramesConfig, Source, Splits, inspect};
/// use convgru_train::media;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("rain.npy");
/// let rain = |at: usize| if at % 30 == 0 { -9999.0 } else { (at % 87) as f32 };
/// media::write_frames(&path, &Tensor::from_fn(&[90, 1, 12, 16], rain))?;
/// let data = DataConfig { source: Source::Frames(FramesConfig::default()), ..DataConfig::default() };
/// let found = inspect(&path, &data)?;
/// assert_eq!(found.frames.as_ref().unwrap().axes.as_deref(), Some("thw"));
/// assert_eq!(found.numbers.as_ref().unwrap().marks, [-9999.0]);
/// assert!(found.configuration.contains("missing = [-9999.0]") && found.configuration.contains("range = [0.0, 86.0]"));
/// // What it proposes reads the data.
/// let config = RunConfig::from_toml(&found.configuration)?;
/// assert!(Splits::open(&config.data, Some(&path), 0)?.test.len() >= 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Io`] if the path cannot be read; [`Error::Data`] or [`Error::Format`] if it holds nothing of the source, or nothing
/// that can be read. [`Error::Config`] for a source without files.
pub fn inspect(path: &Path, data: &DataConfig) -> Result<Inspection> {
    data.validate()?;
    let mut found = Inspection {
        path: path.to_string_lossy().into_owned(),
        source: data.source.name(),
        window: [data.input_frames, data.output_frames],
        ..Inspection::default()
    };
    folder::each_file(path, &mut |file| {
        let length = std::fs::metadata(&file).map_err(Error::io("look at", &file))?.len();
        found.files += 1;
        found.bytes += length;
        Ok(())
    })?;
    match &data.source {
        Source::Frames(frames) => {
            expect_variables(path, frames)?;
            own_frames::inspect(path, data, frames, &mut found)?;
        }
        Source::Radar(config) => radar::inspect(path, data, config, &mut found)?,
        Source::Mnist(_) => digits::inspect(path, data, &mut found)?,
        Source::Strokes(_) => {
            return Err(Error::Config {
                field: "data.source".into(),
                reason: format!("is \"strokes\", which reads no files, but {} is given", printable(path)),
            });
        }
    }
    Ok(found)
}

/// Refuses a variable that is named for files without variables.
fn expect_variables(path: &Path, config: &FramesConfig) -> Result<()> {
    if config.variable.is_empty() || super::has_variables(path)? {
        return Ok(());
    }
    let reason = format!(
        "names a variable, and {} holds no file with variables, such as HDF5, netCDF, Zarr or GRIB; leave it out",
        printable(path)
    );
    Err(Error::Config { field: "data.frames.variable".into(), reason })
}
