//! One radar image as rain rates, made coarser and encoded.

use crate::dataset::windows::{decode, encode};
use crate::dataset::{RainScale, Transform};

/// Rain rates in mm/h, row by row, NaN where nothing was measured.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::dataset) struct Field {
    pub(in crate::dataset) height: usize,
    pub(in crate::dataset) width: usize,
    pub(in crate::dataset) rates: Vec<f32>,
}

impl Field {
    /// A field of the mean rates of squares of `side` pixels, of those that were measured; NaN
    /// where fewer than half of them were. Squares at the lower and right edge may be cut.
    pub(in crate::dataset) fn coarser(self, side: usize) -> Self {
        if side == 1 {
            return self;
        }
        let (height, width) = (self.height.div_ceil(side), self.width.div_ceil(side));
        let mut rates = Vec::with_capacity(height * width);
        for top in (0..self.height).step_by(side) {
            let rows = top..self.height.min(top + side);
            for left in (0..self.width).step_by(side) {
                let columns = left..self.width.min(left + side);
                let (mut sum, mut count) = (0.0f64, 0usize);
                for row in rows.clone() {
                    for &rate in &self.rates[row * self.width..][columns.clone()] {
                        if !rate.is_nan() {
                            sum += f64::from(rate);
                            count += 1;
                        }
                    }
                }
                let enough = 2 * count >= rows.len() * columns.len();
                rates.push(if enough { (sum / count as f64) as f32 } else { f32::NAN });
            }
        }
        Self { height, width, rates }
    }
}

/// How rain rates are kept.
pub(in crate::dataset) struct Encoder {
    transform: Transform,
    no_rain_below: f64,
}

impl Encoder {
    /// The encoder of a scale.
    pub(in crate::dataset) fn new(scale: &RainScale) -> Self {
        Self { transform: scale.quantity(None).transform, no_rain_below: scale.least_rain() }
    }

    /// Values 0 to 1 of a field's rates, as fine as they are kept; NaN where nothing was measured.
    pub(in crate::dataset) fn values(&self, field: &Field) -> Vec<f32> {
        self.codes(field).map(decode).collect()
    }

    /// Codes of a field's rates.
    fn codes(&self, field: &Field) -> impl Iterator<Item = u16> {
        let code = |&rate: &f32| {
            let rate = f64::from(rate);
            if rate.is_nan() {
                encode(f64::NAN)
            } else if rate < self.no_rain_below || rate <= 0.0 {
                encode(0.0)
            } else {
                encode(self.transform.from_units(rate))
            }
        };
        field.rates.iter().map(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::ScaleKind;
    use proptest::prelude::*;

    fn field(height: usize, width: usize, rates: &[f32]) -> Field {
        Field { height, width, rates: rates.to_vec() }
    }

    #[test]
    fn missing_pixels_are_no_part_of_the_mean() {
        let nan = f32::NAN;
        #[rustfmt::skip]
        let fine = field(3, 5, &[
            1.0, 3.0, nan, nan, 5.0,
            nan, 2.0, nan, 8.0, nan,
            4.0, 6.0, nan, 2.0, 7.0,
        ]);
        let coarse = fine.coarser(2);
        assert_eq!((coarse.height, coarse.width), (2, 3));
        // Of the second square one pixel of four was measured; of those at the edges half.
        let expected = [2.0, nan, 5.0, 5.0, 2.0, 7.0];
        assert!(coarse.rates.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits()), "{coarse:?}");
    }

    #[test]
    fn rates_become_values_on_every_scale() {
        for scale in [ScaleKind::Dbz, ScaleKind::LogRate, ScaleKind::Rate] {
            let config = RainScale { scale, ..RainScale::default() };
            let rates = [0.0, 0.09, 0.11, 10.0, 1e6, f32::NAN];
            let codes: Vec<u16> = Encoder::new(&config).codes(&field(1, 6, &rates)).collect();
            assert_eq!((codes[0], codes[1], codes[4], codes[5]), (0, 0, u16::MAX - 1, u16::MAX));
            assert!(codes[2] > 0 && codes[3] > codes[2], "{codes:?}");
            let value = f64::from(codes[3]) / 65534.0;
            let back = config.quantity(None).transform.to_units(value);
            assert!((back - 10.0).abs() < 0.01, "{scale:?}: {back}");
        }
    }

    proptest! {
        #[test]
        fn the_mean_of_squares_keeps_the_mean(
            rates in proptest::collection::vec(0.0f32..50.0, 48), side in prop::sample::select(vec![1usize, 2]),
        ) {
            let mean = |rates: &[f32]| rates.iter().map(|&r| f64::from(r)).sum::<f64>() / rates.len() as f64;
            let coarse = field(6, 8, &rates).coarser(side);
            prop_assert!((mean(&coarse.rates) - mean(&rates)).abs() < 1e-4);
        }
    }
}
