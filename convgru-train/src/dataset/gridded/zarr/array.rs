//! An array: its chunks, and the numbers of a part of it.

use std::sync::{Arc, Mutex, PoisonError};

use super::codecs::{Codecs, Layout, Unpacked};
use super::kept::Kept;
use super::metadata::ArrayMetadata;
use super::shards::Shards;
use super::store::{Part, Store};
use crate::dataset::gridded::NumberType;
use crate::printable::escaped;
use crate::read_budget::bytes_of;
use crate::{Error, ReadBudget, Result, input};

/// Bytes of unpacked chunks that are kept if the chunks of one frame have fewer.
const KEPT_CHUNKS: u64 = 1 << 26;
/// Buffers of the size of a chunk while it is unpacked: before and after a codec, and the numbers.
const CHUNK_BUFFERS: usize = 3;

/// An array whose metadata were read.
pub(in super::super) struct ZarrArray {
    store: Arc<Store>,
    /// Its path in the store, with a `/` behind it where it is not empty.
    prefix: String,
    metadata: ArrayMetadata,
    kind: NumberType,
    codecs: Codecs,
    shards: Option<Shards>,
    /// The shape of a chunk, its numbers, and for each axis the distance of neighbours in it.
    chunk: Vec<usize>,
    numbers: usize,
    strides: Vec<usize>,
    kept: Mutex<Kept>,
    most_kept: u64,
}

impl ZarrArray {
    /// The array at a path.
    ///
    /// # Errors
    /// [`Error::Format`] if it holds no numbers, or a codec is not read.
    pub(super) fn new(
        store: Arc<Store>,
        path: &str,
        metadata: ArrayMetadata,
        budget: &ReadBudget,
    ) -> Result<Self> {
        let refuse = |reason: String| Error::Format {
            path: store.path().into(),
            reason: escaped(&format!("{path} {reason}")).into_owned(),
        };
        let kind = metadata
            .kind
            .clone()
            .map_err(|other| refuse(format!("holds no numbers that are read, but {other}")))?;
        let layout = metadata.layout.clone().map_err(refuse)?;
        let (codecs, shard, chunk) = match layout {
            Layout::Chunk(codecs) => (codecs, None, metadata.chunk.clone()),
            Layout::Shard(shard) => (shard.codecs.clone(), Some(shard.clone()), shard.chunk),
        };
        let sides: Option<Vec<usize>> = chunk.iter().map(|&side| usize::try_from(side).ok()).collect();
        let numbers = sides
            .as_ref()
            .and_then(|sides| sides.iter().try_fold(1usize, |all, side| all.checked_mul(*side)));
        let (Some(sides), Some(numbers)) = (sides, numbers.filter(|&numbers| numbers < 1 << 48)) else {
            return Err(refuse(format!("has chunks of {chunk:?}, which no memory can hold")));
        };
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut made = Self {
            shards: shard.map(|shard| Shards::new(shard, &metadata.chunk)),
            strides: codecs.strides(&chunk),
            chunk: sides,
            store,
            prefix,
            kind,
            codecs,
            metadata,
            numbers,
            kept: Mutex::default(),
            most_kept: 0,
        };
        made.most_kept = made.worth_keeping(budget);
        Ok(made)
    }

    /// The bytes of unpacked chunks that are worth keeping: all those that the frames of one place along the first axis lie in, so that a
    /// reading frame by frame unpacks each once, if half of the budget holds them.
    fn worth_keeping(&self, budget: &ReadBudget) -> u64 {
        let layer = self
            .metadata
            .shape
            .iter()
            .zip(&self.chunk)
            .skip(1)
            .fold(self.chunk_bytes(), |bytes, (&axis, &side)| {
                bytes.saturating_mul(axis.div_ceil(side as u64).max(1))
            });
        let usual = KEPT_CHUNKS.min(budget.limit() / 8);
        if layer <= budget.limit() / 2 { layer.max(usual) } else { usual }
    }

    fn chunk_bytes(&self) -> u64 {
        bytes_of(self.codecs.number_bytes(), &[self.numbers])
    }

    /// How numbers are stored.
    pub(in super::super) fn kind(&self) -> NumberType {
        self.kind
    }

    /// The shape.
    pub(in super::super) fn shape(&self) -> &[u64] {
        &self.metadata.shape
    }

    /// Bytes that reading takes besides the numbers.
    pub(in super::super) fn working(&self) -> u64 {
        self.chunk_bytes().saturating_mul(CHUNK_BUFFERS as u64).saturating_add(self.most_kept)
    }

    /// The numbers between a beginning and an end on each axis, within its length. Chunks that were never written hold the
    /// number of unwritten elements.
    ///
    /// # Errors
    /// [`Error::Io`] if a chunk cannot be read, [`Error::Format`] with its key if it is damaged.
    pub(in super::super) fn slice(&self, ranges: &[(usize, usize)]) -> Result<Vec<f64>> {
        let count =
            ranges.iter().try_fold(1usize, |all, (start, end)| all.checked_mul(end.saturating_sub(*start)));
        let count = count.unwrap_or(usize::MAX);
        let mut made: Vec<f64> = input::zeros(count).map_err(Error::io("read", self.store.path()))?;
        if count == 0 {
            return Ok(made);
        }
        // The chunks that are touched, along each axis.
        let touched: Vec<(usize, usize)> = ranges
            .iter()
            .zip(&self.chunk)
            .map(|((start, end), side)| (start / side, (end - 1) / side + 1))
            .collect();
        let mut place: Vec<usize> = touched.iter().map(|(first, _)| *first).collect();
        loop {
            let chunk = self.unpacked(&place.iter().map(|&at| at as u64).collect::<Vec<_>>())?;
            self.copy(chunk.as_deref(), &place, ranges, &mut made);
            if !advance(&mut place, &touched) {
                return Ok(made);
            }
        }
    }

    /// Copies what lies in a chunk, row by row.
    fn copy(&self, chunk: Option<&Unpacked>, place: &[usize], ranges: &[(usize, usize)], into: &mut [f64]) {
        // Along each axis the part that lies in this chunk, in numbers of the array.
        let part: Vec<(usize, usize)> = place
            .iter()
            .zip(&self.chunk)
            .zip(ranges)
            .map(|((at, side), (start, end))| ((at * side).max(*start), ((at + 1) * side).min(*end)))
            .collect();
        let axes = ranges.len();
        let (rows, row) = part.split_at(axes.saturating_sub(1));
        let length = row.first().map_or(1, |(start, end)| end - start);
        let mut at: Vec<usize> = rows.iter().map(|(start, _)| *start).collect();
        let first = row.first().map(|(start, _)| *start);
        loop {
            let full: Vec<usize> = at.iter().copied().chain(first).collect();
            let target =
                full.iter().zip(ranges).fold(0, |sum, (at, (start, end))| sum * (end - start) + at - start);
            let target = &mut into[target..target + length];
            match chunk {
                None => target.fill(self.metadata.unwritten),
                Some(chunk) => {
                    let begin: usize = (0..axes)
                        .map(|axis| (full[axis] - place[axis] * self.chunk[axis]) * self.strides[axis])
                        .sum();
                    let stride = self.strides.last().copied().unwrap_or(1);
                    let size = chunk.kind.bytes();
                    if stride == 1 {
                        let bytes = &chunk.bytes[begin * size..(begin + length) * size];
                        target
                            .iter_mut()
                            .zip(chunk.kind.numbers(chunk.order, bytes))
                            .for_each(|(to, number)| *to = number);
                    } else {
                        for (number, to) in target.iter_mut().enumerate() {
                            let bytes = &chunk.bytes[(begin + number * stride) * size..][..size];
                            *to = chunk.kind.numbers(chunk.order, bytes).next().unwrap_or(f64::NAN);
                        }
                    }
                }
            }
            if !advance(&mut at, rows) {
                return;
            }
        }
    }

    /// The numbers of the chunk at a place; `None` if it was never written.
    fn unpacked(&self, place: &[u64]) -> Result<Option<Arc<Unpacked>>> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chunk) = kept().get(place) {
            return Ok(Some(chunk));
        }
        let Some((key, packed)) = self.packed(place)? else { return Ok(None) };
        let chunk =
            self.codecs.unpacked(packed, self.numbers).map_err(|reason| self.damaged(&key, &reason))?;
        let chunk = Arc::new(chunk);
        kept().put(place, &chunk, self.most_kept);
        Ok(Some(chunk))
    }

    /// The key and the bytes of the chunk at a place.
    fn packed(&self, place: &[u64]) -> Result<Option<(String, Vec<u8>)>> {
        let most = self.codecs.most_packed(self.numbers);
        match &self.shards {
            None => {
                let key = format!("{}{}", self.prefix, self.metadata.keys.key(place));
                let bytes = self.store.get(&key, Part::All(most))?;
                Ok(bytes.map(|bytes| (key, bytes)))
            }
            Some(shards) => {
                let key = format!("{}{}", self.prefix, self.metadata.keys.key(&shards.shard_of(place)));
                let damaged = |reason: String| self.damaged(&key, &reason);
                let found = shards.place_of(place, |part| self.store.get(&key, part), &damaged)?;
                let Some((start, length)) = found else { return Ok(None) };
                if length > most {
                    return Err(damaged(format!(
                        "has a chunk of {length} bytes, but at most {most} are possible"
                    )));
                }
                Ok(self.store.get(&key, Part::At(start, length))?.map(|bytes| (key.clone(), bytes)))
            }
        }
    }

    fn damaged(&self, key: &str, reason: &str) -> Error {
        let reason = escaped(&format!("has the chunk {key}, which {reason}; fetch it again")).into_owned();
        Error::Format { path: self.store.path().into(), reason }
    }
}

/// Goes on to the next place within ranges, the last axis first; `false` after the last.
fn advance(place: &mut [usize], ranges: &[(usize, usize)]) -> bool {
    for (at, (first, end)) in place.iter_mut().zip(ranges).rev() {
        *at += 1;
        if *at < *end {
            return true;
        }
        *at = *first;
    }
    false
}
