//! How the numbers of a chunk were made bytes, and back.
//!
//! The crate `zarrs` unpacks chunks without a bound on what comes out, and brings C libraries for blosc and zstd. The codecs here are
//! of pure Rust and give no more than a chunk holds.

mod blosc;
mod numbers;
mod parse;
mod unpack;

use self::numbers::NumberStep;
use self::unpack::ByteStep;
use super::super::NumberType;
use crate::dataset::source::ByteOrder;

pub(super) use parse::{of_version_2, of_version_3};
pub(super) use unpack::{CHECKSUM, checked};

/// How what lies behind a key is made of chunks.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Layout {
    /// A chunk.
    Chunk(Codecs),
    /// Many small chunks and an index of them.
    Shard(Shard),
}

/// Chunks behind one key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shard {
    /// The shape of each.
    pub(super) chunk: Vec<u64>,
    pub(super) codecs: Codecs,
    /// Whether the index lies before the chunks.
    pub(super) index_first: bool,
    /// Whether a checksum follows the index.
    pub(super) has_checksum: bool,
}

/// The codecs of a chunk, in the order in which they were applied.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Codecs {
    /// The type of the numbers of the array.
    kind: NumberType,
    /// The axes of the array in the order in which they lie in a chunk.
    axes: Vec<usize>,
    numbers: Vec<NumberStep>,
    order: ByteOrder,
    bytes: Vec<ByteStep>,
}

/// The numbers of a chunk.
#[derive(Debug, PartialEq)]
pub(super) struct Unpacked {
    pub(super) bytes: Vec<u8>,
    pub(super) kind: NumberType,
    pub(super) order: ByteOrder,
}

impl Codecs {
    /// The codecs of numbers that are stored unchanged.
    fn plain(kind: NumberType, axes: usize) -> Self {
        Self {
            kind,
            axes: (0..axes).collect(),
            numbers: Vec::new(),
            order: ByteOrder::Little,
            bytes: Vec::new(),
        }
    }

    /// The bytes of a number as it is stored.
    fn stored(&self) -> NumberType {
        self.numbers.last().map_or(self.kind, |step| step.stored)
    }

    /// The most bytes that a number takes while a chunk is unpacked.
    pub(super) fn number_bytes(&self) -> usize {
        if self.numbers.is_empty() { self.kind.bytes() } else { size_of::<f64>() }
    }

    /// The most bytes that packed numbers of a chunk can take: a little more than plain ones.
    pub(super) fn most_packed(&self, count: usize) -> u64 {
        let plain = (count as u64).saturating_mul(self.stored().bytes() as u64);
        plain.saturating_add(plain / 8).saturating_add(1 << 12)
    }

    /// For each axis of an array the distance of neighbours in a chunk of a shape, in numbers.
    pub(super) fn strides(&self, chunk: &[u64]) -> Vec<usize> {
        let mut strides = vec![0; chunk.len()];
        let mut step = 1;
        for &axis in self.axes.iter().rev() {
            strides[axis] = step;
            step *= chunk[axis] as usize;
        }
        strides
    }

    /// The bytes of a chunk before the codecs from bytes to bytes, at most `most`.
    ///
    /// # Errors
    /// As [`unpacked`](Self::unpacked).
    pub(super) fn bytes_unpacked(&self, packed: Vec<u8>, most: usize) -> Result<Vec<u8>, String> {
        self.bytes.iter().rev().try_fold(packed, |packed, step| step.unpacked(packed, most))
    }

    /// The `count` numbers of a chunk.
    ///
    /// # Errors
    /// Why they cannot be unpacked, as the end of a sentence about the chunk.
    pub(super) fn unpacked(&self, packed: Vec<u8>, count: usize) -> Result<Unpacked, String> {
        let most = usize::try_from(self.most_packed(count)).unwrap_or(usize::MAX);
        let bytes = self.bytes_unpacked(packed, most)?;
        let needed = count.saturating_mul(self.stored().bytes());
        if bytes.len() != needed {
            return Err(format!("unpacks to {} bytes, but a chunk has {needed}", bytes.len()));
        }
        let stored = Unpacked { bytes, kind: self.stored(), order: self.order };
        Ok(self.numbers.iter().rev().fold(stored, |stored, step| step.decoded(stored)))
    }
}
