//! Axes: from values to positions, and where to put the ticks.

use super::number;

/// Where a chart places values, from 0 (left or bottom) to 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Value and label of each tick.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// A linear axis over the values, ending at ticks; about `count` of them.
    pub(super) fn linear(low: f64, high: f64, count: usize) -> Self {
        let (low, high) = widened(low, high);
        let step = nice_step((high - low) / count as f64);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let ticks = (0..=(last - first) as usize)
            .map(|i| (first + i as f64) * step)
            .map(|value| (value, number::tick(value, step)))
            .collect();
        Self { low: first * step, high: last * step, logarithmic: false, ticks }
    }

    /// A linear axis from the first to the last value exactly, with whole
    /// numbers as ticks.
    pub(super) fn whole(low: f64, high: f64, count: usize) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low - 0.5, high + 0.5) };
        let step = nice_step((high - low) / count as f64).max(1.0);
        let (first, last) = ((low / step).ceil(), (high / step).floor());
        let ticks = (0..=(last - first).max(0.0) as usize)
            .map(|i| (first + i as f64) * step)
            .filter(|value| (low..=high).contains(value))
            .map(|value| (value, number::tick(value, step)))
            .collect();
        Self { low, high, logarithmic: false, ticks }
    }

    /// A logarithmic axis over positive values, with ticks at 1, 2 and 5 times
    /// the powers of ten while these are few.
    pub(super) fn logarithmic(low: f64, high: f64) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low / 2.0, high * 2.0) };
        let (from, to) = (low.log10(), high.log10());
        let margin = 0.04 * (to - from);
        let (low, high) = (10f64.powf((from - margin).max(-307.0)), 10f64.powf((to + margin).min(308.0)));
        let decades = high.log10() - low.log10();
        let leading: &[f64] = if decades < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let every = (decades / 8.0).ceil().max(1.0) as i32;
        let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let ticks = (first..=last)
            .filter(|power| power.rem_euclid(every) == 0)
            .flat_map(|power| leading.iter().map(move |leading| (leading * 10f64.powi(power), power)))
            .filter(|(value, _)| (low..=high).contains(value))
            .map(|(value, power)| (value, number::tick(value, 10f64.powi(power))))
            .collect();
        Self { low, high, logarithmic: true, ticks }
    }

    /// Logarithmic if the values are positive and span a factor above eight,
    /// otherwise linear.
    pub(super) fn fitting(low: f64, high: f64, count: usize) -> Self {
        if low > 0.0 && high / low > 8.0 {
            Self::logarithmic(low, high)
        } else {
            Self::linear(low, high, count)
        }
    }

    /// The place of a value, 0 at the low end and 1 at the high end; values
    /// outside are placed at the ends.
    pub(super) fn place(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }
}

/// A range that is not empty.
fn widened(low: f64, high: f64) -> (f64, f64) {
    let gap = (high - low).max(0.0);
    // Below this the ticks of the range could not be told apart as numbers.
    let needed = 1e-9 * low.abs().max(high.abs());
    if gap > needed {
        (low, high)
    } else if low == 0.0 {
        (0.0, 1.0)
    } else {
        (low - 0.1 * low.abs(), high + 0.1 * high.abs())
    }
}

/// The nearest of 1, 2, 5 times a power of ten that is not below `step`.
fn nice_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let leading = [1.0, 2.0, 5.0].into_iter().find(|leading| leading * power >= step * (1.0 - 1e-9));
    leading.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_cover_the_values() {
        assert_eq!(labels(&Axis::linear(0.0, 87.0, 5)), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(labels(&Axis::linear(0.013, 0.042, 4)), ["0.01", "0.02", "0.03", "0.04", "0.05"]);
    }

    #[test]
    fn whole_ticks_stay_inside() {
        assert_eq!(labels(&Axis::whole(1.0, 10.0, 10)), ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
        assert_eq!(labels(&Axis::whole(1.0, 612.0, 6)), ["200", "400", "600"]);
        assert_eq!(labels(&Axis::whole(1.0, 1.0, 6)), ["1"]);
    }

    #[test]
    fn logarithmic_ticks_thin_out_over_many_decades() {
        assert_eq!(
            labels(&Axis::logarithmic(0.011, 0.9)),
            ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]
        );
        assert!(labels(&Axis::logarithmic(1e-300, 1e300)).len() < 10);
    }

    #[test]
    fn every_range_places_its_ends() {
        for (low, high) in
            [(0.0, 0.0), (1.0, 1.0), (-3.0, -3.0), (1e-12, 1e12), (-1e300, 1e300), (1e16, 1e16 + 2.0)]
        {
            let axis = Axis::fitting(low, high, 5);
            assert!((0.0..=1.0).contains(&axis.place(low)), "{low} {high}");
            assert!(axis.place(low) <= axis.place(high), "{low} {high}");
            assert!((1..40).contains(&axis.ticks.len()), "{low} {high} {}", axis.ticks.len());
        }
    }
}
