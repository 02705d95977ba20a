//! Where chunks lie in shards: files of many chunks, with an index of places and lengths.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::codecs::{CHECKSUM, Shard, checked};
use super::store::Part;
use crate::{Error, Result};

/// Bytes of an entry of an index: a place and a length.
const ENTRY: usize = 16;
/// Bytes of indices that are kept.
const KEPT_INDICES: usize = 1 << 20;
/// No index may have more bytes.
const LARGEST_INDEX: u64 = 1 << 24;

/// An index: of each chunk where it begins and how long it is.
type Index = Arc<Vec<u8>>;

/// The shards of an array.
pub(super) struct Shards {
    shard: Shard,
    /// Chunks of a shard along each axis.
    sides: Vec<u64>,
    /// Indices that were read last, by the place of the shard; `None` of one that was never written.
    kept: Mutex<VecDeque<(Vec<u64>, Option<Index>)>>,
}

impl Shards {
    /// Those of a shape.
    pub(super) fn new(shard: Shard, whole: &[u64]) -> Self {
        // A chunk divides the shard, which was checked when the codecs were read.
        let sides = whole.iter().zip(&shard.chunk).map(|(whole, own)| whole / own.max(&1)).collect();
        Self { shard, sides, kept: Mutex::default() }
    }

    /// The place of the shard in which a chunk lies.
    pub(super) fn shard_of(&self, chunk: &[u64]) -> Vec<u64> {
        chunk.iter().zip(&self.sides).map(|(at, side)| at / side).collect()
    }

    /// Where a chunk begins in its shard, and its length; `None` if it was never written.
    ///
    /// # Errors
    /// The errors of `get`, and [`Error::Format`] if the index is damaged.
    pub(super) fn place_of(
        &self,
        chunk: &[u64],
        get: impl Fn(Part) -> Result<Option<Vec<u8>>>,
        damaged: &dyn Fn(String) -> Error,
    ) -> Result<Option<(u64, u64)>> {
        const NONE: u64 = u64::MAX;
        let Some(index) = self.index(&self.shard_of(chunk), get, damaged)? else { return Ok(None) };
        let at = chunk.iter().zip(&self.sides).fold(0, |sum, (at, side)| sum * side + at % side);
        let word = |place: usize| index.get(place..)?.first_chunk().map(|word| u64::from_le_bytes(*word));
        let entry = at as usize * ENTRY;
        match (word(entry), word(entry + 8)) {
            (Some(NONE), Some(NONE)) => Ok(None),
            (Some(start), Some(length)) => Ok(Some((start, length))),
            _ => Err(damaged("ends within its index".into())),
        }
    }

    fn index(
        &self,
        shard: &[u64],
        get: impl Fn(Part) -> Result<Option<Vec<u8>>>,
        damaged: &dyn Fn(String) -> Error,
    ) -> Result<Option<Index>> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, index)) = kept().iter().find(|(own, _)| own == shard) {
            return Ok(index.clone());
        }
        let count = self.sides.iter().try_fold(ENTRY as u64, |bytes, side| bytes.checked_mul(*side));
        let checksum = if self.shard.has_checksum { CHECKSUM as u64 } else { 0 };
        let Some(bytes) = count.filter(|&bytes| bytes <= LARGEST_INDEX).map(|bytes| bytes + checksum) else {
            return Err(damaged(format!("has an index of more than {LARGEST_INDEX} bytes")));
        };
        let index = get(if self.shard.index_first { Part::First(bytes) } else { Part::Last(bytes) })?;
        let index = match (index, self.shard.has_checksum) {
            (Some(index), true) => {
                Some(checked(index).map_err(|reason| damaged(format!("has an index that {reason}")))?)
            }
            (index, _) => index,
        };
        let index = index.map(Arc::new);
        let mut kept = kept();
        kept.push_back((shard.to_vec(), index.clone()));
        let most = (KEPT_INDICES / (bytes as usize).max(1)).max(1);
        while kept.len() > most {
            kept.pop_front();
        }
        Ok(index)
    }
}
