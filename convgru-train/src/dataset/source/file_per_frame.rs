//! Folders of arrays with one frame each, such as a netCDF file for each time.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::file_times::{FileTimes, without_time};
use super::{
    Axes, Content, Failed, Format, Frame, FrameInfo, FrameSource, Given, Times, Visit, fail, is_hidden,
    natural_order,
};
use crate::counted::counted;
use crate::dataset::{Description, FramesConfig};
use crate::printable::printable;
use crate::read_budget::{Kept, ReadBudget};
use crate::{Error, Result};

/// Bytes of a name in a list of files, besides its characters.
const NAME_BYTES: usize = 64;

/// A folder of files of one frame each: one sequence, its files in natural order, which the times of files may change.
pub(super) struct FilePerFrame {
    files: Vec<PathBuf>,
    config: FramesConfig,
    budget: ReadBudget,
    given: Given,
    info: FrameInfo,
    /// The place of the first file that can be read.
    first: usize,
    /// What the axes of a file are.
    axes: Option<Axes>,
    /// What the first file that can be read says about its numbers.
    content: Option<Content>,
    /// When each frame was seen, where files tell it.
    times: Option<Times>,
    /// Files that cannot be read or tell no time, and have no step because times tell the steps of the others.
    unplaced: Vec<Unplaced>,
    _names: Kept,
}

/// A file without a place among the others.
struct Unplaced {
    path: PathBuf,
    /// What is wrong with it, where its header can be read.
    reason: Option<String>,
}

/// What the header of a file tells.
struct Header {
    info: FrameInfo,
    axes: Option<Axes>,
    content: Option<Content>,
    times: Option<Times>,
}

impl Header {
    fn read(path: &Path, config: &FramesConfig, budget: &ReadBudget) -> Result<Self> {
        let source = super::open(path, config, budget)?;
        let (info, content) = (source.info()?, source.content()?);
        Ok(Self { info, axes: source.axes(), content, times: source.step_times()? })
    }
}

/// The arrays of a folder, in natural order.
fn arrays(folder: &Path, names: &mut Kept) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("open the data folder", folder))? {
        let path = entry.map_err(Error::io("read the data folder", folder))?.path();
        let holds_array = !matches!(Format::named(&path), None | Some(Format::Gif | Format::Png));
        if holds_array && !is_hidden(&path) && path.is_file() {
            names.more(folder, (path.as_os_str().len() + NAME_BYTES) as u64)?;
            files.push(path);
        }
    }
    files.sort_by(|a, b| natural_order::compare(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok(files)
}

impl FilePerFrame {
    /// Whether a folder holds several arrays, of which the first that can be read is one frame. No other is opened.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read, [`Error::Memory`] if the names take too much.
    pub(super) fn is_held(folder: &Path, config: &FramesConfig, budget: &ReadBudget) -> Result<bool> {
        let files = arrays(folder, &mut budget.keep(folder, 0)?)?;
        // Whoever reads the folder otherwise says what is wrong with files that cannot be read.
        let first = files.iter().find_map(|file| Header::read(file, config, budget).ok());
        Ok(files.len() > 1 && first.is_some_and(|own| (own.info.sequences, own.info.steps) == (1, 1)))
    }

    /// Fails where a folder that is no sequence holds arrays all the same: sequences of their own, or none that can be read.
    ///
    /// # Errors
    /// [`Error::Format`] with how many there are and what to give instead; the error of the first file if none can be read; [`Error::Io`] if the
    /// folder cannot be read, [`Error::Memory`] if the names take too much.
    pub(super) fn expect_none(folder: &Path, config: &FramesConfig, budget: &ReadBudget) -> Result<()> {
        let files = arrays(folder, &mut budget.keep(folder, 0)?)?;
        let Some(first) = files.first() else { return Ok(()) };
        let mut read = files.iter().map(|file| (file, Header::read(file, config, budget)));
        let Some((file, header)) = read.find(|(_, header)| header.is_ok()) else {
            return Header::read(first, config, budget).map(drop);
        };
        let FrameInfo { sequences, steps, .. } = header?.info;
        let [held, of_sequences, of_frames] =
            [(files.len(), "file"), (sequences, "sequence"), (steps, "frame")]
                .map(|(count, of)| counted(count, of));
        let reason = format!(
            "holds {held} with frames, of which {} has {of_sequences} of {of_frames}: each file is sequences of its own, and one sequence is read \
             here; give one of the files",
            printable(file.file_name().unwrap_or_default())
        );
        Err(Error::Format { path: folder.into(), reason })
    }

    /// Lists the arrays of a folder and reads the header of each once.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read, [`Error::Memory`] if the names take too much, [`Error::Format`] if no file can be read.
    pub(super) fn open(
        folder: &Path,
        config: &FramesConfig,
        budget: &ReadBudget,
        given: Given,
    ) -> Result<Self> {
        let mut names = budget.keep(folder, 0)?;
        let mut files = arrays(folder, &mut names)?;
        let mut headers: Vec<Result<Header>> =
            files.par_iter().map(|file| Header::read(file, config, budget)).collect();
        let Some(mut first) = headers.iter().position(Result::is_ok) else {
            return Err(match headers.into_iter().next() {
                Some(Err(error)) => error,
                _ => Error::Format { path: folder.into(), reason: "holds no array".into() },
            });
        };
        let mut unplaced = Vec::new();
        let told = FileTimes::of(&files, own_times(&mut headers));
        let times = told.map(|FileTimes { origin, seconds }| {
            let is_placed: Vec<bool> =
                seconds.iter().zip(&headers).map(|(own, header)| own.is_some() && header.is_ok()).collect();
            let mut is_kept = is_placed.iter();
            headers.retain(|_| *is_kept.next().unwrap_or(&false));
            let (kept, others): (Vec<_>, Vec<_>) =
                files.drain(..).zip(is_placed.iter()).partition(|(_, is_placed)| **is_placed);
            files.extend(kept.into_iter().map(|(path, _)| path));
            unplaced.extend(others.into_iter().map(|(path, _)| Unplaced { path, reason: None }));
            let placed = seconds.into_iter().zip(&is_placed).filter(|(_, is_placed)| **is_placed);
            Times { seconds: placed.filter_map(|(own, _)| own).collect(), origin }
        });
        if times.is_some() {
            first = 0;
        }
        let Header { info, axes, content, .. } = headers.swap_remove(first)?;
        let info = FrameInfo { steps: files.len(), ..info };
        let (config, budget) = (config.clone(), budget.clone());
        let mut made = Self {
            files,
            config,
            budget,
            given,
            info,
            first,
            axes,
            content,
            times,
            unplaced: Vec::new(),
            _names: names,
        };
        for own in &mut unplaced {
            own.reason = made.reason_without_time(&own.path);
        }
        made.unplaced = unplaced;
        Ok(made)
    }

    /// Why a file without a time is left out, where its header can be read: its damage, or that it tells no time.
    fn reason_without_time(&self, path: &Path) -> Option<String> {
        Header::read(path, &self.config, &self.budget).ok()?;
        match self.frame_of(path, 0, &mut |_| Ok(())) {
            Err(Error::Format { reason, .. }) => Some(reason),
            _ => Some(without_time(&self.files[self.first])),
        }
    }

    /// Visits the frame of a file.
    fn frame(&self, step: usize, visit: Visit<'_>) -> Result<()> {
        self.frame_of(&self.files[step], step, visit)
    }

    fn frame_of(&self, path: &Path, step: usize, visit: Visit<'_>) -> Result<()> {
        let source = super::open_as(path, &self.config, &self.budget, self.given)?;
        if self.times.is_none() {
            // A time that cannot be read is damage, also beside files that tell none.
            source.step_times()?;
        }
        self.expect_equal(path, source.info()?)?;
        self.expect_equal_content(path, source.content()?)?;
        source.visit(0..1, 0..1, &mut |frame| visit(Frame { step, ..frame }))
    }

    /// Refuses a file that does not hold a frame like the first.
    fn expect_equal(&self, path: &Path, own: FrameInfo) -> Result<()> {
        let shape = |info: &FrameInfo| (info.channels, info.height, info.width, info.number_type);
        let reason = if (own.sequences, own.steps) != (1, 1) {
            format!(
                "holds {} of {} among files of one frame each; put files of several frames into a folder of their own",
                counted(own.sequences, "sequence"),
                counted(own.steps, "frame")
            )
        } else if shape(&own) != shape(&self.info) {
            let shown = |info: &FrameInfo| {
                let channels = info.channels.map_or(String::new(), |channels| format!("{channels} x "));
                format!("{channels}{} x {} {}", info.height, info.width, info.number_type)
            };
            format!(
                "holds a frame of {}, but {} one of {}; all frames of a sequence must be alike",
                shown(&own),
                printable(&self.files[self.first]),
                shown(&self.info)
            )
        } else if own.natural_range != self.info.natural_range && self.config.explicit_range().is_none() {
            let [[low, high], [first_low, first_high]] = [own.natural_range, self.info.natural_range];
            format!(
                "holds numbers of {low} to {high} by its type and scale, but {} those of {first_low} to {first_high}; set data.frames.range to \
                 the lowest and highest number that can be measured",
                printable(&self.files[self.first])
            )
        } else {
            return Ok(());
        };
        Err(Error::Format { path: path.into(), reason })
    }

    /// Refuses a file whose numbers differ from the first in kind, place or direction.
    fn expect_equal_content(&self, path: &Path, own: Option<Content>) -> Result<()> {
        let (Some(own), Some(first)) = (own, &self.content) else { return Ok(()) };
        let file = printable(&self.files[self.first]);
        let difference = own.difference_in_sequence(first, &file, &self.config);
        difference.map_or(Ok(()), |reason| Err(Error::Format { path: path.into(), reason }))
    }
}

/// The times that files tell; of files that cannot be read, none.
fn own_times(headers: &mut [Result<Header>]) -> Vec<Option<Times>> {
    headers.iter_mut().map(|header| header.as_mut().ok().and_then(|header| header.times.take())).collect()
}

impl FrameSource for FilePerFrame {
    fn info(&self) -> Result<FrameInfo> {
        Ok(self.info)
    }

    fn step_times(&self) -> Result<Option<Times>> {
        Ok(self.times.clone())
    }

    fn content(&self) -> Result<Option<Content>> {
        Ok(self.content.clone())
    }

    fn axes(&self) -> Option<Axes> {
        self.axes.clone()
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn has_file_per_frame(&self) -> bool {
        true
    }

    fn description(&self) -> Result<Description> {
        super::open(&self.files[self.first], &self.config, &self.budget)?.description()
    }

    fn visit(&self, sequences: Range<usize>, steps: Range<usize>, visit: Visit<'_>) -> Result<()> {
        self.visit_readable(sequences, steps, visit, &mut fail)
    }

    fn visit_readable(
        &self,
        sequences: Range<usize>,
        steps: Range<usize>,
        visit: Visit<'_>,
        failed: Failed<'_>,
    ) -> Result<()> {
        if sequences.is_empty() {
            return Ok(());
        }
        for Unplaced { path, reason } in &self.unplaced {
            match reason {
                Some(reason) => failed(None, Error::Format { path: path.clone(), reason: reason.clone() })?,
                None => {
                    if let Err(error) = Header::read(path, &self.config, &self.budget) {
                        failed(None, error)?;
                    }
                }
            }
        }
        for step in steps {
            match self.frame(step, visit) {
                Err(error @ Error::Format { .. }) => failed(Some(step), error)?,
                other => other?,
            }
        }
        Ok(())
    }
}
