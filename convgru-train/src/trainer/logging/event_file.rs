//! `events.out.tfevents.convgru`: the curves of a run for TensorBoard.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::atomic_file::write_to;
use crate::report::Picture;
use crate::storage::{Storage, StorageFile, read_if_there};
use crate::{Error, Result};

/// TensorBoard reads every file whose name holds `tfevents`.
pub(crate) const NAME: &str = "events.out.tfevents.convgru";

/// What the first event of a file says.
const FILE_VERSION: &str = "brain.Event:2";

/// The open file of a run.
#[derive(Debug)]
pub(crate) struct EventFile {
    path: PathBuf,
    file: Box<dyn StorageFile>,
    /// Numbers that were in the file when it was opened: what they are of, and the step.
    numbers: BTreeSet<(String, u64)>,
}

/// The parts of TensorFlow's `event.proto` that are written.
#[derive(Clone, PartialEq, Message)]
struct EventMessage {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

/// Of `summary.proto`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

/// A number or a picture under a name.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
    #[prost(message, optional, tag = "4")]
    image: Option<Image>,
}

/// A picture, as PNG.
#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    /// 3: red, green and blue.
    #[prost(int32, tag = "3")]
    colorspace: i32,
    #[prost(bytes, tag = "4")]
    encoded_image_string: Vec<u8>,
}

impl EventMessage {
    fn is_of_a_validation(&self) -> bool {
        let values = self.summary.iter().flat_map(|summary| &summary.value);
        values.into_iter().any(|value| value.tag.starts_with("validation/"))
    }

    /// What the numbers of the event are of, and their step; `None` if it has no numbers.
    fn numbers(&self) -> Option<(String, u64)> {
        let value = self.summary.as_ref()?.value.iter().find(|value| value.simple_value.is_some())?;
        let (kind, _) = value.tag.split_once('/')?;
        Some((kind.to_owned(), u64::try_from(self.step).ok()?))
    }
}

impl EventFile {
    /// Opens the file to go on after `step`: events of later steps, which a crash left behind, are
    /// removed, and so is one that was cut short or damaged, with all behind it. Of validations those up
    /// to `validated` stay.
    pub(crate) fn resume(storage: &dyn Storage, path: &Path, step: u64, validated: u64) -> Result<Self> {
        let there = read_if_there(storage, path)?;
        let bytes = there.as_deref().unwrap_or_default();
        let (mut kept, mut numbers) = (Vec::new(), BTreeSet::new());
        for payload in payloads(bytes) {
            let Ok(event) = EventMessage::decode(payload) else { continue };
            let last = if event.is_of_a_validation() { validated } else { step };
            if u64::try_from(event.step).is_ok_and(|at| at <= last) {
                kept.extend(record(payload));
                numbers.extend(event.numbers());
            }
        }
        if kept.is_empty() {
            let first = EventMessage {
                wall_time: now(),
                file_version: Some(FILE_VERSION.into()),
                ..EventMessage::default()
            };
            kept = record(&first.encode_to_vec());
        }
        let is_link = path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file());
        if is_link || kept != bytes {
            write_to(storage, path, &kept)?;
        }
        let file = storage.append(path).map_err(Error::io("open", path))?;
        Ok(Self { path: path.into(), file, numbers })
    }

    /// The numbers that were in the file when it was opened: what they are of (`step`, `validation`), and the step.
    pub(crate) fn take_numbers(&mut self) -> BTreeSet<(String, u64)> {
        std::mem::take(&mut self.numbers)
    }

    /// Makes everything appended durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.file.sync().map_err(Error::io("write", &self.path))
    }

    /// Appends numbers of a step under their names; a `/` makes groups.
    pub(crate) fn scalars(&mut self, step: u64, numbers: &[(&str, f64)]) -> Result<()> {
        let value = |&(tag, number): &(&str, f64)| Value {
            tag: tag.to_owned(),
            simple_value: Some(number as f32),
            image: None,
        };
        self.append(step, numbers.iter().map(value).collect())
    }

    /// Appends a picture of a step under its name.
    pub(crate) fn picture(&mut self, step: u64, tag: &str, picture: Picture) -> Result<()> {
        let side = |length: usize| i32::try_from(length).unwrap_or(i32::MAX);
        let image = Image {
            height: side(picture.height),
            width: side(picture.width),
            colorspace: 3,
            encoded_image_string: picture.png,
        };
        self.append(step, vec![Value { tag: tag.to_owned(), simple_value: None, image: Some(image) }])
    }

    fn append(&mut self, step: u64, value: Vec<Value>) -> Result<()> {
        let event = EventMessage {
            wall_time: now(),
            step: i64::try_from(step).unwrap_or(i64::MAX),
            summary: Some(Summary { value }),
            ..EventMessage::default()
        };
        // One write for each event, so that a crash cuts at most the last one.
        self.file.write(&record(&event.encode_to_vec())).map_err(Error::io("write", &self.path))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// A record of TensorFlow's files: length, its checksum, payload, its checksum, little-endian.
fn record(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64).to_le_bytes();
    let sums = [checksum(&length), checksum(payload)].map(u32::to_le_bytes);
    [&length[..], &sums[0], payload, &sums[1]].concat()
}

/// The payloads of whole and intact records, up to the first that is neither.
fn payloads(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut payloads = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<8>()
        && let Some((sum, rest)) = rest.split_first_chunk::<4>()
        && u32::from_le_bytes(*sum) == checksum(length)
        && let Ok(count) = usize::try_from(u64::from_le_bytes(*length))
        && let Some((payload, rest)) = rest.split_at_checked(count)
        && let Some((sum, rest)) = rest.split_first_chunk::<4>()
        && u32::from_le_bytes(*sum) == checksum(payload)
    {
        payloads.push(payload);
        bytes = rest;
    }
    payloads
}

/// CRC-32C, rotated and shifted so that sums over data with sums in them stay good.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Disk;

    fn events(path: &Path) -> Vec<EventMessage> {
        let bytes = std::fs::read(path).unwrap();
        payloads(&bytes).into_iter().map(|payload| EventMessage::decode(payload).unwrap()).collect()
    }

    #[test]
    fn numbers_come_back_under_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let mut file = EventFile::resume(&Disk, &path, 0, 0).unwrap();
        file.scalars(3, &[("step/loss", 0.25), ("step/learning_rate", 1e-3)]).unwrap();
        let picture = Picture { width: 7, height: 5, png: vec![1, 2, 3] };
        file.picture(4, "validation/sequence", picture).unwrap();
        let found = events(&path);
        assert_eq!(found[0].file_version.as_deref(), Some(FILE_VERSION));
        let values = &found[1].summary.as_ref().unwrap().value;
        assert_eq!((found[1].step, values[0].tag.as_str()), (3, "step/loss"));
        assert_eq!(values.iter().map(|v| v.simple_value).collect::<Vec<_>>(), [Some(0.25), Some(1e-3)]);
        let image = found[2].summary.as_ref().unwrap().value[0].image.as_ref().unwrap();
        assert_eq!((image.width, image.height, &image.encoded_image_string[..]), (7, 5, &[1, 2, 3][..]));
    }

    #[test]
    fn resuming_removes_later_and_broken_events() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let mut file = EventFile::resume(&Disk, &path, 0, 0).unwrap();
        for step in 1..=4 {
            file.scalars(step, &[("step/loss", step as f64)]).unwrap();
        }
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.truncate(bytes.len() - 3);
        std::fs::write(&path, &bytes).unwrap();
        EventFile::resume(&Disk, &path, 2, 2).unwrap().scalars(3, &[("step/loss", 3.0)]).unwrap();
        assert_eq!(events(&path).iter().map(|event| event.step).collect::<Vec<_>>(), [0, 1, 2, 3]);
        // A damaged byte ends what is believed.
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 6;
        bytes[last] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        EventFile::resume(&Disk, &path, 9, 9).unwrap();
        assert_eq!(events(&path).len(), 3);
    }

    #[test]
    fn the_checksum_is_that_of_the_format() {
        // The masked CRC-32C of nothing, and of the length 24 that begins a file of TensorBoard's own.
        assert_eq!(checksum(b""), 0xa282_ead8);
        assert_eq!(checksum(&24u64.to_le_bytes()), checksum_by_bits(&24u64.to_le_bytes()));
    }

    /// The definition, bit by bit.
    fn checksum_by_bits(bytes: &[u8]) -> u32 {
        let mut sum = u32::MAX;
        for byte in bytes {
            sum ^= u32::from(*byte);
            for _ in 0..8 {
                sum = (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg());
            }
        }
        (!sum).rotate_right(15).wrapping_add(0xa282_ead8)
    }
}
