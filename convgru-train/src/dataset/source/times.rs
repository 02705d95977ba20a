//! When the frames of a sequence were seen, by coordinates of time (CF conventions, section 4.4).

use time::{Date, Month, Time};

/// The first day of 1970.
const UNIX_EPOCH: Date = time::OffsetDateTime::UNIX_EPOCH.date();
/// Days from 29 February of the year 0 in the Julian calendar to 1 January 1970.
const DAYS_BEFORE_1970: i64 = 719_471;

/// The times of steps.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::dataset) struct Times {
    /// Seconds, one number for each step, in the order of the file.
    pub(in crate::dataset) seconds: Vec<f64>,
    /// When they begin to count.
    pub(in crate::dataset) origin: Origin,
}

/// When times begin to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dataset) enum Origin {
    /// On 1 January 1970.
    Year1970,
    /// On a date that is not known to be one of the world, such as in a calendar of 360 days: times of the same text compare.
    Other(String),
    /// On a date, but counted in a unit of no one length, such as months: numbers of the same text tell their order, and no distance in minutes.
    Unmeasured(String),
    /// On an unknown date, such as the beginning of a forecast.
    Unknown,
}

impl Times {
    /// What numbers of a unit such as `minutes since 2020-01-01 00:00` or `hours` stand for in a calendar; `None` for what is no unit of
    /// time. The calendar `standard`, which files without a calendar also have, is the Julian before 15 October 1582, as in the CF conventions.
    /// Numbers of a calendar that is not the world's tell nothing but their order and their distances, and numbers of months their order alone.
    pub(in crate::dataset) fn of(numbers: &[f64], units: &str, calendar: Option<&str>) -> Option<Self> {
        let units = units.to_ascii_lowercase();
        let calendar = calendar.unwrap_or_default().trim().to_ascii_lowercase();
        let (unit, epoch) = match units.split_once(" since ") {
            Some((unit, epoch)) => (unit, Some(epoch.trim())),
            None => (units.as_str(), None),
        };
        let count = |scale: f64, begin: f64| numbers.iter().map(|number| number * scale + begin).collect();
        let (scale, epoch) = match (seconds_in(unit, &calendar), epoch) {
            (Some(scale), Some(epoch)) => (scale, epoch),
            (Some(scale), None) => return Some(Self { seconds: count(scale, 0.0), origin: Origin::Unknown }),
            (None, Some(_)) => {
                let origin = Origin::Unmeasured(format!("{units} {calendar}").trim().to_owned());
                return Some(Self { seconds: numbers.to_vec(), origin });
            }
            (None, None) => return None,
        };
        let begins = match calendar.as_str() {
            "standard" | "gregorian" | "" => seconds_since_1970(epoch, mixed_days),
            "proleptic_gregorian" => seconds_since_1970(epoch, gregorian_days),
            _ => None,
        };
        Some(match begins {
            Some(begins) => Self { seconds: count(scale, begins), origin: Origin::Year1970 },
            None => Self { seconds: count(scale, 0.0), origin: Origin::Other(format!("{epoch} {calendar}")) },
        })
    }

    /// The times of dates such as `2020-01-01T12:30`; `None` if one is none.
    pub(in crate::dataset) fn of_dates(dates: &[String]) -> Option<Self> {
        let seconds = dates.iter().map(|date| seconds_since_1970(&date.to_ascii_lowercase(), gregorian_days));
        Some(Self { seconds: seconds.collect::<Option<_>>()?, origin: Origin::Year1970 })
    }
}

/// Seconds in a unit of time that has one length in a calendar: months have one where years have 360 days, and common years where all have 365.
fn seconds_in(unit: &str, calendar: &str) -> Option<f64> {
    const DAY: f64 = 86400.0;
    Some(match unit.trim().to_ascii_lowercase().as_str() {
        "nanosecond" | "nanoseconds" | "ns" => 1e-9,
        "microsecond" | "microseconds" | "microsec" | "microsecs" | "us" => 1e-6,
        "millisecond" | "milliseconds" | "millisec" | "millisecs" | "msec" | "msecs" | "ms" => 1e-3,
        "second" | "seconds" | "sec" | "secs" | "s" => 1.0,
        "minute" | "minutes" | "min" | "mins" => 60.0,
        "hour" | "hours" | "hr" | "hrs" | "h" => 3600.0,
        "day" | "days" | "d" => DAY,
        "week" | "weeks" => 7.0 * DAY,
        "fortnight" | "fortnights" => 14.0 * DAY,
        "month" | "months" if calendar == "360_day" => 30.0 * DAY,
        "common_year" | "common_years" if ["noleap", "365_day"].contains(&calendar) => 365.0 * DAY,
        _ => return None,
    })
}

/// The seconds of a date in small letters, perhaps with a time and a zone: `2020-1-1`, `2020-01-01t12:30:00z`, `2020-01-01_12:30:00`,
/// `2020-01-01 12:30:15.5 +02:00`. A calendar says how many days
/// after 1 January 1970 a year, a month and a day are.
fn seconds_since_1970(text: &str, days: fn(i32, Month, u8) -> Option<i64>) -> Option<f64> {
    let text = text.trim().trim_end_matches("utc").trim_end_matches("gmt").trim_end_matches('z').trim();
    let (date, rest) = text.split_once(['t', ' ', '_']).unwrap_or((text, ""));
    let mut parts = date.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let month = Month::try_from(parts.next()?.parse::<u8>().ok()?).ok()?;
    let days = days(year, month, parts.next().unwrap_or("1").parse().ok()?)?;
    let rest = rest.trim();
    let zone = rest.rfind(['+', '-']);
    let (clock, zone) = zone.map_or((rest, ""), |at| rest.split_at(at));
    let mut clock = clock.trim().splitn(3, ':').map(|part| if part.is_empty() { "0" } else { part });
    let mut next = || clock.next().unwrap_or("0");
    let time = Time::from_hms(next().parse().ok()?, next().parse().ok()?, 0).ok()?;
    let second: f64 = next().parse().ok()?;
    let [hour, minute] = [time.hour(), time.minute()].map(f64::from);
    Some(days as f64 * 86400.0 + hour * 3600.0 + minute * 60.0 + second - zone_seconds(zone)?)
}

/// Days after 1 January 1970 in the Gregorian calendar, also before it was brought in.
fn gregorian_days(year: i32, month: Month, day: u8) -> Option<i64> {
    let date = Date::from_calendar_date(year, month, day).ok()?;
    Some(i64::from(date.to_julian_day()) - i64::from(UNIX_EPOCH.to_julian_day()))
}

/// Days after 1 January 1970 in the calendar of the world: the Julian until 4 October 1582, the Gregorian from the next day, 15 October, on. It has no
/// year 0.
fn mixed_days(year: i32, month: Month, day: u8) -> Option<i64> {
    let date = (year, u8::from(month), day);
    if date >= (1582, 10, 15) {
        return gregorian_days(year, month, day);
    }
    let longest = if month == Month::February && year % 4 == 0 { 29 } else { month.length(1999) };
    let is_date = year >= 1 && (1..=longest).contains(&day) && date <= (1582, 10, 4);
    is_date.then(|| {
        // Years that begin in March end with the day that not all have.
        let (year, month) = (i64::from(year), i64::from(u8::from(month)));
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        365 * year + year / 4 + (153 * month + 2) / 5 + i64::from(day) - DAYS_BEFORE_1970
    })
}

/// Seconds by which the clocks of a zone such as `+02:00`, `-0330` or `+2` are ahead.
fn zone_seconds(zone: &str) -> Option<f64> {
    let Some(digits) = zone.strip_prefix(['+', '-']) else { return Some(0.0) };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() > 2 => digits.split_at_checked(digits.len() - 2)?,
        None => (digits, "0"),
    };
    let seconds = 3600.0 * hours.parse::<f64>().ok()? + 60.0 * minutes.parse::<f64>().ok()?;
    Some(if zone.starts_with('-') { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_with_their_dates_and_zones() {
        let day = 86400.0;
        for (units, seconds) in [
            ("seconds since 1970-01-01", 2.0),
            ("minutes since 1970-01-02 00:00", day + 120.0),
            ("hours since 1970-1-1T06:00:00Z", 8.0 * 3600.0),
            ("days since 1970-01-01 00:00:01.5", 2.0 * day + 1.5),
            ("s since 1970-01-01 02:00 +02:00", 2.0),
            ("min since 1970-01-01 00:00:00 -0130", 120.0 + 5400.0),
            ("Hours Since 1969-12-31 23:00 UTC", 3600.0),
            ("HOURS SINCE 1970-01-01 00:00 GMT", 7200.0),
            ("hours since 1970-01-01_01:00:00", 3.0 * 3600.0),
        ] {
            let read = Times::of(&[2.0], units, None).unwrap();
            assert_eq!((read.seconds[0], read.origin), (seconds, Origin::Year1970), "{units}");
        }
        let other = |text: &str| Origin::Other(text.into());
        for (units, calendar, seconds, origin) in [
            ("hours", None, 7200.0, Origin::Unknown),
            ("days since 2000-01-01", Some("360_day"), 2.0 * day, other("2000-01-01 360_day")),
            ("hours since 2000-01-01", Some("360_day"), 7200.0, other("2000-01-01 360_day")),
            ("days since 1582-10-10", None, 2.0 * day, other("1582-10-10 ")),
            (
                "days since 1500-02-29",
                Some("proleptic_gregorian"),
                2.0 * day,
                other("1500-02-29 proleptic_gregorian"),
            ),
            ("days since 1700-02-29", None, 2.0 * day, other("1700-02-29 ")),
            ("days since 0-1-1", None, 2.0 * day, other("0-1-1 ")),
            ("months since 2000-01-01", Some("360_day"), 60.0 * day, other("2000-01-01 360_day")),
            ("common_years since 2000-01-01", Some("noleap"), 730.0 * day, other("2000-01-01 noleap")),
            ("months since 2000-01-01", None, 2.0, Origin::Unmeasured("months since 2000-01-01".into())),
            (
                "years since 2000-01-01",
                Some("standard"),
                2.0,
                Origin::Unmeasured("years since 2000-01-01 standard".into()),
            ),
            (
                "common_years since 2000-01-01",
                None,
                2.0,
                Origin::Unmeasured("common_years since 2000-01-01".into()),
            ),
            ("days since the beginning", None, 2.0 * day, other("the beginning ")),
        ] {
            let read = Times::of(&[2.0], units, calendar).unwrap();
            assert_eq!((read.seconds[0], read.origin), (seconds, origin), "{units}");
        }
        assert_eq!(Times::of(&[2.0], "mm/h", None), None);
    }

    /// Numbers of cftime 1.6: `date2num(num2date(2, units, calendar), "seconds since 1970-01-01", "standard")`.
    #[test]
    fn dates_before_the_reform_are_julian_unless_the_calendar_says_otherwise() {
        for (units, calendar, seconds) in [
            ("hours since 1-1-1 00:00:0.0", Some("standard"), -62_135_762_400.0),
            ("hours since 1-1-1 00:00:0.0", Some("proleptic_gregorian"), -62_135_589_600.0),
            ("days since 1500-02-27", None, -14_825_894_400.0),
            ("days since 1500-02-29", Some("gregorian"), -14_825_721_600.0),
            ("days since 1582-10-04", Some("Gregorian"), -12_219_206_400.0),
            ("days since 1582-10-15", Some("standard"), -12_219_120_000.0),
            ("fortnights since 1970-01-01", None, 2.0 * 14.0 * 86400.0),
        ] {
            let read = Times::of(&[2.0], units, calendar).unwrap();
            assert_eq!((read.seconds[0], read.origin), (seconds, Origin::Year1970), "{units}");
        }
    }
}
