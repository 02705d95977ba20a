//! Reader of MNIST's `idx3-ubyte` format: images of grey levels.
//!
//! The format (LeCun, Cortes and Burges, "The MNIST database of handwritten
//! digits"): four big-endian 32-bit numbers, 0x00000803, images, rows and
//! columns, then one byte per pixel, row by row.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use super::{Frame, FrameInfo, FrameSource, NumberType, Visit};
use crate::dataset::gzip::{Unpacked, read_at_most};
use crate::read_budget::Working;
use crate::{Error, ReadBudget, Result};

/// The first four bytes: two zeros, 8 for unsigned bytes, 3 dimensions.
const MAGIC: u32 = 0x0000_0803;
const HEADER_BYTES: usize = 16;
/// No side of an image may be longer.
const LONGEST_SIDE: usize = 1024;
/// No file may hold more pixels: 1 GiB.
const MOST_PIXELS: usize = 1 << 30;

/// Grey images of one size, one byte per pixel, 0 = background: a sequence of frames to whoever reads them.
#[derive(Debug)]
pub(in crate::dataset) struct IdxImages {
    rows: usize,
    columns: usize,
    pixels: Vec<u8>,
    _working: Working,
}

impl IdxImages {
    /// Reads a file, plain or compressed by gzip; which of the two is seen from
    /// its first bytes, not from its name.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] unless it is
    /// exactly what its header announces.
    pub(in crate::dataset) fn read(path: &Path, budget: &ReadBudget) -> Result<Self> {
        let mut source = Unpacked::open(path)?;
        Self::parse(&mut source, path, budget).map_err(|problem| match problem {
            Problem::Content(reason) => Error::Format { path: path.to_path_buf(), reason },
            Problem::Read(error) => source.failed(path, error),
            Problem::Memory(error) => error,
        })
    }

    fn parse(mut source: impl Read, path: &Path, budget: &ReadBudget) -> std::result::Result<Self, Problem> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        source.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut header)?;
        if header.len() < HEADER_BYTES {
            return Err(Problem::Content(format!(
                "has {} bytes, but the header of an idx image file alone has {HEADER_BYTES}",
                header.len()
            )));
        }
        let number = |at: usize| {
            u32::from_be_bytes(header[4 * at..4 * at + 4].try_into().expect("four bytes of the header"))
        };
        if number(0) != MAGIC {
            return Err(Problem::Content(format!(
                "begins with {:#010x}, but an idx image file begins with {MAGIC:#010x}{}",
                number(0),
                if number(0) == 0x0801 { "; this is a label file, the images are wanted" } else { "" }
            )));
        }
        let [images, rows, columns] = [number(1) as usize, number(2) as usize, number(3) as usize];
        if images == 0 || !(1..=LONGEST_SIDE).contains(&rows) || !(1..=LONGEST_SIDE).contains(&columns) {
            return Err(Problem::Content(format!(
                "announces {images} images of {rows} x {columns} pixels, but there must be at least 1 image \
                 with sides of 1 to {LONGEST_SIDE}"
            )));
        }
        let needed = images.checked_mul(rows * columns).filter(|&n| n <= MOST_PIXELS).ok_or_else(|| {
            Problem::Content(format!(
                "announces {images} images of {rows} x {columns} pixels, more than the {MOST_PIXELS} pixels \
                 that are possible"
            ))
        })?;
        // Grows with what is there, not with what the header announces. One
        // byte more than needed shows trailing data, and lets the decoder
        // reach the checksum at the end.
        let working = budget.work(path, needed as u64).map_err(Problem::Memory)?;
        let pixels = read_at_most(source, needed + 1)?;
        match pixels.len() {
            n if n == needed => Ok(Self { rows, columns, pixels, _working: working }),
            n if n < needed => Err(Problem::Content(format!(
                "is truncated: {images} images of {rows} x {columns} are {needed} bytes after the header, \
                 but there are {n}"
            ))),
            _ => Err(Problem::Content(format!(
                "has more than the {needed} bytes after the header that {images} images of {rows} x \
                 {columns} are"
            ))),
        }
    }
}

impl FrameSource for IdxImages {
    fn info(&self) -> Result<FrameInfo> {
        let number_type = NumberType::Unsigned(1);
        Ok(FrameInfo {
            sequences: 1,
            steps: self.pixels.len() / (self.rows * self.columns),
            channels: Some(1),
            height: self.rows,
            width: self.columns,
            number_type,
            natural_range: number_type.natural_range(),
            may_miss: false,
        })
    }

    fn visit(&self, _: Range<usize>, steps: Range<usize>, visit: Visit<'_>) -> Result<()> {
        let size = self.rows * self.columns;
        let mut values = Vec::with_capacity(size);
        for (step, pixels) in self.pixels.chunks_exact(size).enumerate().take(steps.end).skip(steps.start) {
            values.clear();
            values.extend(pixels.iter().map(|&pixel| f32::from(pixel) / 255.0));
            visit(Frame { sequence: 0, step, shape: [1, self.rows, self.columns], values: &values })?;
        }
        Ok(())
    }
}

/// Why reading ended early.
enum Problem {
    Content(String),
    Read(std::io::Error),
    Memory(Error),
}

impl From<std::io::Error> for Problem {
    fn from(source: std::io::Error) -> Self {
        Self::Read(source)
    }
}

#[cfg(test)]
pub(in crate::dataset) mod tests;
