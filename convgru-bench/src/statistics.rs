//! Medians.

/// The median; of an even number the mean of the middle two. `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        len if len % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// The median over rounds of `values / base`: what drifts from round to round meets both.
pub(crate) fn median_ratio(values: &[f64], base: &[f64]) -> Option<f64> {
    let ratios: Vec<f64> = values.iter().zip(base).map(|(value, base)| value / base).collect();
    median(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // A machine that slows down threefold in the second round.
        let (others, ours) = ([2.0, 6.0, 2.2], [1.0, 3.0, 1.0]);
        assert_eq!(median_ratio(&others, &ours), Some(2.0));
        assert_eq!(median_ratio(&[], &[]), None);
    }
}
