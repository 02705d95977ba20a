//! Numbers that were looked at, one after the other: how many, their extremes, their sum.

/// Different numbers at each end that are kept.
const KEPT: usize = 8;
/// Sums are kept apart by size, so that a mark such as 1e36 does not drown measured numbers.
const LARGE: [f64; 2] = [1e9, 1e18];

/// A number, and how often it was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) number: f64,
    pub(super) count: u64,
}

/// What is known of some numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// All, the missing and the infinite among them.
    pub(super) count: u64,
    pub(super) missing: u64,
    pub(super) infinite: u64,
    sums: [f64; 3],
    counts: [u64; 3],
    /// The lowest different numbers, the lowest first; the highest ones, the highest first.
    pub(super) lows: Vec<Seen>,
    pub(super) highs: Vec<Seen>,
}

impl Tally {
    /// Counts numbers; NaN is a missing one.
    pub(super) fn add(&mut self, numbers: &[f32]) {
        self.count += numbers.len() as u64;
        for number in numbers.iter().map(|&number| f64::from(number)) {
            if number.is_nan() {
                self.missing += 1;
            } else if number.is_infinite() {
                self.infinite += 1;
            } else {
                let class = class(number);
                self.sums[class] += number;
                self.counts[class] += 1;
                note(&mut self.lows, number, |own, other| own < other);
                note(&mut self.highs, number, |own, other| own > other);
            }
        }
    }

    /// Numbers that are neither missing nor infinite.
    pub(super) fn finite(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The number at one end that is farther from its neighbour than all others are from each other, if there are enough of these.
    pub(super) fn apart(&self) -> Option<f64> {
        let ([low, next, ..], [high, before, ..]) = (&self.lows[..], &self.highs[..]) else { return None };
        let is_many = self.lows.len() == KEPT;
        let is_low = next.number - low.number > high.number - next.number;
        let is_high = high.number - before.number > before.number - low.number;
        match (is_low, is_high) {
            _ if !is_many => None,
            (true, _) => Some(low.number),
            (_, true) => Some(high.number),
            _ => None,
        }
    }

    /// The mean of the finite numbers but some; `None` where none are left.
    pub(super) fn mean_without(&self, marks: &[Seen]) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0);
        for at in 0..self.sums.len() {
            let of_class = || marks.iter().filter(|mark| class(mark.number) == at);
            let left = self.counts[at].saturating_sub(of_class().map(|mark| mark.count).sum());
            if left > 0 {
                sum += self.sums[at] - of_class().map(|mark| mark.number * mark.count as f64).sum::<f64>();
                count += left;
            }
        }
        (count > 0).then(|| sum / count as f64)
    }
}

fn class(number: f64) -> usize {
    LARGE.iter().take_while(|&&limit| number.abs() >= limit).count()
}

/// Counts a number among the extremes if it is one.
fn note(extremes: &mut Vec<Seen>, number: f64, is_before: impl Fn(f64, f64) -> bool) {
    if extremes.len() == KEPT && is_before(extremes[KEPT - 1].number, number) {
        return;
    }
    match extremes.iter().position(|seen| !is_before(seen.number, number)) {
        Some(at) if extremes[at].number == number => extremes[at].count += 1,
        at => {
            extremes.insert(at.unwrap_or(extremes.len()), Seen { number, count: 1 });
            extremes.truncate(KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn extremes_have_their_counts(numbers in proptest::collection::vec(-20i8..20, 1..300)) {
            let mut tally = Tally::default();
            tally.add(&numbers.iter().map(|&number| f32::from(number)).collect::<Vec<_>>());
            let mut different = numbers.clone();
            different.sort_unstable();
            different.dedup();
            let seen = |number: i8| Seen {
                number: f64::from(number),
                count: numbers.iter().filter(|own| **own == number).count() as u64,
            };
            let lows: Vec<Seen> = different.iter().take(KEPT).map(|&number| seen(number)).collect();
            let highs: Vec<Seen> = different.iter().rev().take(KEPT).map(|&number| seen(number)).collect();
            prop_assert_eq!(&tally.lows, &lows);
            prop_assert_eq!(&tally.highs, &highs);
            let rest: Vec<f64> = numbers.iter().map(|&n| f64::from(n)).filter(|&n| n != lows[0].number).collect();
            let mean = (!rest.is_empty()).then(|| rest.iter().sum::<f64>() / rest.len() as f64);
            prop_assert!(tally.mean_without(&lows[..1]).zip(mean).is_none_or(|(a, b)| (a - b).abs() < 1e-9));
            prop_assert_eq!(tally.mean_without(&lows[..1]).is_some(), mean.is_some());
        }
    }

    #[test]
    fn a_number_far_from_all_others_is_told() {
        let apart = |numbers: &[f32]| {
            let mut tally = Tally::default();
            tally.add(numbers);
            tally.apart()
        };
        let kelvin: Vec<f32> = (0..90).map(|at| 220.0 + at as f32).collect();
        assert_eq!(apart(&kelvin), None);
        assert_eq!(apart(&[&kelvin[..], &[0.0, 0.0]].concat()), Some(0.0));
        assert_eq!(apart(&[&kelvin[..], &[450.0]].concat()), Some(450.0));
        assert_eq!(apart(&[0.0, 200.0, 201.0]), None);
    }

    #[test]
    fn large_marks_leave_the_mean_exact() {
        let mut tally = Tally::default();
        for _ in 0..1000 {
            tally.add(&[1.0, 2.0, 9.969_21e36, f32::NAN, f32::INFINITY]);
        }
        assert_eq!((tally.count, tally.missing, tally.infinite, tally.finite()), (5000, 1000, 1000, 3000));
        let mark = tally.highs[0];
        assert_eq!((mark.count, tally.mean_without(&[mark])), (1000, Some(1.5)));
    }
}
