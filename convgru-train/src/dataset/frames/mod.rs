//! Sequences of a user's own: arrays (of NumPy, HDF5 and netCDF), GIFs, animated PNG and folders of PNG or JPEG images.

mod agreement;
mod clips;
mod config;
mod gathered;
mod input_config;
mod newest;
mod numbers;
mod on_disk;
mod open_files;
mod paired;
mod parts;
mod resize;
mod split_files;
#[cfg(test)]
mod tests;
mod time_order;

use std::ops::Range;
use std::path::{Path, PathBuf};

use convgru_model::Tensor;
use rayon::prelude::*;

pub use config::FramesConfig;
pub use input_config::InputFramesConfig;
pub use newest::read_frames;
pub(super) use newest::{newest, newest_of};
pub use numbers::read_numbers;
pub(super) use paired::open_paired;
pub(super) use parts::{listable_whole, open_parts, open_whole};
use parts::{open_of, whole_of};

use self::agreement::Told;
use self::clips::{clips, of_equal_channels};
use self::gathered::{Damage, gathered};
use self::on_disk::OnDisk;
pub(super) use self::resize::resized as resized_plane;
pub(super) use self::split_files::SplitFiles;
pub(super) use self::time_order::TimeOrder;
use self::time_order::{Run, Steps};
use super::config::{DataConfig, OnCorrupt};
use super::source::{self, FrameSource, Given};
use super::windows::{Codebook, SampleFilter, Selection, TimeAxis, WindowDataset, WindowSource};
use super::{SequenceDataset, Split};
use crate::counted::counted;
use crate::printable::{printable, printable_name};
use crate::read_budget::{ReadBudget, bytes_of};
use crate::{Error, Result};

/// Bytes that are kept for a sequence, besides its numbers and its name.
const SEQUENCE_BYTES: usize = 512;

/// Frames of a sequence that follow each other without a gap.
struct Read {
    name: String,
    time_axis: Option<TimeAxis>,
    /// `[T, C, H, W]`, NaN where a pixel is missing.
    frames: Tensor<f32>,
}

/// What was read of a file or a folder of images.
type FileRead = (PathBuf, Vec<Read>);

/// Opens a split of sequences: in memory, or where they take more than is allowed and their files are read from any place on,
/// window by window.
///
/// # Errors
/// [`Error::Data`] if there are none of the length that is needed; [`Error::Memory`] if they take more than is allowed;
/// [`Error::Format`] with file and shape if a file cannot be used, or none can.
fn open(reader: &Reader<'_>, split: Split) -> Result<Box<dyn SequenceDataset>> {
    let (data, mut left_out) = (reader.data, Vec::new());
    let files = split_files::split_files(reader, split, &mut left_out)?;
    reader.opened(files, &format!("the {split} split"), data.sequences(split), left_out)
}

/// Opens all sequences as a test set, or the sequences of the folder `test` where there are folders for splits. A file that is read
/// sequence by sequence may be larger than the memory.
///
/// # Errors
/// As [`open`].
fn open_all(reader: &Reader<'_>) -> Result<Box<dyn SequenceDataset>> {
    let path = reader.path;
    if path.is_file() || source::is_store(path) {
        let source = reader.source(path)?;
        if source.is_seekable() && reader.order(path, source.as_ref())?.is_plain() {
            let file = (path.to_path_buf(), 0..source.info()?.sequences);
            let files = SplitFiles { files: vec![file], time: 0.0..1.0 };
            return Ok(Box::new(OnDisk::new(reader, files, (WHOLE, usize::MAX), Vec::new())?));
        }
    }
    let mut left_out = Vec::new();
    let files = split_files::whole(reader, &mut left_out)?;
    reader.opened(files, WHOLE, usize::MAX, left_out)
}

/// The files of all splits, the training's first, and which of them hold something: [`open`] reads these.
///
/// # Errors
/// As [`open`].
pub(super) fn files_of_splits(
    data: &DataConfig,
    config: &FramesConfig,
    path: &Path,
    left_out: &mut Vec<Error>,
) -> Result<[SplitFiles; 3]> {
    split_files::all_splits(&Reader::new(data, config, path), left_out)
}

/// All files of a path, none of them for training.
const WHOLE: &str = "the data";

/// What is read, and how.
struct Reader<'a> {
    data: &'a DataConfig,
    config: &'a FramesConfig,
    path: &'a Path,
    budget: ReadBudget,
    /// Whether frames of arrays are given as values or as numbers.
    given: Given,
}

impl<'a> Reader<'a> {
    /// Reads values of a path within the budget of the configuration.
    fn new(data: &'a DataConfig, config: &'a FramesConfig, path: &'a Path) -> Self {
        Self { data, config, path, budget: data.budget(), given: Given::Values }
    }
}

impl Reader<'_> {
    /// Opens a file or a folder of images.
    fn source(&self, path: &Path) -> Result<Box<dyn FrameSource>> {
        source::open_as(path, self.config, &self.budget, self.given)
    }

    fn refuse(&self, reason: String) -> Error {
        Error::Data { what: printable(self.path), reason }
    }

    /// Fails if the longest sequence is shorter than those that are asked for.
    fn expect_long_enough(&self, longest: usize, part: &str) -> Result<()> {
        let needed = self.data.steps();
        if longest >= needed {
            return Ok(());
        }
        let longest = counted(longest, "frame");
        let axes = "give longer sequences, or name the axes";
        let (of, by, advice) = match part {
            WHOLE => (String::new(), " of the training", format!("{axes} (--axes)")),
            _ => (format!(" of {part}"), "", format!("take fewer frames, {axes} (data.frames.axes)")),
        };
        Err(self.refuse(format!(
            "the longest sequence{of} has {longest}, but {}{by} are needed; {advice} if they are others",
            self.data.steps_by_field()
        )))
    }

    /// At most `most` windows of sequences: in memory, or on disk where memory does not hold them and files are read from any place on.
    fn opened(
        &self,
        files: SplitFiles,
        part: &str,
        most: usize,
        mut left_out: Vec<Error>,
    ) -> Result<Box<dyn SequenceDataset>> {
        let before = left_out.len();
        match self.windows(files.clone(), part, most, &mut left_out) {
            Ok(windows) => Ok(Box::new(windows)),
            Err(error @ Error::Memory { .. }) => {
                // A new budget: the frames in memory are gone.
                let reader = Reader { budget: self.data.budget(), ..*self };
                if !reader.are_seekable(&files)? {
                    return Err(error);
                }
                left_out.truncate(before);
                Ok(Box::new(OnDisk::new(&reader, files, (part, most), left_out)?))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether all files are read from any place on.
    fn are_seekable(&self, files: &SplitFiles) -> Result<bool> {
        for (path, _) in &files.files {
            if !self.source(path)?.is_seekable() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Windows of sequences in memory, at most `most` of them.
    fn windows(
        &self,
        files: SplitFiles,
        part: &str,
        most: usize,
        left_out: &mut Vec<Error>,
    ) -> Result<WindowDataset> {
        let Self { data, config, path, budget, .. } = self;
        let outcomes: Vec<Result<(FileRead, Told, Vec<Error>)>> = files
            .files
            .into_par_iter()
            .map(|(path, sequences)| {
                let source = self.source(&path)?;
                let order = self.order(&path, source.as_ref())?;
                let mut damage = Damage { on_corrupt: data.on_corrupt, left_out: Vec::new() };
                let time = (sequences, &files.time, &order);
                let told = self.told(&path, source.as_ref(), &order)?;
                let read = read(&path, source.as_ref(), time, (config, budget), &mut damage)?;
                Ok(((path, read), told, damage.left_out))
            })
            .collect();
        let mut read: Vec<(FileRead, Told)> = Vec::with_capacity(outcomes.len());
        for (own, told, frames_left_out) in data.on_corrupt.kept(outcomes, left_out)? {
            left_out.extend(frames_left_out);
            read.push((own, told));
        }
        let told: Vec<(&Path, &Told)> = read.iter().map(|((path, _), told)| (path.as_path(), told)).collect();
        let (mut found, doubts) = self.agreed(&told)?;
        let read: Vec<FileRead> = read.into_iter().map(|(read, _)| read).collect();
        if read.iter().all(|(_, sequences)| sequences.is_empty()) && !left_out.is_empty() {
            return Err(left_out.swap_remove(0));
        }
        let read = of_equal_channels(read, config.channels, budget)?;
        self.expect_long_enough(read.iter().map(|read| read.frames.shape()[0]).max().unwrap_or(0), part)?;
        let shape = read[0].frames.shape()[1..].to_vec();
        if let Some(other) = read.iter().find(|read| read.frames.shape()[1..] != shape) {
            return Err(self.refuse(format!(
                "{} has frames of shape {:?} ([C, H, W]), but {} of {shape:?}; set data.frames.resize to a common height and width",
                other.name,
                &other.frames.shape()[1..],
                read[0].name
            )));
        }
        let has_missing = read.iter().any(|read| is_missing_any(read.frames.as_slice()));
        let codebook = Codebook::of_codes(8, |code| f32::from(code) / 255.0);
        let source =
            WindowSource::new(clips(read), codebook, data.steps(), [shape[1], shape[2]], config.stride);
        let any = SampleFilter { measured: 0.0, rain: 0.0, importance: 0.0 };
        let listed = source.listed(&any, most, path, budget)?;
        (found.frame, found.has_missing) = ([shape[0], shape[1], shape[2]], has_missing);
        let mut dataset = WindowDataset {
            name: String::new(),
            source,
            selection: Selection::Fixed(listed),
            quantity: found.of_values(config),
            found,
            has_missing,
            warnings: told_of(left_out, part).into_iter().chain(doubts).collect(),
        };
        dataset.name = format!(
            "frames of {} ({}: {} of {:?}, {:.1} MiB)",
            printable_name(path.file_name().unwrap_or(path.as_os_str())),
            part.trim_start_matches("the ").trim_end_matches(" split"),
            counted(dataset.len(), "sequence"),
            dataset.frame_shape(),
            dataset.bytes() as f64 / f64::from(1 << 20)
        );
        Ok(dataset)
    }
}

/// What to say about files that are left out: each of the first, and how many there are.
fn told_of(left_out: &[Error], part: &str) -> Vec<String> {
    const SHOWN: usize = 20;
    let mut told: Vec<String> =
        left_out.iter().take(SHOWN).map(|error| format!("left out of {part}: {error}")).collect();
    if left_out.len() > 1 {
        told.push(format!("{} damaged files are left out of {part}", left_out.len()));
    }
    told
}

fn is_missing_any(values: &[f32]) -> bool {
    values.iter().any(|value| value.is_nan())
}

/// The order of the frames of a source in time.
///
/// # Errors
/// [`Error::Format`] if two frames have one time, or times cannot be read.
pub(super) fn time_order(path: &Path, source: &dyn FrameSource, budget: &ReadBudget) -> Result<TimeOrder> {
    let (count, times) = (source.info()?.steps, source.step_times()?);
    if times.is_some() {
        budget.keep(path, bytes_of(time_order::BYTES, &[count]))?.stay();
    }
    let order = TimeOrder::new(count, times);
    order.map_err(|reason| Error::Format { path: path.into(), reason })
}

/// Some sequences of a file or folder, the given part of their time, in the size that is asked for; cut where frames are missing.
fn read(
    path: &Path,
    source: &dyn FrameSource,
    (sequences, time, order): (Range<usize>, &Range<f64>, &TimeOrder),
    (config, budget): (&FramesConfig, &ReadBudget),
    damage: &mut Damage,
) -> Result<Vec<Read>> {
    let stem = printable_name(path.file_stem().unwrap_or_default());
    let info = source.info()?;
    let mut runs = order.runs(places(info.steps, time));
    let begin = runs.iter().map(|run| run.steps.range().start).min().unwrap_or(0);
    let end = runs.iter().map(|run| run.steps.range().end).max().unwrap_or(0);
    let is_whole = matches!(&runs[..], [Run { steps: Steps::Range(_), .. }]);
    let copies = if is_whole { 1 } else { 2 };
    let mut kept = budget.keep(path, 0)?;
    let count = sequences.len() * runs.len();
    let mut keep = |bytes: u64| {
        let bytes = bytes.saturating_mul(copies);
        kept.more(path, bytes.saturating_add(bytes_of(SEQUENCE_BYTES + stem.len(), &[count])))
    };
    let mut gone = Vec::new();
    let mut failed = |step, error| match damage.on_corrupt {
        OnCorrupt::Stop => Err(error),
        OnCorrupt::Skip => {
            gone.extend(step);
            damage.left_out.push(error);
            Ok(())
        }
    };
    let frames = gathered(source, sequences.clone(), begin..end, config, &mut keep, &mut failed)?;
    if !gone.is_empty() {
        runs = runs.into_iter().flat_map(|run| run.without(&gone)).collect();
    }
    let is_whole = is_whole && gone.is_empty();
    kept.stay();
    let name = |number| if info.sequences > 1 { format!("{stem} {number}") } else { stem.clone() };
    let mut read = Vec::with_capacity(count);
    for (number, frames) in sequences.zip(frames) {
        if is_whole {
            read.push(Read { name: name(number), time_axis: runs[0].time_axis, frames });
            continue;
        }
        for run in &runs {
            let frames = picked(&frames, run, begin)?;
            read.push(Read { name: name(number), time_axis: run.time_axis, frames });
        }
    }
    Ok(read)
}

/// The frames of a run, of frames of which the first lies at a place.
fn picked(frames: &Tensor<f32>, run: &Run, first: usize) -> Result<Tensor<f32>> {
    let frame: usize = frames.shape()[1..].iter().product();
    let mut shape = frames.shape().to_vec();
    let values = match &run.steps {
        Steps::Range(range) => {
            frames.as_slice()[(range.start - first) * frame..(range.end - first) * frame].to_vec()
        }
        Steps::List(list) => {
            let pixels = |step: &usize| &frames.as_slice()[(step - first) * frame..][..frame];
            list.iter().flat_map(pixels).copied().collect()
        }
    };
    shape[0] = values.len() / frame.max(1);
    Ok(Tensor::from_vec(&shape, values)?)
}

/// The frames between two shares of the time.
pub(super) fn places(steps: usize, time: &Range<f64>) -> Range<usize> {
    let place = |share: f64| ((share * steps as f64).round() as usize).min(steps);
    place(time.start)..place(time.end)
}
