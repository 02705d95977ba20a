//! The frames of a split, read and kept in memory.

use std::path::Path;

use rayon::prelude::*;

use super::RadarConfig;
use super::events::{Clock, Recorded, Run, cut};
use super::split::Part;
use crate::dataset::config::OnCorrupt;
use crate::dataset::source::FrameSource;
use crate::dataset::source::radar::{Format, RadarFile};
use crate::dataset::timestamp::Timestamp;
use crate::dataset::windows::{Clip, Pixels, TimeAxis, encode};
use crate::printable::printable_name;
use crate::read_budget::{ReadBudget, bytes_of};
use crate::{Error, Result};

/// How frames are read.
pub(super) struct Decoder<'a> {
    pub(super) format: Format,
    pub(super) config: &'a RadarConfig,
    pub(super) on_corrupt: OnCorrupt,
    /// Memory that the frames may take.
    pub(super) budget: &'a ReadBudget,
    /// Minutes from a frame to the next.
    pub(super) step: i64,
    /// Which frames follow each other.
    pub(super) clock: Clock,
}

/// What was read.
pub(super) struct Decoded {
    pub(super) clips: Vec<Clip>,
    /// When the frames of each clip were seen.
    pub(super) times: Vec<Vec<Timestamp>>,
    /// What was wrong with the frames that were left out.
    pub(super) skipped: Vec<Error>,
}

/// A frame in memory.
struct DecodedFrame {
    frame: Recorded,
    height: usize,
    width: usize,
    codes: Vec<u16>,
}

impl Decoder<'_> {
    /// Reads the frames of a split. One that cannot be read is a gap, or ends it.
    ///
    /// # Errors
    /// [`Error::Memory`] if the frames take more memory than they may, [`Error::Format`] if
    /// frames of a run differ in size, and the errors of the files.
    pub(super) fn decode(&self, part: &Part) -> Result<Decoded> {
        let mut decoded = Decoded { clips: Vec::new(), times: Vec::new(), skipped: Vec::new() };
        for (event, run) in part {
            let kept = self.run(run, &mut decoded.skipped)?;
            let sizes: Vec<[usize; 2]> = kept.iter().map(|kept| [kept.height, kept.width]).collect();
            if let Some(at) = (1..sizes.len()).find(|&at| sizes[at] != sizes[0]) {
                return Err(Error::Format {
                    path: kept[at].frame.file.clone(),
                    reason: format!(
                        "has {:?} pixels after downsampling (height, width), but the frames before it have {:?}; keep frames of \
                         different areas in different folders",
                        sizes[at], sizes[0]
                    ),
                });
            }
            for (clip, times) in self.clips(event, kept) {
                decoded.clips.push(clip);
                decoded.times.push(times);
            }
        }
        Ok(decoded)
    }

    /// The frames of a run that can be read. Of a file that is damaged these are the frames before the damage.
    fn run(&self, run: &Run, skipped: &mut Vec<Error>) -> Result<Vec<DecodedFrame>> {
        let of_one_file = run.0.chunk_by(|a, b| a.file == b.file).collect::<Vec<_>>();
        let outcomes: Vec<(Vec<DecodedFrame>, Result<()>)> =
            of_one_file.into_par_iter().map(|frames| self.file(frames)).collect();
        let mut kept = Vec::new();
        for (frames, outcome) in outcomes {
            kept.extend(frames);
            self.on_corrupt.kept([outcome], skipped)?;
        }
        Ok(kept)
    }

    /// Frames of one file, and what ended them.
    fn file(&self, frames: &[Recorded]) -> (Vec<DecodedFrame>, Result<()>) {
        let Self { config, budget, format, .. } = *self;
        let file = &frames[0].file;
        let source = RadarFile { path: file, format, config, budget };
        // Frames of a file follow each other in it as they do in time.
        let first = frames[0].index;
        let mut kept = Vec::new();
        let outcome = source.visit(0..1, first..first + frames.len(), &mut |read| {
            budget.keep(file, bytes_of(size_of::<u16>(), &[read.values.len()]))?.stay();
            let codes = read.values.iter().map(|&value| encode(f64::from(value))).collect();
            let [_, height, width] = read.shape;
            kept.push(DecodedFrame { frame: frames[read.step - first].clone(), height, width, codes });
            Ok(())
        });
        let lost = frames.len() - kept.len();
        let outcome = outcome.map_err(|error| match error {
            Error::Format { path, reason } if lost > 1 => {
                Error::Format { path, reason: format!("{reason}; {lost} frames are lost") }
            }
            error => error,
        });
        (kept, outcome)
    }

    /// Clips of frames with their times; a frame that is left out is a gap.
    fn clips(&self, event: &str, kept: Vec<DecodedFrame>) -> Vec<(Clip, Vec<Timestamp>)> {
        let runs = cut(kept.iter().map(|kept| kept.frame.clone()).collect(), self.step, self.clock);
        let mut kept = kept.into_iter();
        let clip = |Run(frames): Run| {
            let mut shape = [1, 1, 1];
            let mut codes = Vec::new();
            let size = kept.as_slice().first().map_or(0, |first| first.codes.len());
            codes.reserve_exact(size * frames.len());
            for kept in kept.by_ref().take(frames.len()) {
                shape = [1, kept.height, kept.width];
                codes.extend(kept.codes);
            }
            let time_axis = Some(TimeAxis { first: frames[0].time, step: self.step });
            let times = frames.iter().map(|frame| frame.time).collect();
            (Clip { name: event.into(), time_axis, shape, pixels: Pixels::Words(codes) }, times)
        };
        runs.into_iter().map(clip).collect()
    }
}

/// The last part of a path, for names.
pub(super) fn short(path: &Path) -> String {
    printable_name(path.file_name().unwrap_or(path.as_os_str()))
}
