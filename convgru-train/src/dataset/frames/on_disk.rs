//! Sequences that are read when they are asked for.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use convgru_model::Tensor;
use rayon::prelude::*;

use super::agreement::Told;
use super::gathered::gathered;
use super::open_files::OpenFiles;
use super::split_files::SplitFiles;
use super::time_order::{Run, Steps};
use super::{FramesConfig, Reader, SEQUENCE_BYTES, is_missing_any, places, told_of};
use crate::counted::counted;
use crate::dataset::source::image::with_channels;
use crate::dataset::source::{Frame, FrameInfo, FrameSource};
use crate::dataset::windows::{Numbering, label, listed};
use crate::dataset::{FoundData, OnCorrupt, Quantity, SequenceDataset, SequenceMut, check_request};
use crate::printable::{printable, printable_name};
use crate::read_budget::{ReadBudget, bytes_of};
use crate::{Error, Result};

/// Windows of the sequences of files, which may be larger than the memory.
pub(super) struct OnDisk {
    name: String,
    files: OpenFiles,
    config: FramesConfig,
    budget: ReadBudget,
    clips: Vec<StoredClip>,
    numbering: Numbering,
    len: usize,
    steps: usize,
    frame_shape: [usize; 3],
    on_corrupt: OnCorrupt,
    has_missing: bool,
    found: FoundData,
    warnings: Vec<String>,
}

/// Frames of a file that follow each other without a gap.
struct StoredClip {
    file: usize,
    sequence: usize,
    /// Whether the file has other sequences.
    is_numbered: bool,
    run: Arc<Run>,
}

/// Frames of a file that follow each other in it and in time.
pub(in crate::dataset) struct Span {
    /// Their places in the file.
    pub(in crate::dataset) frames: Range<usize>,
    /// The number of the window that begins with the first of them; the others follow.
    pub(in crate::dataset) first_window: usize,
}

/// A file whose headers were read.
struct Header {
    path: PathBuf,
    told: Told,
    info: FrameInfo,
    runs: Vec<Arc<Run>>,
    sequences: Range<usize>,
}

impl OnDisk {
    /// At most `most` windows of the sequences of files, as many frames as are asked for in each. Whether pixels are missing is looked for
    /// where the memory would hold all of them; otherwise they are missing wherever the type of the numbers lets them.
    ///
    /// Where damage is left out, files of a frame each are read once before, since no window goes across one that is damaged.
    ///
    /// # Errors
    /// [`Error::Data`] if sequences are too short, and the errors of reading.
    pub(super) fn new(
        reader: &Reader<'_>,
        files: SplitFiles,
        (part, most): (&str, usize),
        mut left_out: Vec<Error>,
    ) -> Result<Self> {
        let Reader { data, config, budget, .. } = reader;
        let mut damaged_frames = Vec::new();
        let headers = files.files.into_iter().map(|(path, sequences)| {
            let source = reader.source(&path)?;
            let (info, order) = (source.info()?, reader.order(&path, source.as_ref())?);
            let mut runs = order.runs(places(info.steps, &files.time));
            if data.on_corrupt == OnCorrupt::Skip && source.has_file_per_frame() {
                let damage = Damaged::find(source.as_ref(), &runs)?;
                runs = runs.into_iter().flat_map(|run| run.without(&damage.steps)).collect();
                damaged_frames.extend(damage.errors);
            }
            let told = reader.told(&path, source.as_ref(), &order)?;
            let clips = bytes_of(SEQUENCE_BYTES, &[sequences.len(), runs.len()]);
            budget.keep(&path, clips)?.stay();
            Ok(Header { path, told, info, sequences, runs: runs.into_iter().map(Arc::new).collect() })
        });
        let headers = data.on_corrupt.kept(headers, &mut left_out)?;
        left_out.append(&mut damaged_frames);
        let told: Vec<(&Path, &Told)> = headers.iter().map(|own| (own.path.as_path(), &own.told)).collect();
        let (found, doubts) = reader.agreed(&told)?;
        let clips: Vec<StoredClip> =
            headers.iter().enumerate().flat_map(|(file, header)| header.clips(file)).collect();
        let longest = clips.iter().map(|clip| clip.run.steps.len()).max().unwrap_or(0);
        if clips.is_empty() && !left_out.is_empty() {
            return Err(left_out.swap_remove(0));
        }
        reader.expect_long_enough(longest, part)?;
        let frame_shape = reader.common_shape(&headers)?;
        let numbering =
            Numbering::new(clips.iter().map(|clip| clip.run.steps.len()), data.steps(), config.stride);
        let mut made = Self {
            name: String::new(),
            files: OpenFiles::new(headers.iter().map(|own| own.path.clone()).collect(), reader),
            config: (*config).clone(),
            budget: budget.clone(),
            len: most.min(numbering.windows()),
            numbering,
            steps: data.steps(),
            frame_shape,
            on_corrupt: data.on_corrupt,
            has_missing: headers.iter().any(|own| own.info.may_miss),
            found,
            warnings: told_of(&left_out, part).into_iter().chain(doubts).collect(),
            clips,
        };
        let frames = made.clips.iter().map(|clip| clip.run.steps.len()).fold(0usize, usize::saturating_add);
        let fits =
            bytes_of(size_of::<f32>(), &[frames]).saturating_mul(bytes_of(1, &frame_shape)) <= budget.limit();
        if fits && made.has_missing {
            made.has_missing = made.is_missing_anywhere()?;
        }
        made.name = printable_name(reader.path.file_name().unwrap_or(reader.path.as_os_str()));
        if !fits {
            made.name = format!(
                "frames of {} ({}: {} of {frame_shape:?}, read from the disk)",
                made.name,
                part.trim_start_matches("the ").trim_end_matches(" split"),
                counted(made.len, "sequence")
            );
        }
        (made.found.frame, made.found.has_missing) = (frame_shape, made.has_missing);
        // Numbers out of the range are refused before the first step where they are in the first frames.
        made.frames(0)?;
        Ok(made)
    }

    /// Where windows lie in the file, where all of them lie in one and begin with every frame; `None` if its frames are not in the order of time.
    pub(super) fn spans(&self) -> Option<Vec<Span>> {
        let mut first_window = 0;
        let span = |clip: &StoredClip| {
            let frames = match &clip.run.steps {
                Steps::Range(range) => range.clone(),
                Steps::List(list) => {
                    let first = *list.first()?;
                    let follows = list.iter().enumerate().all(|(at, &place)| place == first + at);
                    follows.then_some(first..first + list.len())?
                }
            };
            let span = Span { first_window, frames };
            first_window += (span.frames.len() + 1).saturating_sub(self.steps);
            Some(span)
        };
        self.clips.iter().map(span).collect()
    }

    /// How many frames the first file has, in all splits.
    ///
    /// # Errors
    /// The errors of opening it.
    pub(super) fn frames_of_file(&self) -> Result<usize> {
        Ok(self.files.source(0)?.info()?.steps)
    }

    /// Whether a pixel of any frame is missing.
    fn is_missing_anywhere(&self) -> Result<bool> {
        let is_missing = |clip: &StoredClip| {
            let mut missing = false;
            let source = self.files.source(clip.file)?;
            for steps in clip.run.steps.ranges(0..clip.run.steps.len()) {
                let mut look = |frame: Frame<'_>| {
                    missing |= is_missing_any(frame.values);
                    Ok(())
                };
                let sequences = clip.sequence..clip.sequence + 1;
                source.visit_readable(sequences, steps, &mut look, &mut |step, error| {
                    self.failed(step, error)
                })?;
            }
            Ok(missing)
        };
        let missing = self.clips.par_iter().map(is_missing).collect::<Result<Vec<bool>>>()?;
        Ok(missing.contains(&true))
    }

    /// Takes damage for an error, unless it is of a file without a place among the frames, which was told of at the beginning.
    fn failed(&self, step: Option<usize>, error: Error) -> Result<()> {
        if step.is_none() && self.on_corrupt == OnCorrupt::Skip { Ok(()) } else { Err(error) }
    }

    /// The clip of a window, and the window's first frame there.
    fn window(&self, index: usize) -> (&StoredClip, usize) {
        let (clip, first) = self.numbering.window(listed(index, self.numbering.windows(), self.len));
        (&self.clips[clip], first)
    }

    /// The frames of a window, in the size and with the channels that are asked for.
    fn frames(&self, index: usize) -> Result<Tensor<f32>> {
        let (clip, first) = self.window(index);
        let path = self.files.path(clip.file);
        let source = self.files.source(clip.file)?;
        let mut within_budget = |bytes| self.budget.keep(path, bytes).map(drop);
        let mut values = Vec::new();
        let mut shape = vec![0; 4];
        for steps in clip.run.steps.ranges(first..first + self.steps) {
            let sequence = clip.sequence..clip.sequence + 1;
            let mut failed = |step, error| self.failed(step, error);
            let mut read =
                gathered(source.as_ref(), sequence, steps, &self.config, &mut within_budget, &mut failed)?;
            let read = read.swap_remove(0);
            let [steps, ..] = read.shape() else { continue };
            shape = [&[shape[0] + steps], &read.shape()[1..]].concat();
            values.extend_from_slice(read.as_slice());
        }
        let frames = Tensor::from_vec(&shape, values)?;
        let channels = self.frame_shape[0];
        with_channels(frames, channels).map_err(|error| Error::Format {
            path: path.into(),
            reason: format!("cannot be brought to {channels} channels ({error}); set data.frames.channels"),
        })
    }

    fn label_of(&self, index: usize, step: usize) -> String {
        let (clip, first) = self.window(index);
        let stem = printable_name(self.files.path(clip.file).file_stem().unwrap_or_default());
        let name = if clip.is_numbered { format!("{stem} {}", clip.sequence) } else { stem };
        label(clip.run.time_axis, &name, first + step)
    }
}

/// Frames whose files are damaged.
struct Damaged {
    /// Their places in the sequence.
    steps: Vec<usize>,
    /// What is wrong with each, and with files without a place.
    errors: Vec<Error>,
}

impl Damaged {
    /// Reads all frames of some runs.
    fn find(source: &dyn FrameSource, runs: &[Run]) -> Result<Self> {
        /// Frames that are read by a thread in turn.
        const AT_ONCE: usize = 32;
        let all = runs.iter().flat_map(|run| run.steps.ranges(0..run.steps.len()));
        let parts: Vec<Range<usize>> = all
            .flat_map(|range| {
                let end = range.end;
                range.step_by(AT_ONCE).map(move |begin| begin..(begin + AT_ONCE).min(end))
            })
            .collect();
        let of_part = |(number, steps): (usize, Range<usize>)| {
            let mut damage = Self { steps: Vec::new(), errors: Vec::new() };
            source.visit_readable(0..1, steps, &mut |_| Ok(()), &mut |step, error| {
                // Files without a place are told of with every part.
                if step.is_some() || number == 0 {
                    damage.steps.extend(step);
                    damage.errors.push(error);
                }
                Ok(())
            })?;
            Ok(damage)
        };
        let found = parts.into_par_iter().enumerate().map(of_part).collect::<Result<Vec<Self>>>()?;
        let mut all = Self { steps: Vec::new(), errors: Vec::new() };
        for part in found {
            all.steps.extend(part.steps);
            all.errors.extend(part.errors);
        }
        Ok(all)
    }
}

impl Header {
    fn clips(&self, file: usize) -> impl Iterator<Item = StoredClip> {
        let is_numbered = self.info.sequences > 1;
        let of = move |(sequence, run): (usize, &Arc<Run>)| StoredClip {
            file,
            sequence,
            is_numbered,
            run: run.clone(),
        };
        self.sequences.clone().flat_map(|sequence| self.runs.iter().map(move |run| (sequence, run))).map(of)
    }
}

impl Reader<'_> {
    /// The shape of the frames of all files.
    ///
    /// # Errors
    /// [`Error::Data`] with two files whose frames have different ones.
    fn common_shape(&self, headers: &[Header]) -> Result<[usize; 3]> {
        let channels = |own: &Header| own.info.channels.unwrap_or(1);
        let channels = match self.config.channels {
            0 => headers.iter().map(channels).max().unwrap_or(1),
            channels => channels,
        };
        let shape = |own: &Header| match self.config.resize {
            [0, 0] => [channels, own.info.height, own.info.width],
            [height, width] => [channels, height, width],
        };
        let first = headers.first().map_or([channels, 0, 0], shape);
        match headers.iter().find(|own| shape(own) != first) {
            None => Ok(first),
            Some(other) => Err(self.refuse(format!(
                "{} has frames of shape {:?} ([C, H, W]), but {} of {first:?}; set data.frames.resize to a common height and width",
                printable(&other.path),
                shape(other),
                printable(&headers[0].path)
            ))),
        }
    }
}

impl SequenceDataset for OnDisk {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.len
    }

    fn frame_shape(&self) -> [usize; 3] {
        self.frame_shape
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn quantity(&self) -> Quantity {
        self.found.of_values(&self.config)
    }

    fn found(&self) -> Option<&FoundData> {
        Some(&self.found)
    }

    fn has_missing(&self) -> bool {
        self.has_missing
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn label(&self, index: usize) -> String {
        if index >= self.len { format!("sequence {index}") } else { self.label_of(index, 0) }
    }

    fn times(&self, index: usize) -> Vec<String> {
        if index >= self.len || self.window(index).0.run.time_axis.is_none() {
            return Vec::new();
        }
        (0..self.steps).map(|step| self.label_of(index, step)).collect()
    }

    fn sequence(&self, _epoch: u64, index: usize, into: &mut SequenceMut<'_>) -> Result<()> {
        check_request(self, index, into)?;
        into.put(self.frames(index)?.as_slice());
        Ok(())
    }
}
