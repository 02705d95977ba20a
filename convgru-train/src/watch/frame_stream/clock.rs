//! The distances in time of the frames of a stream: which frames follow each other, and whether they come as in the training.

use super::FrameStream;
use crate::dataset::cadence::{contradiction, follows, is_rough_clock, usual_distance};
use crate::printable::printable;
use crate::{Error, Result};

/// Distances of frames of which the usual one is the median.
const DISTANCES: usize = 15;

impl FrameStream<'_> {
    /// Whether a distance is a step, and no gap.
    pub(super) fn is_step(&self, distance: f64) -> bool {
        self.step_seconds().is_none_or(|step| follows(distance, step))
    }

    /// Refuses frames whose usual distance differs from the training, or that never come at the distance that the user told.
    pub(super) fn expect_steps(&self) -> Result<()> {
        let Some(newest) = self.newest_id() else { return Ok(()) };
        let minutes = |seconds: Vec<f64>| seconds.iter().map(|own| own / 60.0).collect::<Vec<f64>>();
        let recent = minutes(self.distances());
        if let Some(reason) = self.asked_minutes.and_then(|told| contradiction(&recent, told)) {
            return Err(Error::Data { what: printable(&newest.file), reason });
        }
        let (Some(training), Some(usual)) = (&self.of_training, usual_distance(&recent)) else {
            return Ok(());
        };
        let of_state = minutes(self.distances_of_state());
        if is_rough_clock(&of_state, training.minutes_per_step) {
            return Ok(());
        }
        let expect = |usual| training.expect_minutes(rounded(usual), &newest.file);
        expect(usual).or_else(|error| usual_distance(&of_state).map_or(Err(error), expect))
    }

    /// Seconds between the newest frames.
    fn distances(&self) -> Vec<f64> {
        let times = self.times.iter().skip(self.times.len().saturating_sub(DISTANCES + 1));
        let times: Vec<f64> = times.copied().collect();
        times.windows(2).map(|two| two[1] - two[0]).collect()
    }

    /// Seconds between the frames after the last gap.
    fn distances_of_state(&self) -> Vec<f64> {
        let step = self.step_seconds();
        let times: Vec<f64> = self.times.iter().copied().collect();
        let distances = times.windows(2).rev().map(|two| two[1] - two[0]);
        distances.take_while(|&own| step.is_none_or(|step| follows(own, step))).collect()
    }

    /// Seconds from a frame to the next: as they are told, otherwise as they usually are.
    pub(super) fn step_seconds(&self) -> Option<f64> {
        if let Some(minutes) = self.told_minutes {
            return Some(60.0 * minutes);
        }
        usual_distance(&self.distances())
    }
}

/// A number of minutes as people write it.
pub(super) fn rounded(minutes: f64) -> f64 {
    (minutes * 100.0).round() / 100.0
}
