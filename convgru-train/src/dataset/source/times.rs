//! When the frames of a sequence were seen, by coordinates of time (CF conventions, section 4.4).

use time::{Date, Month, PrimitiveDateTime, Time};

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
    /// On a date of another calendar, or in another unit than seconds: times of the same text compare.
    Other(String),
    /// On an unknown date, such as the beginning of a forecast.
    Unknown,
}

impl Times {
    /// What numbers of a unit such as `minutes since 2020-01-01 00:00` or `hours` stand for in a calendar; `None` for what is no unit of
    /// time. Numbers of a calendar that is not the world's, or of months, tell nothing but their order and their distances.
    pub(in crate::dataset) fn of(numbers: &[f64], units: &str, calendar: Option<&str>) -> Option<Self> {
        let units = units.to_ascii_lowercase();
        let calendar = calendar.unwrap_or_default().trim().to_ascii_lowercase();
        let (unit, epoch) = match units.split_once(" since ") {
            Some((unit, epoch)) => (unit, Some(epoch.trim())),
            None => (units.as_str(), None),
        };
        let (scale, begins) = match (seconds_in(unit), epoch) {
            (Some(scale), epoch) => (scale, epoch.map(|epoch| format!("{epoch} {calendar}"))),
            (None, Some(_)) => (1.0, Some(format!("{units} {calendar}"))),
            (None, None) => return None,
        };
        let is_usual = ["standard", "gregorian", "proleptic_gregorian", ""].contains(&calendar.as_str());
        let epoch = epoch.filter(|_| is_usual && seconds_in(unit).is_some()).and_then(seconds_since_1970);
        let origin = match (epoch, begins) {
            (Some(_), _) => Origin::Year1970,
            (None, Some(text)) => Origin::Other(text),
            (None, None) => Origin::Unknown,
        };
        Some(Self {
            seconds: numbers.iter().map(|number| number * scale + epoch.unwrap_or(0.0)).collect(),
            origin,
        })
    }

    /// The times of dates such as `2020-01-01T12:30`; `None` if one is none.
    pub(in crate::dataset) fn of_dates(dates: &[String]) -> Option<Self> {
        let seconds = dates.iter().map(|date| seconds_since_1970(&date.to_ascii_lowercase()));
        Some(Self { seconds: seconds.collect::<Option<_>>()?, origin: Origin::Year1970 })
    }
}

/// Seconds in a unit of time.
fn seconds_in(unit: &str) -> Option<f64> {
    Some(match unit.trim().to_ascii_lowercase().as_str() {
        "nanosecond" | "nanoseconds" | "ns" => 1e-9,
        "microsecond" | "microseconds" | "us" => 1e-6,
        "millisecond" | "milliseconds" | "msec" | "ms" => 1e-3,
        "second" | "seconds" | "sec" | "secs" | "s" => 1.0,
        "minute" | "minutes" | "min" | "mins" => 60.0,
        "hour" | "hours" | "hr" | "hrs" | "h" => 3600.0,
        "day" | "days" | "d" => 86400.0,
        "week" | "weeks" => 7.0 * 86400.0,
        _ => return None,
    })
}

/// The seconds of a date in small letters, perhaps with a time and a zone: `2020-1-1`, `2020-01-01t12:30:00z`, `2020-01-01 12:30:15.5 +02:00`.
fn seconds_since_1970(text: &str) -> Option<f64> {
    let text = text.trim().trim_end_matches("utc").trim_end_matches("gmt").trim_end_matches('z').trim();
    let (date, rest) = text.split_once(['t', ' ']).unwrap_or((text, ""));
    let mut parts = date.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let month = Month::try_from(parts.next()?.parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, parts.next().unwrap_or("1").parse().ok()?).ok()?;
    let rest = rest.trim();
    let zone = rest.rfind(['+', '-']);
    let (clock, zone) = zone.map_or((rest, ""), |at| rest.split_at(at));
    let mut clock = clock.trim().splitn(3, ':').map(|part| if part.is_empty() { "0" } else { part });
    let mut next = || clock.next().unwrap_or("0");
    let time = Time::from_hms(next().parse().ok()?, next().parse().ok()?, 0).ok()?;
    let second: f64 = next().parse().ok()?;
    let at = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp();
    Some(at as f64 + second - zone_seconds(zone)?)
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
        ] {
            let read = Times::of(&[2.0], units, None).unwrap();
            assert_eq!((read.seconds[0], read.origin), (seconds, Origin::Year1970), "{units}");
        }
        let other = |text: &str| Origin::Other(text.into());
        for (units, calendar, seconds, origin) in [
            ("hours", None, 7200.0, Origin::Unknown),
            ("days since 2000-01-01", Some("360_day"), 2.0 * day, other("2000-01-01 360_day")),
            ("hours since 2000-01-01", Some("360_day"), 7200.0, other("2000-01-01 360_day")),
            ("months since 2000-01-01", None, 2.0, other("months since 2000-01-01 ")),
            ("days since the beginning", None, 2.0 * day, other("the beginning ")),
        ] {
            let read = Times::of(&[2.0], units, calendar).unwrap();
            assert_eq!((read.seconds[0], read.origin), (seconds, origin), "{units}");
        }
        assert_eq!(Times::of(&[2.0], "mm/h", None), None);
    }
}
