//! A file whose sequences are read when they are asked for.

use std::path::PathBuf;

use convgru_model::Tensor;
use rayon::prelude::*;

use super::gathered::gathered;
use super::{FramesConfig, Reader, is_missing_any};
use crate::dataset::source::FrameSource;
use crate::dataset::source::image::with_channels;
use crate::dataset::{Quantity, SequenceDataset, SequenceMut, check_request};
use crate::printable::printable_name;
use crate::read_budget::ReadBudget;
use crate::{Error, Result};

/// Windows of the sequences of a file, which may be larger than the memory.
pub(super) struct OnDisk {
    name: String,
    path: PathBuf,
    source: Box<dyn FrameSource>,
    config: FramesConfig,
    budget: ReadBudget,
    sequences: usize,
    /// Windows of a sequence.
    windows: usize,
    steps: usize,
    frame_shape: [usize; 3],
    has_missing: bool,
}

impl OnDisk {
    /// The windows of a source, as many frames as are asked for in each. Of numbers that may be missing all are looked at.
    ///
    /// # Errors
    /// [`Error::Data`] if sequences are too short, and those of reading.
    pub(super) fn new(reader: &Reader<'_>, source: Box<dyn FrameSource>) -> Result<Self> {
        let info = source.info()?;
        reader.expect_long_enough(info.steps, "the data")?;
        let steps = reader.data.steps();
        let mut made = Self {
            name: printable_name(reader.path.file_name().unwrap_or(reader.path.as_os_str())),
            path: reader.path.into(),
            config: reader.config.clone(),
            budget: reader.budget.clone(),
            windows: (info.steps - steps) / reader.config.stride + 1,
            steps,
            frame_shape: [0; 3],
            sequences: info.sequences,
            has_missing: false,
            source,
        };
        let shape = made.frames(0)?.shape().to_vec();
        made.frame_shape = [shape[1], shape[2], shape[3]];
        if info.may_miss {
            let missing = |sequence: usize| {
                let mut missing = false;
                made.source.visit(sequence..sequence + 1, 0..info.steps, &mut |frame| {
                    missing |= is_missing_any(frame.values);
                    Ok(())
                })?;
                Ok(missing)
            };
            let missing = (0..info.sequences).into_par_iter().map(missing).collect::<Result<Vec<bool>>>()?;
            made.has_missing = missing.contains(&true);
        }
        Ok(made)
    }

    /// The frames of a window, in the size and with the channels that are asked for.
    fn frames(&self, index: usize) -> Result<Tensor<f32>> {
        let (sequence, first) = (index / self.windows, index % self.windows * self.config.stride);
        let mut within_budget = |bytes| self.budget.keep(&self.path, bytes).map(drop);
        let steps = first..first + self.steps;
        let mut frames =
            gathered(self.source.as_ref(), sequence..sequence + 1, steps, &self.config, &mut within_budget)?;
        let frames = frames.swap_remove(0);
        let channels = if self.config.channels == 0 { frames.shape()[1] } else { self.config.channels };
        with_channels(frames, channels).map_err(|error| Error::Format {
            path: self.path.clone(),
            reason: format!("cannot be brought to {channels} channels ({error}); set data.frames.channels"),
        })
    }
}

impl SequenceDataset for OnDisk {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.sequences * self.windows
    }

    fn frame_shape(&self) -> [usize; 3] {
        self.frame_shape
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn quantity(&self) -> Quantity {
        self.config.meaning()
    }

    fn has_missing(&self) -> bool {
        self.has_missing
    }

    fn sequence(&self, _epoch: u64, index: usize, into: &mut SequenceMut<'_>) -> Result<()> {
        check_request(self, index, into)?;
        into.put(self.frames(index)?.as_slice());
        Ok(())
    }
}
