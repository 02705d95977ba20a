//! Frames in the order of time, cut where some are missing, and gathered into events.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::config::EventGrouping;
use crate::dataset::cadence::follows;
use crate::dataset::timestamp::Timestamp;
use crate::printable::printable;
use crate::{Error, Result};

/// A frame that a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) file: PathBuf,
    /// Its number in the file, from 0.
    pub(super) index: usize,
    pub(super) time: Timestamp,
}

/// Frames of one place over time, such as the frames of a folder or of a file.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// The folder it lies in, as a name.
    pub(super) folder: String,
    /// Its frames, in any order.
    pub(super) frames: Vec<Recorded>,
}

/// Frames that follow each other step by step; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run(pub(super) Vec<Recorded>);

impl Run {
    fn first(&self) -> Timestamp {
        self.0[0].time
    }

    fn last(&self) -> Timestamp {
        self.0[self.0.len() - 1].time
    }
}

/// Runs that are trained on or tested on together.
#[derive(Clone, Debug)]
pub(super) struct RainEvent {
    pub(super) name: String,
    pub(super) runs: Vec<Run>,
}

impl RainEvent {
    /// The time of its first frame.
    fn first(&self) -> Option<Timestamp> {
        self.runs.iter().map(Run::first).min()
    }

    /// The number of frames of its longest run.
    pub(super) fn longest(&self) -> usize {
        self.runs.iter().map(|run| run.0.len()).max().unwrap_or(0)
    }
}

/// What follows a frame without a gap.
#[derive(Clone, Copy, Debug)]
pub(super) enum Clock {
    /// A frame a step later.
    Exact,
    /// A frame that is [a step later](follows), to within half of one.
    Rough,
}

/// Events in the order of time, and the minutes from a frame to the next.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    pub(super) events: Vec<RainEvent>,
    pub(super) step: i64,
    /// The most frequent distance in minutes.
    pub(super) usual: i64,
    /// Places where two neighbours of a series are not a step apart.
    pub(super) gaps: usize,
}

impl Timeline {
    /// Cuts series at gaps and gathers the runs; the step 0 stands for the most frequent distance.
    ///
    /// # Errors
    /// [`Error::Format`] if two frames of a series have the same time.
    pub(super) fn new(
        mut series: Vec<Series>,
        (step, clock): (i64, Clock),
        rule: EventGrouping,
    ) -> Result<Self> {
        for series in &mut series {
            series.frames.sort_by_key(|frame| frame.time);
            if let Some(two) = series.frames.windows(2).find(|two| two[0].time == two[1].time) {
                return Err(Error::Format {
                    path: two[1].file.clone(),
                    reason: format!(
                        "holds the time {}, as does {}; keep one of the two",
                        two[1].time,
                        printable(&two[0].file)
                    ),
                });
            }
        }
        let usual = most_frequent_distance(&series);
        let step = if step > 0 { step } else { usual };
        let folders: std::collections::BTreeSet<&str> = series.iter().map(|s| s.folder.as_str()).collect();
        let by_folder = match rule {
            EventGrouping::Auto => folders.len() > 1,
            EventGrouping::Folders => true,
            EventGrouping::Gaps => false,
        };
        let cut_series =
            series.into_iter().map(|Series { folder, frames }| (folder, cut(frames, step, clock)));
        let cut_series: Vec<(String, Vec<Run>)> = cut_series.collect();
        let gaps = cut_series.iter().map(|(_, runs)| runs.len().saturating_sub(1)).sum();
        let runs = cut_series
            .into_iter()
            .flat_map(|(folder, runs)| runs.into_iter().map(move |run| (folder.clone(), run)));
        let mut events = if by_folder { folders_as_events(runs) } else { times_as_events(runs, step) };
        events.sort_by_key(RainEvent::first);
        Ok(Self { events, step, usual, gaps })
    }
}

/// The most frequent distance of neighbours in minutes, the shortest of several; 5 where there are none.
fn most_frequent_distance(series: &[Series]) -> i64 {
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for two in series.iter().flat_map(|series| series.frames.windows(2)) {
        *counts.entry(two[1].time.minutes_since(two[0].time)).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or(0);
    counts.into_iter().find(|&(_, count)| count == most).map_or(5, |(distance, _)| distance)
}

/// Frames in the order of time, cut where the distance is not a step.
pub(super) fn cut(frames: Vec<Recorded>, step: i64, clock: Clock) -> Vec<Run> {
    let is_next = |minutes: i64| match clock {
        Clock::Exact => minutes == step,
        Clock::Rough => follows(minutes as f64, step as f64),
    };
    let mut runs: Vec<Run> = Vec::new();
    for frame in frames {
        match runs.last_mut() {
            Some(run) if is_next(frame.time.minutes_since(run.last())) => run.0.push(frame),
            _ => runs.push(Run(vec![frame])),
        }
    }
    runs
}

fn folders_as_events(runs: impl Iterator<Item = (String, Run)>) -> Vec<RainEvent> {
    let mut events: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    for (folder, run) in runs {
        events.entry(folder).or_default().push(run);
    }
    events.into_iter().map(|(name, runs)| RainEvent { name, runs }).collect()
}

/// Runs that overlap in time, or follow each other by a step, are one event.
fn times_as_events(runs: impl Iterator<Item = (String, Run)>, step: i64) -> Vec<RainEvent> {
    let mut runs: Vec<Run> = runs.map(|(_, run)| run).collect();
    runs.sort_by_key(Run::first);
    let mut events: Vec<(Timestamp, RainEvent)> = Vec::new();
    for run in runs {
        let last = run.last();
        match events.last_mut() {
            Some((end, event)) if run.first().minutes_since(*end) <= step => {
                *end = last.max(*end);
                event.runs.push(run);
            }
            _ => events.push((last, RainEvent { name: run.first().to_string(), runs: vec![run] })),
        }
    }
    events.into_iter().map(|(_, event)| event).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Frames at some minutes after a day's begin, called by their minute.
    pub(in super::super) fn frames(minutes: &[i64]) -> Vec<Recorded> {
        let day = Timestamp::in_text("201609280000").unwrap();
        let frame =
            |&minute: &i64| Recorded { file: format!("{minute}").into(), index: 0, time: day.plus(minute) };
        minutes.iter().map(frame).collect()
    }

    fn series(folder: &str, minutes: &[i64]) -> Series {
        Series { folder: folder.into(), frames: frames(minutes) }
    }

    fn described(timeline: &Timeline) -> Vec<(String, Vec<usize>)> {
        let lengths = |event: &RainEvent| event.runs.iter().map(|run| run.0.len()).collect();
        timeline.events.iter().map(|event| (event.name.clone(), lengths(event))).collect()
    }

    #[test]
    fn folders_are_events_where_there_are_several() {
        let two = vec![series("b", &[0, 5, 10, 20, 25]), series("a", &[300, 310, 305])];
        let timeline = Timeline::new(two, (0, Clock::Exact), EventGrouping::Auto).unwrap();
        assert_eq!(timeline.step, 5);
        assert_eq!(described(&timeline), [("b".into(), vec![3, 2]), ("a".into(), vec![3])]);
        assert_eq!(timeline.gaps, 1);
    }

    #[test]
    fn gaps_make_events_of_one_folder() {
        let one = vec![series("x", &[0, 5, 10, 60, 65, 75])];
        let timeline = Timeline::new(one, (0, Clock::Exact), EventGrouping::Auto).unwrap();
        let expected = [
            ("2016-09-28 00:00".into(), vec![3]),
            ("2016-09-28 01:00".into(), vec![2]),
            ("2016-09-28 01:15".into(), vec![1]),
        ];
        assert_eq!(described(&timeline), expected);
        assert_eq!(timeline.gaps, 2);
        // Another series that fills the gap makes one event of both.
        let both = vec![series("x", &[0, 5, 10, 20, 25]), series("x", &[5, 10, 15, 20])];
        let timeline = Timeline::new(both, (5, Clock::Exact), EventGrouping::Auto).unwrap();
        assert_eq!(described(&timeline), [("2016-09-28 00:00".into(), vec![3, 4, 2])]);
        assert_eq!(timeline.gaps, 1);
    }

    #[test]
    fn a_time_twice_is_refused() {
        let error = Timeline::new(vec![series("x", &[0, 5, 5])], (0, Clock::Exact), EventGrouping::Auto)
            .unwrap_err()
            .to_string();
        assert!(error.contains("2016-09-28 00:05"), "{error}");
    }

    proptest! {
        #[test]
        fn runs_hold_every_frame_once_and_no_gap(
            minutes in proptest::collection::btree_set(0i64..200, 1..60), step in 1i64..4,
        ) {
            let minutes: Vec<i64> = minutes.into_iter().collect();
            let all = frames(&minutes);
            let runs = cut(all.clone(), step, Clock::Exact);
            for run in &runs {
                for two in run.0.windows(2) {
                    prop_assert_eq!(two[1].time.minutes_since(two[0].time), step);
                }
            }
            prop_assert_eq!(runs.into_iter().flat_map(|run| run.0).collect::<Vec<_>>(), all);
        }
    }
}
