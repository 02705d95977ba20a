//! Sequences of a user's own: arrays (of NumPy, HDF5 and netCDF), GIFs and folders of PNG images.

mod array;
mod config;
mod resize;
mod source;
mod split_files;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::{Path, PathBuf};

use convgru_model::Tensor;
use rayon::prelude::*;

pub use config::{Axes, FramesConfig};

use self::array::ArrayFile;
use self::source::Source;
use super::config::DataConfig;
use super::windows::{Clip, Codebook, Pixels, SampleFilter, Selection, WindowDataset, WindowSource};
use super::{SequenceDataset, Split};
use crate::budget::{MemoryBudget, bytes_of};
use crate::media::{Decoded, decode_frames, with_channels};
use crate::shown::{shown, shown_name};
use crate::{Error, Result};

/// Whether a file holds frames by its name.
pub(super) fn is_frames(path: &Path) -> bool {
    Source::is_named(path) || ["gif", "png"].iter().any(|extension| has_extension(path, extension))
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|own| own.eq_ignore_ascii_case(extension))
}

/// Bytes that are kept for a sequence, besides its numbers and its name.
const SEQUENCE_BYTES: usize = 512;

/// One sequence of a file, as long as the file has it.
struct Read {
    name: String,
    /// `[T, C, H, W]`, NaN where a pixel is missing.
    frames: Tensor<f32>,
}

/// Opens a split of the sequences at a path.
///
/// # Errors
/// [`Error::Data`] if there are none of the length that is needed; [`Error::Memory`] if they take more than is allowed;
/// [`Error::Format`] with file and shape if a file cannot be used, or none can.
pub(super) fn open(data: &DataConfig, path: &Path, split: Split) -> Result<WindowDataset> {
    let config = &data.frames;
    let budget = &data.budget();
    let mut left_out = Vec::new();
    let split_files = split_files::split_files(path, split, data, budget, &mut left_out)?;
    let error = |reason| Error::Data { what: shown(path), reason };
    let outcomes: Vec<Result<(PathBuf, Vec<Read>)>> = split_files
        .files
        .into_par_iter()
        .map(|(path, sequences)| Ok((path.clone(), read(&path, sequences, data, &split_files.time, budget)?)))
        .collect();
    let read = data.on_corrupt.kept(outcomes, &mut left_out)?;
    if read.iter().all(|(_, sequences)| sequences.is_empty()) && !left_out.is_empty() {
        return Err(left_out.swap_remove(0));
    }
    let clips = of_equal_channels(read, config.channels, budget)?;
    let longest = clips.iter().map(|read| read.frames.shape()[0]).max().unwrap_or(0);
    if longest < data.steps() {
        return Err(error(format!(
            "the longest sequence of the {split} split has {longest} frames, but data.input_frames + data.output_frames = {} \
             are needed; take fewer frames, or give longer sequences",
            data.steps()
        )));
    }
    let shape = clips[0].frames.shape()[1..].to_vec();
    if let Some(other) = clips.iter().find(|read| read.frames.shape()[1..] != shape) {
        return Err(error(format!(
            "{} has frames of shape {:?} ([C, H, W]), but {} of {shape:?}; set data.frames.resize to a common height and width",
            other.name,
            &other.frames.shape()[1..],
            clips[0].name
        )));
    }
    let has_missing = clips.iter().any(|read| read.frames.as_slice().iter().any(|value| value.is_nan()));
    let kept = kept(clips);
    let codebook = Codebook::of_codes(8, |code| f32::from(code) / 255.0);
    let source = WindowSource::new(kept, codebook, data.steps(), [shape[1], shape[2]], config.stride);
    let any = SampleFilter { measured: 0.0, rain: 0.0, importance: 0.0 };
    let listed = source.listed(&any, data.sequences(split), path, budget)?;
    let mut dataset = WindowDataset {
        name: String::new(),
        source,
        selection: Selection::Fixed(listed),
        quantity: config.meaning(),
        has_missing,
        warnings: left_out.iter().map(|error| format!("left out of the {split} split: {error}")).collect(),
    };
    dataset.name = format!(
        "frames of {} ({split}: {} sequences of {:?}, {:.1} MiB)",
        shown_name(path.file_name().unwrap_or(path.as_os_str())),
        dataset.len(),
        dataset.frame_shape(),
        dataset.bytes() as f64 / f64::from(1 << 20)
    );
    Ok(dataset)
}

/// The sequences with one number of channels, the largest there is where it is 0.
///
/// # Errors
/// [`Error::Format`] with the file whose frames cannot be brought to it.
fn of_equal_channels(
    read: Vec<(PathBuf, Vec<Read>)>,
    channels: usize,
    budget: &MemoryBudget,
) -> Result<Vec<Read>> {
    let found = |read: &Read| read.frames.shape()[1];
    let channels = match channels {
        0 => read.iter().flat_map(|(_, read)| read).map(found).max().unwrap_or(1),
        channels => channels,
    };
    let mut clips = Vec::with_capacity(read.iter().map(|(_, read)| read.len()).sum());
    for (path, sequences) in read {
        for Read { name, frames } in sequences {
            let had = frames.shape()[1].max(1);
            let more = bytes_of(size_of::<f32>(), &[frames.len() / had, channels.saturating_sub(had)]);
            budget.keep(&path, more)?.stay();
            let frames = with_channels(frames, channels).map_err(|error| Error::Format {
                path: path.clone(),
                reason: format!(
                    "cannot be brought to {channels} channels ({error}); set data.frames.channels"
                ),
            })?;
            clips.push(Read { name, frames });
        }
    }
    Ok(clips)
}

/// Frames as bytes where all of them came from bytes.
fn kept(clips: Vec<Read>) -> Vec<Clip> {
    let byte = |value: f32| (value * 255.0).round();
    let are_bytes = clips.iter().all(|read| read.frames.as_slice().iter().all(|&v| byte(v) / 255.0 == v));
    let clip = |read: Read| {
        let shape = [1, 2, 3].map(|axis| read.frames.shape()[axis]);
        let values = read.frames.as_slice();
        let pixels = match are_bytes {
            true => Pixels::Bytes(values.iter().map(|&value| byte(value) as u8).collect()),
            false => Pixels::Values(values.to_vec()),
        };
        Clip { name: read.name, time_axis: None, shape, pixels }
    };
    clips.into_iter().map(clip).collect()
}

/// Some sequences of a file or folder, the given part of their time, in the size that is asked for.
fn read(
    path: &Path,
    sequences: Range<usize>,
    data: &DataConfig,
    time: &Range<f64>,
    budget: &MemoryBudget,
) -> Result<Vec<Read>> {
    let config = &data.frames;
    let stem = shown_name(path.file_stem().unwrap_or_default());
    if !Source::is_named(path) {
        // Brightness is 0 to 1 as it is; a range says which numbers it stands for.
        let Decoded { frames, working } = decode_frames(path, budget)?;
        let kept = kept_bytes([0, 1, 2, 3].map(|axis| frames.shape()[axis]), time, config);
        budget.keep(path, kept + (SEQUENCE_BYTES + stem.len()) as u64)?.stay();
        let frames = resized(part(frames, time)?, config)?;
        drop(working);
        return Ok(vec![Read { name: stem, frames }]);
    }
    let file = ArrayFile::open(path, config, budget)?;
    let [channels, height, width] = file.frame;
    let shape = [file.steps, channels, height, width];
    let working = budget.work(path, file.working(sequences.len()))?;
    let each = kept_bytes(shape, time, config).saturating_add((SEQUENCE_BYTES + stem.len()) as u64);
    let kept = budget.keep(path, each.saturating_mul(sequences.len() as u64))?;
    let values = file.read(sequences.clone(), config)?;
    let mut read = Vec::with_capacity(values.len());
    for (number, frames) in sequences.zip(values) {
        let frames = resized(part(Tensor::from_vec(&shape, frames)?, time)?, config)?;
        let name = if file.sequences > 1 { format!("{stem} {number}") } else { stem.clone() };
        read.push(Read { name, frames });
    }
    kept.stay();
    drop(working);
    Ok(read)
}

/// The bytes of a sequence `[T, C, H, W]` once it is cut to a part of its time and resized.
fn kept_bytes([steps, channels, height, width]: [usize; 4], time: &Range<f64>, config: &FramesConfig) -> u64 {
    let [height, width] = if config.resize == [0, 0] { [height, width] } else { config.resize };
    bytes_of(size_of::<f32>(), &[places(steps, time).len(), channels, height, width])
}

/// The frames between two shares of the time.
fn places(steps: usize, time: &Range<f64>) -> Range<usize> {
    let place = |share: f64| ((share * steps as f64).round() as usize).min(steps);
    place(time.start)..place(time.end)
}

fn part(frames: Tensor<f32>, time: &Range<f64>) -> Result<Tensor<f32>> {
    let steps = frames.shape()[0];
    let range = places(steps, time);
    if range == (0..steps) {
        return Ok(frames);
    }
    let size: usize = frames.shape()[1..].iter().product();
    let mut shape = frames.shape().to_vec();
    shape[0] = range.len();
    Ok(Tensor::from_vec(&shape, frames.as_slice()[range.start * size..range.end * size].to_vec())?)
}

fn resized(frames: Tensor<f32>, config: &FramesConfig) -> Result<Tensor<f32>> {
    let [steps, channels, height, width] = [0, 1, 2, 3].map(|axis| frames.shape()[axis]);
    if config.resize == [0, 0] || config.resize == [height, width] {
        return Ok(frames);
    }
    let mut made = Vec::with_capacity(steps * channels * config.resize[0] * config.resize[1]);
    for plane in frames.as_slice().chunks_exact(height * width) {
        made.extend(resize::resized(plane, [height, width], config.resize));
    }
    Ok(Tensor::from_vec(&[steps, channels, config.resize[0], config.resize[1]], made)?)
}
