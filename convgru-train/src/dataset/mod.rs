//! Data sets of image sequences, and batches of them.

mod batch;
pub(crate) mod cadence;
mod caught;
mod config;
mod crop_list;
mod crop_sampling;
mod crops;
mod detect;
mod digits_config;
mod downsampling;
mod fingerprint;
mod folder;
mod found;
mod frames;
mod georeference;
mod gridded;
mod gzip;
pub(crate) mod input;
mod inspect;
mod mnist;
mod moving_digits;
mod order;
mod paired;
mod radar;
mod rain_headers;
mod rain_scale;
mod random;
mod rates;
mod resample;
pub(crate) mod source;
mod source_config;
mod split;
mod splits;
mod synthetic_digits;
mod timestamp;
mod trajectory;
mod unit_names;
mod units;
mod windows;

use std::path::{Path, PathBuf};

pub use batch::{Batch, SequenceMut, batch};
pub use config::{DataConfig, OnCorrupt};
pub use crop_sampling::{CropSampling, SampledCrops};
pub use detect::detect;
pub(crate) use detect::holds_frames;
pub use digits_config::DigitsConfig;
pub(crate) use downsampling::downsample_of;
pub(crate) use fingerprint::MOST_FILES;
pub use fingerprint::{FileFingerprint, Fingerprint};
pub(crate) use folder::each_file;
pub use found::FoundData;
pub use frames::{FramesConfig, InputFramesConfig, read_frames, read_numbers};
pub use georeference::{Attribute, AttributeValue, Coordinate, Description, Georeference, GridMapping};
pub(crate) use georeference::{FULL_SCALE_RANGE, text_of, text_of_file};
pub use input::{Input, InputOptions};
pub use inspect::{
    Choice, FramesSummary, Inspection, NumbersSummary, Object, Preview, SplitSummary, TimeSummary, inspect,
};
pub use order::order;
pub use radar::{EventGrouping, RadarConfig};
pub use rain_scale::{RainScale, ScaleKind};
pub(crate) use random::{numbered, unit};
pub(crate) use rates::{HIGHEST_RATE, RateFrames, RateScale};
pub use source::Axes;
pub(crate) use source::natural_order::compare as natural_order;
pub(crate) use source::{ByteOrder, Content, NumberType, is_store};
pub use source_config::{Source, SourceKind};
pub use split::Split;
pub use splits::Splits;
pub(crate) use unit_names::are_same;
pub use units::{Quantity, Reflectivity, Transform};

use self::mnist::MnistDigits;
use self::moving_digits::MovingDigits;
use self::synthetic_digits::SyntheticDigits;
use crate::printable::printable;
use crate::{Error, ReadBudget, Result};

/// Sequences of frames that can be asked for in any order.
#[expect(clippy::len_without_is_empty, reason = "no data set is empty")]
pub trait SequenceDataset: Send + Sync {
    /// What this is, for reports.
    fn name(&self) -> &str;

    /// Sequences per epoch, at least 1.
    fn len(&self) -> usize;

    /// The shape of a frame, `[C, H, W]`.
    fn frame_shape(&self) -> [usize; 3];

    /// Frames per sequence: those to read and those to predict; where there are [other frames to read](Self::inputs) those to predict.
    fn steps(&self) -> usize;

    /// The frames that the network reads in place of these, where there are others: as many sequences of as many frames of the same height and width,
    /// each at the times and the place of the sequence with its index.
    fn inputs(&self) -> Option<&dyn SequenceDataset> {
        None
    }

    /// What a value of a pixel means; grey levels unless said otherwise.
    fn quantity(&self) -> Quantity {
        Quantity::intensity()
    }

    /// What the files hold, where it reads files of frames or radar images.
    fn found(&self) -> Option<&FoundData> {
        None
    }

    /// Whether pixels may be missing, so that batches have
    /// [`valid`](Batch::valid).
    fn has_missing(&self) -> bool {
        false
    }

    /// What to call a sequence in reports: the time of its first frame where that is known.
    /// Of a training set with other draws in every epoch, the first epoch's.
    fn label(&self, index: usize) -> String {
        format!("sequence {index}")
    }

    /// The times on the clock of the frames of a sequence; empty where they are not known.
    fn times(&self, _index: usize) -> Vec<String> {
        Vec::new()
    }

    /// What the user should know although the data can be used, such as files left out.
    fn warnings(&self) -> &[String] {
        &[]
    }

    /// Writes one sequence over whatever was there. The same epoch and index give the
    /// same bits at any time and from any thread.
    ///
    /// # Errors
    /// [`Error::Data`] if `index` is not below [`len`](Self::len) or `into` has
    /// another length; [`Error::Io`] and [`Error::Format`] where a file is read.
    fn sequence(&self, epoch: u64, index: usize, into: &mut SequenceMut<'_>) -> Result<()>;
}

/// Opens the data set of a split.
///
/// Without a path the digits are drawn from strokes. All other sources read what `config.source` says from the path.
///
/// # Errors
/// [`Error::Config`] if the configuration is invalid or its source does not go
/// with the path; [`Error::Data`], [`Error::Io`] or [`Error::Format`] if the
/// files are missing or cannot be used.
pub fn open(
    config: &DataConfig,
    path: Option<&Path>,
    split: Split,
    seed: u64,
) -> Result<Box<dyn SequenceDataset>> {
    config.validate()?;
    match &config.source {
        Source::Strokes(digits) => {
            let source = SyntheticDigits::new(digits.digit_size);
            no_path(path)?;
            Ok(Box::new(MovingDigits::new(config, digits, split, seed, Box::new(source))))
        }
        Source::Mnist(digits) => {
            let source = MnistDigits::open(given(config, path)?, split, digits.digit_size, &config.budget())?;
            Ok(Box::new(MovingDigits::new(config, digits, split, seed, Box::new(source))))
        }
        Source::Radar(radar) => Ok(Box::new(radar::open(config, radar, given(config, path)?, split, seed)?)),
        Source::Frames(frames @ FramesConfig { input: Some(input), .. }) => {
            frames::open_paired(config, (frames, &**input), given(config, path)?, (Some(split), seed))
        }
        Source::Frames(frames) => {
            let parts = frames::open_parts(config, frames, given(config, path)?, (split, seed))?;
            RateFrames::scaled(parts, frames)
        }
    }
}

/// Opens everything at a path as a test set, for data that nothing was trained on: of radar images all
/// events, of frames all sequences (of a folder `test` where there are folders for splits), of anything else what [`open`] takes for
/// the test. Sequences of one large array are read when they are asked for.
///
/// # Errors
/// The errors of [`open`].
pub fn open_whole(config: &DataConfig, path: &Path, seed: u64) -> Result<Box<dyn SequenceDataset>> {
    config.validate()?;
    match &config.source {
        Source::Radar(radar) => Ok(Box::new(radar::open_whole(config, radar, path)?)),
        Source::Frames(frames @ FramesConfig { input: Some(input), .. }) => {
            frames::open_paired(config, (frames, &**input), path, (None, seed))
        }
        Source::Frames(frames) => RateFrames::scaled(frames::open_whole(config, frames, path)?, frames),
        Source::Strokes(_) | Source::Mnist(_) => open(config, Some(path), Split::Test, seed),
    }
}

/// The frames at a path that a network goes on from: of a file or folder of frames the last of its sequence, of a folder of radar images the
/// newest without a gap. `newest` is how many at most; `data.input_frames` where it is absent, of radar images, and of frames that take more
/// memory than is allowed. Frames of rain rates become values of the scale of radar images by `rates`.
///
/// # Errors
/// The errors of [`open`], and [`Error::Data`] for data that hold no sequence to continue.
pub(crate) fn read_input(
    data: &DataConfig,
    path: &Path,
    (newest, rates): (Option<usize>, Option<&RateScale>),
    budget: &ReadBudget,
) -> Result<Input> {
    let (read, axes) = match &data.source {
        Source::Frames(config) => {
            let whole = frames::newest(path, (config, data), newest.unwrap_or(usize::MAX), budget);
            let read = match whole {
                Err(Error::Memory { .. }) if newest.is_none() => {
                    let mut read = frames::newest(path, (config, data), data.input_frames, budget)?;
                    read.warnings.push(format!(
                        "the frames of {} take more memory than is allowed; the newest {} are read, as many as the model read in training",
                        printable(path),
                        data.input_frames
                    ));
                    read
                }
                read => read?,
            };
            (read, config.axes.clone())
        }
        Source::Radar(config) => {
            let most = newest.unwrap_or(data.input_frames);
            (radar::newest(data, config, path, most, budget)?, Axes::default())
        }
        Source::Strokes(_) | Source::Mnist(_) => {
            return Err(Error::Data {
                what: printable(path),
                reason: "holds single images of digits, and no sequence to continue; give frames (*.npy, *.npz, *.h5, *.nc, *.gif, a folder \
                         of *.png) or radar images"
                    .into(),
            });
        }
    };
    input_of(read, axes, (data, path), rates)
}

fn input_of(
    mut read: input::NewestFrames,
    axes: Axes,
    (data, path): (&DataConfig, &Path),
    rates: Option<&RateScale>,
) -> Result<Input> {
    let own = match (&data.source, rates) {
        (Source::Frames(config), None) => RateScale::of_frames(config, Some(&read.found), &printable(path))?,
        _ => None,
    };
    if let Some(rates) = rates.or(own.as_ref()) {
        let size = [2, 3].map(|axis| read.frames.shape()[axis]);
        read.description = rates.described(read.description, size);
        read.frames = rates.encoded(&read.frames)?;
    }
    Ok(Input::new(read, axes))
}

/// The frames of a file that arrived: all of them, and a picture as a frame.
///
/// # Errors
/// As [`read_input`].
pub(crate) fn read_arrival(
    data: &DataConfig,
    path: &Path,
    rates: Option<&RateScale>,
    budget: &ReadBudget,
) -> Result<Input> {
    match &data.source {
        Source::Frames(config) if source::is_picture(path) => {
            let picture = source::open_picture(path, budget)?;
            let read = frames::newest_of(picture.as_ref(), path, (config, data), usize::MAX, budget)?;
            input_of(read, config.axes.clone(), (data, path), rates)
        }
        _ => read_input(data, path, (Some(usize::MAX), rates), budget),
    }
}

/// The files in a folder and those below that may hold frames, by their names.
///
/// # Errors
/// [`Error::Io`] if a folder cannot be read.
pub(crate) fn data_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    folder::each_file(folder, &mut |path| {
        if source::is_frames(&path) || source::radar::Format::named(&path).is_some() {
            files.push(path);
        }
        Ok(())
    })?;
    Ok(files)
}

/// Refuses files of several regions of MeteoNet.
///
/// # Errors
/// [`Error::Data`] with two of them.
pub(crate) fn expect_one_region(folder: &Path, files: &[PathBuf]) -> Result<()> {
    source::radar::meteonet::expect_one_region(folder, files.iter().map(PathBuf::as_path))
}

/// The time in the name of a file, in seconds since the beginning of 1970.
pub(crate) fn time_in_name(path: &Path) -> Option<f64> {
    let name = path.file_name()?.to_string_lossy();
    let (time, seconds) = timestamp::Timestamp::with_seconds_in_text(&name)?;
    Some(time.seconds() as f64 + f64::from(seconds))
}

/// The path, which sources with files need.
fn given<'a>(config: &DataConfig, path: Option<&'a Path>) -> Result<&'a Path> {
    path.ok_or_else(|| Error::Config {
        field: "data.source".into(),
        reason: format!(
            "is \"{}\", which reads files, but no data folder is given; name it with --data, or set the source to \"strokes\", which needs \
             no files",
            config.source.name()
        ),
    })
}

/// Whether a path holds a file whose variables have names: HDF5, netCDF, Zarr or GRIB.
///
/// # Errors
/// [`Error::Io`] if it cannot be read.
pub(crate) fn has_variables(path: &Path) -> Result<bool> {
    let has = |file: &PathBuf| gridded::is_named(file) || source::is_store(file) || source::is_grib(file);
    Ok(has(&path.to_path_buf()) || data_files(path)?.iter().any(has))
}

/// Fails if a path is given to a source without files.
pub(crate) fn no_path(path: Option<&Path>) -> Result<()> {
    match path {
        None => Ok(()),
        Some(path) => Err(Error::Config {
            field: "data.source".into(),
            reason: format!(
                "is \"strokes\", which reads no files, but the data folder {} is given; set it to the source of these data, such as \
                 \"mnist\", or leave the folder out",
                printable(path)
            ),
        }),
    }
}

/// Fails unless the index exists and the buffers have the size of a sequence.
fn check_request(dataset: &dyn SequenceDataset, index: usize, into: &SequenceMut<'_>) -> Result<()> {
    let error = |reason| Err(Error::Data { what: dataset.name().to_string(), reason });
    if index >= dataset.len() {
        return error(format!("sequence {index} was asked for, but there are {} (from 0)", dataset.len()));
    }
    let [channels, height, width] = dataset.frame_shape();
    let needed = dataset.steps() * channels * height * width;
    for (what, values) in
        [("buffer", Some(into.frames.len())), ("mask", into.valid.as_ref().map(|v| v.len()))]
    {
        if let Some(values) = values.filter(|&values| values != needed) {
            return error(format!(
                "the {what} holds {values} values, but a sequence of shape [{}, {channels}, {height}, \
                 {width}] has {needed}",
                dataset.steps()
            ));
        }
    }
    if into.valid.is_some() != dataset.has_missing() {
        return error(
            "a mask of missing pixels is written for data sets that may miss some, and for no other".into(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
