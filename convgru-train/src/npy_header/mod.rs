//! The header of NumPy's `.npy` files.
//!
//! The format (NumPy enhancement proposal 1): the six bytes `\x93NUMPY`, two bytes
//! of version, the length of the text that follows (little-endian, two bytes in
//! version 1 and four in 2 and 3), and the text, a literal such as
//!
//! ```text
//! {'descr': '<f4', 'fortran_order': False, 'shape': (20, 10000, 64, 64), }
//! ```
//!
//! padded with spaces so that the data begins at a multiple of 64 bytes. Files
//! come from anywhere: everything is bounded, and nothing but this form is read.

mod literal;

use std::io::{self, Read};
use std::path::Path;

use crate::dataset::{ByteOrder, NumberType};
use crate::{Error, input};

/// The first bytes of every file.
const MAGIC: [u8; 6] = *b"\x93NUMPY";
/// The longest text that is read. NumPy writes 118 bytes for a plain array.
const LONGEST_TEXT: usize = 4096;
/// Data begins at a multiple of this.
const ALIGNMENT: usize = 64;
/// No array may have more elements: their bytes still fit into a file's length.
const MOST_ELEMENTS: usize = 1 << 58;

/// How a number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    number_type: NumberType,
    order: ByteOrder,
}

impl Element {
    /// The types that are read, by their `descr` without its byte order.
    const TYPES: [(&str, NumberType); 12] = [
        ("b1", NumberType::Bool),
        ("u1", NumberType::Unsigned(1)),
        ("u2", NumberType::Unsigned(2)),
        ("u4", NumberType::Unsigned(4)),
        ("u8", NumberType::Unsigned(8)),
        ("i1", NumberType::Signed(1)),
        ("i2", NumberType::Signed(2)),
        ("i4", NumberType::Signed(4)),
        ("i8", NumberType::Signed(8)),
        ("f2", NumberType::Float(2)),
        ("f4", NumberType::Float(4)),
        ("f8", NumberType::Float(8)),
    ];

    /// The element that a `descr` such as `<f4` names.
    fn named(descr: &str) -> Option<Self> {
        let (order, kind) = descr.split_at_checked(1)?;
        let order = match order {
            "<" | "|" => ByteOrder::Little,
            ">" => ByteOrder::Big,
            "=" if cfg!(target_endian = "little") => ByteOrder::Little,
            "=" => ByteOrder::Big,
            _ => return None,
        };
        let (_, number_type) = *Self::TYPES.iter().find(|(name, _)| *name == kind)?;
        Some(Self { number_type, order })
    }

    /// Bytes of a number.
    pub(crate) fn bytes(self) -> usize {
        self.number_type.bytes()
    }

    /// The type of its numbers.
    pub(crate) fn number_type(self) -> NumberType {
        self.number_type
    }

    /// The numbers in `data`, whose length is a multiple of [`bytes`](Self::bytes).
    pub(crate) fn numbers<'a>(self, data: &'a [u8]) -> Box<dyn Iterator<Item = f64> + 'a> {
        self.number_type.numbers(self.order, data)
    }
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NpyHeader {
    /// How numbers are stored.
    pub(crate) element: Element,
    /// Whether the first axis varies fastest, instead of the last.
    pub(crate) fortran_order: bool,
    /// The axes, outermost first. Their product does not overflow.
    pub(crate) shape: Vec<usize>,
    /// Bytes of the file before its data.
    pub(crate) bytes: u64,
}

impl NpyHeader {
    /// Reads a header and leaves the reader at the data.
    ///
    /// # Errors
    /// What is wrong with the bytes, or why they cannot be read.
    pub(crate) fn read(reader: &mut impl Read) -> Result<Self, Unread> {
        let foreign = || "is no .npy file: it does not begin with \\x93NUMPY".to_owned();
        let mut magic = [0; MAGIC.len()];
        reader.read_exact(&mut magic).map_err(|error| Unread { reason: foreign(), cause: Some(error) })?;
        if magic != MAGIC {
            return Err(foreign().into());
        }
        let mut version = [0; 2];
        read_exact(reader, &mut version)?;
        let [major, minor] = version;
        let length_bytes = match major {
            1 => 2,
            2 | 3 => 4,
            _ => return Err(format!("is of .npy version {major}.{minor}, but 1 to 3 are read").into()),
        };
        let mut length = [0; 4];
        read_exact(reader, &mut length[..length_bytes])?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST_TEXT {
            return Err(format!(
                "announces a header of {length} bytes, more than the {LONGEST_TEXT} that are possible"
            )
            .into());
        }
        let mut text = vec![0; length];
        read_exact(reader, &mut text)?;
        let text = std::str::from_utf8(&text).map_err(|_| "has a header that is no text".to_owned())?;
        let array = literal::parse(text)
            .map_err(|problem| format!("has a damaged header ({problem}): {}", shortened(text)))?;
        let element = Element::named(array.descr).ok_or_else(|| {
            format!(
                "holds values of type '{}', but numbers are needed: bool, int8 to int64, uint8 to uint64, float16, float32 or float64",
                array.descr
            )
        })?;
        let elements = array.shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis.max(1)));
        if elements.is_none_or(|elements| elements > MOST_ELEMENTS) {
            return Err(format!("has shape {:?}, more values than any file can hold", array.shape).into());
        }
        Ok(Self {
            element,
            fortran_order: array.fortran_order,
            shape: array.shape,
            bytes: (magic.len() + version.len() + length_bytes + length) as u64,
        })
    }

    /// The axes as they lie in the file, the one that varies slowest first.
    pub(crate) fn stored_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if self.fortran_order {
            shape.reverse();
        }
        shape
    }

    /// The number of numbers.
    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The bytes of header and data.
    pub(crate) fn length(&self) -> u64 {
        self.bytes + self.elements() as u64 * self.element.bytes() as u64
    }

    /// Fails unless a file of `length` bytes holds exactly the data.
    ///
    /// # Errors
    /// Both lengths, as the end of a sentence about the file.
    pub(crate) fn expect_file_length(&self, length: u64) -> Result<(), String> {
        let needed = self.length();
        if length == needed {
            return Ok(());
        }
        Err(format!(
            "has {length} bytes, but shape {:?} needs {needed}; the file is {}",
            self.shape,
            if length < needed { "truncated" } else { "followed by other data" }
        ))
    }

    /// The bytes of a header for `float32` in C order.
    pub(crate) fn encode_single(shape: &[usize]) -> Vec<u8> {
        let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
        let mut text = format!(
            "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}",
            // One axis keeps its comma, or it would be a number in brackets.
            if shape.len() == 1 { axes.trim_end() } else { axes.trim_end_matches(", ") }
        );
        let before = MAGIC.len() + 2 + 2;
        let padded = (before + text.len() + 1).next_multiple_of(ALIGNMENT);
        text += &" ".repeat(padded - before - text.len() - 1);
        text.push('\n');
        let length = u16::try_from(text.len()).expect("a shape of a tensor is no longer than that");
        [&MAGIC[..], &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat()
    }
}

fn read_exact(reader: &mut impl Read, bytes: &mut [u8]) -> Result<(), Unread> {
    reader.read_exact(bytes).map_err(|error| Unread {
        reason: match error.kind() {
            io::ErrorKind::UnexpectedEof => "is no whole .npy file: it ends within the header".to_owned(),
            _ => format!("cannot be read: {error}"),
        },
        cause: Some(error),
    })
}

/// Why a header was not read.
#[derive(Debug)]
pub(crate) struct Unread {
    /// What is wrong with the bytes, as the end of a sentence about the file.
    reason: String,
    /// The error of the reader, which may be one of the system.
    cause: Option<io::Error>,
}

impl From<String> for Unread {
    fn from(reason: String) -> Self {
        Self { reason, cause: None }
    }
}

impl Unread {
    /// The error for a file, with its reason as `shown` makes it.
    pub(crate) fn in_file(self, path: &Path, shown: impl FnOnce(String) -> String) -> Error {
        let reason = shown(self.reason);
        match self.cause {
            Some(cause) => input::failed(path, &cause, || reason),
            None => Error::Format { path: path.into(), reason },
        }
    }
}

/// The beginning of a text in one line, safe to print.
fn shortened(text: &str) -> String {
    let safe = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.trim_end().chars().take(100).map(safe).collect()
}

#[cfg(test)]
mod tests;
