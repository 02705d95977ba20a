//! What several files tell about their frames must agree.

use std::path::Path;

use super::Reader;
use crate::dataset::source::Content;
use crate::printable::printable;
use crate::{Error, Result};

/// What a file tells about its frames.
pub(super) struct Told {
    /// Minutes from one to the next.
    pub(super) minutes: Option<f64>,
    pub(super) content: Option<Content>,
}

impl Reader<'_> {
    /// Minutes from a frame to the next, where files tell it.
    ///
    /// # Errors
    /// [`Error::Data`] with two files whose frames follow each other at other distances, unless the configuration names one.
    pub(super) fn minutes_per_step(&self, files: &[(&Path, &Told)]) -> Result<Option<f64>> {
        let mut told = files.iter().filter_map(|(path, told)| Some((*path, told.minutes?)));
        let Some((first, minutes)) = told.next() else { return Ok(None) };
        let is_other = |own: f64| (own - minutes).abs() > 0.5 * minutes.min(own);
        match told.find(|(_, own)| is_other(*own) && self.config.minutes_per_step == 0.0) {
            None => Ok(Some(minutes)),
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
    pub(super) fn expect_equal_content(&self, files: &[(&Path, &Told)]) -> Result<()> {
        let mut told = files.iter().filter_map(|(path, told)| Some((*path, told.content.as_ref()?)));
        let Some((first, content)) = told.next() else { return Ok(()) };
        let file = printable(first);
        let differs = |(path, own): (&Path, &Content)| {
            let reason = own.difference(content, &file, self.config)?;
            Some(Error::Format { path: path.into(), reason })
        };
        told.find_map(differs).map_or(Ok(()), Err)
    }
}
