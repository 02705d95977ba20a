//! The frames of a split, read and kept in memory.

use std::path::Path;

use rayon::prelude::*;

use super::RadarConfig;
use super::events::{Recorded, Run, cut};
use super::field::Encoder;
use super::files::Format;
use super::split::Part;
use crate::dataset::config::OnCorrupt;
use crate::dataset::recording::{Clock, Samples, Strip};
use crate::{Error, Result};

/// How frames are read.
pub(super) struct Decoder<'a> {
    pub(super) format: Format,
    pub(super) config: &'a RadarConfig,
    pub(super) on_corrupt: OnCorrupt,
    /// Bytes that the frames may take.
    pub(super) most_bytes: usize,
    /// Minutes from a frame to the next.
    pub(super) step: i64,
}

/// What was read.
pub(super) struct Decoded {
    pub(super) strips: Vec<Strip>,
    /// What was wrong with the frames that were left out.
    pub(super) skipped: Vec<Error>,
}

/// A frame in memory.
struct Kept {
    frame: Recorded,
    height: usize,
    width: usize,
    codes: Vec<u16>,
}

impl Decoder<'_> {
    /// Reads the frames of a split. One that cannot be read is a gap, or ends it.
    ///
    /// # Errors
    /// [`Error::Data`] if the frames would take more memory than they may, [`Error::Format`] if
    /// frames of a run differ in size, and those of the files.
    pub(super) fn decode(&self, part: &Part) -> Result<Decoded> {
        let frames: usize = part.iter().map(|(_, run)| run.0.len()).sum();
        let mut decoded = Decoded { strips: Vec::new(), skipped: Vec::new() };
        let mut bytes = 0;
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
            bytes += kept.iter().map(|kept| 2 * kept.codes.len()).sum::<usize>();
            if bytes > self.most_bytes {
                return Err(Error::Data {
                    what: "the radar frames".into(),
                    reason: format!(
                        "of the {frames} frames of a split the first ones take {} MiB already, but data.memory_mib = {} \
                         are allowed; raise it, raise data.radar.downsample, or choose fewer events",
                        bytes >> 20,
                        self.most_bytes >> 20
                    ),
                });
            }
            decoded.strips.extend(self.strips(event, kept));
        }
        Ok(decoded)
    }

    /// The frames of a run that can be read.
    fn run(&self, run: &Run, skipped: &mut Vec<Error>) -> Result<Vec<Kept>> {
        let encoder = Encoder::new(self.config);
        let of_one_file = run.0.chunk_by(|a, b| a.file == b.file).collect::<Vec<_>>();
        let outcomes: Vec<Result<Kept>> = of_one_file
            .into_par_iter()
            .flat_map_iter(|frames| {
                let indices: Vec<usize> = frames.iter().map(|frame| frame.index).collect();
                let fields = self.format.read(&frames[0].file, &indices, self.config);
                let keep = |(frame, field): (&Recorded, Result<_>)| {
                    let field: super::field::Field = field?;
                    let field = field.coarser(self.config.downsample);
                    let codes = encoder.codes(&field);
                    Ok(Kept { frame: frame.clone(), height: field.height, width: field.width, codes })
                };
                frames.iter().zip(fields).map(keep).collect::<Vec<_>>()
            })
            .collect();
        self.on_corrupt.kept(outcomes, skipped)
    }

    /// Strips of frames; a frame that is left out is a gap.
    fn strips(&self, event: &str, kept: Vec<Kept>) -> Vec<Strip> {
        let runs = cut(kept.iter().map(|kept| kept.frame.clone()).collect(), self.step);
        let mut kept = kept.into_iter();
        let strip = |Run(frames): Run| {
            let mut shape = [1, 1, 1];
            let mut codes = Vec::new();
            for kept in kept.by_ref().take(frames.len()) {
                shape = [1, kept.height, kept.width];
                codes.extend(kept.codes);
            }
            let clock = Some(Clock { first: frames[0].time, step: self.step });
            Strip { name: event.into(), clock, shape, samples: Samples::Words(codes) }
        };
        runs.into_iter().map(strip).collect()
    }
}

/// The last part of a path, for names.
pub(super) fn short(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
