//! Times of frames, to the minute.

use time::{Date, Month, PrimitiveDateTime, Time};

/// A time in UTC to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timestamp {
    /// Minutes since 1970.
    minutes: i64,
}

impl Timestamp {
    /// The first time in a text such as a file's name: `201609281445`, `20160928144500`,
    /// `20160928_1445`, `2016-09-28 14:45` and the like, one character between groups.
    pub(super) fn in_text(text: &str) -> Option<Self> {
        Self::with_seconds_in_text(text).map(|(time, _)| time)
    }

    /// The first time in a text as [`in_text`](Self::in_text) finds it, and the seconds after it, 0 where the text tells none.
    pub(super) fn with_seconds_in_text(text: &str) -> Option<(Self, u8)> {
        let groups = digit_groups(text);
        (0..groups.len()).find_map(|at| Self::of_groups(&groups[at..]))
    }

    /// The time so many minutes after the beginning of 1970.
    pub(super) fn of_minutes(minutes: i64) -> Self {
        Self { minutes }
    }

    fn of_groups(groups: &[(usize, &str)]) -> Option<(Self, u8)> {
        let next_to_each_other = |count: usize| {
            groups.len() >= count
                && groups[..count].windows(2).all(|two| two[1].0 == two[0].0 + two[0].1.len() + 1)
        };
        let lengths: Vec<usize> = groups.iter().take(6).map(|(_, digits)| digits.len()).collect();
        let digits: String = match lengths[..] {
            [12 | 14, ..] => groups[0].1.into(),
            [8, 4 | 6, ..] if next_to_each_other(2) => {
                groups[..2].iter().map(|(_, digits)| *digits).collect()
            }
            [4, 2, 2, 2, 2, 2] if next_to_each_other(6) => {
                groups.iter().take(6).map(|(_, digits)| *digits).collect()
            }
            [4, 2, 2, 2, 2, ..] if next_to_each_other(5) => {
                groups[..5].iter().map(|(_, digits)| *digits).collect()
            }
            _ => return None,
        };
        let number = |from: usize, to: usize| digits.get(from..to)?.parse::<u16>().ok();
        let small = |from: usize| u8::try_from(number(from, from + 2)?).ok();
        let month = Month::try_from(small(4)?).ok()?;
        let date = Date::from_calendar_date(i32::from(number(0, 4)?), month, small(6)?).ok()?;
        let time = Time::from_hms(small(8)?, small(10)?, 0).ok()?;
        let seconds = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp();
        let second = small(12).filter(|&second| second < 60).unwrap_or(0);
        Some((Self { minutes: seconds.div_euclid(60) }, second))
    }

    /// Minutes from `earlier` to this; negative if it is later.
    pub(super) fn minutes_since(self, earlier: Self) -> i64 {
        self.minutes - earlier.minutes
    }

    /// Seconds since the beginning of 1970.
    pub(super) fn seconds(self) -> i64 {
        self.minutes.saturating_mul(60)
    }

    /// The time some minutes later.
    pub(super) fn plus(self, minutes: i64) -> Self {
        Self { minutes: self.minutes.saturating_add(minutes) }
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.minutes.saturating_mul(60);
        match time::OffsetDateTime::from_unix_timestamp(seconds) {
            Ok(at) => write!(
                f,
                "{:04}-{:02}-{:02} {:02}:{:02}",
                at.year(),
                u8::from(at.month()),
                at.day(),
                at.hour(),
                at.minute()
            ),
            Err(_) => write!(f, "minute {}", self.minutes),
        }
    }
}

/// The places and texts of the runs of ASCII digits.
fn digit_groups(text: &str) -> Vec<(usize, &str)> {
    let mut groups = Vec::new();
    let mut rest = 0;
    while let Some(start) = text[rest..].find(|c: char| c.is_ascii_digit()).map(|at| rest + at) {
        let end = text[start..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |at| start + at);
        groups.push((start, &text[start..end]));
        rest = end;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_found_in_names() {
        for name in [
            "201609281445_fmi.radar.composite.lowest_FIN_SUOMI1.pgm.gz",
            "RAD_NL25_RAP_5min_201609281445.h5",
            "T_PAAH21_C_EUOC_20160928144500.hdf",
            "radar_20160928_1445.png",
            "20160928T144500Z.h5",
            "2016-09-28 14:45:00",
            "7 2016-09-28T14:45",
        ] {
            assert_eq!(Timestamp::in_text(name).unwrap().to_string(), "2016-09-28 14:45", "{name}");
        }
        for name in ["frame_001.png", "201613281445", "20160931_1445", "2016-09-28", "", "201609282460"] {
            assert_eq!(Timestamp::in_text(name), None, "{name}");
        }
    }

    #[test]
    fn differences_go_over_midnight_and_years() {
        let [before, after] = ["201512312355", "201601010005"].map(|text| Timestamp::in_text(text).unwrap());
        assert_eq!((after.minutes_since(before), before.minutes_since(after)), (10, -10));
        assert_eq!(before.plus(10), after);
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in ".{0,60}", digits in "[0-9:_ -]{0,40}") {
            let _ = Timestamp::in_text(&text);
            if let Some(moment) = Timestamp::in_text(&digits) {
                prop_assert_eq!(Timestamp::in_text(&moment.to_string()), Some(moment));
            }
        }
    }
}
