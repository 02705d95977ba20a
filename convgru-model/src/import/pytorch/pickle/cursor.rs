//! The bytes of a pickle, and the arguments of its instructions.

use std::borrow::Cow;

use super::{PickleValue, refuse};
use crate::error::Result;

/// Reads from front to back; what is asked for and not there is an error with its offset.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = usize::try_from(count).ok().and_then(|count| rest.get(..count));
        let Some(taken) = taken else {
            let what = format!(
                "{count} bytes are announced, {} remain; the file is cut short or damaged",
                rest.len()
            );
            return Err(refuse(self.at, what));
        };
        self.at += taken.len();
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// An unsigned number of `width` bytes, low ones first.
    pub(super) fn unsigned(&mut self, width: usize) -> Result<u64> {
        let mut number = [0; 8];
        number[..width].copy_from_slice(self.take(width as u64)?);
        Ok(u64::from_le_bytes(number))
    }

    /// The bytes that follow their count of `width` bytes.
    pub(super) fn counted(&mut self, width: usize) -> Result<&'a [u8]> {
        let count = self.unsigned(width)?;
        self.take(count)
    }

    /// The bytes up to the end of the line.
    pub(super) fn line(&mut self) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            return Err(refuse(self.at, "a line does not end; the file is cut short or damaged"));
        };
        self.at += end + 1;
        Ok(&rest[..end])
    }

    /// A line of text.
    pub(super) fn text_line(&mut self) -> Result<&'a str> {
        let at = self.at;
        text(self.line()?, at)
    }
}

/// Bytes as text.
pub(super) fn text(bytes: &[u8], at: usize) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| refuse(at + error.valid_up_to(), "a text is not UTF-8"))
}

/// A text of Python 2, whose encoding nobody wrote down.
pub(super) fn old_text(bytes: &[u8]) -> PickleValue<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) => PickleValue::Str(Cow::Borrowed(text)),
        Err(_) => PickleValue::Bytes(Cow::Borrowed(bytes)),
    }
}

/// A number in two's complement, low bytes first.
pub(super) fn signed<'a>(bytes: &[u8]) -> PickleValue<'a> {
    if bytes.len() > 16 {
        return PickleValue::LargeInt;
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut number = [if negative { 0xff } else { 0 }; 16];
    number[..bytes.len()].copy_from_slice(bytes);
    PickleValue::Int(i128::from_le_bytes(number))
}

/// A number in decimal digits; in protocol 0 `01` and `00` are truth values.
pub(super) fn decimal<'a>(line: &str, at: usize) -> Result<PickleValue<'a>> {
    let digits = line.trim_end_matches('L');
    match (line, digits.parse::<i128>()) {
        ("01", _) => Ok(PickleValue::Bool(true)),
        ("00", _) => Ok(PickleValue::Bool(false)),
        (_, Ok(number)) => Ok(PickleValue::Int(number)),
        _ if digits.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit())
            && digits.len() > 38 =>
        {
            Ok(PickleValue::LargeInt)
        }
        _ => Err(refuse(at, "a line is no whole number")),
    }
}

/// A quoted text of protocol 0. Escapes for single bytes are resolved; others are no text that names a tensor.
pub(super) fn quoted(line: &[u8], at: usize) -> Result<PickleValue<'_>> {
    let inner = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return Err(refuse(at, "a text has no quotes around it")),
    };
    if !inner.contains(&b'\\') {
        return Ok(old_text(inner));
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let (Some(high), Some(low)) = (digit(high), digit(low)) else {
                    return Err(refuse(at, "an escape `\\x` without two hexadecimal digits"));
                };
                ((high * 16 + low) as u8, after)
            }
            (b'\\', [b'n', after @ ..]) => (b'\n', after),
            (b'\\', [b'r', after @ ..]) => (b'\r', after),
            (b'\\', [b't', after @ ..]) => (b'\t', after),
            (b'\\', [byte @ (b'\\' | b'\'' | b'"'), after @ ..]) => (*byte, after),
            (b'\\', _) => return Err(refuse(at, "an escape that texts of protocol 0 do not have")),
            (&byte, after) => (byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => PickleValue::Str(Cow::Owned(text)),
        Err(error) => PickleValue::Bytes(Cow::Owned(error.into_bytes())),
    })
}
