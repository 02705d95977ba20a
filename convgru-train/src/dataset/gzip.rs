//! Files that may be compressed by gzip.

use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::{Error, Result, input};

/// The first two bytes of a gzip stream.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The bytes of a file, unpacked if it is compressed. Which of the two is seen from its first bytes, not from its name.
pub(super) struct Unpacked {
    source: Box<dyn Read>,
    /// Whether they are unpacked, for messages.
    pub(super) compressed: bool,
}

impl Unpacked {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut file = BufReader::new(input::open(path).map_err(Error::io("open", path))?);
        let mut start = Vec::with_capacity(MAGIC.len());
        file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut start).map_err(Error::io("read", path))?;
        let compressed = start == MAGIC;
        let whole = Cursor::new(start).chain(file);
        let source: Box<dyn Read> =
            if compressed { Box::new(MultiGzDecoder::new(BufReader::new(whole))) } else { Box::new(whole) };
        Ok(Self { source, compressed })
    }

    /// The error of a reading that failed.
    pub(super) fn failed(&self, path: &Path, source: std::io::Error) -> Error {
        input::failed(path, &source, || match self.compressed {
            true => format!("the gzip stream is damaged or incomplete ({source}); fetch the file again"),
            false => input::is_damaged(&source),
        })
    }
}

impl Read for Unpacked {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.source.read(bytes)
    }
}

/// The bytes of a source, at most `most`. Memory grows with what is there, and never beyond `most`.
///
/// # Errors
/// The errors of the source.
pub(super) fn read_at_most(source: impl Read, most: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fill(&mut bytes, source, most)?;
    Ok(bytes)
}

/// Reads on until there are `most` bytes, or no more. Memory grows with what is there, and never beyond `most`.
///
/// # Errors
/// The errors of the source.
pub(super) fn fill(bytes: &mut Vec<u8>, mut source: impl Read, most: usize) -> std::io::Result<()> {
    const FIRST: usize = 1 << 16;
    while bytes.len() < most {
        let more = bytes.len().max(FIRST).min(most - bytes.len());
        input::reserve(bytes, more)?;
        if source.by_ref().take(more as u64).read_to_end(bytes)? < more {
            break;
        }
    }
    Ok(())
}
