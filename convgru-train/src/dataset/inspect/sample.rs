//! Numbers and pictures of some frames: of all where they are few, otherwise of frames spread evenly over the data.

use std::path::Path;

use super::files::FileFacts;
use super::preview::Preview;
use super::tally::Tally;
use crate::dataset::FramesConfig;
use crate::dataset::source::{self, Frame, FrameSource, Given};
use crate::{Error, ReadBudget, Result};

/// Numbers that are looked at: a second or two.
const MOST_NUMBERS: usize = 1 << 25;
/// Frames that are looked at where all are too many, at least.
const FEWEST_FRAMES: usize = 4;

/// Stretches of a file whose frames are scattered over it, at least.
const STRETCHES: usize = 8;

/// What the frames that were looked at hold.
#[derive(Default)]
pub(super) struct Sample {
    pub(super) tally: Tally,
    /// Frames that were looked at.
    pub(super) frames: usize,
    /// The most channels of them.
    pub(super) channels: usize,
    /// Whether all of them are alike, number by number.
    pub(super) is_still: bool,
    first: Vec<f32>,
    /// What could not be read.
    pub(super) failed: Vec<Error>,
}

impl Sample {
    /// Looks at the frames of files.
    pub(super) fn of(files: &[FileFacts], config: &FramesConfig, budget: &ReadBudget) -> Self {
        let mut sample = Self { is_still: true, ..Self::default() };
        let numbers = |facts: &FileFacts| facts.frames().saturating_mul(facts.frame_numbers());
        let total = files.iter().fold(0usize, |sum, facts| sum.saturating_add(numbers(facts)));
        let frames: usize = files.iter().map(FileFacts::frames).sum();
        let largest = files.iter().map(FileFacts::frame_numbers).max().unwrap_or(1).max(1);
        let wanted = if total <= MOST_NUMBERS { frames } else { (MOST_NUMBERS / largest).max(FEWEST_FRAMES) };
        let mut begin = 0;
        for facts in files {
            let own = begin..begin + facts.frames();
            // The places, among all frames, of those that are looked at.
            let spread = |at: usize| (at as u128 * frames as u128 / wanted.max(1) as u128) as usize;
            let places: Vec<usize> = match wanted >= frames {
                true => (0..facts.frames()).collect(),
                false => {
                    (0..wanted).map(spread).filter(|at| own.contains(at)).map(|at| at - own.start).collect()
                }
            };
            begin = own.end;
            if let Err(error) = sample.look(facts, &places, config, budget) {
                sample.failed.push(error);
            }
        }
        sample.is_still &= sample.frames > 1;
        sample
    }

    /// Looks at frames of a file by their places, counted over its sequences.
    fn look(
        &mut self,
        facts: &FileFacts,
        places: &[usize],
        config: &FramesConfig,
        budget: &ReadBudget,
    ) -> Result<()> {
        let Some(last) = places.last() else { return Ok(()) };
        let (steps, sequences) = (facts.info.steps, facts.info.sequences);
        let source = source::open_as(&facts.path, config, budget, Given::Numbers)?;
        let is_all = places.len() == facts.frames();
        if is_all {
            let mut failed = Vec::new();
            let mut keep_failed = |_, error| {
                failed.push(error);
                Ok(())
            };
            source.visit_readable(0..sequences, 0..steps, &mut |frame| self.add(&frame), &mut keep_failed)?;
            self.failed.extend(failed);
            return Ok(());
        }
        if facts.is_scattered {
            return self.look_at_stretches(facts, places.len(), source.as_ref());
        }
        if !facts.is_seekable {
            // What comes first is read without what comes after it.
            let count = places.len().max(1);
            let (whole, rest) = (count / steps, count % steps);
            source.visit(0..whole, 0..steps, &mut |frame| self.add(&frame))?;
            return source.visit(whole..(whole + 1).min(sequences), 0..rest, &mut |frame| self.add(&frame));
        }
        debug_assert!(*last < facts.frames());
        for place in places {
            let (sequence, step) = (place / steps, place % steps);
            source.visit(sequence..sequence + 1, step..step + 1, &mut |frame| self.add(&frame))?;
        }
        Ok(())
    }

    /// Looks at about so many frames in stretches spread over a file, each read at once.
    fn look_at_stretches(&mut self, facts: &FileFacts, count: usize, source: &dyn FrameSource) -> Result<()> {
        let steps = facts.info.steps;
        let length = (count / STRETCHES).clamp(1, steps);
        let stretches = (count / length).max(1);
        for at in 0..stretches {
            let place = (at as u128 * facts.frames() as u128 / stretches as u128) as usize;
            let (sequence, first) = (place / steps, (place % steps).min(steps - length));
            source.visit(sequence..sequence + 1, first..first + length, &mut |frame| self.add(&frame))?;
        }
        Ok(())
    }

    fn add(&mut self, frame: &Frame<'_>) -> Result<()> {
        self.tally.add(frame.values);
        self.channels = self.channels.max(frame.shape[0]);
        if self.frames == 0 {
            self.first = frame.values.to_vec();
        }
        let is_like = |(a, b): (&f32, &f32)| a == b || a.is_nan() && b.is_nan();
        self.is_still &=
            self.first.len() == frame.values.len() && self.first.iter().zip(frame.values).all(is_like);
        self.frames += 1;
        Ok(())
    }
}

/// A picture of some frames that follow each other, from the middle of a file.
///
/// # Errors
/// The errors of reading.
pub(super) fn preview(
    facts: &FileFacts,
    count: usize,
    config: &FramesConfig,
    budget: &ReadBudget,
) -> Result<Preview> {
    let source = source::open_as(&facts.path, config, budget, Given::Numbers)?;
    let steps = facts.info.steps;
    let sequence = if facts.is_seekable { facts.info.sequences / 2 } else { 0 };
    let first = if facts.is_seekable { (steps - count.min(steps)) / 2 } else { 0 };
    let mut preview = Preview::default();
    source.visit(sequence..sequence + 1, first..(first + count).min(steps), &mut |frame| {
        preview.add(&frame, label(frame.step, facts.info.sequences, frame.sequence));
        Ok(())
    })?;
    preview.source = name(&facts.path);
    Ok(preview)
}

fn label(step: usize, sequences: usize, sequence: usize) -> String {
    match sequences {
        1 => format!("frame {step}"),
        _ => format!("sequence {sequence}, frame {step}"),
    }
}

/// The name of a file or folder as it is printed.
pub(super) fn name(path: &Path) -> String {
    crate::printable::printable_name(path.file_name().unwrap_or(path.as_os_str()))
}
