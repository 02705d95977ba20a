//! Planes of another size, by the mean over areas.

/// The places and weights of old pixels in each new one along an axis.
fn weights(from: usize, to: usize) -> Vec<Vec<(usize, f64)>> {
    let step = from as f64 / to as f64;
    let overlap = |at: usize, old: usize| {
        let (start, end) = (at as f64 * step, (at + 1) as f64 * step);
        (old, (end.min((old + 1) as f64) - start.max(old as f64)).max(0.0))
    };
    let touched =
        |at: usize| (at as f64 * step) as usize..(((at + 1) as f64 * step).ceil() as usize).min(from);
    (0..to).map(|at| touched(at).map(|old| overlap(at, old)).collect()).collect()
}

/// The weights of the coordinates of old pixels in the coordinate of each new one along an axis: the mean over the parts of old pixels that it
/// covers, each at the middle of the part. Between the middles of old pixels, and beyond the outermost, coordinates are linear, so that some
/// weights are negative.
pub(super) fn weights_of_coordinates(from: usize, to: usize) -> Vec<Vec<(usize, f64)>> {
    let step = from as f64 / to as f64;
    let of_part = |at: usize, old: usize, share: f64| {
        let start = (at as f64 * step).max(old as f64);
        let place = start + 0.5 * share - 0.5;
        let first = (place.max(0.0) as usize).min(from.saturating_sub(2));
        let beyond = if from > 1 { place - first as f64 } else { 0.0 };
        [(first, share * (1.0 - beyond)), ((first + 1).min(from - 1), share * beyond)]
    };
    let parts = weights(from, to).into_iter().enumerate();
    parts
        .map(|(at, parts)| parts.into_iter().flat_map(|(old, share)| of_part(at, old, share)).collect())
        .collect()
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

    #[test]
    fn coordinates_are_the_middles_of_new_pixels() {
        let at = |old: &[f64], to: usize| -> Vec<f64> {
            let weights = weights_of_coordinates(old.len(), to);
            let mean = |of_one: &Vec<(usize, f64)>| {
                let all: f64 = of_one.iter().map(|(_, weight)| weight).sum();
                of_one.iter().map(|&(place, weight)| weight * old[place]).sum::<f64>() / all
            };
            let near = |number: f64| (number * 1e6).round() / 1e6;
            weights.iter().map(mean).map(near).collect()
        };
        assert_eq!(at(&[0.0, 1000.0], 4), [-250.0, 250.0, 750.0, 1250.0]);
        let rows: Vec<f64> = (0..12).map(|row| 500.0 + 1000.0 * f64::from(row)).collect();
        let middles = (0..8).map(|row| 750.0 + 1500.0 * f64::from(row));
        assert_eq!(at(&rows, 8), middles.collect::<Vec<_>>());
        assert_eq!(at(&[3.0, 2.0, 1.0], 2), [2.75, 1.25]);
        assert_eq!(at(&[0.0, 1.0, 10.0, 11.0], 2), [0.5, 10.5]);
        assert_eq!(at(&[7.0], 3), [7.0, 7.0, 7.0]);
    }

    proptest! {
        #[test]
        fn coordinates_stay_in_order(
            steps in proptest::collection::vec(0.1f64..10.0, 1..9),
            to in 1usize..40,
        ) {
            let old: Vec<f64> = steps.iter().scan(0.0, |at, step| { *at += step; Some(*at) }).collect();
            let weights = weights_of_coordinates(old.len(), to);
            let new: Vec<f64> = weights
                .iter()
                .map(|parts| {
                    let all: f64 = parts.iter().map(|(_, weight)| weight).sum();
                    parts.iter().map(|&(at, weight)| weight * old[at]).sum::<f64>() / all
                })
                .collect();
            prop_assert!(old.len() == 1 || new.windows(2).all(|two| two[0] < two[1]), "{:?}", new);
        }

        #[test]
        fn the_mean_stays(values in proptest::collection::vec(0.0f32..1.0, 30), h in 1usize..8, w in 1usize..8) {
            let made = resized(&values, [5, 6], [h, w]);
            let mean = |v: &[f32]| v.iter().map(|&x| f64::from(x)).sum::<f64>() / v.len() as f64;
            prop_assert!((mean(&made) - mean(&values)).abs() < 1e-5);
        }
    }
}
