//! Sequences of a user's own: arrays (of NumPy, HDF5 and netCDF), GIFs and folders of PNG images.

mod area;
mod array;
mod config;
mod found;
mod source;
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
use super::recording::{Choice, Levels, Material, Recordings, Samples, Strip, Worth};
use super::{SequenceDataset, Split};
use crate::media::{read_frames, with_channels};
use crate::{Error, Result};

/// Whether a file holds frames by its name.
pub(super) fn is_frames(path: &Path) -> bool {
    Source::is_named(path) || ["gif", "png"].iter().any(|extension| has_extension(path, extension))
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|own| own.eq_ignore_ascii_case(extension))
}

/// One sequence of a file, as long as the file has it.
struct Read {
    name: String,
    /// `[T, C, H, W]`, NaN where a pixel is missing.
    frames: Tensor<f32>,
}

/// Opens a split of the sequences at a path.
///
/// # Errors
/// [`Error::Data`] if there are none of the length that is needed, or they take too much memory;
/// [`Error::Format`] with file and shape if a file cannot be used, or none can.
pub(super) fn open(data: &DataConfig, path: &Path, split: Split) -> Result<Recordings> {
    let config = &data.frames;
    let mut left_out = Vec::new();
    let portion = found::portion(path, split, data, &mut left_out)?;
    let error = |reason| Error::Data { what: path.display().to_string(), reason };
    let outcomes: Vec<Result<Vec<(PathBuf, Read)>>> = portion
        .holders
        .into_par_iter()
        .map(|(path, sequences)| {
            let read = read(&path, sequences, data, &portion.time)?;
            Ok(read.into_iter().map(|read| (path.clone(), read)).collect())
        })
        .collect();
    let strips: Vec<_> = data.on_corrupt.kept(outcomes, &mut left_out)?.into_iter().flatten().collect();
    if strips.is_empty() && !left_out.is_empty() {
        return Err(left_out.swap_remove(0));
    }
    let channels = match config.channels {
        0 => strips.iter().map(|(_, read)| read.frames.shape()[1]).max().unwrap_or(1),
        channels => channels,
    };
    let strips = strips.into_iter().map(|(path, read)| {
        let frames = with_channels(&read.frames, channels).map_err(|error| Error::Format {
            path,
            reason: format!("cannot be brought to {channels} channels ({error}); set data.frames.channels"),
        })?;
        Ok(Read { frames, ..read })
    });
    let strips: Vec<Read> = strips.collect::<Result<_>>()?;
    let longest = strips.iter().map(|read| read.frames.shape()[0]).max().unwrap_or(0);
    if longest < data.steps() {
        return Err(error(format!(
            "the longest sequence of the {split} split has {longest} frames, but data.input_frames + data.output_frames = {} \
             are needed; take fewer frames, or give longer sequences",
            data.steps()
        )));
    }
    let shape = strips[0].frames.shape()[1..].to_vec();
    if let Some(other) = strips.iter().find(|read| read.frames.shape()[1..] != shape) {
        return Err(error(format!(
            "{} has frames of shape {:?} ([C, H, W]), but {} of {shape:?}; set data.frames.resize to a common height and width",
            other.name,
            &other.frames.shape()[1..],
            strips[0].name
        )));
    }
    let bytes: usize = strips.iter().map(|read| 4 * read.frames.len()).sum();
    if bytes > data.memory_mib.saturating_mul(1 << 20) {
        return Err(error(too_large(bytes, data)));
    }
    let has_missing = strips.iter().any(|read| read.frames.as_slice().iter().any(|value| value.is_nan()));
    let kept = kept(strips);
    let material = Material {
        strips: kept,
        levels: Levels::of_codes(8, |code| f32::from(code) / 255.0),
        steps: data.steps(),
        size: [shape[1], shape[2]],
        stride: config.stride,
    };
    let any = Worth { measured: 0.0, rain: 0.0, importance: 0.0 };
    let listed = material.listed(&any, data.sequences(split));
    let mut recordings = Recordings {
        name: String::new(),
        material,
        choice: Choice::Listed(listed),
        quantity: config.meaning(),
        has_missing,
        warnings: left_out.iter().map(|error| format!("left out of the {split} split: {error}")).collect(),
    };
    recordings.name = format!(
        "frames of {} ({split}: {} sequences of {:?}, {:.1} MiB)",
        path.file_name().unwrap_or(path.as_os_str()).to_string_lossy(),
        recordings.len(),
        recordings.frame_shape(),
        recordings.bytes() as f64 / f64::from(1 << 20)
    );
    Ok(recordings)
}

fn too_large(bytes: usize, data: &DataConfig) -> String {
    format!(
        "its frames take {} MiB, but data.memory_mib = {} are allowed; raise it, or set data.frames.resize",
        bytes >> 20,
        data.memory_mib
    )
}

/// Frames as bytes where all of them came from bytes.
fn kept(strips: Vec<Read>) -> Vec<Strip> {
    let byte = |value: f32| (value * 255.0).round();
    let are_bytes = strips.iter().all(|read| read.frames.as_slice().iter().all(|&v| byte(v) / 255.0 == v));
    let strip = |read: Read| {
        let shape = [1, 2, 3].map(|axis| read.frames.shape()[axis]);
        let values = read.frames.as_slice();
        let samples = match are_bytes {
            true => Samples::Bytes(values.iter().map(|&value| byte(value) as u8).collect()),
            false => Samples::Values(values.to_vec()),
        };
        Strip { name: read.name, clock: None, shape, samples }
    };
    strips.into_iter().map(strip).collect()
}

/// Some sequences of a file or folder, the given part of their time, in the size that is asked for.
fn read(path: &Path, sequences: Range<usize>, data: &DataConfig, time: &Range<f64>) -> Result<Vec<Read>> {
    let config = &data.frames;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut read = Vec::new();
    if Source::is_named(path) {
        let file = ArrayFile::open(path, config)?;
        let [channels, height, width] = file.frame;
        let size = channels * height * width;
        let bytes = sequences.len().saturating_mul(file.steps).saturating_mul(4 * size);
        if bytes > data.memory_mib.saturating_mul(1 << 20) {
            return Err(Error::Data { what: path.display().to_string(), reason: too_large(bytes, data) });
        }
        let values = file.read(sequences.clone(), config)?;
        for (number, frames) in sequences.zip(values.chunks_exact(file.steps * size)) {
            let frames = Tensor::from_vec(&[file.steps, channels, height, width], frames.to_vec())?;
            let name = if file.sequences > 1 { format!("{stem} {number}") } else { stem.clone() };
            read.push(Read { name, frames });
        }
    } else {
        // Brightness is 0 to 1 as it is; a range says which numbers it stands for.
        read.push(Read { name: stem, frames: read_frames(path)? });
    }
    read.into_iter()
        .map(|read| Ok(Read { frames: resized(part(&read.frames, time)?, config)?, ..read }))
        .collect()
}

/// The frames between two shares of the time.
fn part(frames: &Tensor<f32>, time: &Range<f64>) -> Result<Tensor<f32>> {
    let steps = frames.shape()[0];
    let place = |share: f64| ((share * steps as f64).round() as usize).min(steps);
    let range = place(time.start)..place(time.end);
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
    let planes = frames.as_slice().chunks_exact(height * width);
    let made: Vec<f32> =
        planes.flat_map(|plane| area::resized(plane, [height, width], config.resize)).collect();
    Ok(Tensor::from_vec(&[steps, channels, config.resize[0], config.resize[1]], made)?)
}
