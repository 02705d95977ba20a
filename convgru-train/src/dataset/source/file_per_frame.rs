//! Folders of arrays with one frame each, such as a netCDF file for each time.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{
    Axes, Content, Format, Frame, FrameInfo, FrameSource, Given, Origin, Times, Visit, is_hidden,
    natural_order,
};
use crate::dataset::{Description, FramesConfig};
use crate::printable::{escaped, printable};
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
    /// What the axes of a file are.
    axes: Option<Axes>,
    /// What the first file that can be read says about its numbers.
    content: Option<Content>,
    /// When each frame was seen, where files tell it.
    times: Option<Times>,
    _names: Kept,
}

impl FilePerFrame {
    /// Lists the arrays of a folder and reads the header of the first that can be read; `None` where there are not several files, or that one
    /// holds more than a frame.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read, [`Error::Memory`] if the names take too much.
    pub(super) fn open(
        folder: &Path,
        config: &FramesConfig,
        budget: &ReadBudget,
        given: Given,
    ) -> Result<Option<Self>> {
        let mut names = budget.keep(folder, 0)?;
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
        // Whoever reads the folder otherwise says what is wrong with files that cannot be read.
        let read = |file: &PathBuf| {
            let source = super::open(file, config, budget)?;
            Result::Ok((source.info()?, source.content()?, source.axes()))
        };
        let Some((info, content, axes)) = files.iter().find_map(|file| read(file).ok()) else {
            return Ok(None);
        };
        if (info.sequences, info.steps) != (1, 1) || files.len() == 1 {
            return Ok(None);
        }
        let info = FrameInfo { steps: files.len(), ..info };
        let times = times(&files, config, budget)?;
        Ok(Some(Self {
            files,
            config: config.clone(),
            budget: budget.clone(),
            given,
            info,
            axes,
            content,
            times,
            _names: names,
        }))
    }

    /// Refuses a file that does not hold a frame like the first.
    fn expect_equal(&self, path: &Path, own: FrameInfo) -> Result<()> {
        let shape = |info: &FrameInfo| (info.channels, info.height, info.width, info.number_type);
        let reason = if (own.sequences, own.steps) != (1, 1) {
            format!(
                "holds {} sequences of {} frames among files of one frame each; put files of several frames into a folder of their own",
                own.sequences, own.steps
            )
        } else if shape(&own) != shape(&self.info) {
            let shown = |info: &FrameInfo| {
                let channels = info.channels.map_or(String::new(), |channels| format!("{channels} x "));
                format!("{channels}{} x {} {}", info.height, info.width, info.number_type)
            };
            format!(
                "holds a frame of {}, but {} one of {}; all frames of a sequence must be alike",
                shown(&own),
                printable(&self.files[0]),
                shown(&self.info)
            )
        } else if own.natural_range != self.info.natural_range && self.config.explicit_range().is_none() {
            let [[low, high], [first_low, first_high]] = [own.natural_range, self.info.natural_range];
            format!(
                "holds numbers of {low} to {high} by its type and scale, but {} those of {first_low} to {first_high}; set data.frames.range to \
                 the lowest and highest number that can be measured",
                printable(&self.files[0])
            )
        } else {
            return Ok(());
        };
        Err(Error::Format { path: path.into(), reason })
    }

    /// Refuses a file whose numbers are others than those of the first, or lie the other way round.
    fn expect_equal_content(&self, path: &Path, own: Option<Content>) -> Result<()> {
        let (Some(own), Some(first)) = (own, &self.content) else { return Ok(()) };
        let file = printable(&self.files[0]);
        let difference = own.difference(first, &file, &self.config).or_else(|| {
            let axes = |content: &Content| match content.downwards.is_empty() {
                true => "no axis".to_owned(),
                false => escaped(&content.downwards.join(", ")).into_owned(),
            };
            (own.downwards != first.downwards).then(|| {
                format!(
                    "has coordinates that run downwards on {}, but {file} on {}; all frames of a sequence must lie the same way round",
                    axes(&own),
                    axes(first)
                )
            })
        });
        difference.map_or(Ok(()), |reason| Err(Error::Format { path: path.into(), reason }))
    }
}

/// The times of files of a frame each; `None` where files tell none that compare, or one cannot be read, which its reading says.
///
/// # Errors
/// [`Error::Format`] with a file that tells no time beside others whose times are in another order than their names.
fn times(files: &[PathBuf], config: &FramesConfig, budget: &ReadBudget) -> Result<Option<Times>> {
    let mut all: Option<Times> = None;
    let mut without = None;
    for file in files {
        let Ok(source) = super::open(file, config, budget) else { return Ok(None) };
        let own = source.step_times()?.filter(|own| own.seconds.len() == 1 && own.origin != Origin::Unknown);
        match (own, &mut all) {
            (Some(own), None) => all = Some(own),
            (Some(own), Some(all)) if all.origin == own.origin => all.seconds.extend(own.seconds),
            _ => without = without.or(Some(file)),
        }
    }
    match (without, &all) {
        (None, _) => Ok(all),
        (Some(file), Some(all)) if !all.seconds.is_sorted() => Err(Error::Format {
            path: file.clone(),
            reason: "tells no time that compares with the times of other files of its folder, which are not in the order of their names; \
                     write its time as the others do, or give all names in the order of time and leave the times out"
                .into(),
        }),
        _ => Ok(None),
    }
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

    fn description(&self) -> Result<Description> {
        super::open(&self.files[0], &self.config, &self.budget)?.description()
    }

    fn visit(&self, sequences: Range<usize>, steps: Range<usize>, visit: Visit<'_>) -> Result<()> {
        if sequences.is_empty() {
            return Ok(());
        }
        for step in steps {
            let path = &self.files[step];
            let source = super::open_as(path, &self.config, &self.budget, self.given)?;
            self.expect_equal(path, source.info()?)?;
            self.expect_equal_content(path, source.content()?)?;
            source.visit(0..1, 0..1, &mut |frame| visit(Frame { step, ..frame }))?;
        }
        Ok(())
    }
}
