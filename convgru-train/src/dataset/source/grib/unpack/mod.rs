//! The numbers of a message: simple, complex and PNG packing, and the mask of missing pixels.
//!
//! The crates for GRIB were looked at: `grib` 0.20 ends the program on a section 5 whose order of differences is 255, takes as much memory as the
//! length of a group says, and brings 20 crates; `gribberish` 1.9 brings a C library.

mod bits;
mod complex;
mod image;

use self::bits::Bits;
use super::message::{signed, word2, word4};

/// What every packing of integers says: `(reference + integer 2^binary) / 10^decimal`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scale {
    reference: f64,
    binary: i32,
    decimal: i32,
    /// Bits of an integer, or of the reference of a group.
    bits: u32,
}

impl Scale {
    fn of(section: &[u8]) -> Option<Self> {
        Some(Self {
            reference: f64::from(f32::from_bits(word4(section, 11)?)),
            binary: signed(u32::from(word2(section, 15)?), 16),
            decimal: signed(u32::from(word2(section, 17)?), 16),
            bits: u32::from(*section.get(19)?),
        })
    }

    fn number(&self, integer: f64) -> f64 {
        (self.reference + integer * 2f64.powi(self.binary)) / 10f64.powi(self.decimal)
    }
}

/// The numbers of all points, NaN where there is none, of section 5, the mask, and the data.
///
/// # Errors
/// Why there are none, as the end of a sentence about the message.
pub(super) fn numbers(
    section: &[u8],
    mask: Option<&[u8]>,
    data: &[u8],
    points: usize,
) -> Result<Vec<f64>, String> {
    let packed = word4(section, 5).ok_or("has a section 5 that is too short")? as usize;
    if packed > points {
        return Err(format!("announces {packed} numbers, but its grid has {points} points"));
    }
    let numbers = packed_numbers(section, data, packed)?;
    let Some(mask) = mask else {
        return match packed == points {
            true => Ok(numbers),
            false => Err(format!("has {packed} numbers for {points} points, and no mask of missing ones")),
        };
    };
    let is_set = |at: usize| mask.get(at / 8).map(|byte| byte >> (7 - at % 8) & 1 == 1);
    let mut numbers = numbers.into_iter();
    let mut placed = Vec::with_capacity(points);
    for at in 0..points {
        placed.push(match is_set(at).ok_or("has a mask that is too short")? {
            true => numbers
                .next()
                .ok_or_else(|| format!("has {packed} numbers, but its mask has room for more"))?,
            false => f64::NAN,
        });
    }
    Ok(placed)
}

/// The numbers as they are packed, without missing points.
fn packed_numbers(section: &[u8], data: &[u8], count: usize) -> Result<Vec<f64>, String> {
    let short = || "has a section 5 that is too short".to_owned();
    let template = word2(section, 9).ok_or_else(short)?;
    let scale = || Scale::of(section).ok_or_else(short);
    match template {
        0 => {
            let scale = scale()?;
            if scale.bits == 0 {
                return Ok(vec![scale.number(0.0); count]);
            }
            let mut bits = Bits::new(data);
            let integers = (0..count).map(|_| bits.take(scale.bits));
            integers.map(|integer| Ok(scale.number(f64::from(integer?)))).collect()
        }
        2 | 3 => complex::numbers(section, scale()?, data, count),
        4 => ieee(*section.get(11).ok_or_else(short)?, data, count),
        41 => {
            let scale = scale()?;
            if scale.bits == 0 {
                return Ok(vec![scale.number(0.0); count]);
            }
            let integers = image::integers(data, scale.bits, count)?;
            Ok(integers.into_iter().map(|integer| scale.number(f64::from(integer))).collect())
        }
        other => {
            let name = match other {
                40 => " (JPEG 2000)",
                42 => " (CCSDS)",
                200 => " (run lengths)",
                _ => "",
            };
            Err(format!(
                "is packed by template 5.{other}{name}, but 5.0 (simple), 5.2 and 5.3 (complex), 5.4 (IEEE) and 5.41 (PNG) are read; write it again \
                 with `grib_set -r -s packingType=grid_simple IN OUT` of ecCodes"
            ))
        }
    }
}

/// Numbers as they are, of 4 or 8 bytes.
fn ieee(precision: u8, data: &[u8], count: usize) -> Result<Vec<f64>, String> {
    let numbers: Vec<f64> = match precision {
        1 => data.as_chunks().0.iter().take(count).map(|&own| f64::from(f32::from_be_bytes(own))).collect(),
        2 => data.as_chunks().0.iter().take(count).map(|&own| f64::from_be_bytes(own)).collect(),
        other => {
            return Err(format!("has numbers of the precision {other} (table 5.7), but 1 and 2 are read"));
        }
    };
    match numbers.len() == count {
        true => Ok(numbers),
        false => Err(format!("has {} numbers of {count}", numbers.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section 5 of a template, of so many numbers of so many bits, without a scale.
    fn section(template: u16, count: u32, bits: u8, rest: &[u8]) -> Vec<u8> {
        let head =
            [&[0, 0, 0, 0, 5][..], &count.to_be_bytes(), &template.to_be_bytes(), &1.5f32.to_be_bytes()];
        [&head.concat()[..], &[0, 1, 0x80, 1, bits, 0], rest].concat()
    }

    #[test]
    fn simple_numbers_are_scaled_and_masked() {
        // 1.5 + 2 n, times 10.
        let read = numbers(&section(0, 3, 4, &[]), None, &[0x12, 0xf0], 3).unwrap();
        assert_eq!(read, [35.0, 55.0, 315.0]);
        let read = numbers(&section(0, 2, 4, &[]), Some(&[0b1010_0000]), &[0x12], 3).unwrap();
        assert!(read[0] == 35.0 && read[1].is_nan() && read[2] == 55.0);
        assert_eq!(numbers(&section(0, 2, 0, &[]), None, &[], 2).unwrap(), [15.0, 15.0]);
        for (section, mask, data, points, words) in [
            (section(0, 9, 4, &[]), None, &[0u8; 9][..], 3, "9 numbers, but its grid has 3"),
            (section(0, 2, 4, &[]), None, &[0; 9], 3, "2 numbers for 3 points"),
            (section(0, 3, 4, &[]), None, &[0x12], 3, "ends"),
            (section(0, 2, 4, &[]), Some(&[0xffu8][..]), &[0; 9], 3, "room for more"),
            (section(0, 2, 4, &[]), Some(&[][..]), &[0; 9], 3, "too short"),
            (section(40, 3, 4, &[]), None, &[0; 9], 3, "5.40 (JPEG 2000)"),
            (section(0, 3, 60, &[]), None, &[0; 90], 3, "60 bits"),
        ] {
            let error = numbers(&section, mask, data, points).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
