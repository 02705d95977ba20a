//! Floating point numbers as files keep them.

use std::cell::Cell;

use convgru_kernels::Scalar;
use half::{bf16, f16};

/// Why a tensor of 64 bits is left out where numbers are held in 32.
pub const NEEDS_64_BITS: &str = "its numbers need 64 bits, but numbers of this file are held in 32";

/// A format of numbers that weights are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Float {
    F16,
    Bf16,
    F32,
    F64,
}

impl Float {
    /// The bytes of one number.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The `count` numbers at `indices` of an array, all of which are in it; their values are exact.
    ///
    /// # Errors
    /// [`NEEDS_64_BITS`] if `T` does not hold one of them.
    ///
    /// # Panics
    /// If an index is beyond the array, as slices do.
    pub(super) fn gather<T: Scalar>(
        self,
        bytes: &[u8],
        big_endian: bool,
        count: usize,
        indices: impl Iterator<Item = usize>,
    ) -> Result<Vec<T>, String> {
        let mut into = Vec::with_capacity(count);
        let exact = Cell::new(true);
        let of_f64 = |number: f64| {
            let held = T::from_f64(number);
            exact.set(exact.get() && (held.to_f64() == number || number.is_nan()));
            held
        };
        let to = &mut into;
        match self {
            Self::F16 => {
                gather(bytes, big_endian, indices, to, |b| T::from_f32(f16::from_le_bytes(b).to_f32()))
            }
            Self::Bf16 => {
                gather(bytes, big_endian, indices, to, |b| T::from_f32(bf16::from_le_bytes(b).to_f32()))
            }
            Self::F32 => gather(bytes, big_endian, indices, to, |b| T::from_f32(f32::from_le_bytes(b))),
            Self::F64 => gather(bytes, big_endian, indices, to, |b| of_f64(f64::from_le_bytes(b))),
        }
        if exact.get() { Ok(into) } else { Err(NEEDS_64_BITS.to_owned()) }
    }
}

fn gather<T, const SIZE: usize>(
    bytes: &[u8],
    big_endian: bool,
    indices: impl Iterator<Item = usize>,
    into: &mut Vec<T>,
    number: impl Fn([u8; SIZE]) -> T,
) {
    let (numbers, _) = bytes.as_chunks::<SIZE>();
    into.extend(indices.map(|index| {
        let mut bytes = numbers[index];
        if big_endian {
            bytes.reverse();
        }
        number(bytes)
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(float: Float, bytes: &[u8], big_endian: bool) -> Vec<f64> {
        let count = bytes.len() / float.size();
        float.gather(bytes, big_endian, count, 0..count).unwrap()
    }

    #[test]
    fn numbers_of_64_bits_become_32_only_where_nothing_is_lost() {
        let read = |numbers: &[f64]| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            Float::F64.gather::<f32>(&bytes, false, numbers.len(), 0..numbers.len())
        };
        let held = read(&[1.5, -0.0, f64::INFINITY, f64::NAN]).unwrap();
        assert!(held[0] == 1.5 && held[1].is_sign_negative() && held[2].is_infinite() && held[3].is_nan());
        for lost in [0.1, 1e300, 1e-300, 16_777_217.0] {
            assert_eq!(read(&[1.0, lost]), Err(NEEDS_64_BITS.to_owned()));
        }
    }

    #[test]
    fn every_format_is_read_in_both_orders_of_bytes() {
        assert_eq!(read(Float::F16, &[0x00, 0x3e, 0x01, 0x00], false), [1.5, 2f64.powi(-24)]);
        assert_eq!(read(Float::Bf16, &[0xc0, 0x3f], false), [1.5]);
        assert_eq!(read(Float::F32, &1.1f32.to_le_bytes(), false), [f64::from(1.1f32)]);
        assert_eq!(read(Float::F32, &1.1f32.to_be_bytes(), true), [f64::from(1.1f32)]);
        assert_eq!(read(Float::F64, &1.1f64.to_be_bytes(), true), [1.1]);
    }
}
