//! Which frames are trained on, validated on and tested on.

use super::config::RadarConfig;
use super::events::{RainEvent, Run, Timeline};
use crate::counted::counted;
use crate::dataset::Split;
use crate::dataset::timestamp::Timestamp;
use crate::{Error, Result};

/// The runs of a split, each with the name of its event.
pub(super) type Part = Vec<(String, Run)>;

/// The frames of each split. None is in two of them, and none lies in time between frames of
/// another split of its event.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) train: Part,
    pub(super) validation: Part,
    pub(super) test: Part,
}

impl Parts {
    /// Splits events for sequences of `steps` frames. `folder` is what errors name.
    ///
    /// # Errors
    /// [`Error::Config`] if a list names an event that is not there, [`Error::Data`] if a
    /// split has no sequence.
    pub(super) fn new(timeline: &Timeline, config: &RadarConfig, steps: usize, folder: &str) -> Result<Self> {
        let events = &timeline.events;
        let error = |reason| Error::Data { what: folder.to_string(), reason };
        expect_long_enough(timeline, steps, folder)?;
        for (field, names) in [
            ("train_events", &config.train_events),
            ("validation_events", &config.validation_events),
            ("test_events", &config.test_events),
        ] {
            expect_known(field, names, events)?;
        }
        let fits = |part: &Part| part.iter().any(|(_, run)| run.0.len() >= steps);
        let named = |names: &[String]| runs(events.iter().filter(|event| names.contains(&event.name)));
        let mut parts = Self { validation: named(&config.validation_events), ..Self::default() };
        let mut testing = config.test_events.clone();
        let free: Vec<&RainEvent> = events
            .iter()
            .filter(|event| !config.train_events.contains(&event.name))
            .filter(|event| !config.validation_events.contains(&event.name) && event.longest() >= steps)
            .collect();
        let train_is_named = !config.train_events.is_empty();
        if testing.is_empty() && (free.len() > 1 || train_is_named && !free.is_empty()) {
            testing.extend(free.last().map(|event| event.name.clone()));
        }
        parts.test = named(&testing);
        let trained = |event: &&RainEvent| match train_is_named {
            true => config.train_events.contains(&event.name),
            false => !testing.contains(&event.name) && !config.validation_events.contains(&event.name),
        };
        parts.train = runs(events.iter().filter(trained));
        if testing.is_empty() {
            (parts.train, parts.test) = held_back(parts.train, config.held_back, steps);
        }
        if config.validation_events.is_empty() {
            (parts.train, parts.validation) = held_back(parts.train, config.held_back, steps);
        }
        for split in [Split::Train, Split::Validation, Split::Test] {
            let part = parts.of(split);
            if !fits(part) {
                let frames: usize = part.iter().map(|(_, run)| run.0.len()).sum();
                return Err(error(format!(
                    "the {split} split has {} and none of its runs the {steps} of a sequence \
                     (data.input_frames + data.output_frames); take fewer frames, or choose data.radar.train_events, \
                     validation_events and test_events among {}",
                    counted(frames, "frame"),
                    listed(events, steps)
                )));
            }
        }
        Ok(parts)
    }

    /// All frames, whatever split they would be in.
    ///
    /// # Errors
    /// [`Error::Data`] if they hold no sequence of `steps` frames.
    pub(super) fn whole(timeline: &Timeline, steps: usize, folder: &str) -> Result<Part> {
        expect_long_enough(timeline, steps, folder)?;
        Ok(runs(timeline.events.iter()))
    }

    /// The frames of a split.
    pub(super) fn of(&self, split: Split) -> &Part {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }
}

fn runs<'a>(events: impl Iterator<Item = &'a RainEvent>) -> Part {
    events.flat_map(|event| event.runs.iter().map(|run| (event.name.clone(), run.clone()))).collect()
}

/// Parts a split in time: the last `share` of its frames, or as much more as makes a run of
/// `steps` frames, is the second part.
fn held_back(part: Part, share: f64, steps: usize) -> (Part, Part) {
    let mut times: Vec<Timestamp> =
        part.iter().flat_map(|(_, run)| run.0.iter().map(|frame| frame.time)).collect();
    times.sort_unstable();
    let kept = times.len() - (times.len() as f64 * share).ceil() as usize;
    // The latest beginning that leaves a whole sequence behind it.
    let latest =
        part.iter().filter_map(|(_, run)| run.0.len().checked_sub(steps).map(|at| run.0[at].time)).max();
    let Some(begin) = latest.and_then(|latest| times.get(kept).map(|&time| time.min(latest))) else {
        return (part, Part::new());
    };
    let (mut before, mut after) = (Part::new(), Part::new());
    for (name, Run(frames)) in part {
        let (early, late): (Vec<_>, Vec<_>) = frames.into_iter().partition(|frame| frame.time < begin);
        for (part, frames) in [(&mut before, early), (&mut after, late)] {
            if !frames.is_empty() {
                part.push((name.clone(), Run(frames)));
            }
        }
    }
    (before, after)
}

fn expect_long_enough(timeline: &Timeline, steps: usize, folder: &str) -> Result<()> {
    let longest = timeline.events.iter().map(RainEvent::longest).max().unwrap_or(0);
    if longest >= steps {
        return Ok(());
    }
    Err(Error::Data {
        what: folder.to_string(),
        reason: format!(
            "its longest run without a gap has {} ({} minutes apart), but data.input_frames + \
             data.output_frames = {steps} are needed; take fewer, or give longer recordings",
            counted(longest, "frame"),
            timeline.step
        ),
    })
}

fn expect_known(field: &str, names: &[String], events: &[RainEvent]) -> Result<()> {
    match names.iter().find(|name| events.iter().all(|event| event.name != **name)) {
        None => Ok(()),
        Some(name) => Err(Error::Config {
            field: format!("data.radar.{field}"),
            reason: format!("there is no event `{name}`; there are {}", listed(events, 0)),
        }),
    }
}

/// The names of the events with a run of at least `steps` frames.
fn listed(events: &[RainEvent], steps: usize) -> String {
    const SHOWN: usize = 20;
    let fitting: Vec<&RainEvent> = events.iter().filter(|event| event.longest() >= steps).collect();
    let names: Vec<String> = fitting
        .iter()
        .take(SHOWN)
        .map(|event| format!("{} ({} in a row)", event.name, counted(event.longest(), "frame")))
        .collect();
    let more =
        if fitting.len() > SHOWN { format!(" and {} more", fitting.len() - SHOWN) } else { String::new() };
    names.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::super::config::EventGrouping;
    use super::super::events::tests::frames;
    use super::super::events::{Clock, Series};
    use super::*;
    use proptest::prelude::*;

    fn timeline(minutes: &[i64], rule: EventGrouping) -> Timeline {
        Timeline::new(vec![Series { folder: "x".into(), frames: frames(minutes) }], (5, Clock::Exact), rule)
            .unwrap()
    }

    fn times(part: &Part) -> Vec<Timestamp> {
        part.iter().flat_map(|(_, run)| run.0.iter().map(|frame| frame.time)).collect()
    }

    fn steps(from: i64, count: i64) -> Vec<i64> {
        (0..count).map(|i| from + 5 * i).collect()
    }

    #[test]
    fn the_last_event_is_the_test_and_the_end_of_the_others_the_validation() {
        let minutes = [steps(0, 40), steps(500, 40)].concat();
        let parts =
            Parts::new(&timeline(&minutes, EventGrouping::Auto), &RadarConfig::default(), 12, "x").unwrap();
        let lengths = [&parts.train, &parts.validation, &parts.test].map(|part| times(part).len());
        assert_eq!(lengths, [28, 12, 40]);
        assert_eq!(parts.test[0].0, "2016-09-28 08:20");
        let fewer =
            Parts::new(&timeline(&minutes, EventGrouping::Auto), &RadarConfig::default(), 4, "x").unwrap();
        assert_eq!(times(&fewer.validation).len(), 10);
    }

    #[test]
    fn one_event_is_split_in_time() {
        let parts =
            Parts::new(&timeline(&steps(0, 40), EventGrouping::Auto), &RadarConfig::default(), 5, "x")
                .unwrap();
        let lengths = [&parts.train, &parts.validation, &parts.test].map(|part| times(part).len());
        assert_eq!(lengths, [22, 8, 10]);
        assert!(times(&parts.train).iter().max() < times(&parts.validation).iter().min());
        assert!(times(&parts.validation).iter().max() < times(&parts.test).iter().min());
    }

    #[test]
    fn events_are_chosen_by_name() {
        let timeline =
            timeline(&[steps(0, 10), steps(100, 10), steps(200, 10)].concat(), EventGrouping::Gaps);
        let config = RadarConfig {
            train_events: vec!["2016-09-28 03:20".into()],
            validation_events: vec!["2016-09-28 01:40".into()],
            ..RadarConfig::default()
        };
        let parts = Parts::new(&timeline, &config, 5, "x").unwrap();
        let names = [&parts.train, &parts.validation, &parts.test].map(|part| part[0].0.as_str());
        assert_eq!(names, ["2016-09-28 03:20", "2016-09-28 01:40", "2016-09-28 00:00"]);
        let unknown = RadarConfig { test_events: vec!["tomorrow".into()], ..RadarConfig::default() };
        let error = Parts::new(&timeline, &unknown, 5, "x").unwrap_err().to_string();
        assert!(error.contains("data.radar.test_events") && error.contains("2016-09-28 01:40"), "{error}");
    }

    #[test]
    fn recordings_that_are_too_short_are_refused_with_the_numbers() {
        let message = |steps_needed| {
            let timeline = timeline(&steps(0, 10), EventGrouping::Auto);
            Parts::new(&timeline, &RadarConfig::default(), steps_needed, "x").unwrap_err().to_string()
        };
        assert!(message(11).contains("10 frames") && message(11).contains("= 11"));
        assert!(message(6).contains("the train split") || message(6).contains("the validation split"));
    }

    proptest! {
        #[test]
        fn splits_share_no_frame_and_lose_none(
            minutes in proptest::collection::btree_set(0i64..120, 40..100), steps in 1usize..4, share in 0.1f64..0.5,
        ) {
            let minutes: Vec<i64> = minutes.into_iter().map(|minute| 5 * minute).collect();
            let config = RadarConfig { held_back: share, ..RadarConfig::default() };
            let timeline = timeline(&minutes, EventGrouping::Auto);
            if let Ok(parts) = Parts::new(&timeline, &config, steps, "x") {
                let mut all = [&parts.train, &parts.validation, &parts.test].map(times).concat();
                all.sort_unstable();
                let expected: Vec<Timestamp> = frames(&minutes).into_iter().map(|frame| frame.time).collect();
                prop_assert_eq!(all, expected);
            }
        }
    }
}
