//! Folders of arrays with one frame each, such as a netCDF file for each time.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Format, Frame, FrameInfo, FrameSource, Origin, Times, Visit, is_hidden, natural_order};
use crate::dataset::FramesConfig;
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
    info: FrameInfo,
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
    pub(super) fn open(folder: &Path, config: &FramesConfig, budget: &ReadBudget) -> Result<Option<Self>> {
        let mut names = budget.keep(folder, 0)?;
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(Error::io("open the data folder", folder))? {
            let path = entry.map_err(Error::io("read the data folder", folder))?.path();
            let holds_array = !matches!(Format::named(&path), None | Some(Format::Gif));
            if holds_array && !is_hidden(&path) && path.is_file() {
                names.more(folder, (path.as_os_str().len() + NAME_BYTES) as u64)?;
                files.push(path);
            }
        }
        files.sort_by(|a, b| natural_order::compare(&a.to_string_lossy(), &b.to_string_lossy()));
        // Whoever reads the folder otherwise says what is wrong with files that cannot be read.
        let read = |file: &PathBuf| super::open(file, config, budget)?.info();
        let Some(info) = files.iter().find_map(|file| read(file).ok()) else { return Ok(None) };
        if (info.sequences, info.steps) != (1, 1) || files.len() == 1 {
            return Ok(None);
        }
        let info = FrameInfo { steps: files.len(), ..info };
        let times = times(&files, config, budget)?;
        Ok(Some(Self { files, config: config.clone(), budget: budget.clone(), info, times, _names: names }))
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
}

/// The times of files of a frame each; `None` where one tells none or cannot be read, which its reading says, or where they do not begin to
/// count on one date.
fn times(files: &[PathBuf], config: &FramesConfig, budget: &ReadBudget) -> Result<Option<Times>> {
    let mut all: Option<Times> = None;
    for file in files {
        let Ok(source) = super::open(file, config, budget) else { return Ok(None) };
        let own = source.step_times()?.filter(|own| own.seconds.len() == 1 && own.origin != Origin::Unknown);
        let Some(own) = own else { return Ok(None) };
        match &mut all {
            None => all = Some(own),
            Some(all) if all.origin == own.origin => all.seconds.extend(own.seconds),
            Some(_) => return Ok(None),
        }
    }
    Ok(all)
}

impl FrameSource for FilePerFrame {
    fn info(&self) -> Result<FrameInfo> {
        Ok(self.info)
    }

    fn step_times(&self) -> Result<Option<Times>> {
        Ok(self.times.clone())
    }

    fn visit(&self, sequences: Range<usize>, steps: Range<usize>, visit: Visit<'_>) -> Result<()> {
        if sequences.is_empty() {
            return Ok(());
        }
        for step in steps {
            let path = &self.files[step];
            let source = super::open(path, &self.config, &self.budget)?;
            self.expect_equal(path, source.info()?)?;
            source.visit(0..1, 0..1, &mut |frame| visit(Frame { step, ..frame }))?;
        }
        Ok(())
    }
}
