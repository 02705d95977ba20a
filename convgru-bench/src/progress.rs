//! What is going on, on standard error.

use std::io::Write;
use std::time::{Duration, Instant};

/// Tells what is done and how long the rest will take.
pub(crate) struct Progress {
    begun: Instant,
    turns: usize,
    done: usize,
    disturbed: usize,
}

impl Progress {
    /// For so many turns of an engine.
    pub(crate) fn new(turns: usize) -> Self {
        Self { begun: Instant::now(), turns, done: 0, disturbed: 0 }
    }

    /// So many turns are over, or will not be taken.
    pub(crate) fn advance(&mut self, turns: usize) {
        self.done += turns;
    }

    /// Tells what disturbed a turn, if anything did.
    pub(crate) fn disturbed(&mut self, disturbances: &[String]) {
        self.disturbed += usize::from(!disturbances.is_empty());
        for disturbance in disturbances {
            note(&format!("CAUTION: {disturbance}"));
        }
    }

    /// How many turns were disturbed, in words.
    pub(crate) fn disturbances(&self) -> String {
        format!("{} of {}", self.disturbed, self.turns)
    }

    /// A line with the time left, as far as the turns so far tell.
    pub(crate) fn say(&self, text: &str) {
        let left = self.turns.saturating_sub(self.done);
        if self.done == 0 || left == 0 {
            return note(text);
        }
        let each = self.begun.elapsed().div_f64(self.done as f64);
        note(&format!("{text}; about {} left", duration(each.mul_f64(left as f64))));
    }
}

/// A line on standard error.
pub(crate) fn note(text: &str) {
    drop(writeln!(std::io::stderr(), "{}", text.trim_end()));
}

/// Text on standard output; a closed pipe is no reason to fail.
pub(crate) fn print(text: &str) {
    drop(writeln!(std::io::stdout(), "{}", text.trim_end()));
}

fn duration(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..100 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        assert_eq!(duration(Duration::from_secs(99)), "99 s");
        assert_eq!(duration(Duration::from_secs(121)), "3 min");
    }
}
