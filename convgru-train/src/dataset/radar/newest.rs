//! The newest radar images of a folder.

use std::path::Path;

use convgru_model::Tensor;

use super::decode::Decoder;
use super::events::{Clock, Recorded, Run, Timeline};
use super::{Found, RadarConfig};
use crate::dataset::Description;
use crate::dataset::cadence::{contradiction, is_rough_clock};
use crate::dataset::config::DataConfig;
use crate::dataset::input::{NewestFrames, left_out_before_gap};
use crate::dataset::source::radar::RadarFile;
use crate::dataset::source::radar::meteonet::expect_one_region;
use crate::dataset::source::{Content, FrameSource};
use crate::dataset::windows::{Clip, Codebook};
use crate::printable::printable;
use crate::read_budget::{ReadBudget, bytes_of};
use crate::{Error, Result};

/// The newest images of the radar files in a folder, at most `most`, that follow each other without a gap (clocks may be rough): whole images, made coarser and on
/// the scale of the configuration.
///
/// # Errors
/// [`Error::Data`] if there are no such files or none can be read, [`Error::Format`] if a file is damaged, [`Error::Memory`].
pub(in crate::dataset) fn newest(
    data: &DataConfig,
    config: &RadarConfig,
    folder: &Path,
    most: usize,
    budget: &ReadBudget,
) -> Result<NewestFrames> {
    let is_told = config.minutes_per_step > 0;
    let config = &RadarConfig { minutes_per_step: told_minutes(data, config), ..config.clone() };
    let found = Found::by(Clock::Rough, data.on_corrupt, config, folder, budget.clone())?;
    let timeline = &found.timeline;
    let runs = timeline.events.iter().flat_map(|event| event.runs.iter().map(|run| (&event.name, run)));
    let files = runs.clone().flat_map(|(_, run)| run.0.iter().map(|frame| frame.file.as_path()));
    expect_one_region(folder, files)?;
    let last_of = |run: &Run| run.0.last().cloned();
    let last = runs.clone().max_by_key(|(_, run)| last_of(run).map(|frame| frame.time));
    let refuse = |reason: &str| Error::Data { what: printable(folder), reason: reason.into() };
    let (event, newest) = last.ok_or_else(|| refuse("holds no radar images"))?;
    if is_told && runs.clone().count() > 1 && runs.clone().all(|(_, run)| run.0.len() == 1) {
        let usual = timeline.usual as f64;
        let reason = contradiction(&[usual], timeline.step as f64);
        return Err(refuse(&reason.unwrap_or_else(|| "has no two images a step apart".into())));
    }
    expect_one_newest(folder, runs.clone().filter_map(|(_, run)| last_of(run)))?;
    let Run(frames) = newest;
    let before = runs.map(|(_, run)| run.0.len()).sum::<usize>() - frames.len();
    let frames = frames[frames.len().saturating_sub(most)..].to_vec();
    let minutes = if is_told { timeline.step as f64 } else { minutes_of(&frames, timeline) };
    let description = match frames.last() {
        Some(Recorded { file, .. }) => {
            RadarFile { path: file, format: found.format, config, budget }.description()?
        }
        None => Description::default(),
    };
    let decoder = Decoder {
        format: found.format,
        config,
        on_corrupt: data.on_corrupt,
        budget,
        step: timeline.step,
        clock: Clock::Rough,
    };
    let mut decoded = decoder.decode(&vec![(event.clone(), Run(frames))])?;
    let warnings = found.left_out.iter().chain(&decoded.skipped).map(|error| format!("left out: {error}"));
    let mut warnings: Vec<String> = warnings.collect();
    if folder.is_file() && before > 0 {
        warnings.push(left_out_before_gap(folder, before));
    }
    let read = decoded.clips.pop().zip(decoded.times.pop());
    let (clip, times) = read.ok_or_else(|| refuse("has newest images that cannot be read"))?;
    budget.keep(folder, bytes_of(size_of::<f32>(), &[clip.pixels.len()]))?.stay();
    Ok(NewestFrames {
        times: Some(times.into_iter().map(|time| time.seconds() as f64).collect()),
        found: found.expected_every(minutes, data)?,
        content: Some(Content::of_radar(&description)),
        description,
        frames: values(&clip)?,
        warnings,
    })
}

/// Minutes from an image to the next as the configuration or the training tells them; 0 where neither does.
fn told_minutes(data: &DataConfig, config: &RadarConfig) -> u32 {
    let of_training = data.found.as_ref().map_or(0.0, |found| found.minutes_per_step);
    if config.minutes_per_step > 0 { config.minutes_per_step } else { of_training.round() as u32 }
}

/// Minutes from an image to the next: a step where the clock of these is rough, otherwise what is most frequent in the folder.
fn minutes_of(frames: &[Recorded], timeline: &Timeline) -> f64 {
    let distance = |two: &[Recorded]| two[1].time.minutes_since(two[0].time) as f64;
    let distances: Vec<f64> = frames.windows(2).map(distance).collect();
    let is_rough = is_rough_clock(&distances, timeline.step as f64);
    if is_rough { timeline.step as f64 } else { timeline.usual as f64 }
}

/// Refuses two recordings that end with images of one time.
fn expect_one_newest(folder: &Path, last: impl Iterator<Item = Recorded>) -> Result<()> {
    let mut last: Vec<Recorded> = last.collect();
    last.sort_by_key(|frame| frame.time);
    match &last[..] {
        [.., first, second] if first.time == second.time => {
            let [one, other] = [first, second].map(|frame| printable(&frame.file));
            let reason = format!(
                "holds two newest images of the time {}, {one} and {other}; give the folder or the file of one recording",
                first.time
            );
            Err(Error::Data { what: printable(folder), reason })
        }
        _ => Ok(()),
    }
}

/// The values of a clip, `[T, C, H, W]`.
fn values(clip: &Clip) -> Result<Tensor<f32>> {
    let [channels, height, width] = clip.shape;
    let codebook = Codebook::fine();
    let values = (0..clip.pixels.len()).map(|at| clip.pixels.value(at, &codebook)).collect();
    Ok(Tensor::from_vec(&[clip.len(), channels, height, width], values)?)
}
