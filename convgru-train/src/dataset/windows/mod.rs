//! Data sets of long recordings in memory: windows over time and parts of frames.

mod clip;
mod sample;
#[cfg(test)]
mod tests;
mod window_source;

pub(super) use clip::{Clock, Levels, Samples, Strip, encode};
pub(super) use sample::Sample;
pub(super) use window_source::{Material, Turning, Worth};

use super::random::SampleKey;
use super::{Quantity, SequenceDataset, SequenceMut, Split, check_request};
use crate::Result;

/// Sequences out of recordings.
pub(super) struct Recordings {
    pub(super) name: String,
    pub(super) material: Material,
    pub(super) choice: Choice,
    pub(super) quantity: Quantity,
    pub(super) has_missing: bool,
    pub(super) warnings: Vec<String>,
}

/// Which sequences.
pub(super) enum Choice {
    /// These, the same in every epoch.
    Listed(Vec<Sample>),
    /// As many in every epoch as are asked for, drawn anew.
    Drawn(Draws),
}

/// How sequences are drawn.
#[derive(Clone, Copy)]
pub(super) struct Draws {
    pub(super) seed: u64,
    pub(super) split: Split,
    pub(super) sequences: usize,
    pub(super) worth: Worth,
    pub(super) turning: Turning,
}

impl Recordings {
    fn sample(&self, epoch: u64, index: usize) -> Sample {
        match &self.choice {
            Choice::Listed(samples) => samples[index],
            Choice::Drawn(draws) => {
                let key = SampleKey { seed: draws.seed, split: draws.split, epoch, index: index as u64 };
                self.material.drawn(key, &draws.worth, draws.turning)
            }
        }
    }

    /// Bytes of memory of all frames.
    pub(super) fn bytes(&self) -> usize {
        self.material.strips.iter().map(|strip| strip.samples.bytes()).sum()
    }
}

impl SequenceDataset for Recordings {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        match &self.choice {
            Choice::Listed(samples) => samples.len(),
            Choice::Drawn(draws) => draws.sequences,
        }
    }

    fn frame_shape(&self) -> [usize; 3] {
        let channels = self.material.strips.first().map_or(1, |strip| strip.shape[0]);
        let [height, width] = self.material.size;
        [channels, height, width]
    }

    fn steps(&self) -> usize {
        self.material.steps()
    }

    fn quantity(&self) -> Quantity {
        self.quantity.clone()
    }

    fn has_missing(&self) -> bool {
        self.has_missing
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn label(&self, index: usize) -> String {
        if index >= self.len() {
            return format!("sequence {index}");
        }
        let sample = self.sample(0, index);
        let strip = &self.material.strips[sample.strip];
        let time = strip.label(sample.first);
        if strip.shape[1..] == self.material.size {
            return time;
        }
        format!("{time}, row {}, column {}", sample.top, sample.left)
    }

    fn times(&self, index: usize) -> Vec<String> {
        if index >= self.len() {
            return Vec::new();
        }
        let sample = self.sample(0, index);
        let strip = &self.material.strips[sample.strip];
        match strip.clock {
            Some(_) => (0..self.steps()).map(|step| strip.label(sample.first + step)).collect(),
            None => Vec::new(),
        }
    }

    fn sequence(&self, epoch: u64, index: usize, into: &mut SequenceMut<'_>) -> Result<()> {
        check_request(self, index, into)?;
        let sample = self.sample(epoch, index);
        self.material.view(sample).write(sample, into);
        Ok(())
    }
}
