//! What several files tell about their frames must agree.

use std::path::{Path, PathBuf};

use super::{FileRead, Reader};
use crate::dataset::FoundData;
use crate::dataset::source::{Content, FrameSource};
use crate::printable::printable;
use crate::{Error, Result};

/// What a file tells about its frames.
pub(super) struct Told {
    /// Minutes from one to the next.
    pub(super) minutes: Option<f64>,
    pub(super) content: Option<Content>,
    pub(super) found: FoundData,
    /// What the user should know about it.
    pub(super) doubts: Vec<String>,
}

impl Reader<'_> {
    /// What the headers of a file tell, which must be what the training found where that is known.
    ///
    /// # Errors
    /// Those of [`FoundData::expect`] and [`FoundData::expect_minutes`].
    pub(super) fn told(&self, path: &Path, source: &dyn FrameSource, minutes: Option<f64>) -> Result<Told> {
        let content = source.content()?;
        let found = FoundData::of_frames(&source.info()?, content.as_ref(), self.config);
        let doubts = match &self.data.found {
            Some(training) => {
                training.expect_minutes(found.clone().with_minutes(minutes).minutes_per_step, path)?;
                training.expect(&found, path)?
            }
            None => Vec::new(),
        };
        Ok(Told { minutes, content, found, doubts })
    }

    /// What all files hold together.
    ///
    /// # Errors
    /// [`Error::Data`] with a file whose type gives its numbers another range than those of the first, where they have a unit.
    pub(super) fn found(&self, read: &[(FileRead, Told)]) -> Result<FoundData> {
        if let [(_, first), ..] = read
            && self.data.found.is_none()
        {
            for ((path, _), told) in read {
                first.found.clone().with_any_numbers(None).expect(&told.found, path)?;
            }
        }
        let all = FoundData::of_all(read.iter().map(|(_, told)| told.found.clone()));
        Ok(all.with_minutes(read.iter().find_map(|(_, told)| told.minutes)))
    }

    /// Refuses files whose frames follow each other at other distances.
    ///
    /// # Errors
    /// [`Error::Data`] with two such files, unless the configuration names a distance.
    pub(super) fn expect_equal_minutes(&self, read: &[(FileRead, Told)]) -> Result<()> {
        let mut told = read.iter().filter_map(|((path, _), told)| Some((path, told.minutes?)));
        let Some((first, minutes)) = told.next() else { return Ok(()) };
        let is_other = |own: f64| (own - minutes).abs() > 0.5 * minutes.min(own);
        match told.find(|(_, own)| is_other(*own) && self.config.minutes_per_step == 0.0) {
            None => Ok(()),
            Some((other, own)) => Err(self.refuse(format!(
                "{} has a frame every {minutes} minutes, but {} every {own}; give files of one distance in time, or set \
                 data.frames.minutes_per_step if a frame is a step all the same",
                printable(first),
                printable(other)
            ))),
        }
    }

    /// Refuses files whose numbers differ in what they are.
    ///
    /// # Errors
    /// [`Error::Format`] with the file that differs from the first.
    pub(super) fn expect_equal_content(&self, read: &[(FileRead, Told)]) -> Result<()> {
        let mut told = read.iter().filter_map(|((path, _), told)| Some((path, told.content.as_ref()?)));
        let Some((first, content)) = told.next() else { return Ok(()) };
        let file = printable(first);
        let differs = |(path, own): (&PathBuf, &Content)| {
            let reason = own.difference(content, &file, self.config)?;
            Some(Error::Format { path: path.clone(), reason })
        };
        told.find_map(differs).map_or(Ok(()), Err)
    }
}
