//! Frames with the input frames that go with them one to one.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::split_files::{self, SplitFiles};
use super::{FramesConfig, InputFramesConfig, Reader, open_of, places, whole_of};
use crate::counted::counted;
use crate::dataset::paired::Paired;
use crate::dataset::rates::RateFrames;
use crate::dataset::source::{FrameInfo, Given};
use crate::dataset::{Axes, DataConfig, NumberType, SequenceDataset, Split};
use crate::printable::printable;
use crate::{Error, Result};

/// The sequences of a file that belong to a split.
struct Part {
    path: PathBuf,
    info: FrameInfo,
    sequences: Range<usize>,
    /// Frames of each.
    steps: Range<usize>,
}

/// Opens a split of the frames at a path, or all of them where there is none, each with its input frame. A seed draws parts of frames of a training.
///
/// # Errors
/// [`Error::Data`] for input frames that are others in number or size, with both numbers; [`Error::Format`] for input frames that are no
/// floating-point numbers; the errors of opening either.
pub(in crate::dataset) fn open_paired(
    data: &DataConfig,
    (config, input): (&FramesConfig, &InputFramesConfig),
    path: &Path,
    (split, seed): (Option<Split>, u64),
) -> Result<Box<dyn SequenceDataset>> {
    // Each may take half of the memory.
    let data = DataConfig { memory_mib: data.memory_mib.div_ceil(2), ..data.clone() };
    let of_inputs = DataConfig { found: None, ..data.clone() };
    let reader = Reader::new(&data, config, path);
    let own = config.of_input(input, axes(&of_inputs, (config, input)));
    let input_reader = Reader { given: Given::Numbers, ..Reader::new(&of_inputs, &own, &input.path) };
    expect_pairs(&parts(&reader, split)?, &parts(&input_reader, split)?, [path, &input.path])?;
    let opened = |reader: &Reader<'_>| match split {
        Some(split) => open_of(reader, (split, seed)),
        None => whole_of(reader),
    };
    let frames = RateFrames::scaled(opened(&reader)?, config)?;
    Ok(Box::new(Paired::new(frames, opened(&input_reader)?)?))
}

/// The axes of input frames: as they are set; otherwise `[T, C, H, W]` where all files have four.
fn axes(data: &DataConfig, (config, input): (&FramesConfig, &InputFramesConfig)) -> Axes {
    let usual = "tchw".parse::<Axes>().ok().filter(|_| input.axes.is_auto());
    let fits = |axes: &Axes| {
        let own = config.of_input(input, axes.clone());
        let reader = Reader { given: Given::Numbers, ..Reader::new(data, &own, &input.path) };
        parts(&reader, None).is_ok_and(|parts| !parts.is_empty())
    };
    usual.filter(fits).unwrap_or_else(|| input.axes.clone())
}

/// The files of a split, or all files, with their headers.
fn parts(reader: &Reader<'_>, split: Option<Split>) -> Result<Vec<Part>> {
    let SplitFiles { files, time } = match split {
        Some(split) => split_files::split_files(reader, split, &mut Vec::new())?,
        None => split_files::whole(reader, &mut Vec::new())?,
    };
    let part = |(path, sequences): (PathBuf, Range<usize>)| {
        let info = reader.source(&path)?.info()?;
        Ok(Part { steps: places(info.steps, &time), path, info, sequences })
    };
    files.into_iter().map(part).collect()
}

/// Fails unless each part of the frames has a part of the input frames.
fn expect_pairs(frames: &[Part], inputs: &[Part], [path, input_path]: [&Path; 2]) -> Result<()> {
    let refuse = |reason: String| Err(Error::Data { what: printable(input_path), reason });
    let count = |parts: &[Part]| parts.iter().map(|part| part.info.sequences).sum::<usize>();
    if count(frames) != count(inputs) || frames.len() != inputs.len() {
        return refuse(format!(
            "has {} in {}, but the frames of {} have {} in {}; give an input frame for each frame (the axes of arrays are set by \
             data.frames.input.axes and data.frames.axes)",
            counted(count(inputs), "sequence"),
            counted(inputs.len(), "file"),
            printable(path),
            counted(count(frames), "sequence"),
            counted(frames.len(), "file"),
        ));
    }
    for (own, input) in frames.iter().zip(inputs) {
        let (at, with) = (printable(&input.path), printable(&own.path));
        // A file, or a folder of pictures, is named by the user.
        let are_found = own.path != path && input.path != input_path;
        if are_found && own.path.file_stem() != input.path.file_stem() {
            return refuse(format!(
                "{at} would go with {with}, in the order of names, and their names differ; give both one name"
            ));
        }
        let lengths = |part: &Part| {
            format!("{} of {}", counted(part.info.sequences, "sequence"), counted(part.info.steps, "frame"))
        };
        let parts =
            [own, input].map(|part| (part.info.sequences, &part.sequences, part.info.steps, &part.steps));
        if parts[0] != parts[1] {
            let (theirs, frames) = (lengths(input), lengths(own));
            return refuse(format!(
                "{at} has {theirs}, but {with} has {frames}; give an input frame for each frame (the axes of arrays are set by \
                 data.frames.input.axes and data.frames.axes)"
            ));
        }
        let [size, input_size] = [own, input].map(|part| [part.info.height, part.info.width]);
        if size != input_size {
            return refuse(format!(
                "{at} has frames of {} x {} pixels, but {with} of {} x {}; save both in one size",
                input_size[0], input_size[1], size[0], size[1]
            ));
        }
        if !matches!(input.info.number_type, NumberType::Float(_)) {
            return refuse(format!(
                "{at} has numbers of the type {}, and the network reads input frames as they are, without a range: save floating-point numbers",
                input.info.number_type
            ));
        }
        let channels = |part: &Part| part.info.channels.unwrap_or(0);
        if channels(input) != channels(&inputs[0]) {
            return refuse(format!(
                "{at} has frames of {}, but {} of {}; give files of one number of channels",
                counted(channels(input), "channel"),
                printable(&inputs[0].path),
                counted(channels(&inputs[0]), "channel")
            ));
        }
    }
    Ok(())
}
