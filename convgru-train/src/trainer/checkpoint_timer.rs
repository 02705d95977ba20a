//! When checkpoints are written.

use std::time::{Duration, Instant};

use crate::config::TrainingConfig;

/// Saving takes at most one part in this many of the time of a run.
const SHARE: u32 = 20;

/// When the next checkpoint is due.
pub(super) struct CheckpointTimer {
    /// Steps between checkpoints; 0 for never.
    every: u64,
    /// Time between checkpoints; zero for never.
    interval: Duration,
    /// The step that was saved last.
    step: Option<u64>,
    /// When that was, or when training began.
    at: Instant,
    /// How long it took.
    took: Duration,
}

impl CheckpointTimer {
    pub(super) fn new(config: &TrainingConfig) -> Self {
        Self {
            every: config.checkpoint_every,
            interval: Duration::from_secs(config.checkpoint_seconds),
            step: None,
            at: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// Notes that a step was saved now, and when that began.
    pub(super) fn saved(&mut self, step: u64, began: Instant) {
        let now = Instant::now();
        (self.step, self.at, self.took) = (Some(step), now, now - began);
    }

    /// Whether a step that is done is to be saved now.
    pub(super) fn is_due(&self, step: u64) -> bool {
        self.is_due_after(step, self.at.elapsed())
    }

    fn is_due_after(&self, step: u64, elapsed: Duration) -> bool {
        let regular = self.every > 0 && step.is_multiple_of(self.every);
        let timed = !self.interval.is_zero() && elapsed >= self.interval.max(self.took.saturating_mul(SHARE));
        step > 0 && self.step != Some(step) && (regular || timed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saving(every: u64, seconds: u64) -> CheckpointTimer {
        CheckpointTimer::new(&TrainingConfig {
            checkpoint_every: every,
            checkpoint_seconds: seconds,
            ..TrainingConfig::default()
        })
    }

    #[test]
    fn steps_and_time_make_a_checkpoint_due() {
        let [short, minute] = [1, 60].map(Duration::from_secs);
        assert!(saving(5, 60).is_due_after(10, short) && !saving(5, 60).is_due_after(11, short));
        assert!(saving(5, 60).is_due_after(11, minute) && saving(0, 60).is_due_after(11, minute));
        assert!(!saving(0, 0).is_due_after(10, minute) && !saving(1, 60).is_due_after(0, minute));
        let mut saved = saving(5, 60);
        saved.saved(10, Instant::now());
        assert!(!saved.is_due_after(10, minute) && saved.is_due_after(15, short));
    }

    #[test]
    fn saving_that_takes_long_is_done_less_often() {
        let mut slow = saving(0, 60);
        slow.took = Duration::from_secs(10);
        assert!(
            !slow.is_due_after(9, Duration::from_secs(199)) && slow.is_due_after(9, Duration::from_secs(200))
        );
    }

    #[test]
    fn every_preset_saves_each_minute() {
        for preset in crate::config::Preset::ALL {
            assert_eq!(crate::config::RunConfig::preset(preset).training.checkpoint_seconds, 60);
        }
    }
}
