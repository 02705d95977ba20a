//! Planes of another size, by the mean over areas.

/// The places and weights of old pixels in each new one along an axis.
pub(super) fn weights(from: usize, to: usize) -> Vec<Vec<(usize, f64)>> {
    let step = from as f64 / to as f64;
    let overlap = |at: usize, old: usize| {
        let (start, end) = (at as f64 * step, (at + 1) as f64 * step);
        (old, (end.min((old + 1) as f64) - start.max(old as f64)).max(0.0))
    };
    let touched =
        |at: usize| (at as f64 * step) as usize..(((at + 1) as f64 * step).ceil() as usize).min(from);
    (0..to).map(|at| touched(at).map(|old| overlap(at, old)).collect()).collect()
}

/// A plane `from` (height, width) with the size `to`: each new pixel is the mean of the area it covers, of what was
/// measured there; NaN where that is less than half of it.
pub(in crate::dataset) fn resized(plane: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    let (rows, columns) = (weights(from[0], to[0]), weights(from[1], to[1]));
    let mut made = Vec::with_capacity(to[0] * to[1]);
    for rows in &rows {
        for columns in &columns {
            let (mut sum, mut measured, mut area) = (0.0, 0.0, 0.0);
            for &(row, weight) in rows {
                for &(column, share) in columns {
                    let value = f64::from(plane[row * from[1] + column]);
                    area += weight * share;
                    if !value.is_nan() {
                        sum += weight * share * value;
                        measured += weight * share;
                    }
                }
            }
            made.push(if 2.0 * measured >= area && measured > 0.0 {
                (sum / measured) as f32
            } else {
                f32::NAN
            });
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn areas_are_averaged() {
        let plane = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(resized(&plane, [2, 3], [1, 1]), [2.5]);
        // Three columns on two: one and a half each.
        let made = resized(&plane, [2, 3], [2, 2]);
        let expected = [1.0 / 3.0, 5.0 / 3.0, 10.0 / 3.0, 14.0 / 3.0];
        assert!(made.iter().zip(expected).all(|(a, b): (_, f32)| (a - b).abs() < 1e-6), "{made:?}");
        let nan = f32::NAN;
        assert!(resized(&[1.0, nan, nan, nan], [2, 2], [1, 1])[0].is_nan());
        assert_eq!(resized(&[1.0, nan, 3.0, nan], [2, 2], [1, 1]), [2.0]);
    }

    proptest! {
        #[test]
        fn the_mean_stays(values in proptest::collection::vec(0.0f32..1.0, 30), h in 1usize..8, w in 1usize..8) {
            let made = resized(&values, [5, 6], [h, w]);
            let mean = |v: &[f32]| v.iter().map(|&x| f64::from(x)).sum::<f64>() / v.len() as f64;
            prop_assert!((mean(&made) - mean(&values)).abs() < 1e-5);
        }
    }
}
