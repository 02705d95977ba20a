//! Numbers that stand apart from all others: marks of pixels that were not measured, such as -9999, and those that may be measured.

use super::tally::{Seen, Tally};
use crate::dataset::NumberType;

/// Different numbers that must be left beside a mark which nothing but its distance tells.
const MOST_ALIKE: usize = 6;
/// Numbers from here on are none that is measured where all others are much smaller.
const LARGE: f64 = 1e15;

/// What is measured, once the marks are left out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    /// Numbers that nobody measures, and that people choose for marks, as short as 32 bits tell them.
    pub(super) marks: Vec<Seen>,
    /// Other numbers that stand apart, such as a floor of dBZ or the number of a saturated pixel: they may be measured, or marks.
    pub(super) apart: Vec<Seen>,
    /// The lowest and the highest number but the marks; `None` where there is none.
    pub(super) range: Option<[f64; 2]>,
}

impl Measured {
    /// Of pictures nothing is a mark.
    pub(super) fn of_pictures(tally: &Tally) -> Self {
        let ends = tally.lows.first().zip(tally.highs.first());
        let range = ends.map(|(low, high)| [low.number, high.number]);
        Self { marks: Vec::new(), apart: Vec::new(), range }
    }

    /// Tells marks from measured numbers: numbers at the ends that stand apart from the others.
    pub(super) fn of(tally: &Tally, kind: NumberType) -> Self {
        let (mut lows, mut highs) = (&tally.lows[..], &tally.highs[..]);
        let (mut marks, mut others) = (Vec::new(), Vec::new());
        // Where few different numbers were seen the two lists overlap: they end where they meet.
        while let (Some(low), Some(high)) = (lows.first(), highs.first()) {
            if low.number >= high.number {
                break;
            }
            let is_few = lows.len() + highs.len() < MOST_ALIKE + 2;
            let share = |seen: &Seen| seen.count as f64 / tally.finite().max(1) as f64;
            let mark = |own: &Seen, others: &[Seen], end: f64| {
                // Several marks may lie side by side.
                let is_other = |seen: &&Seen| !is_known(own.number) || !is_known(seen.number);
                let next = others.iter().find(is_other).map_or(end, |next| next.number);
                let apart = Apart {
                    number: own.number,
                    next,
                    gap: (next - own.number).abs(),
                    span: (end - next).abs(),
                    share: share(own),
                    is_few,
                };
                apart.looks_marked(kind)
            };
            // The farther end first: beside 1e36 nothing else stands apart.
            let order = if low.number.abs() > high.number.abs() { [true, false] } else { [false, true] };
            let found = order.into_iter().find(|&is_low| match is_low {
                true => mark(low, &lows[1..], high.number),
                false => mark(high, &highs[1..], low.number),
            });
            let Some(is_low) = found else { break };
            let own = if is_low { *low } else { *high };
            let next = if is_low { lows[1..].first() } else { highs[1..].first() };
            let next = next.map_or(if is_low { high.number } else { low.number }, |next| next.number);
            if is_mark(own.number, next) {
                marks.push(own)
            } else {
                others.push(own)
            }
            if is_low { lows = &lows[1..] } else { highs = &highs[1..] }
        }
        let ends = lows.first().zip(highs.first()).map(|(low, high)| [low.number, high.number]);
        let range = match ends {
            // Nothing but a mark is there.
            Some([low, high]) if low == high && low < 0.0 && is_mark(low, low) && others.is_empty() => {
                marks.push(lows[0]);
                None
            }
            Some([low, high]) if low > high && others.is_empty() => None,
            Some([low, high]) => {
                let all = others
                    .iter()
                    .map(|own| own.number)
                    .chain([low, high].into_iter().filter(|_| low <= high));
                Some(all.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], own| {
                    [low.min(own), high.max(own)]
                }))
            }
            None => None,
        };
        Self { marks, apart: others, range }
    }
}

/// A number that was read in 32 bits, as short as it can be written.
pub(super) fn shortest(number: f64) -> f64 {
    format!("{}", number as f32).parse().unwrap_or(number)
}

/// The highest and the lowest numbers of whole numbers of 2 and 4 bytes.
const HIGHEST: [f64; 4] = [32767.0, 65535.0, 2_147_483_647.0, 4_294_967_295.0];
const LOWEST: [f64; 4] = [-32768.0, -32767.0, -2_147_483_648.0, -2_147_483_647.0];

/// A number at an end, and the others.
struct Apart {
    number: f64,
    /// The nearest other number.
    next: f64,
    gap: f64,
    /// From there to the other end.
    span: f64,
    /// Of all numbers.
    share: f64,
    /// Whether few different numbers were seen.
    is_few: bool,
}

impl Apart {
    fn looks_marked(&self, kind: NumberType) -> bool {
        let Self { number, next, gap, span, share, is_few } = *self;
        let is_alone_below_zero = number < 0.0 && number.fract() == 0.0 && next >= 0.0 && gap >= 1.0;
        let is_end_of_type = match kind {
            NumberType::Unsigned(bytes) => number == 2f64.powi(8 * i32::from(bytes)) - 1.0,
            NumberType::Signed(bytes) => {
                let half = 2f64.powi(8 * i32::from(bytes) - 1);
                number == -half || number == half - 1.0
            }
            _ => false,
        };
        match () {
            () if number.abs() >= LARGE && next.abs() < 1e-3 * number.abs() => true,
            () if is_known(number) && (gap > 0.5 * span || is_alone_below_zero) => true,
            () if is_alone_below_zero && kind != NumberType::Bool => true,
            () if is_end_of_type && !is_few && gap >= 0.2 * span && share >= 1e-3 => true,
            () => !is_few && span > 0.0 && gap > 5.0 * span && share >= 5e-4,
        }
    }
}

/// Whether a number that stands apart is a mark, beside the nearest other number: one that people choose where nothing was measured (-99, -999.9,
/// -8888, -1000, 9999; the lowest number of a type; 1e20; -1 below numbers of 0 or more). The highest number of a type may be a saturated
/// pixel.
fn is_mark(number: f64, next: f64) -> bool {
    let is_minus_one = number == -1.0 && next >= 0.0;
    let is_highest = HIGHEST.iter().any(|end| (number - end).abs() <= 1e-7 * end);
    number.abs() >= LARGE || is_minus_one || is_known(number) && !is_highest
}

/// Whether a number is one of those that people choose for marks, or an end of a type.
fn is_known(number: f64) -> bool {
    let text = format!("{}", number.abs() as f32);
    let digits: Vec<char> = text.chars().filter(|c| *c != '.').collect();
    // 99 or 888 may be measured, and so may -9.9, -88 or -100.
    let is_long = digits.len() > 3 || number <= -99.0 && digits[0] == '9';
    let is_repeated = is_long && matches!(digits[0], '7'..='9') && digits.iter().all(|c| *c == digits[0]);
    let is_power = number <= -1000.0 && digits[0] == '1' && digits[1..].iter().all(|c| *c == '0');
    let mut ends = HIGHEST.iter().chain(&LOWEST);
    is_repeated || is_power || ends.any(|end| (number - end).abs() <= 1e-7 * end.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(numbers: &[f32], kind: NumberType) -> (Vec<f64>, Option<[f64; 2]>) {
        let (marks, _, range) = all(numbers, kind);
        (marks, range)
    }

    /// The marks, other numbers that stand apart, and the range.
    fn all(numbers: &[f32], kind: NumberType) -> (Vec<f64>, Vec<f64>, Option<[f64; 2]>) {
        let mut tally = Tally::default();
        tally.add(numbers);
        let Measured { marks, apart, range } = Measured::of(&tally, kind);
        let sorted = |seen: Vec<Seen>| {
            let mut numbers: Vec<f64> = seen.into_iter().map(|own| own.number).collect();
            numbers.sort_by(f64::total_cmp);
            numbers
        };
        (sorted(marks), sorted(apart), range)
    }

    /// Numbers of 0 to 80 in steps, and others.
    fn with(others: &[f32]) -> Vec<f32> {
        (0..800).map(|at| at as f32 / 10.0).chain(others.iter().copied()).collect()
    }

    #[test]
    fn marks_are_told_from_what_is_measured() {
        let float = NumberType::Float(4);
        for (others, marks) in [
            (&[][..], &[][..]),
            (&[-9999.0], &[-9999.0]),
            (&[-9999.0, -8888.0], &[-9999.0, -8888.0]),
            (&[-9999.0, 9999.0], &[-9999.0, 9999.0]),
            (&[-999.9], &[f64::from(-999.9_f32)]),
            (&[-99.0, 9.969_21e36], &[-99.0, 9.969_21e36_f32 as f64]),
            (&[-1.0, -1.0], &[-1.0]),
            (&[-32768.0], &[-32768.0]),
            (&[1e20, 1e20], &[1e20_f32 as f64]),
            (&[-1000.0], &[-1000.0]),
            // A large number that was measured once, and negative ones that are no marks.
            (&[120.0], &[]),
            (&[-0.5, -1.25, -2.0], &[]),
            (&[99.0], &[]),
        ] {
            let (found, range) = measured(&with(others), float);
            assert_eq!(found, marks, "{others:?}");
            let inside = others.iter().map(|&own| f64::from(own)).filter(|own| !marks.contains(own));
            let expected =
                inside.fold([0.0, f64::from(79.9_f32)], |[low, high], own| [own.min(low), own.max(high)]);
            assert_eq!(range, Some(expected), "{others:?}");
        }
    }

    #[test]
    fn numbers_that_may_be_measured_stay_in_the_range() {
        let float = NumberType::Float(4);
        let dry = with(&[-32.0; 300]);
        assert_eq!(all(&dry, float), (vec![], vec![-32.0], Some([-32.0, f64::from(79.9_f32)])));
        assert_eq!(all(&with(&[3000.0; 3]), float), (vec![], vec![3000.0], Some([0.0, 3000.0])));
        let saturated: Vec<f32> = (0..900).map(|at| at as f32).chain([65535.0; 90]).collect();
        assert_eq!(all(&saturated, NumberType::Unsigned(2)), (vec![], vec![65535.0], Some([0.0, 65535.0])));
        // Beside a mark, too.
        let both = with(&[&[-32.0; 300][..], &[-9999.0; 9]].concat());
        assert_eq!(all(&both, float), (vec![-9999.0], vec![-32.0], Some([-32.0, f64::from(79.9_f32)])));
        assert_eq!(all(&with(&[9999.0; 9]), float).0, [9999.0]);
        let low: Vec<f32> = (0..40).map(|at| at as f32 / 100.0).collect();
        for other in [888.0, -88.0, -100.0, -9.9] {
            let (marks, _, range) = all(&[&low[..], &[other; 9]].concat(), float);
            assert!(marks.is_empty() && range.unwrap().contains(&f64::from(other)), "{other}: {marks:?}");
        }
    }

    #[test]
    fn ends_of_types_are_told_where_they_stand_apart() {
        let byte = NumberType::Unsigned(1);
        let levels: Vec<f32> = (0..150).map(|at| at as f32).chain([255.0; 9]).collect();
        assert_eq!(all(&levels, byte), (vec![], vec![255.0], Some([0.0, 255.0])));
        let all: Vec<f32> = (0..256).map(|at| at as f32).collect();
        assert_eq!(measured(&all, byte), (vec![], Some([0.0, 255.0])));
        // Pictures of black and white.
        assert_eq!(measured(&[0.0, 255.0, 255.0], byte), (vec![], Some([0.0, 255.0])));
        let temperatures: Vec<f32> = (0..500).map(|at| -300.0 + at as f32).chain([-32768.0; 5]).collect();
        assert_eq!(measured(&temperatures, NumberType::Signed(2)), (vec![-32768.0], Some([-300.0, 199.0])));
    }

    #[test]
    fn numbers_of_one_kind_are_no_marks_unless_people_choose_them() {
        let float = NumberType::Float(4);
        assert_eq!(measured(&[3.0; 5], float), (vec![], Some([3.0, 3.0])));
        assert_eq!(measured(&[-9999.0; 5], float), (vec![-9999.0], None));
        assert_eq!(measured(&[0.0, 0.0, -9999.0], float), (vec![-9999.0], Some([0.0, 0.0])));
        assert_eq!(measured(&[f32::NAN], float), (vec![], None));
        assert_eq!(measured(&[0.0, 1.0, 0.0], NumberType::Bool), (vec![], Some([0.0, 1.0])));
    }
}
