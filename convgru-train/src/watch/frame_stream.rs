//! Frames that arrive, in the order of time, and the state of the network after them.

mod clock;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use convgru_model::{ForecastStream, PreparedForecaster, Tensor};

use self::clock::rounded;
use super::WatchConfig;
use super::names::FrameId;
use crate::counted::counted;
use crate::dataset::input::lost_pixels;
use crate::dataset::{Content, FoundData, FramesConfig, natural_order};
use crate::forecast::LastFrame;
use crate::printable::printable;
use crate::trainer::TrainedModel;
use crate::{Error, Result};

/// Times of frames that are kept to judge their clock.
const TIMES: usize = 4096;

/// A frame of a file.
pub(super) struct Arrived {
    pub(super) file: PathBuf,
    /// Its place in the file, from 0, and how many frames there are.
    pub(super) place: (usize, usize),
    /// `[1, C, H, W]`.
    pub(super) values: Tensor<f32>,
    /// The share of its pixels that were measured.
    pub(super) measured: f64,
    pub(super) last: LastFrame,
    /// What its file says about its numbers and places.
    pub(super) content: Option<Content>,
}

/// What became of a frame.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Whether the newest frame changed, and enough frames precede it for a forecast.
    pub(super) is_ready: bool,
    /// What a user may like to know.
    pub(super) notes: Vec<String>,
    /// What a user must know.
    pub(super) warnings: Vec<String>,
}

/// The newest frames, and the state after them.
pub(super) struct FrameStream<'a> {
    prepared: PreparedForecaster<'a, f32>,
    stream: Option<ForecastStream<'a, f32>>,
    /// Frames that a forecast needs, and as many as are kept.
    warm_up: usize,
    /// Whether the state is computed from these alone for each forecast.
    is_window: bool,
    /// The newest frames in the order of time; gaps may lie between them.
    kept: VecDeque<Kept>,
    /// What is known of the newest frame.
    newest: Option<LastFrame>,
    /// Frames without a gap that the state has read.
    state_frames: u64,
    /// Minutes from a frame to the next, where the user or the training told them.
    told_minutes: Option<f64>,
    /// What the training found, whose distance of frames these must have; absent where the user told another one.
    of_training: Option<FoundData>,
    /// Minutes from a frame to the next, where the user told them.
    asked_minutes: Option<f64>,
    /// When the newest frames were seen, in the order of time: those after the last frame without a time.
    times: VecDeque<f64>,
    /// The newest file that tells what its numbers are; the numbers of other files must agree with it.
    content: Option<(PathBuf, Content)>,
    /// How frames are read.
    frames: FramesConfig,
    /// Whether a frame without a measured pixel came after the newest one.
    has_missed: bool,
}

struct Kept {
    id: FrameId,
    values: Tensor<f32>,
    measured: f64,
    /// Whether a frame without a measured pixel came before it.
    is_after_missed: bool,
}

impl<'a> FrameStream<'a> {
    pub(super) fn new(trained: &'a TrainedModel, config: &WatchConfig) -> Result<Self> {
        Ok(Self {
            prepared: trained.model.prepare()?,
            stream: None,
            warm_up: config.warm_up.max(1),
            is_window: config.is_window,
            kept: VecDeque::new(),
            newest: None,
            state_frames: 0,
            told_minutes: trained.told_minutes(&config.options),
            of_training: match config.options.minutes_per_step {
                Some(_) => None,
                None => trained.config.data.found.clone(),
            },
            asked_minutes: config.options.minutes_per_step,
            times: VecDeque::new(),
            content: None,
            frames: trained.frames_config(&config.options),
            has_missed: false,
        })
    }

    /// Takes a frame to its place.
    ///
    /// # Errors
    /// [`Error::Model`] for a frame that the network cannot read, [`Error::Data`] for one of another size, unit or place than the frames before;
    /// the state stays as it was.
    pub(super) fn take(&mut self, arrived: Arrived) -> Result<Taken> {
        let Arrived { file, place: (step, of), values, measured, last, content } = arrived;
        self.expect_size(&file, &values)?;
        self.expect_content(&file, content)?;
        let id = FrameId { file, time: last.time, step, of };
        let mut kept = Kept { id, values, measured, is_after_missed: false };
        match self.place(&kept) {
            Place::Newest => self.append(kept, last),
            Place::Again(at) => {
                let is_same = self.kept[at].values.as_slice() == kept.values.as_slice();
                if is_same {
                    return Ok(Taken::default());
                }
                let note = format!("{} changed after it was read", printable(&kept.id.file));
                let is_newest = at + 1 == self.kept.len();
                kept.is_after_missed = self.kept[at].is_after_missed;
                self.kept[at] = kept;
                if is_newest {
                    self.newest = Some(last);
                }
                self.rebuilt(&note)
            }
            Place::Late(at) => {
                let note = format!("{} comes late", described(&kept));
                if let Some(time) = kept.id.time {
                    let at = self.times.partition_point(|&own| own < time);
                    self.times.insert(at, time);
                }
                // It may be what was missed.
                self.kept[at].is_after_missed = false;
                self.kept.insert(at, kept);
                while self.kept.len() > self.warm_up {
                    self.kept.pop_front();
                }
                self.rebuilt(&note)
            }
            Place::Nowhere(reason) => Ok(Taken {
                warnings: vec![format!("{} {reason}; it is skipped", described(&kept))],
                ..Taken::default()
            }),
        }
    }

    /// Takes note of a frame without a measured pixel: it is missing between the newest frame and the next one.
    pub(super) fn miss(&mut self, time: Option<f64>) {
        let is_later = |own: &Kept| own.id.time.zip(time).is_none_or(|(own, time)| time > own);
        self.has_missed |= self.kept.back().is_some_and(is_later);
    }

    /// The frames that come next.
    ///
    /// # Errors
    /// [`Error::Model`] for more frames than there is memory for, [`Error::Data`] before the first frame and after frames at another distance than
    /// those of the training.
    pub(super) fn forecast(&mut self, steps: usize) -> Result<Tensor<f32>> {
        self.expect_steps()?;
        if self.is_window {
            self.compute_state()?;
        }
        match &mut self.stream {
            Some(stream) => Ok(stream.forecast(steps)?),
            None => Err(Error::Data {
                what: "the forecast".into(),
                reason: "needs a frame, and none was read yet".into(),
            }),
        }
    }

    /// What is known of the newest frame, with the time from a frame to the next.
    pub(super) fn last_frame(&self) -> Option<LastFrame> {
        let mut last = self.newest.clone()?;
        last.quantity.minutes_per_step =
            self.step_seconds().map(|seconds| seconds / 60.0).or(last.quantity.minutes_per_step);
        Some(last)
    }

    /// Which frame is the newest.
    pub(super) fn newest_id(&self) -> Option<&FrameId> {
        self.kept.back().map(|kept| &kept.id)
    }

    /// How many frames without a time a file had when it was read, if one of them is among the newest.
    pub(super) fn frames_without_times(&self, file: &Path) -> Option<usize> {
        let own = self.kept.iter().find(|kept| kept.id.file == file && kept.id.time.is_none());
        own.map(|kept| kept.id.of)
    }

    /// Frames without a gap that the state has read.
    pub(super) fn state_frames(&self) -> u64 {
        if self.is_window { self.state_frames.min(self.warm_up as u64) } else { self.state_frames }
    }

    /// Where a frame belongs.
    fn place(&self, frame: &Kept) -> Place {
        let Some(newest) = self.kept.back() else { return Place::Newest };
        let (Some(time), Some(newest_time)) = (frame.id.time, newest.id.time) else {
            return self.place_by_name(&frame.id, &newest.id);
        };
        if time > newest_time {
            return Place::Newest;
        }
        if let Some(at) = self.kept.iter().position(|kept| kept.id.time == Some(time)) {
            let file = &self.kept[at].id.file;
            return match *file == frame.id.file {
                true => Place::Again(at),
                false => Place::Nowhere(format!("has the time of {}", printable(file))),
            };
        }
        match self.kept.iter().position(|kept| kept.id.time.is_some_and(|own| own > time)) {
            Some(at) if at > 0 || self.kept.len() < self.warm_up => Place::Late(at),
            _ => Place::Nowhere(format!("is older than the newest {}", counted(self.kept.len(), "frame"))),
        }
    }

    /// Where a frame belongs by its name: without times names alone tell the order, and several frames of a file come one after the other.
    fn place_by_name(&self, frame: &FrameId, newest: &FrameId) -> Place {
        if let Some(at) = self.kept.iter().position(|kept| kept.id == *frame) {
            return Place::Again(at);
        }
        match natural_order(&newest.file.to_string_lossy(), &frame.file.to_string_lossy()) {
            std::cmp::Ordering::Less => Place::Newest,
            std::cmp::Ordering::Equal if newest.time.is_none() && frame.step == newest.step + 1 => {
                Place::Newest
            }
            _ => Place::Nowhere(format!(
                "comes after {} and has no time that gives its place",
                printable(&newest.file)
            )),
        }
    }

    /// Reads a frame after all others.
    fn append(&mut self, mut frame: Kept, last: LastFrame) -> Result<Taken> {
        frame.is_after_missed = std::mem::take(&mut self.has_missed);
        let mut warnings = Vec::new();
        let before = self.kept.back();
        let lost = before.and_then(|own| lost_pixels(&described(&frame), own.measured, frame.measured));
        warnings.extend(lost);
        let distance = before.and_then(|newest| Some(frame.id.time? - newest.id.time?));
        match frame.id.time {
            Some(time) => self.times.push_back(time),
            None => self.times.clear(),
        }
        if self.times.len() > TIMES {
            self.times.pop_front();
        }
        let gap = distance.filter(|&distance| !self.is_step(distance));
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.prepared.stream(1, frame.values.shape()[2], frame.values.shape()[3])?,
        };
        if let Some(distance) = gap {
            let step = self.step_seconds().unwrap_or(distance);
            warnings.push(format!(
                "{} is {} minutes after the frame before, not {}: the state starts again, and the next forecast needs {}",
                described(&frame),
                rounded(distance / 60.0),
                rounded(step / 60.0),
                counted(self.warm_up, "frame")
            ));
        } else if frame.is_after_missed {
            warnings.push(format!(
                "{} comes after a frame without a measured pixel, which counts as missing: the state is reset, and forecasts go on after {} \
                 frames",
                described(&frame),
                self.warm_up
            ));
        }
        if gap.is_some() || frame.is_after_missed {
            stream.reset();
            self.state_frames = 0;
        }
        let read = stream.read(&frame.values);
        self.stream = Some(stream);
        read?;
        self.state_frames += 1;
        self.newest = Some(last);
        self.kept.push_back(frame);
        if self.kept.len() > self.warm_up {
            self.kept.pop_front();
        }
        Ok(Taken { is_ready: self.is_ready(), warnings, notes: Vec::new() })
    }

    /// After a change of the frames that are kept.
    fn rebuilt(&mut self, why: &str) -> Result<Taken> {
        self.compute_state()?;
        let count = counted(self.state_frames, "frame");
        let note = format!("{why}; the state is computed again from the newest {count}");
        Ok(Taken { is_ready: self.is_ready(), notes: vec![note], warnings: Vec::new() })
    }

    /// Computes the state from the frames that are kept, after the last gap between them.
    fn compute_state(&mut self) -> Result<()> {
        let mut first = self.kept.len().saturating_sub(1);
        while first > 0 && self.follows(first) {
            first -= 1;
        }
        let Some(stream) = &mut self.stream else { return Ok(()) };
        stream.reset();
        for frame in self.kept.iter().skip(first) {
            stream.read(&frame.values)?;
        }
        self.state_frames = (self.kept.len() - first) as u64;
        Ok(())
    }

    /// Whether there is no gap before a frame that is kept.
    fn follows(&self, at: usize) -> bool {
        let (before, own) = (self.kept[at - 1].id.time, self.kept[at].id.time);
        !self.kept[at].is_after_missed
            && before.zip(own).is_none_or(|(before, own)| self.is_step(own - before))
    }

    fn is_ready(&self) -> bool {
        self.state_frames >= self.warm_up as u64
    }

    /// Refuses a frame whose numbers or place differ from the frames before.
    fn expect_content(&mut self, file: &Path, content: Option<Content>) -> Result<()> {
        let Some(own) = content else { return Ok(()) };
        if let Some((before, content)) = self.content.as_ref().filter(|_| !self.kept.is_empty())
            && let Some(reason) = own.difference_in_sequence(content, &printable(before), &self.frames)
        {
            return Err(Error::Data { what: printable(file), reason: format!("{reason}; it is left out") });
        }
        self.content = Some((file.into(), own));
        Ok(())
    }

    /// Refuses a frame of another size than the others.
    fn expect_size(&self, file: &Path, values: &Tensor<f32>) -> Result<()> {
        let Some(newest) = self.kept.back().filter(|newest| newest.values.shape() != values.shape()) else {
            return Ok(());
        };
        let reason = format!(
            "has a frame of the shape {:?} ([C, H, W]), and the frames before it have {:?}; it is skipped; give frames of one size",
            &values.shape()[1..],
            &newest.values.shape()[1..]
        );
        Err(Error::Data { what: printable(file), reason })
    }
}

/// Where a frame belongs.
enum Place {
    /// After all others.
    Newest,
    /// In the place of a frame of the same file and time.
    Again(usize),
    /// Before the frame at a place.
    Late(usize),
    /// Nowhere, with the reason as the rest of a sentence.
    Nowhere(String),
}

/// A file, with the time of its frame.
fn described(frame: &Kept) -> String {
    let times = crate::forecast::ForecastTimes { reference: frame.id.time, minutes_per_step: None };
    let time = times.reference_text().map_or(String::new(), |time| format!(" ({time})"));
    format!("{}{time}", printable(&frame.id.file))
}
