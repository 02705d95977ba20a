//! Rain seen by radars: files, events, splits, and sequences of parts of the images.

mod config;
mod decode;
mod events;
mod files;
mod newest;
mod recordings;
mod split;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use config::{EventGrouping, RadarConfig};
pub(super) use newest::newest;
pub(super) use recordings::{EventSummary, FrameOfFile, Recordings};

use self::decode::{Decoder, short};
use self::events::{Clock, Recorded, Timeline};
use self::split::{Part, Parts};
use super::config::{DataConfig, OnCorrupt};
use super::downsampling::spacing;
use super::source::FrameSource;
use super::source::radar::{Format, RadarFile};
use super::windows::{
    Augmentation, Clip, Codebook, RandomDraws, SampleFilter, Selection, WindowDataset, WindowSource,
};
use super::{FoundData, SequenceDataset, Split};
use crate::counted::counted;
use crate::printable::printable;
use crate::{Error, ReadBudget, Result};

/// Opens a split of the radar files in a folder.
///
/// # Errors
/// [`Error::Data`] if there are no such files or they hold no sequence, [`Error::Config`]
/// if events are named that are not there, [`Error::Format`] if a file is damaged.
pub(super) fn open(
    data: &DataConfig,
    config: &RadarConfig,
    folder: &Path,
    split: Split,
    seed: u64,
) -> Result<WindowDataset> {
    let found = Found::new(data.on_corrupt, config, folder, data.budget())?;
    found.expected(data)?;
    let parts = Parts::new(&found.timeline, config, data.steps(), &printable(folder))?;
    found.dataset(data, parts.of(split), Measured::Split(split, seed))
}

/// Opens all splits of the radar files in a folder, which are looked for once.
///
/// # Errors
/// As [`open`].
pub(super) fn open_splits(
    data: &DataConfig,
    config: &RadarConfig,
    folder: &Path,
    seed: u64,
) -> Result<[WindowDataset; 3]> {
    let found = Found::new(data.on_corrupt, config, folder, data.budget())?;
    found.expected(data)?;
    let parts = Parts::new(&found.timeline, config, data.steps(), &printable(folder))?;
    let open = |split| found.dataset(data, parts.of(split), Measured::Split(split, seed));
    Ok([open(Split::Train)?, open(Split::Validation)?, open(Split::Test)?])
}

/// Opens all events of the radar files in a folder as a test set: at most `data.test_sequences` sequences. Frames that are lower or narrower than the
/// parts of the configuration are whole. Warnings tell both.
///
/// # Errors
/// As [`open`].
pub(super) fn open_whole(data: &DataConfig, config: &RadarConfig, folder: &Path) -> Result<WindowDataset> {
    let found = Found::new(data.on_corrupt, config, folder, data.budget())?;
    found.expected(data)?;
    let part = Parts::whole(&found.timeline, data.steps(), &printable(folder))?;
    found.dataset(data, &part, Measured::Everything)
}

/// The frames that a data set is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measured {
    /// The frames of a split; a seed draws the sequences of a training.
    Split(Split, u64),
    /// All frames, for a measurement of a trained model.
    Everything,
}

/// The radar files of a folder.
struct Found<'a> {
    config: &'a RadarConfig,
    folder: &'a Path,
    format: Format,
    timeline: Timeline,
    budget: ReadBudget,
    /// What was wrong with the files that were left out.
    left_out: Vec<Error>,
}

impl<'a> Found<'a> {
    fn new(
        on_corrupt: OnCorrupt,
        config: &'a RadarConfig,
        folder: &'a Path,
        budget: ReadBudget,
    ) -> Result<Self> {
        Self::by(Clock::Exact, on_corrupt, config, folder, budget)
    }

    /// As [`new`](Self::new), by a clock.
    fn by(
        clock: Clock,
        on_corrupt: OnCorrupt,
        config: &'a RadarConfig,
        folder: &'a Path,
        budget: ReadBudget,
    ) -> Result<Self> {
        let mut left_out = Vec::new();
        let (format, series) = files::find(folder, config, on_corrupt, &budget, &mut left_out)?;
        let timeline = Timeline::new(series, (i64::from(config.minutes_per_step), clock), config.events)?;
        Ok(Self { config, folder, format, timeline, budget, left_out })
    }

    /// What they are, which must be what the training found where that is known.
    ///
    /// # Errors
    /// The errors of [`FoundData::expect`] and [`FoundData::expect_minutes`].
    fn expected(&self, data: &DataConfig) -> Result<FoundData> {
        self.expected_every(self.timeline.step as f64, data)
    }

    /// As [`expected`](Self::expected), of frames so many minutes apart.
    fn expected_every(&self, minutes: f64, data: &DataConfig) -> Result<FoundData> {
        let own = FoundData::of_radar(self.config, minutes);
        if let Some(training) = &data.found {
            training.expect(&own, self.folder)?;
            training.expect_minutes(minutes, self.folder)?;
        }
        Ok(own)
    }

    /// The sequences of some of their frames, chosen like the sequences of a split.
    fn dataset(&self, data: &DataConfig, part: &Part, measured: Measured) -> Result<WindowDataset> {
        let (split, seed) = match measured {
            Measured::Split(split, seed) => (split, seed),
            Measured::Everything => (Split::Test, 0),
        };
        let (config, folder, format, timeline) = (self.config, self.folder, self.format, &self.timeline);
        let what = printable(folder);
        let mut found = self.expected(data)?;
        let decoder = Decoder {
            format,
            config,
            on_corrupt: data.on_corrupt,
            budget: &self.budget,
            step: timeline.step,
            clock: Clock::Exact,
        };
        let decoded = decoder.decode(part)?;
        let clips: Vec<_> = decoded.clips.into_iter().filter(|clip| clip.len() >= data.steps()).collect();
        let error = |reason| Err(Error::Data { what: what.clone(), reason });
        let Some(first) = clips.first() else {
            return error(format!(
                "the {split} split has no {} frames in a row once {} damaged frames and files are left out",
                data.steps(),
                decoded.skipped.len() + self.left_out.len()
            ));
        };
        found.whole = [first.shape[1], first.shape[2]];
        if let Some(Recorded { file, .. }) = part.iter().flat_map(|(_, run)| &run.0).next()
            && let Ok(description) =
                (RadarFile { path: file, format, config, budget: &self.budget }).description()
            && let Some((length, unit)) = spacing(&description.georeference)
        {
            (found.spacing, found.spacing_unit) = (length, unit.into());
        }
        let (whole, [rows, columns]) = ([first.shape[1], first.shape[2]], config.crop);
        let smaller = clips.iter().find(|clip| clip.shape[1] < rows || clip.shape[2] < columns);
        // A model is measured on frames that are smaller than the parts of its training, too.
        let takes_whole = config.crop == [0, 0] || (measured == Measured::Everything && smaller.is_some());
        let size = if takes_whole { whole } else { config.crop };
        let mut told = Vec::new();
        if let Some(clip) = smaller {
            if measured != Measured::Everything {
                return error(format!(
                    "{} has frames of {} x {} pixels after downsampling by {}, smaller than the {rows} x {columns} of data.radar.crop; take \
                     smaller parts or a smaller data.radar.downsample",
                    clip.name, clip.shape[1], clip.shape[2], config.downsample
                ));
            }
            told.push(format!(
                "{} has frames of {} x {} pixels after downsampling by {}, smaller than the {rows} x {columns} of data.radar.crop; the model is \
                 measured on whole frames",
                clip.name, clip.shape[1], clip.shape[2], config.downsample
            ));
        }
        if takes_whole && let Some(clip) = clips.iter().find(|clip| clip.shape[1..] != size) {
            return error(format!(
                "{} has frames of {} x {} pixels and {} of {} x {}; set data.radar.crop to a size that fits in both",
                first.name, size[0], size[1], clip.name, clip.shape[1], clip.shape[2]
            ));
        }
        let source = WindowSource::new(clips, Codebook::fine(), data.steps(), size, config.stride);
        let filter = SampleFilter {
            measured: config.minimum_measured,
            rain: config.minimum_rain,
            importance: config.rain_importance,
        };
        let selection = match split {
            Split::Train => Selection::Random(RandomDraws {
                seed,
                split,
                sequences: data.train_sequences,
                filter,
                augmentation: Augmentation { flips: config.flips, rotations: config.rotations },
            }),
            Split::Validation | Split::Test => {
                let listed = source.listed(&filter, data.sequences(split), folder, &self.budget)?;
                if listed.is_empty() {
                    return error(format!(
                        "no sequence of the {split} split has a share of {} of measured pixels and of {} with rain; lower \
                     data.radar.minimum_measured or data.radar.minimum_rain",
                        filter.measured, filter.rain
                    ));
                }
                if measured == Measured::Everything && listed.len() == data.sequences(split) {
                    told.push(format!(
                        "the model is measured on {} of {what}, evenly over time: data.{split}_sequences of its training allows no more",
                        counted(listed.len(), "sequence")
                    ));
                }
                Selection::Fixed(listed)
            }
        };
        let files_left_out =
            self.left_out.iter().map(|error| format!("left out of the {split} split: {error}"));
        let frames_left_out =
            decoded.skipped.iter().map(|error| format!("left out a frame of the {split} split: {error}"));
        found.frame = [1, size[0], size[1]];
        let mut dataset = WindowDataset {
            name: String::new(),
            found,
            source,
            selection,
            quantity: config.quantity(Some(timeline.step as f64)),
            has_missing: true,
            warnings: files_left_out.chain(frames_left_out).chain(told).collect(),
        };
        dataset.name = described(&dataset, format.name(), &short(folder), split);
        Ok(dataset)
    }
}

/// What a data set is called: format, folder, split, its events, and how much of it there is.
fn described(dataset: &WindowDataset, format: &str, folder: &str, split: Split) -> String {
    let clips = &dataset.source.clips;
    let mut events: Vec<&str> = clips.iter().map(|clip| clip.name.as_str()).collect();
    events.dedup();
    const SHOWN: usize = 3;
    let more =
        if events.len() > SHOWN { format!(" and {} more", events.len() - SHOWN) } else { String::new() };
    events.truncate(SHOWN);
    let frames: usize = clips.iter().map(Clip::len).sum();
    let [_, height, width] = dataset.frame_shape();
    format!(
        "{format} of {folder} ({split}: {}{more}; {} in {:.1} MiB, {}, parts of {height} x {width})",
        events.join(", "),
        counted(frames, "frame"),
        dataset.bytes() as f64 / f64::from(1 << 20),
        counted(dataset.source.windows(), "window")
    )
}
