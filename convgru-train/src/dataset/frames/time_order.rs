//! Frames in the order of time, and where others are missing between them.

use std::ops::Range;

use crate::dataset::cadence::{contradiction, follows, is_rough_clock, usual_distance};
use crate::dataset::source::{Origin, Times};
use crate::dataset::timestamp::Timestamp;
use crate::dataset::windows::TimeAxis;
use crate::printable::escaped;

/// Bytes that the order takes for each frame that has a time.
pub(super) const BYTES: usize = 40;

/// Frames of a sequence that follow each other without a gap.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// Their places in the file, in the order of time.
    pub(super) steps: Steps,
    /// When they were seen, if that is known to the minute.
    pub(super) time_axis: Option<TimeAxis>,
}

impl Run {
    /// The runs that are left where some places are gone.
    pub(super) fn without(self, gone: &[usize]) -> Vec<Self> {
        let places: Vec<usize> = match self.steps {
            Steps::Range(range) => range.collect(),
            Steps::List(list) => list,
        };
        let is_gone = |place: &usize| gone.contains(place);
        let mut runs = Vec::new();
        let mut begin = 0;
        for part in places.chunk_by(|a, b| is_gone(a) == is_gone(b)) {
            if !is_gone(&part[0]) {
                let later = |axis: TimeAxis| TimeAxis {
                    first: axis.first.plus(axis.step.saturating_mul(begin as i64)),
                    ..axis
                };
                runs.push(Self { steps: Steps::List(part.to_vec()), time_axis: self.time_axis.map(later) });
            }
            begin += part.len();
        }
        runs
    }
}

/// Places in a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Steps {
    /// One after the other.
    Range(Range<usize>),
    /// In any order.
    List(Vec<usize>),
}

impl Run {
    /// The last frames of it, at most `most`.
    pub(super) fn last(self, most: usize) -> Self {
        let left_out = |length: usize| length.saturating_sub(most);
        let (first, steps) = match self.steps {
            Steps::Range(range) => {
                let first = left_out(range.len());
                (first, Steps::Range(range.start + first..range.end))
            }
            Steps::List(mut list) => {
                let first = left_out(list.len());
                (first, Steps::List(list.split_off(first)))
            }
        };
        let later = |axis: TimeAxis| TimeAxis {
            first: axis.first.plus(axis.step.saturating_mul(first as i64)),
            ..axis
        };
        Self { steps, time_axis: self.time_axis.map(later) }
    }
}

impl Steps {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::List(list) => list.len(),
        }
    }

    /// Some of them, as ranges of places in the file.
    pub(super) fn ranges(&self, some: Range<usize>) -> Vec<Range<usize>> {
        match self {
            Self::Range(range) => std::iter::once(range.start + some.start..range.start + some.end).collect(),
            Self::List(list) => {
                let together = list[some].chunk_by(|first, second| first + 1 == *second);
                together.map(|steps| steps[0]..steps[0] + steps.len()).collect()
            }
        }
    }

    /// The smallest range with all of them.
    pub(super) fn range(&self) -> Range<usize> {
        match self {
            Self::Range(range) => range.clone(),
            Self::List(list) => {
                let end = list.iter().max().map_or(0, |last| last + 1);
                list.iter().min().map_or(0, |first| *first)..end
            }
        }
    }
}

/// The frames of a sequence in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::dataset) struct TimeOrder {
    count: usize,
    timed: Option<Timed>,
}

/// Frames whose times are known.
#[derive(Clone, Debug, PartialEq)]
struct Timed {
    times: Times,
    /// Their places in the file, in the order of time.
    steps: Vec<usize>,
    /// Seconds from a frame to the next, where there are two.
    distance: Option<f64>,
}

impl TimeOrder {
    /// The order of so many frames; the order of the file if it tells no times.
    ///
    /// # Errors
    /// Two frames of one time, as the end of a sentence about the file.
    pub(super) fn new(count: usize, times: Option<Times>) -> Result<Self, String> {
        let Some(times) = times.filter(|times| times.seconds.len() == count) else {
            return Ok(Self { count, timed: None });
        };
        let at = |step: usize| times.seconds[step];
        let mut steps: Vec<usize> = (0..count).collect();
        steps.sort_by(|&a, &b| at(a).total_cmp(&at(b)));
        if let Some(two) = steps.windows(2).find(|two| at(two[0]) == at(two[1])) {
            return Err(format!(
                "has two frames of one time, {} and {} (from 0); leave one of them out",
                two[0], two[1]
            ));
        }
        let distances: Vec<f64> = steps.windows(2).map(|two| at(two[1]) - at(two[0])).collect();
        let distance = usual_distance(&distances);
        Ok(Self { count, timed: Some(Timed { times, steps, distance }) })
    }

    /// The same frames, cut where their distance is not one of so many minutes; where their times are of no known length as before.
    pub(super) fn with_minutes(mut self, minutes: f64) -> Self {
        if let Some(timed) = &mut self.timed
            && !matches!(timed.times.origin, Origin::Unmeasured(_))
        {
            timed.distance = timed.distance.map(|_| 60.0 * minutes);
        }
        self
    }

    /// Why the frames do not come so many minutes apart, as the end of a sentence about the file.
    pub(super) fn contradiction(&self, minutes: f64) -> Option<String> {
        let timed =
            self.timed.as_ref().filter(|timed| !matches!(timed.times.origin, Origin::Unmeasured(_)))?;
        let at = |step: usize| timed.times.seconds[step] / 60.0;
        let distances: Vec<f64> = timed.steps.windows(2).map(|two| at(two[1]) - at(two[0])).collect();
        contradiction(&distances, minutes)
    }

    /// Whether the frames after the last gap come so many minutes apart by a clock that is not exact.
    pub(super) fn is_roughly_every(&self, minutes: f64) -> bool {
        let own = self.clone().with_minutes(minutes);
        let (Some(run), Some(timed)) = (own.runs(0..own.count).pop(), &own.timed) else { return false };
        let places: Vec<usize> = match run.steps {
            Steps::Range(range) => range.collect(),
            Steps::List(list) => list,
        };
        let distance = |two: &[usize]| timed.times.seconds[two[1]] - timed.times.seconds[two[0]];
        let distances: Vec<f64> = places.windows(2).map(distance).collect();
        is_rough_clock(&distances, 60.0 * minutes)
    }

    /// Minutes from a frame to the next, where times tell it.
    pub(in crate::dataset) fn minutes_per_step(&self) -> Option<f64> {
        let timed =
            self.timed.as_ref().filter(|timed| !matches!(timed.times.origin, Origin::Unmeasured(_)))?;
        Some(timed.distance? / 60.0)
    }

    /// Why times tell an order alone, where they are numbers of no known length: the end of a sentence about the file.
    pub(in crate::dataset) fn doubt(&self) -> Option<String> {
        match &self.timed.as_ref()?.times.origin {
            Origin::Unmeasured(units) => Some(format!(
                "has times in \"{}\", a unit of no one length in its calendar; frames come in the order of these numbers, but when they were seen and the \
                 minutes between them are unknown; write times in seconds, minutes, hours or days, or set data.frames.minutes_per_step",
                escaped(units)
            )),
            Origin::Year1970 | Origin::Other(_) | Origin::Unknown => None,
        }
    }

    /// When frames were seen, in seconds since 1970, where times tell it.
    pub(super) fn seconds(&self, steps: &Steps) -> Option<Vec<f64>> {
        let times = &self.timed.as_ref().filter(|timed| timed.times.origin == Origin::Year1970)?.times;
        Some(match steps {
            Steps::Range(range) => times.seconds[range.clone()].to_vec(),
            Steps::List(list) => list.iter().map(|&step| times.seconds[step]).collect(),
        })
    }

    /// When the first and the last frame were seen, to the minute; `None` where no date is told.
    pub(in crate::dataset) fn first_and_last(&self) -> Option<[Timestamp; 2]> {
        let timed = self.timed.as_ref().filter(|timed| timed.times.origin == Origin::Year1970)?;
        let at = |step: &usize| Timestamp::of_minutes((timed.times.seconds[*step] / 60.0).floor() as i64);
        Some([at(timed.steps.first()?), at(timed.steps.last()?)])
    }

    /// Whether the file tells times.
    pub(in crate::dataset) fn has_times(&self) -> bool {
        self.timed.is_some()
    }

    /// Whether the frames lie in the file in the order of time.
    pub(in crate::dataset) fn is_in_order(&self) -> bool {
        self.timed.as_ref().is_none_or(|timed| timed.steps.is_sorted())
    }

    /// The lengths of the runs between two places in the order of time.
    pub(in crate::dataset) fn lengths(&self, places: Range<usize>) -> Vec<usize> {
        let length = |run: Run| match run.steps {
            Steps::Range(range) => range.len(),
            Steps::List(list) => list.len(),
        };
        self.runs(places).into_iter().map(length).collect()
    }

    /// Whether the frames lie in the file as they follow each other, without gaps.
    pub(super) fn is_plain(&self) -> bool {
        let runs = self.runs(0..self.count);
        runs.iter().all(|run| run.steps == Steps::Range(0..self.count))
    }

    /// The frames between two places in the order of time, cut where others are missing: where the distance of two is not within half of
    /// the usual one.
    pub(super) fn runs(&self, places: Range<usize>) -> Vec<Run> {
        match &self.timed {
            _ if places.is_empty() => Vec::new(),
            None => vec![Run { steps: Steps::Range(places), time_axis: None }],
            Some(timed) => timed.runs(places),
        }
    }
}

impl Timed {
    fn runs(&self, places: Range<usize>) -> Vec<Run> {
        let at = |step: usize| self.times.seconds[step];
        let is_next = |&first: &usize, &second: &usize| {
            self.distance.is_none_or(|step| follows(at(second) - at(first), step))
        };
        let run = |steps: &[usize]| {
            let range = steps[0]..steps[0] + steps.len();
            let is_range = steps.iter().copied().eq(range.clone());
            let time_axis = self.time_axis(steps[0]);
            Run { steps: if is_range { Steps::Range(range) } else { Steps::List(steps.to_vec()) }, time_axis }
        };
        self.steps[places].chunk_by(is_next).map(run).collect()
    }

    /// The times of frames from one on, if they are whole minutes.
    fn time_axis(&self, first: usize) -> Option<TimeAxis> {
        let whole = |seconds: f64| (seconds % 60.0 == 0.0).then_some((seconds / 60.0) as i64);
        let first = whole(self.times.seconds[first]).filter(|_| self.times.origin == Origin::Year1970)?;
        Some(TimeAxis { first: Timestamp::of_minutes(first), step: whole(self.distance?)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(minutes: &[f64], since_1970: bool) -> Result<TimeOrder, String> {
        let seconds = minutes.iter().map(|minute| 60.0 * minute).collect();
        let origin = if since_1970 { Origin::Year1970 } else { Origin::Unknown };
        TimeOrder::new(minutes.len(), Some(Times { seconds, origin }))
    }

    fn steps(order: &TimeOrder) -> Vec<Vec<usize>> {
        let list = |run: Run| match run.steps {
            Steps::Range(range) => range.collect(),
            Steps::List(list) => list,
        };
        order.runs(0..order.count).into_iter().map(list).collect()
    }

    #[test]
    fn frames_come_in_the_order_of_time_and_end_at_gaps() {
        let regular = order(&[0.0, 5.0, 10.0, 15.0], true).unwrap();
        assert!(regular.is_plain() && regular.minutes_per_step() == Some(5.0));
        let [run] = &regular.runs(1..3)[..] else { panic!("one run") };
        assert_eq!(run.steps, Steps::Range(1..3));
        let axis = run.time_axis.unwrap();
        assert_eq!((axis.first.to_string().as_str(), axis.step), ("1970-01-01 00:05", 5));
        let backwards = order(&[15.0, 10.0, 5.0, 0.0], true).unwrap();
        assert!(!backwards.is_plain());
        assert_eq!(steps(&backwards), [[3, 2, 1, 0]]);
        // 20 is missing, and 41 is too near to 40.
        let gaps = order(&[25.0, 0.0, 5.0, 10.0, 15.0, 30.0, 35.0, 40.0, 41.0], true).unwrap();
        assert_eq!(steps(&gaps), [vec![1, 2, 3, 4], vec![0, 5, 6, 7], vec![8]]);
        // A clock that is not exact is no gap, and tells no minutes.
        let rough = order(&[0.0, 5.1, 9.9, 15.0], true).unwrap();
        assert!(rough.is_plain() && rough.runs(0..4)[0].time_axis.is_none());
    }

    #[test]
    fn without_times_the_order_of_the_file_stays() {
        let plain = TimeOrder::new(3, None).unwrap();
        assert!(plain.is_plain() && plain.minutes_per_step().is_none());
        assert_eq!(steps(&plain), [[0, 1, 2]]);
        let one = order(&[7.0], true).unwrap();
        assert!(one.is_plain() && one.runs(0..1)[0].time_axis.is_none());
        let lead = order(&[5.0, 0.0], false).unwrap();
        assert_eq!(steps(&lead), [[1, 0]]);
        assert!(lead.runs(0..2)[0].time_axis.is_none());
        assert!(order(&[0.0, 5.0, 0.0], true).unwrap_err().contains("0 and 2"));
        let months = Times::of(&[2.0, 1.0, 3.0], "months since 2000-01-01", None);
        let months = TimeOrder::new(3, months).unwrap();
        assert_eq!(steps(&months), [[1, 0, 2]]);
        assert_eq!((months.minutes_per_step(), months.first_and_last()), (None, None));
        assert!(months.doubt().unwrap().contains("\"months since 2000-01-01\""));
        assert_eq!(lead.doubt(), None);
    }
}
