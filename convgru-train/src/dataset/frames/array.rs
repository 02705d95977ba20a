//! Sequences in arrays of files.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::config::{Axes, FramesConfig};
use super::source::Source;
use crate::budget::{MemoryBudget, bytes_of};
use crate::{Error, Result};

/// No frame may have more numbers.
const LARGEST_FRAME: usize = 1 << 27;
/// Bytes that are kept for a sequence while it is read, besides its numbers.
const SEQUENCE_BYTES: usize = 64;
/// The shape of the standard test file of Moving MNIST but for the number of sequences.
const MOVING_MNIST: [usize; 3] = [20, 64, 64];

/// An array of frames in a file.
pub(super) struct ArrayFile {
    path: PathBuf,
    source: Source,
    /// How many axes lie outside of a frame.
    leading: usize,
    time_first: bool,
    pub(super) sequences: usize,
    pub(super) steps: usize,
    /// `[C, H, W]`.
    pub(super) frame: [usize; 3],
}

impl ArrayFile {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] with shape and type if it does not
    /// hold frames.
    pub(super) fn open(path: &Path, config: &FramesConfig, budget: &MemoryBudget) -> Result<Self> {
        let refuse = |reason| Error::Format { path: path.into(), reason };
        let source = Source::open(path, config, budget)?;
        let shape = source.shape();
        let axes = match (config.axes, shape) {
            (Axes::Auto, [t, _, h, w]) if [*t, *h, *w] == MOVING_MNIST => Axes::Tnhw,
            (Axes::Auto, [_, _, _]) => Axes::Thw,
            (Axes::Auto, [_, _, _, _]) => Axes::Nthw,
            (Axes::Auto, _) => Axes::Ntchw,
            (axes, _) => axes,
        };
        let (sequences, steps, frame) = match (axes, shape) {
            (Axes::Thw, &[t, h, w]) => (1, t, [1, h, w]),
            (Axes::Tchw, &[t, c, h, w]) => (1, t, [c, h, w]),
            (Axes::Nthw, &[n, t, h, w]) | (Axes::Tnhw, &[t, n, h, w]) => (n, t, [1, h, w]),
            (Axes::Ntchw, &[n, t, c, h, w]) | (Axes::Tnchw, &[t, n, c, h, w]) => (n, t, [c, h, w]),
            _ => {
                return Err(refuse(format!(
                    "has shape {shape:?}, but data.frames.axes = {} asks for other axes; [T, H, W], [N, T, H, W] or [N, T, C, \
                     H, W] are read, and others where data.frames.axes says so",
                    format!("{:?}", config.axes).to_lowercase()
                )));
            }
        };
        if shape.contains(&0) || frame.iter().product::<usize>() > LARGEST_FRAME {
            return Err(refuse(format!(
                "has shape {shape:?}, whose frames hold nothing or more than {LARGEST_FRAME} numbers"
            )));
        }
        let time_first = matches!(axes, Axes::Tnhw | Axes::Tnchw);
        let leading = if matches!(axes, Axes::Thw | Axes::Tchw) { 1 } else { 2 };
        Ok(Self { path: path.into(), source, leading, time_first, sequences, steps, frame })
    }

    /// The working memory that reading some sequences takes.
    pub(super) fn working(&self, sequences: usize) -> u64 {
        let numbers = bytes_of(size_of::<f32>(), &[sequences, self.steps]).saturating_mul(self.size() as u64);
        let records = bytes_of(SEQUENCE_BYTES, &[sequences]);
        numbers.saturating_add(records).saturating_add(self.source.working(self.leading, self.size()))
    }

    /// The numbers of a frame.
    fn size(&self) -> usize {
        self.frame.iter().product()
    }

    /// The frames of some sequences, each `[T, C, H, W]`, values 0 to 1, NaN where a pixel is missing.
    ///
    /// # Errors
    /// [`Error::Format`] with the place of a number out of the range, or if the file is damaged.
    pub(super) fn read(&self, sequences: Range<usize>, config: &FramesConfig) -> Result<Vec<Vec<f32>>> {
        let size = self.size();
        let (count, first) = (sequences.len(), sequences.start);
        // Sequence and step of the frames that are wanted, in the order of the file, and where they lie there.
        let place = |at: usize| {
            if self.time_first { (at % count, at / count) } else { (at / self.steps, at % self.steps) }
        };
        let frame = |at: usize| match (self.time_first, place(at)) {
            (true, (n, t)) => t * self.sequences + first + n,
            (false, (n, t)) => (first + n) * self.steps + t,
        };
        let mut values: Vec<Vec<f32>> = (0..count).map(|_| vec![0.0; self.steps * size]).collect();
        let mut visited = 0;
        let mut wrong = None;
        let wanted = (0..count * self.steps).map(frame);
        self.source.visit(&self.path, [self.leading, size], wanted, &mut |numbers| {
            let (n, t) = place(visited);
            for (value, number) in values[n][t * size..][..size].iter_mut().zip(numbers) {
                match self.value(number, config) {
                    Some(number) => *value = number,
                    None => wrong = wrong.or(Some((frame(visited), number))),
                }
            }
            visited += 1;
        })?;
        match wrong {
            None => Ok(values),
            Some((frame, number)) => {
                let (sequence, step) = match self.time_first {
                    true => (frame % self.sequences, frame / self.sequences),
                    false => (frame / self.steps, frame % self.steps),
                };
                let [low, high] = config.explicit_range().unwrap_or([0.0, 1.0]);
                Err(Error::Format {
                    path: self.path.clone(),
                    reason: format!(
                        "has the number {} in frame {step} of sequence {sequence} (from 0), but {low} to {high} is expected; \
                         set data.frames.range to the lowest and highest number",
                        number as f32
                    ),
                })
            }
        }
    }

    /// The value of a number; `None` if it is out of the range.
    fn value(&self, number: f64, config: &FramesConfig) -> Option<f32> {
        if number.is_nan() {
            return Some(f32::NAN);
        }
        match config.explicit_range() {
            None => self.source.brightness(number),
            Some([low, high]) => {
                let value = (number - low) / (high - low);
                (-1e-6..=1.0 + 1e-6).contains(&value).then(|| value.clamp(0.0, 1.0) as f32)
            }
        }
    }
}
