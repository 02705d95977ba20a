//! The files of own frames: what each holds, and how many windows the splits have.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use crate::dataset::frames::{SplitFiles, TimeOrder, files_of_splits, places, time_order};
use crate::dataset::source::{self, Content, FrameInfo, Given};
use crate::dataset::{Axes, DataConfig, FramesConfig, Split};
use crate::{Error, ReadBudget, Result};

/// What a file or a folder of pictures holds, known from headers.
pub(super) struct FileFacts {
    pub(super) path: PathBuf,
    pub(super) info: FrameInfo,
    pub(super) order: TimeOrder,
    pub(super) content: Option<Content>,
    pub(super) axes: Option<Axes>,
    pub(super) is_seekable: bool,
    pub(super) is_scattered: bool,
}

impl FileFacts {
    fn read(path: &Path, config: &FramesConfig, budget: &ReadBudget) -> Result<Self> {
        let source = source::open_as(path, config, budget, Given::Numbers)?;
        Ok(Self {
            path: path.into(),
            info: source.info()?,
            order: time_order(path, source.as_ref(), budget)?,
            content: source.content()?,
            axes: source.axes(),
            is_seekable: source.is_seekable(),
            is_scattered: source.is_scattered(),
        })
    }

    /// Numbers of a frame, where pictures are taken for grey.
    pub(super) fn frame_numbers(&self) -> usize {
        self.info.channels.unwrap_or(1) * self.info.height * self.info.width
    }

    /// Frames of all sequences.
    pub(super) fn frames(&self) -> usize {
        self.info.sequences * self.info.steps
    }
}

/// All files of a data set, and which split each belongs to.
pub(super) struct Files {
    pub(super) facts: Vec<FileFacts>,
    splits: [SplitFiles; 3],
    stride: usize,
}

/// What a split holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SplitSummary {
    /// `train`, `validation` or `test`.
    pub name: &'static str,
    /// Sequences, or parts in time of sequences.
    pub sequences: usize,
    /// Frames of all of them.
    pub frames: usize,
    /// Windows of `data.input_frames` and `data.output_frames` that no gap cuts.
    pub windows: usize,
}

impl Files {
    /// Looks at the headers of all files. Files that cannot be read are gathered in `left_out`.
    ///
    /// # Errors
    /// The errors of the folders, or the first file's if none can be read.
    pub(super) fn new(
        path: &Path,
        data: &DataConfig,
        config: &FramesConfig,
        budget: &ReadBudget,
        left_out: &mut Vec<Error>,
    ) -> Result<Self> {
        let splits = files_of_splits(data, config, path, left_out)?;
        let all: BTreeMap<&PathBuf, ()> =
            splits.iter().flat_map(|split| &split.files).map(|(path, _)| (path, ())).collect();
        let read: Vec<Result<FileFacts>> =
            all.into_par_iter().map(|(path, ())| FileFacts::read(path, config, budget)).collect();
        let mut facts = Vec::with_capacity(read.len());
        for read in read {
            match read {
                Ok(read) => facts.push(read),
                Err(error) => left_out.push(error),
            }
        }
        if facts.is_empty() && !left_out.is_empty() {
            return Err(left_out.swap_remove(0));
        }
        Ok(Self { facts, splits, stride: config.stride })
    }

    fn of(&self, path: &Path) -> Option<&FileFacts> {
        // They come in the order of their paths.
        let at = self.facts.binary_search_by(|facts| facts.path.as_path().cmp(path)).ok()?;
        Some(&self.facts[at])
    }

    /// The runs without a gap of each sequence of a split: how many sequences, and the lengths of the runs of each.
    fn runs(&self, at: usize) -> impl Iterator<Item = (usize, Vec<usize>)> {
        let split = &self.splits[at];
        split.files.iter().filter_map(|(path, sequences): &(PathBuf, Range<usize>)| {
            let facts = self.of(path)?;
            Some((sequences.len(), facts.order.lengths(places(facts.info.steps, &split.time))))
        })
    }

    /// What the splits hold, with windows of so many frames.
    pub(super) fn summaries(&self, steps: usize) -> [SplitSummary; 3] {
        let of = |(at, split): (usize, Split)| {
            let mut summary = SplitSummary { name: split.name(), sequences: 0, frames: 0, windows: 0 };
            for (sequences, runs) in self.runs(at) {
                let windows =
                    |&length: &usize| length.checked_sub(steps).map_or(0, |rest| rest / self.stride + 1);
                summary.sequences += sequences;
                summary.frames += sequences * runs.iter().sum::<usize>();
                summary.windows += sequences * runs.iter().map(windows).sum::<usize>();
            }
            summary
        };
        [(0, Split::Train), (1, Split::Validation), (2, Split::Test)].map(of)
    }

    /// The most frames, up to so many, of which each split has a window.
    pub(super) fn most_steps(&self, most: usize) -> usize {
        (0..3).map(|at| self.longest_run(at)).min().unwrap_or(0).min(most)
    }

    /// The most frames of a split that follow each other without a gap.
    pub(super) fn longest_run(&self, at: usize) -> usize {
        self.runs(at).flat_map(|(_, runs)| runs).max().unwrap_or(0)
    }

    /// Windows that a gap between frames cuts, counted over all files.
    pub(super) fn gaps(&self) -> usize {
        self.facts.iter().map(|facts| facts.order.lengths(0..facts.info.steps).len().saturating_sub(1)).sum()
    }
}
