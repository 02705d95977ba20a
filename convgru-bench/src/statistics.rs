//! Medians, and how sure they are.

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

/// The ratios `values / base` of each round: a machine that slows down in a round slows down both.
pub(crate) fn ratios(values: &[f64], base: &[f64]) -> Vec<f64> {
    values.iter().zip(base).map(|(value, base)| value / base).collect()
}

/// Two of the values between which the true median lies with a probability of at least 95 %, whatever the distribution of
/// the values. `None` of fewer than six values.
///
/// A value is above the true median as often as below. So the true median is below the `k`-th smallest of `n` values
/// where fewer than `k` values are below it, which has the probability `sum(C(n, i), i < k) / 2^n`.
pub(crate) fn median_interval(values: &[f64]) -> Option<[f64; 2]> {
    const OUTSIDE: f64 = 0.05 / 2.0;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len();
    let mut term = 0.5f64.powi(i32::try_from(count).ok()?);
    let (mut below, mut chosen) = (0.0, None);
    for index in 0..count / 2 {
        below += term;
        if below > OUTSIDE {
            break;
        }
        chosen = Some([sorted[index], sorted[count - 1 - index]]);
        term *= (count - index) as f64 / (index + 1) as f64;
    }
    chosen
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
        assert_eq!(median(&ratios(&others, &ours)), Some(2.0));
        assert!(ratios(&[], &[]).is_empty());
    }

    #[test]
    fn intervals_are_those_of_the_tables_of_order_statistics() {
        let interval = |count: u32| median_interval(&(1..=count).rev().map(f64::from).collect::<Vec<_>>());
        assert_eq!(interval(5), None);
        // Conover, Practical Nonparametric Statistics: ranks of the interval of 95 % for the median.
        for (count, ranks) in
            [(6, [1.0, 6.0]), (9, [2.0, 8.0]), (12, [3.0, 10.0]), (15, [4.0, 12.0]), (20, [6.0, 15.0])]
        {
            assert_eq!(interval(count), Some(ranks), "{count} values");
        }
    }

    /// Of intervals of 12 drawn values at least 95 % must hold the true median.
    #[test]
    fn an_interval_holds_the_true_median_as_often_as_it_says() {
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let draws = 4000;
        // The square of a uniform number: skewed, with the median 0.25.
        let held = (0..draws).filter(|_| {
            let values: Vec<f64> = (0..12).map(|_| uniform().powi(2)).collect();
            median_interval(&values).is_some_and(|[low, high]| low <= 0.25 && 0.25 <= high)
        });
        let share = held.count() as f64 / f64::from(draws);
        assert!((0.95..0.975).contains(&share), "{share}");
    }
}
