//! What radar files of a folder there are, for looking at them.

use std::path::{Path, PathBuf};

use super::split::Parts;
use super::{Found, RadarConfig};
use crate::Result;
use crate::dataset::DataConfig;
use crate::dataset::source::radar::Format;
use crate::printable::printable;

/// The frames of a folder, by events and runs without a gap.
pub(in crate::dataset) struct Recordings<'a> {
    found: Found<'a>,
    pub(in crate::dataset) events: Vec<EventSummary>,
}

/// Runs that are trained on or tested on together.
pub(in crate::dataset) struct EventSummary {
    pub(in crate::dataset) name: String,
    pub(in crate::dataset) runs: Vec<Vec<FrameOfFile>>,
}

/// A frame that a file holds.
pub(in crate::dataset) struct FrameOfFile {
    pub(in crate::dataset) file: PathBuf,
    /// Its number in the file, from 0.
    pub(in crate::dataset) index: usize,
    pub(in crate::dataset) time: String,
}

impl<'a> Recordings<'a> {
    /// Looks for files and their times; no image is decoded.
    ///
    /// # Errors
    /// The errors of [`open`](super::open) for files that are missing.
    pub(in crate::dataset) fn find(
        data: &DataConfig,
        config: &'a RadarConfig,
        folder: &'a Path,
    ) -> Result<Self> {
        let found = Found::new(data.on_corrupt, config, folder, data.budget())?;
        let frame = |own: &super::events::Recorded| FrameOfFile {
            file: own.file.clone(),
            index: own.index,
            time: own.time.to_string(),
        };
        let event = |event: &super::events::RainEvent| EventSummary {
            name: event.name.clone(),
            runs: event.runs.iter().map(|run| run.0.iter().map(frame).collect()).collect(),
        };
        let events = found.timeline.events.iter().map(event).collect();
        Ok(Self { found, events })
    }

    /// The format of all files.
    pub(in crate::dataset) fn format(&self) -> Format {
        self.found.format
    }

    /// Minutes from a frame to the next.
    pub(in crate::dataset) fn step(&self) -> i64 {
        self.found.timeline.step
    }

    /// Places where two neighbours of a folder or a file are not a step apart: sequences end there.
    pub(in crate::dataset) fn gaps(&self) -> usize {
        self.found.timeline.gaps
    }

    /// What was wrong with files that are left out.
    pub(in crate::dataset) fn left_out(&self) -> &[crate::Error] {
        &self.found.left_out
    }

    /// All frames, event by event.
    pub(in crate::dataset) fn frames(&self) -> impl Iterator<Item = &FrameOfFile> {
        self.events.iter().flat_map(|event| event.runs.iter().flatten())
    }

    /// Whether each split has a sequence of so many frames.
    pub(in crate::dataset) fn fits(&self, steps: usize) -> bool {
        Parts::new(&self.found.timeline, self.found.config, steps, &printable(self.found.folder)).is_ok()
    }
}
