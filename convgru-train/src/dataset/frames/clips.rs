//! Sequences that were read, as clips in memory.

use super::{FileRead, Read};
use crate::dataset::source::image::with_channels;
use crate::dataset::windows::{Clip, Pixels};
use crate::read_budget::{ReadBudget, bytes_of};
use crate::{Error, Result};

/// The sequences with one number of channels, the largest there is where it is 0.
///
/// # Errors
/// [`Error::Format`] with the file whose frames cannot be brought to it.
pub(super) fn of_equal_channels(
    read: Vec<FileRead>,
    channels: usize,
    budget: &ReadBudget,
) -> Result<Vec<Read>> {
    let found = |read: &Read| read.frames.shape()[1];
    let channels = match channels {
        0 => read.iter().flat_map(|(_, read)| read).map(found).max().unwrap_or(1),
        channels => channels,
    };
    let mut equal = Vec::with_capacity(read.iter().map(|(_, read)| read.len()).sum());
    for (path, sequences) in read {
        for Read { name, time_axis, frames } in sequences {
            let had = frames.shape()[1].max(1);
            let more = bytes_of(size_of::<f32>(), &[frames.len() / had, channels.saturating_sub(had)]);
            budget.keep(&path, more)?.stay();
            let frames = with_channels(frames, channels).map_err(|error| Error::Format {
                path: path.clone(),
                reason: format!(
                    "cannot be brought to {channels} channels ({error}); set data.frames.channels"
                ),
            })?;
            equal.push(Read { name, time_axis, frames });
        }
    }
    Ok(equal)
}

/// Frames as bytes where all of them came from bytes.
pub(super) fn clips(sequences: Vec<Read>) -> Vec<Clip> {
    let byte = |value: f32| (value * 255.0).round();
    let is_byte = |&value: &f32| (0.0..=1.0).contains(&value) && byte(value) / 255.0 == value;
    let are_bytes = sequences.iter().all(|read| read.frames.as_slice().iter().all(is_byte));
    let clip = |read: Read| {
        let shape = [1, 2, 3].map(|axis| read.frames.shape()[axis]);
        let values = read.frames.as_slice();
        let pixels = match are_bytes {
            true => Pixels::Bytes(values.iter().map(|&value| byte(value) as u8).collect()),
            false => Pixels::Values(values.to_vec()),
        };
        Clip { name: read.name, time_axis: read.time_axis, shape, pixels }
    };
    sequences.into_iter().map(clip).collect()
}
