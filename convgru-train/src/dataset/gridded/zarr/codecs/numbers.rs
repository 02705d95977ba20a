//! Filters of numbers: the filters of numcodecs that change what is stored.

use half::f16;

use super::Unpacked;
use crate::dataset::gridded::NumberType;
use crate::dataset::source::ByteOrder;

/// A filter of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NumberStep {
    pub(super) filter: Filter,
    /// The type of what goes in, and of what comes out.
    pub(super) meant: NumberType,
    pub(super) stored: NumberType,
}

/// What a filter does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    /// Stores the first number, then the difference of each to the one before.
    Delta,
    /// Stores `(number - offset) scale`, rounded.
    FixedScaleOffset { scale: f64, offset: f64 },
}

impl NumberStep {
    /// The numbers that were stored.
    pub(super) fn decoded(&self, stored: Unpacked) -> Unpacked {
        let numbers = stored.kind.numbers(stored.order, &stored.bytes);
        match (&self.filter, self.meant) {
            (Filter::Delta, NumberType::Float(bytes)) => {
                // Each sum is rounded to the type, as NumPy adds; half precision by way of single.
                let sum = |sum: &mut f64, own: f64| {
                    let next = *sum + own;
                    *sum = match bytes {
                        2 => f16::from_f32(next as f32).to_f64(),
                        4 => f64::from(next as f32),
                        _ => next,
                    };
                    Some(*sum)
                };
                // The sum with it is the first number, also where that is -0.
                self.of_numbers(numbers.scan(-0.0, sum))
            }
            // Whole numbers are added as their type does it: those beyond its ends come back at the other one.
            (Filter::Delta, meant) => {
                let mut sum = 0i64;
                let mut bytes = Vec::with_capacity(stored.bytes.len());
                for own in whole(stored.kind, stored.order, &stored.bytes) {
                    sum = sum.wrapping_add(own);
                    bytes.extend_from_slice(&sum.to_le_bytes()[..meant.bytes()]);
                }
                Unpacked { bytes, kind: meant, order: ByteOrder::Little }
            }
            (&Filter::FixedScaleOffset { scale, offset }, meant) => {
                let is_whole = !matches!(meant, NumberType::Float(_));
                let number = |own: f64| own / scale + offset;
                self.of_numbers(
                    numbers.map(move |own| if is_whole { number(own).trunc() } else { number(own) }),
                )
            }
        }
    }

    /// Numbers in their type where it is one of floating-point numbers, otherwise as `f64`.
    fn of_numbers(&self, numbers: impl Iterator<Item = f64>) -> Unpacked {
        let number = |own: f64| match self.meant {
            NumberType::Float(2) => f16::from_f64(own).to_f64(),
            NumberType::Float(4) => f64::from(own as f32),
            _ => own,
        };
        let bytes = numbers.flat_map(|own| number(own).to_le_bytes()).collect();
        Unpacked { bytes, kind: NumberType::Float(8), order: ByteOrder::Little }
    }
}

/// Whole numbers, of floating-point ones the nearest.
fn whole(kind: NumberType, order: ByteOrder, bytes: &[u8]) -> Box<dyn Iterator<Item = i64> + '_> {
    let wide = move |own: &[u8]| {
        let mut eight = [0; 8];
        eight.copy_from_slice(own);
        if order == ByteOrder::Big { i64::from_be_bytes(eight) } else { i64::from_le_bytes(eight) }
    };
    match kind {
        NumberType::Signed(8) | NumberType::Unsigned(8) => Box::new(bytes.chunks_exact(8).map(wide)),
        kind => Box::new(kind.numbers(order, bytes).map(|number| number as i64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(filter: Filter, meant: NumberType, stored: (NumberType, &[u8])) -> Vec<f64> {
        let step = NumberStep { filter, meant, stored: stored.0 };
        let made =
            step.decoded(Unpacked { bytes: stored.1.to_vec(), kind: stored.0, order: ByteOrder::Little });
        made.kind.numbers(made.order, &made.bytes).collect()
    }

    #[test]
    fn differences_are_added_and_wrap() {
        let byte = NumberType::Unsigned(1);
        assert_eq!(decoded(Filter::Delta, byte, (byte, &[250, 3, 5, 254])), [250.0, 253.0, 2.0, 0.0]);
        let signed = NumberType::Signed(1);
        assert_eq!(
            decoded(Filter::Delta, NumberType::Signed(2), (signed, &[100, 100, 0x80])),
            [100.0, 200.0, 72.0]
        );
        let single: Vec<u8> = [0.5f32, 0.25, -1.0].into_iter().flat_map(f32::to_le_bytes).collect();
        let float = NumberType::Float(4);
        assert_eq!(decoded(Filter::Delta, float, (float, &single)), [0.5, 0.75, -0.25]);
        // 2049 is no number of half precision, and the sign of a first zero stays.
        let half: Vec<u8> =
            [2048.0, 1.0, 1.0].map(f16::from_f32).into_iter().flat_map(f16::to_le_bytes).collect();
        let float = NumberType::Float(2);
        assert_eq!(decoded(Filter::Delta, float, (float, &half)), [2048.0, 2048.0, 2048.0]);
        let zero =
            decoded(Filter::Delta, NumberType::Float(8), (NumberType::Float(8), &(-0.0f64).to_le_bytes()));
        assert!(zero[0].is_sign_negative());
    }

    #[test]
    fn scales_are_divided_out() {
        let filter = Filter::FixedScaleOffset { scale: 10.0, offset: 1000.0 };
        let stored = (NumberType::Unsigned(1), &[0, 1, 17][..]);
        assert_eq!(decoded(filter.clone(), NumberType::Float(8), stored), [1000.0, 1000.1, 1001.7]);
        assert_eq!(decoded(filter, NumberType::Signed(4), stored), [1000.0, 1000.0, 1001.0]);
    }
}
