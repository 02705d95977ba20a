//! Data sets of clips in memory: windows over time and parts of frames.

mod clip;
mod numbering;
mod sample;
#[cfg(test)]
mod tests;
mod window_source;

pub(super) use clip::{Clip, Codebook, Pixels, TimeAxis, decode, encode, label};
pub(super) use numbering::{Numbering, listed};
pub(super) use sample::Sample;
pub(super) use window_source::{Augmentation, SampleFilter, WindowSource};

use super::random::SampleKey;
use super::{FoundData, Quantity, SequenceDataset, SequenceMut, Split, check_request};
use crate::Result;

/// Sequences cut out of clips.
pub(super) struct WindowDataset {
    pub(super) name: String,
    pub(super) source: WindowSource,
    pub(super) selection: Selection,
    pub(super) quantity: Quantity,
    pub(super) found: FoundData,
    pub(super) has_missing: bool,
    pub(super) warnings: Vec<String>,
}

/// Which sequences.
pub(super) enum Selection {
    /// These, the same in every epoch.
    Fixed(Vec<Sample>),
    /// As many in every epoch as are asked for, drawn again each time.
    Random(RandomDraws),
}

/// How sequences are drawn.
#[derive(Clone, Copy)]
pub(super) struct RandomDraws {
    pub(super) seed: u64,
    pub(super) split: Split,
    pub(super) sequences: usize,
    pub(super) filter: SampleFilter,
    pub(super) augmentation: Augmentation,
}

impl WindowDataset {
    fn sample(&self, epoch: u64, index: usize) -> Sample {
        match &self.selection {
            Selection::Fixed(samples) => samples[index],
            Selection::Random(draws) => {
                let key = SampleKey { seed: draws.seed, split: draws.split, epoch, index: index as u64 };
                self.source.drawn(key, &draws.filter, draws.augmentation)
            }
        }
    }

    /// Bytes of memory of all frames.
    pub(super) fn bytes(&self) -> usize {
        self.source.clips.iter().map(|clip| clip.pixels.bytes()).sum()
    }
}

impl SequenceDataset for WindowDataset {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        match &self.selection {
            Selection::Fixed(samples) => samples.len(),
            Selection::Random(draws) => draws.sequences,
        }
    }

    fn frame_shape(&self) -> [usize; 3] {
        let channels = self.source.clips.first().map_or(1, |clip| clip.shape[0]);
        let [height, width] = self.source.size;
        [channels, height, width]
    }

    fn steps(&self) -> usize {
        self.source.steps()
    }

    fn quantity(&self) -> Quantity {
        self.quantity.clone()
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
        if index >= self.len() {
            return format!("sequence {index}");
        }
        let sample = self.sample(0, index);
        let clip = &self.source.clips[sample.clip];
        let time = clip.label(sample.first);
        if clip.shape[1..] == self.source.size {
            return time;
        }
        format!("{time}, row {}, column {}", sample.top, sample.left)
    }

    fn times(&self, index: usize) -> Vec<String> {
        if index >= self.len() {
            return Vec::new();
        }
        let sample = self.sample(0, index);
        let clip = &self.source.clips[sample.clip];
        match clip.time_axis {
            Some(_) => (0..self.steps()).map(|step| clip.label(sample.first + step)).collect(),
            None => Vec::new(),
        }
    }

    fn sequence(&self, epoch: u64, index: usize, into: &mut SequenceMut<'_>) -> Result<()> {
        check_request(self, index, into)?;
        let sample = self.sample(epoch, index);
        self.source.view(sample).write(sample, into);
        Ok(())
    }
}
