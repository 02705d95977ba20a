//! The newest radar images of a folder.

use std::path::Path;

use convgru_model::Tensor;

use super::decode::Decoder;
use super::events::{Recorded, Run};
use super::{Found, RadarConfig};
use crate::dataset::Description;
use crate::dataset::config::DataConfig;
use crate::dataset::input::NewestFrames;
use crate::dataset::source::FrameSource;
use crate::dataset::source::radar::RadarFile;
use crate::dataset::windows::{Clip, Codebook};
use crate::printable::printable;
use crate::read_budget::{ReadBudget, bytes_of};
use crate::{Error, Result};

/// The newest images of the radar files in a folder, at most `most`, that follow each other without a gap: whole images, made coarser and on
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
    let found = Found::new(data.on_corrupt, config, folder, budget.clone())?;
    let timeline = &found.timeline;
    let runs = timeline.events.iter().flat_map(|event| event.runs.iter().map(|run| (&event.name, run)));
    let last = runs.max_by_key(|(_, run)| run.0.last().map(|frame| frame.time));
    let refuse = |reason: &str| Error::Data { what: printable(folder), reason: reason.into() };
    let (event, Run(frames)) = last.ok_or_else(|| refuse("holds no radar images"))?;
    let frames = frames[frames.len().saturating_sub(most)..].to_vec();
    let description = match frames.last() {
        Some(Recorded { file, .. }) => {
            RadarFile { path: file, format: found.format, config, budget }.description()?
        }
        None => Description::default(),
    };
    let decoder =
        Decoder { format: found.format, config, on_corrupt: data.on_corrupt, budget, step: timeline.step };
    let decoded = decoder.decode(&vec![(event.clone(), Run(frames))])?;
    let warnings = found.left_out.iter().chain(&decoded.skipped).map(|error| format!("left out: {error}"));
    let warnings = warnings.collect();
    let mut clips = decoded.clips;
    let clip = clips.pop().ok_or_else(|| refuse("has newest images that cannot be read"))?;
    budget.keep(folder, bytes_of(size_of::<f32>(), &[clip.pixels.len()]))?.stay();
    Ok(NewestFrames {
        times: clip.time_axis.map(|axis| {
            let second = |step: usize| axis.first.plus(axis.step * step as i64).seconds() as f64;
            (0..clip.len()).map(second).collect()
        }),
        found: found.expected(data)?,
        description,
        frames: values(&clip)?,
        warnings,
    })
}

/// The values of a clip, `[T, C, H, W]`.
fn values(clip: &Clip) -> Result<Tensor<f32>> {
    let [channels, height, width] = clip.shape;
    let codebook = Codebook::fine();
    let values = (0..clip.pixels.len()).map(|at| clip.pixels.value(at, &codebook)).collect();
    Ok(Tensor::from_vec(&[clip.len(), channels, height, width], values)?)
}
