//! The range of numbers that is proposed for `data.frames.range`.

use crate::dataset::NumberType;

/// The numbers of the values 0 and 1 for numbers from `low` to `high`; with some room where not all numbers were looked at.
pub(super) fn proposed([low, high]: [f64; 2], kind: NumberType, is_scaled: bool, is_whole: bool) -> [f64; 2] {
    let room = if is_whole { 0.0 } else { 0.1 * (high - low) };
    let limits = limits(kind, is_scaled);
    // Numbers without a sign stay so.
    let lowest = if low >= 0.0 { 0.0 } else { low.min(limits[0]) };
    let (low, high) = ((low - room).max(lowest), (high + room).min(high.max(limits[1])));
    // Bytes of pictures use most of their range.
    if kind == NumberType::Unsigned(1) && !is_scaled && high > 127.0 {
        return [0.0, 255.0];
    }
    if low >= 0.0 && high <= 1.0 && high > 0.25 {
        return [0.0, 1.0];
    }
    // What is near to 0 begins there.
    let low = if low >= 0.0 && low <= 0.5 * high { 0.0 } else { low };
    if low == high {
        return match low {
            0.0 => [0.0, 1.0],
            number if number > 0.0 => [0.0, rounded(number, number, f64::ceil)],
            number => [rounded(number, -number, f64::floor), 0.0],
        };
    }
    let span = high - low;
    [rounded(low, span, f64::floor), rounded(high, span, f64::ceil)]
}

/// The numbers that a type has.
fn limits(kind: NumberType, is_scaled: bool) -> [f64; 2] {
    match kind {
        _ if is_scaled => [f64::NEG_INFINITY, f64::INFINITY],
        NumberType::Bool => [0.0, 1.0],
        NumberType::Unsigned(bytes) => [0.0, 2f64.powi(8 * i32::from(bytes)) - 1.0],
        NumberType::Signed(bytes) => {
            let half = 2f64.powi(8 * i32::from(bytes) - 1);
            [-half, half - 1.0]
        }
        NumberType::Float(_) => [f64::NEG_INFINITY, f64::INFINITY],
    }
}

/// A number brought to two digits of a span.
fn rounded(number: f64, span: f64, direction: fn(f64) -> f64) -> f64 {
    let exponent = span.log10().floor() as i32 - 1;
    if !(-300..=300).contains(&exponent) {
        return number;
    }
    // A number such as 0.3 is the nearest to its text, not to 3 times 0.1.
    let unit = 10f64.powi(exponent);
    let places = usize::try_from(-exponent).unwrap_or(0);
    // What rounding made of a whole number of units is that number.
    let count = number / unit;
    let count = if (count - count.round()).abs() < 5e-6 { count.round() } else { direction(count) };
    format!("{:.places$}", count * unit).parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_round_and_hold_every_number() {
        let float = NumberType::Float(4);
        for (found, kind, is_whole, expected) in [
            ([0.0, 87.43], float, true, [0.0, 88.0]),
            ([0.12, 0.9], float, true, [0.0, 1.0]),
            ([-31.5, 58.0], float, true, [-32.0, 58.0]),
            ([254.13, 311.7], float, true, [254.0, 312.0]),
            ([1.0, 1000.0], NumberType::Unsigned(2), true, [0.0, 1000.0]),
            ([0.0, 60000.0], NumberType::Unsigned(2), false, [0.0, 65000.0 + 535.0]),
            ([0.0, 200.0], NumberType::Unsigned(1), true, [0.0, 255.0]),
            ([0.0, 40.0], NumberType::Unsigned(1), true, [0.0, 40.0]),
            ([0.0, 0.003], float, true, [0.0, 0.003]),
            ([0.0, 80.0], float, false, [0.0, 88.0]),
            ([-20.0, 60.0], float, false, [-28.0, 68.0]),
            ([5.0, 5.0], float, true, [0.0, 5.0]),
            ([-5.0, -5.0], float, true, [-5.0, 0.0]),
            ([0.0, 0.0], float, true, [0.0, 1.0]),
        ] {
            let range = proposed(found, kind, false, is_whole);
            let near = |a: f64, b: f64| (a - b).abs() <= 0.02 * (expected[1] - expected[0]);
            assert!(near(range[0], expected[0]) && near(range[1], expected[1]), "{found:?}: {range:?}");
            assert!(!is_whole || range == expected, "{found:?}: {range:?}");
        }
    }

    proptest! {
        #[test]
        fn every_number_lies_within(a in -1e6f32..1e6, b in -1e6f32..1e6, is_whole in any::<bool>()) {
            let [low, high] = [a.min(b), a.max(b)].map(f64::from);
            let range = proposed([low, high], NumberType::Float(4), false, is_whole);
            let slack = 1e-6 * (range[1] - range[0]);
            prop_assert!(range[0] < range[1] && range[0] <= low + slack && range[1] >= high - slack, "{range:?}");
            prop_assert_eq!(format!("{:?}", range[0]).parse::<f64>().unwrap(), range[0]);
        }
    }
}
