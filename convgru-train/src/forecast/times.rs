//! When a forecast begins, and the times of its frames.

use time::{Duration, OffsetDateTime};

/// When a forecast begins, and the time from a frame to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ForecastTimes {
    /// When the last frame that was read was seen, in seconds since the beginning of 1970 in UTC; `None` where it is not known.
    pub reference: Option<f64>,
    /// Minutes from a frame to the next; `None` where they are not known.
    pub minutes_per_step: Option<f64>,
}

impl ForecastTimes {
    /// Minutes from the last frame that was read to each of so many that follow; `None` where the time of a step is not known.
    pub fn lead_minutes(&self, steps: usize) -> Option<Vec<f64>> {
        let step = self.minutes_per_step?;
        Some((1..=steps).map(|lead| lead as f64 * step).collect())
    }

    /// The times of frames, in seconds since the beginning of 1970; `None` where they are not known.
    pub fn seconds(&self, steps: usize) -> Option<Vec<f64>> {
        let reference = self.reference?;
        Some(self.lead_minutes(steps)?.iter().map(|minutes| reference + 60.0 * minutes).collect())
    }

    /// When it begins as part of a name, such as `20160928T144500Z`.
    pub fn reference_name(&self) -> Option<String> {
        Some(written(self.reference?)?.replace(['-', ':'], ""))
    }

    /// When it begins as people write it, such as `2016-09-28T14:45:00Z`.
    pub fn reference_text(&self) -> Option<String> {
        written(self.reference?)
    }
}

/// Seconds since 1970 as a date and time, whole seconds.
fn written(seconds: f64) -> Option<String> {
    let whole = OffsetDateTime::UNIX_EPOCH.checked_add(Duration::checked_seconds_f64(seconds.round())?)?;
    let (date, (hour, minute, second)) = (whole.date(), whole.time().as_hms());
    (0..=9999).contains(&date.year()).then(|| {
        format!(
            "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z",
            date.year(),
            u8::from(date.month()),
            date.day()
        )
    })
}

/// Now, as people write it.
pub(super) fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    written(since.map_or(0.0, |since| since.as_secs_f64())).unwrap_or_default()
}
