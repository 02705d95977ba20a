//! Sequences of frames with the input frames of the same times and places.

use super::{FoundData, Quantity, SequenceDataset, SequenceMut};
use crate::{Error, Result};

/// Sequences, each with another one that the network reads in its place.
pub(super) struct Paired {
    name: String,
    frames: Box<dyn SequenceDataset>,
    inputs: Box<dyn SequenceDataset>,
    warnings: Vec<String>,
}

impl Paired {
    /// Sequences of two data sets whose numbers, lengths, sizes and times are equal.
    ///
    /// # Errors
    /// [`Error::Data`] with both numbers where they are not.
    pub(super) fn new(frames: Box<dyn SequenceDataset>, inputs: Box<dyn SequenceDataset>) -> Result<Self> {
        let refuse = |what: &str, [own, input]: [String; 2]| {
            let reason =
                format!("has {what} {input}, but {} has {own}; they go together one to one", frames.name());
            Err(Error::Data { what: inputs.name().to_owned(), reason })
        };
        let both = [&frames, &inputs];
        let counts = both.map(|data| [data.len(), data.steps()]);
        if counts[0] != counts[1] {
            return refuse("sequences and frames", counts.map(|count| format!("{count:?}")));
        }
        let sizes = both.map(|data| [data.frame_shape()[1], data.frame_shape()[2]]);
        if sizes[0] != sizes[1] {
            return refuse("a height and a width of", sizes.map(|size| format!("{size:?}")));
        }
        for index in [0, frames.len() - 1] {
            let times = both.map(|data| data.times(index));
            if times.iter().all(|times| !times.is_empty()) && times[0] != times[1] {
                return refuse(
                    &format!("in sequence {index} the times"),
                    times.map(|times| times.join(", ")),
                );
            }
        }
        let warnings = both.iter().flat_map(|data| data.warnings().iter().cloned()).collect();
        Ok(Self { name: format!("{}, input {}", frames.name(), inputs.name()), warnings, frames, inputs })
    }
}

impl SequenceDataset for Paired {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.frames.len()
    }

    fn frame_shape(&self) -> [usize; 3] {
        self.frames.frame_shape()
    }

    fn steps(&self) -> usize {
        self.frames.steps()
    }

    fn inputs(&self) -> Option<&dyn SequenceDataset> {
        Some(self.inputs.as_ref())
    }

    fn quantity(&self) -> Quantity {
        self.frames.quantity()
    }

    fn found(&self) -> Option<&FoundData> {
        self.frames.found()
    }

    fn has_missing(&self) -> bool {
        self.frames.has_missing()
    }

    fn label(&self, index: usize) -> String {
        self.frames.label(index)
    }

    fn times(&self, index: usize) -> Vec<String> {
        self.frames.times(index)
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn sequence(&self, epoch: u64, index: usize, into: &mut SequenceMut<'_>) -> Result<()> {
        self.frames.sequence(epoch, index, into)
    }
}
