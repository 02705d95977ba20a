//! What several files tell about their frames must agree.

use std::path::Path;

use super::{Reader, TimeOrder, time_order};
use crate::dataset::rain_scale::{AMOUNT_MINUTES, rate_of_one};
use crate::dataset::source::{Content, FrameSource, radar};
use crate::dataset::{FoundData, rain_headers};
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
    /// The order of the frames of a file in time, cut where they are not as far apart as the configuration says.
    ///
    /// # Errors
    /// The errors of [`time_order`]; [`Error::Data`] with both numbers if no two frames are.
    pub(super) fn order(&self, path: &Path, source: &dyn FrameSource) -> Result<TimeOrder> {
        let order = time_order(path, source, &self.budget)?;
        let minutes = self.config.minutes_per_step;
        if minutes <= 0.0 {
            return Ok(order);
        }
        match order.contradiction(minutes) {
            Some(reason) => Err(Error::Data { what: printable(path), reason }),
            None => Ok(order.with_minutes(minutes)),
        }
    }

    /// What the headers of a file tell, which must be what the training found where that is known.
    ///
    /// # Errors
    /// The errors of [`FoundData::expect`] and [`FoundData::expect_minutes`]; [`Error::Data`] for a unit that `data.frames.rain` does not
    /// read; [`Error::Format`] for amounts of rain of longer than a step.
    pub(super) fn told(&self, path: &Path, source: &dyn FrameSource, order: &TimeOrder) -> Result<Told> {
        let mut minutes = order.minutes_per_step();
        let content = source.content()?;
        let mut found = FoundData::of_frames(&source.info()?, content.as_ref(), self.config);
        self.expect_unit_of_rain(path, &found)?;
        found.radar_as_frames = found.radar_as_frames || radar::Format::named(path).is_some();
        let mut doubts = match &self.data.found {
            Some(training) => {
                let own = training.minutes_per_step;
                if minutes.is_some() && own > 0.0 && order.is_roughly_every(own) {
                    minutes = Some(own);
                }
                training.expect_minutes(found.clone().with_minutes(minutes).minutes_per_step, path)?;
                training.expect(&found, path)?
            }
            None => Vec::new(),
        };
        if let Some(content) = content.as_ref().filter(|_| self.config.rain.is_some()) {
            rain_headers::expect_sums(content, self.config, minutes)
                .map_err(|reason| Error::Format { path: path.into(), reason })?;
            let doubt = rain_headers::doubt(content, self.config);
            doubts.extend(doubt.map(|doubt| format!("{} {doubt}", printable(path))));
        }
        if let Some(doubt) = order.doubt().filter(|_| self.config.minutes_per_step == 0.0) {
            doubts.push(format!("{} {doubt}", printable(path)));
        }
        Ok(Told { minutes, content, found, doubts })
    }

    /// Refuses a unit of which no rain rates can be made, before numbers in it are compared with rain rates. Numbers without a unit are judged later.
    fn expect_unit_of_rain(&self, path: &Path, found: &FoundData) -> Result<()> {
        if self.config.rain.is_none() || found.unit.is_empty() {
            return Ok(());
        }
        match rate_of_one(&found.unit, Some(AMOUNT_MINUTES)) {
            Ok(_) => Ok(()),
            Err(reason) => Err(Error::Data { what: printable(path), reason }),
        }
    }

    /// What all files hold together, and what the user should know about it.
    ///
    /// # Errors
    /// [`Error::Data`] with two files whose frames follow each other at other distances, unless the configuration names one, or whose types
    /// give numbers with a unit other ranges; [`Error::Format`] with a file whose numbers differ from the numbers of the first.
    pub(super) fn agreed(&self, files: &[(&Path, &Told)]) -> Result<(FoundData, Vec<String>)> {
        self.expect_equal_minutes(files)?;
        self.expect_equal_content(files)?;
        if let [(_, first), ..] = files
            && self.data.found.is_none()
        {
            for (path, told) in files {
                first.found.clone().with_any_numbers().expect(&told.found, path)?;
            }
        }
        let all = FoundData::of_all(files.iter().map(|(_, told)| told.found.clone()));
        let doubts = files.iter().map(|(_, told)| &told.doubts).find(|doubts| !doubts.is_empty());
        let minutes = files.iter().find_map(|(_, told)| told.minutes);
        Ok((all.with_minutes(minutes), doubts.cloned().unwrap_or_default()))
    }

    /// Refuses files whose frames follow each other at other distances.
    fn expect_equal_minutes(&self, files: &[(&Path, &Told)]) -> Result<()> {
        let mut told = files.iter().filter_map(|(path, told)| Some((*path, told.minutes?)));
        let Some((first, minutes)) = told.next() else { return Ok(()) };
        let is_other = |own: f64| (own - minutes).abs() > 0.5 * minutes.min(own);
        match told.find(|(_, own)| is_other(*own) && self.config.minutes_per_step == 0.0) {
            None => Ok(()),
            Some((other, own)) => Err(self.refuse(format!(
                "{} has a frame every {minutes} minutes, but {} every {own}; give files of one distance in time",
                printable(first),
                printable(other)
            ))),
        }
    }

    /// Refuses files whose numbers differ in what they are.
    fn expect_equal_content(&self, files: &[(&Path, &Told)]) -> Result<()> {
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
