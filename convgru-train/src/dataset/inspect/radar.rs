//! Radar images: events, times, and what rain there is.

use std::path::Path;

use super::sample::name;
use super::tally::Tally;
use super::{FramesSummary, Inspection, NumbersSummary, Object, Preview, SplitSummary, TimeSummary, lines};
use crate::counted::counted;
use crate::dataset::radar::{self, EventSummary, FrameOfFile, Recordings};
use crate::dataset::source::radar::RadarFile;
use crate::dataset::source::{Frame, FrameSource};
use crate::dataset::{DataConfig, OnCorrupt, RadarConfig, ScaleKind, Source};
use crate::printable::printable;
use crate::{Error, ReadBudget, Result};

/// Pixels that are looked at: a second or two.
const MOST_PIXELS: usize = 1 << 24;
/// Frames of a picture.
const SHOWN: usize = 24;
/// A rain rate in mm/h that is rain.
const RAIN: f32 = 0.1;
/// A share of measured pixels with rain below which there is little.
const LITTLE: f64 = 0.02;
/// The least side of the frames that are learned from, before `downsample` is lowered.
const LEAST_SIDE: usize = 64;
/// The side of the parts that are learned from.
const PART: usize = 96;
/// Files left out that are told one by one.
const TOLD: usize = 10;

/// Looks at what a path holds.
pub(super) fn inspect(
    path: &Path,
    data: &DataConfig,
    config: &RadarConfig,
    found: &mut Inspection,
) -> Result<()> {
    let data = DataConfig { on_corrupt: OnCorrupt::Skip, ..data.clone() };
    // Whole frames as they are; `propose` chooses parts.
    let whole = RadarConfig { downsample: 1, crop: [0, 0], ..config.clone() };
    let recordings = Recordings::find(&data, &whole, path)?;
    let images = Images { recordings: &recordings, config: &whole, budget: data.budget() };
    found.format = recordings.format().name().into();
    found.objects = recordings.events.iter().map(object).collect();
    let info = recordings.frames().find_map(|frame| images.file(frame).info().ok());
    let info = info.ok_or_else(|| Error::Data {
        what: printable(path),
        reason: "holds no radar image that can be read".into(),
    })?;
    let runs = || recordings.events.iter().flat_map(|event| event.runs.iter().map(Vec::len));
    found.frames = Some(FramesSummary {
        sequences: runs().count(),
        steps: [runs().min().unwrap_or(0), runs().max().unwrap_or(0)],
        shape: [1, info.height, info.width],
        number_type: info.number_type.to_string(),
        unit: "mm/h".into(),
        ..FramesSummary::default()
    });
    found.time = Some(TimeSummary {
        first: recordings.frames().map(|frame| frame.time.clone()).min(),
        last: recordings.frames().map(|frame| frame.time.clone()).max(),
        minutes_per_step: Some(recordings.step() as f64),
        gaps: recordings.gaps(),
        is_in_order: true,
    });
    let failed = images.rates([info.height, info.width], found);
    found.preview = images.preview(data.steps());
    let left_out: Vec<&Error> = recordings.left_out().iter().chain(&failed).collect();
    found.warnings.extend(left_out.iter().take(TOLD).map(|error| format!("Not read: {error}")));
    if !left_out.is_empty() {
        found.warnings.push(format!(
            "A training refuses files that it cannot read, {} here; set data.on_corrupt = \"skip\" to leave them out.",
            left_out.len()
        ));
    }
    propose(path, &data, &whole, [info.height, info.width], &recordings, found);
    Ok(())
}

/// An event as something that the folder holds.
fn object(event: &EventSummary) -> Object {
    let frames: usize = event.runs.iter().map(Vec::len).sum();
    let parts = if event.runs.len() == 1 { String::new() } else { format!(" in {} parts", event.runs.len()) };
    let first = event.runs.iter().flatten().map(|frame| frame.time.as_str()).min().unwrap_or_default();
    Object {
        name: event.name.clone(),
        number_type: "event".into(),
        long_name: format!("{}{parts} from {first}", counted(frames, "frame")),
        ..Object::default()
    }
}

/// Images of files as rain rates.
struct Images<'a> {
    recordings: &'a Recordings<'a>,
    config: &'a RadarConfig,
    budget: ReadBudget,
}

impl Images<'_> {
    fn file<'b>(&'b self, frame: &'b FrameOfFile) -> RadarFile<'b> {
        let format = self.recordings.format();
        RadarFile { path: &frame.file, format, config: self.config, budget: &self.budget }
    }

    /// Calls `visit` with the shape and the rain rates of a frame, in mm/h.
    fn look(&self, frame: &FrameOfFile, visit: &mut dyn FnMut([usize; 3], &[f32])) -> Result<()> {
        let transform = self.config.quantity(None).transform;
        let rate = |&value: &f32| match value.is_nan() {
            true => value,
            false => transform.to_units(f64::from(value)) as f32,
        };
        self.file(frame).visit(0..1, frame.index..frame.index + 1, &mut |own| {
            visit(own.shape, &own.values.iter().map(rate).collect::<Vec<f32>>());
            Ok(())
        })
    }

    /// Looks at the rain rates of frames spread over all; what could not be read is returned.
    fn rates(&self, size: [usize; 2], found: &mut Inspection) -> Vec<Error> {
        let frames: Vec<&FrameOfFile> = self.recordings.frames().collect();
        let most = MOST_PIXELS / (size[0] * size[1]).max(1);
        let wanted = most.max(2).min(frames.len());
        let (mut tally, mut wet, mut looked_at) = (Tally::default(), 0, 0);
        let mut look = |at: usize| {
            self.look(frames[at * frames.len() / wanted], &mut |_, rates| {
                tally.add(rates);
                wet += rates.iter().filter(|rate| **rate >= RAIN).count();
                looked_at += 1;
            })
        };
        let failed = (0..wanted).filter_map(|at| look(at).err()).collect();
        let ends = tally.lows.first().zip(tally.highs.first());
        let mean = tally.mean_without(&[]);
        found.numbers = Some(NumbersSummary {
            looked_at,
            of: frames.len(),
            measured: ends.zip(mean).map(|((low, high), mean)| [low.number, mean, high.number]),
            missing_share: tally.missing as f64 / tally.count.max(1) as f64,
            ..NumbersSummary::default()
        });
        let share = wet as f64 / tally.finite().max(1) as f64;
        if share < LITTLE {
            found.warnings.push(format!(
                "Rain of {RAIN} mm/h or more falls on {:.1} % of the measured pixels that were looked at: choose events with rain.",
                100.0 * share
            ));
        }
        failed
    }

    /// Frames that follow each other, from the middle of the longest run.
    fn preview(&self, steps: usize) -> Option<Preview> {
        let run = self.recordings.events.iter().flat_map(|event| &event.runs).max_by_key(|run| run.len())?;
        let count = steps.min(SHOWN).min(run.len());
        let mut preview = Preview::default();
        let shown = &run[(run.len() - count) / 2..][..count];
        preview.source = match shown {
            [first, .., last] if first.file != last.file => {
                format!("{} to {}", name(&first.file), name(&last.file))
            }
            _ => name(&run[0].file),
        };
        for frame in shown {
            let looked = self.look(frame, &mut |shape, rates| {
                preview.add(&Frame { sequence: 0, step: 0, shape, values: rates }, frame.time.clone());
            });
            // One that cannot be read is no frame of the picture.
            if looked.is_err() {
                continue;
            }
        }
        (preview.frames() > 0).then(|| preview.with([0.0, 1.0], Vec::new()))
    }
}

/// Chooses size, parts and windows of the frames, and tries them where there are few.
fn propose(
    path: &Path,
    data: &DataConfig,
    config: &RadarConfig,
    size: [usize; 2],
    recordings: &Recordings<'_>,
    found: &mut Inspection,
) {
    let coarse = |downsample: usize| size.map(|side| side.div_ceil(downsample));
    let is_large = |downsample: &usize| coarse(*downsample).iter().all(|&side| side >= LEAST_SIDE);
    let downsample = [4, 2, 1].into_iter().find(is_large).unwrap_or(1);
    let least = coarse(downsample).into_iter().min().unwrap_or(1);
    let side = if least >= PART { PART } else { (least / 16 * 16).max(least.min(16)) };
    let mut proposed = RadarConfig {
        downsample,
        crop: [side, side],
        minutes_per_step: u32::try_from(recordings.step()).unwrap_or(0),
        scale: ScaleKind::LogRate,
        ..config.clone()
    };
    let most = data.steps();
    match (2..=most).rev().find(|&steps| recordings.fits(steps)) {
        Some(steps) if steps < most => found.window = [steps - steps / 2, steps / 2],
        Some(_) => {}
        None => found.warnings.push(
            "There are too few frames in a row for training, validation and test; give more of them.".into(),
        ),
    }
    let mut is_dry = false;
    if recordings.frames().count().saturating_mul(size[0] * size[1]) <= 4 * MOST_PIXELS {
        let mut opened = open(path, data, found.window, &proposed);
        if opened.is_err() {
            let dry = RadarConfig { minimum_rain: 0.0, minimum_measured: 0.0, ..proposed.clone() };
            let other = open(path, data, found.window, &dry);
            if other.is_ok() {
                (opened, proposed, is_dry) = (other, dry, true);
            }
        }
        match opened {
            Ok(splits) => found.splits = splits,
            Err(error) => found.warnings.push(format!("Not enough for a training yet: {error}")),
        }
    }
    found.configuration = lines::of_radar(path, found, &proposed, is_dry);
}

/// What the splits hold that a training would open.
fn open(
    path: &Path,
    data: &DataConfig,
    window: [usize; 2],
    radar: &RadarConfig,
) -> Result<Vec<SplitSummary>> {
    let [input_frames, output_frames] = window;
    let data =
        DataConfig { source: Source::Radar(radar.clone()), input_frames, output_frames, ..data.clone() };
    let splits = radar::open_splits(&data, radar, path, 0)?;
    let summary = |(name, split): (&'static str, &crate::dataset::windows::WindowDataset)| SplitSummary {
        name,
        sequences: split.source.clips.len(),
        frames: split.source.clips.iter().map(|clip| clip.len()).sum(),
        windows: split.source.windows(),
    };
    Ok(["train", "validation", "test"].into_iter().zip(&splits).map(summary).collect())
}
