//! The frames of one sequence, or the newest of them.

use std::path::Path;

use convgru_model::Tensor;

use super::gathered::gathered;
use super::time_order::{Run, Steps};
use super::{FileRead, Read, Reader, of_equal_channels, picked, resize, told_of};
use crate::counted::counted;
use crate::dataset::input::{NewestFrames, left_out_before_gap};
use crate::dataset::source::{self, Failed, FrameInfo, FrameSource};
use crate::dataset::{DataConfig, Description, FramesConfig, OnCorrupt};
use crate::printable::printable_name;
use crate::read_budget::ReadBudget;
use crate::{Error, Result};

/// The frames of the one sequence in a file or a folder of images: as a training whose `[data.frames]` are these reads them. Where the file
/// tells times, they come in the order of time, and of frames with a gap between them those after the last gap.
///
/// # Shapes
/// returns: `[T, C, H, W]`, values 0 to 1, NaN where a pixel is missing
///
/// # Errors
/// [`Error::Io`] if the path cannot be read; [`Error::Format`] if it is of an unknown kind, is damaged, holds no frames, frames of several
/// sizes or several sequences, has numbers out of the range, or frames that cannot be brought to `config.channels`;
/// [`Error::Memory`] if reading takes more than the budget allows. What is returned stays counted in the budget.
///
/// # Example
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::dataset::{FramesConfig, read_frames};
/// use convgru_train::{ReadBudget, media};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("ramp.gif");
/// let frames = Tensor::from_fn(&[3, 1, 4, 5], |i| (i % 5) as f32 / 5.0);
/// media::write_frames(&path, &frames)?;
/// let budget = ReadBudget::new(64, "--memory-mib");
/// assert_eq!(read_frames(&path, &FramesConfig::default(), &budget)?, frames);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_frames(
    path: impl AsRef<Path>,
    config: &FramesConfig,
    budget: &ReadBudget,
) -> Result<Tensor<f32>> {
    let data = DataConfig { found: None, ..DataConfig::default() };
    Ok(newest(path.as_ref(), (config, &data), usize::MAX, budget)?.frames)
}

/// The last frames, at most `most`, of the one sequence in a file or a folder; none of those before the last gap.
///
/// # Errors
/// As [`read_frames`].
pub(in crate::dataset) fn newest(
    path: &Path,
    (config, data): (&FramesConfig, &DataConfig),
    most: usize,
    budget: &ReadBudget,
) -> Result<NewestFrames> {
    newest_of(source::open(path, config, budget)?.as_ref(), path, (config, data), most, budget)
}

/// As [`newest`], of a source that is open.
///
/// # Errors
/// As [`read_frames`].
pub(in crate::dataset) fn newest_of(
    source: &dyn FrameSource,
    path: &Path,
    (config, data): (&FramesConfig, &DataConfig),
    most: usize,
    budget: &ReadBudget,
) -> Result<NewestFrames> {
    let FrameInfo { sequences, steps, .. } = source.info()?;
    if sequences != 1 {
        let reason = format!(
            "holds {sequences} sequences of {} where one sequence is needed; save the one you mean, or, if its axes are \
             others, name them (--axes, data.frames.axes), such as tchw for [T, C, H, W]",
            counted(steps, "frame")
        );
        return Err(Error::Format { path: path.into(), reason });
    }
    let reader = Reader { budget: budget.clone(), ..Reader::new(data, config, path) };
    let order = reader.order(path, source)?;
    let told = reader.told(path, source, &order)?;
    let of_training = data.found.as_ref().map(|found| found.minutes_per_step);
    let minutes = Some(config.minutes_per_step).filter(|&own| own > 0.0).or(of_training);
    let order = match minutes {
        Some(minutes) if minutes > 0.0 => order.with_minutes(minutes),
        _ => order,
    };
    let mut runs = order.runs(0..steps);
    let (mut left_out, mut is_first) = (Vec::new(), true);
    // What follows a gap goes on without the frames before it; a damaged frame is a gap where damage is left out.
    let (run, frames) = loop {
        let whole = runs.pop().unwrap_or(Run { steps: Steps::Range(0..0), time_axis: None });
        let run = whole.clone().last(most);
        let mut gone = Vec::new();
        let mut failed = |step: Option<usize>, error| match data.on_corrupt {
            OnCorrupt::Skip => {
                // Files without a place are told of each time.
                if step.is_some() || is_first {
                    left_out.push(error);
                }
                gone.extend(step);
                Ok(())
            }
            OnCorrupt::Stop => Err(error),
        };
        let frames = frames_of(source, &run, (path, config, budget), &mut failed)?;
        is_first = false;
        match (frames, gone.is_empty()) {
            (Some(frames), true) => break (run, frames),
            (None, true) => {
                let none = Error::Format { path: path.into(), reason: "holds no frames".into() };
                return Err(left_out.into_iter().next().unwrap_or(none));
            }
            (_, false) => runs.extend(whole.without(&gone)),
        }
    };
    let before: usize = runs.iter().map(|run| run.steps.len()).sum();
    let name = printable_name(path.file_stem().unwrap_or_default());
    let read: FileRead = (path.into(), vec![Read { name, time_axis: None, frames }]);
    let mut read = of_equal_channels(vec![read], config.channels, budget)?;
    let mut warnings = told_of(&left_out, "the input");
    warnings.extend(told.doubts);
    if before > 0 {
        warnings.push(left_out_before_gap(path, before));
    }
    Ok(NewestFrames {
        frames: read.swap_remove(0).frames,
        times: order.seconds(&run.steps),
        found: told.found.with_minutes(told.minutes),
        description: description(source, config)?,
        content: told.content,
        warnings,
    })
}

/// The frames of a run, which stay counted in the budget; `None` if it has none that can be read.
fn frames_of(
    source: &dyn FrameSource,
    run: &Run,
    (path, config, budget): (&Path, &FramesConfig, &ReadBudget),
    failed: Failed<'_>,
) -> Result<Option<Tensor<f32>>> {
    let range = run.steps.range();
    let copies = if matches!(run.steps, Steps::Range(_)) { 1 } else { 2 };
    let mut kept = budget.keep(path, 0)?;
    let mut is_whole = true;
    let mut note = |step: Option<usize>, error| {
        is_whole &= step.is_none();
        failed(step, error)
    };
    let mut keep = |bytes: u64| kept.more(path, bytes.saturating_mul(copies));
    let mut gathered = gathered(source, 0..1, range.clone(), config, &mut keep, &mut note)?;
    let Some(frames) = gathered.pop().filter(|_| is_whole) else { return Ok(None) };
    kept.stay();
    Ok(Some(if copies == 1 { frames } else { picked(&frames, run, range.start)? }))
}

/// What a source says besides its frames, whose pixels lie where the pixels of the configured size do.
fn description(source: &dyn FrameSource, config: &FramesConfig) -> Result<Description> {
    let FrameInfo { height, width, .. } = source.info()?;
    let found = source.description()?;
    if config.resize == [0, 0] || config.resize == [height, width] {
        return Ok(found);
    }
    let [rows, columns] = [(height, config.resize[0]), (width, config.resize[1])]
        .map(|(from, to)| resize::weights_of_coordinates(from, to));
    Ok(found.averaged(&rows, &columns))
}
