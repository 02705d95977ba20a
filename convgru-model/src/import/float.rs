//! Floating point numbers as files keep them.

use half::{bf16, f16};

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

    /// The numbers at `indices` of an array, all of which are in it; their values are exact.
    ///
    /// # Panics
    /// If an index is beyond the array, as slices do.
    pub(super) fn gather(
        self,
        bytes: &[u8],
        big_endian: bool,
        indices: impl Iterator<Item = usize>,
        into: &mut Vec<f64>,
    ) {
        match self {
            Self::F16 => gather(bytes, big_endian, indices, into, |b| f16::from_le_bytes(b).to_f64()),
            Self::Bf16 => gather(bytes, big_endian, indices, into, |b| bf16::from_le_bytes(b).to_f64()),
            Self::F32 => gather(bytes, big_endian, indices, into, |b| f64::from(f32::from_le_bytes(b))),
            Self::F64 => gather(bytes, big_endian, indices, into, f64::from_le_bytes),
        }
    }
}

fn gather<const SIZE: usize>(
    bytes: &[u8],
    big_endian: bool,
    indices: impl Iterator<Item = usize>,
    into: &mut Vec<f64>,
    number: impl Fn([u8; SIZE]) -> f64,
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
        let mut numbers = Vec::new();
        float.gather(bytes, big_endian, 0..bytes.len() / float.size(), &mut numbers);
        numbers
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
