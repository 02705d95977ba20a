//! Which sequences of a recording make a data set.

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::clip::{Clip, Codebook};
use super::numbering::{self, Numbering, thinned};
use super::sample::{Coverage, Sample, Symmetry, View};
use crate::Result;
use crate::dataset::random::{Purpose, SampleKey, below, coin, generator, unit};
use crate::read_budget::{ReadBudget, bytes_of};

/// Draws of a sequence before the best of them is taken.
const DRAWS: usize = 64;

/// Clips with what their codes mean, and the size of the sequences taken from them.
pub(in crate::dataset) struct WindowSource {
    pub(in crate::dataset) clips: Vec<Clip>,
    pub(in crate::dataset) codebook: Codebook,
    /// Frames of a sequence.
    steps: usize,
    /// Height and width of a sequence; clips have frames at least as large.
    pub(in crate::dataset) size: [usize; 2],
    numbering: Numbering,
}

/// What a sequence needs to be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::dataset) struct SampleFilter {
    /// The least share of measured pixels.
    pub(in crate::dataset) measured: f64,
    /// The least share of them with rain.
    pub(in crate::dataset) rain: f64,
    /// A drawn sequence with a share `s` of rain is kept with the probability
    /// `min(1, s / importance)`; always if it is 0.
    pub(in crate::dataset) importance: f64,
}

/// Which symmetries a drawn sequence may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dataset) struct Augmentation {
    pub(in crate::dataset) flips: bool,
    pub(in crate::dataset) rotations: bool,
}

impl SampleFilter {
    fn lets_through(&self, coverage: Coverage) -> bool {
        coverage.measured >= self.measured && coverage.above_zero >= self.rain
    }
}

impl WindowSource {
    /// Clips for sequences of some frames of a size, `stride` frames from each window to the next.
    pub(in crate::dataset) fn new(
        clips: Vec<Clip>,
        codebook: Codebook,
        steps: usize,
        size: [usize; 2],
        stride: usize,
    ) -> Self {
        let numbering = Numbering::new(clips.iter().map(Clip::len), steps, stride);
        Self { clips, codebook, steps, size, numbering }
    }

    /// Frames of a sequence.
    pub(in crate::dataset) fn steps(&self) -> usize {
        self.steps
    }

    /// The number of windows of all clips.
    pub(in crate::dataset) fn windows(&self) -> usize {
        self.numbering.windows()
    }

    pub(super) fn view(&self, sample: Sample) -> View<'_> {
        View { clip: &self.clips[sample.clip], codebook: &self.codebook, steps: self.steps, size: self.size }
    }

    /// How many parts lie beside each other in the frames of a clip, along height and width.
    fn grid(&self, clip: &Clip) -> [usize; 2] {
        [0, 1].map(|axis| clip.shape[1 + axis] / self.size[axis].max(1))
    }

    /// The part at a place of the grid of a window.
    fn placed(&self, window: usize, place: usize) -> Sample {
        let (clip, first) = self.numbering.window(window);
        let [rows, columns] = self.grid(&self.clips[clip]);
        let at = [place / columns.max(1), place % columns.max(1)];
        let [top, left] = [0, 1].map(|axis| {
            let border = (self.clips[clip].shape[1 + axis] - [rows, columns][axis] * self.size[axis]) / 2;
            border + at[axis] * self.size[axis]
        });
        Sample { clip, first, top, left, symmetry: Symmetry::default() }
    }

    /// At most `most` sequences, evenly over time, of those that the filter lets through; in the order
    /// of time and place.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory), with the path, if their list takes more than the budget allows.
    pub(in crate::dataset) fn listed(
        &self,
        filter: &SampleFilter,
        most: usize,
        path: &Path,
        budget: &ReadBudget,
    ) -> Result<Vec<Sample>> {
        let _counts = budget.keep(path, bytes_of(size_of::<usize>(), &[self.clips.len()]))?;
        // Candidates of each clip and of all before it.
        let mut ends = Vec::with_capacity(self.clips.len());
        let (mut sum, mut windows) = (0usize, 0);
        for (clip, &end) in self.clips.iter().zip(&self.numbering.ends) {
            let [rows, columns] = self.grid(clip);
            sum = sum.saturating_add((end - windows).saturating_mul(rows * columns));
            windows = end;
            ends.push(sum);
        }
        let candidate = |number: usize| {
            let clip = ends.partition_point(|&end| end <= number);
            let before = |ends: &[usize]| clip.checked_sub(1).map_or(0, |before| ends[before]);
            let [rows, columns] = self.grid(&self.clips[clip]);
            let (number, places) = (number - before(&ends), rows * columns);
            self.placed(before(&self.numbering.ends) + number / places, number % places)
        };
        let tried = numbering::tried(sum, most);
        let listed = budget.keep(path, bytes_of(size_of::<Sample>(), &[most.min(tried)]))?;
        let everything = *filter == SampleFilter { measured: 0.0, rain: 0.0, importance: filter.importance };
        let samples = if everything {
            let kept = most.min(tried);
            (0..kept).map(|at| candidate(numbering::listed(at, sum, most))).collect()
        } else {
            let _marks = budget.keep(path, tried as u64)?;
            let passes = |at: usize| {
                let sample = candidate(thinned(at, sum, tried));
                filter.lets_through(self.view(sample).coverage(sample))
            };
            let passing: Vec<bool> = (0..tried).into_par_iter().map(passes).collect();
            let count = passing.iter().filter(|&&passing| passing).count();
            let kept = most.min(count);
            // The passing ones that are taken, by their number among them.
            let mut taken = (0..kept).map(|at| thinned(at, count, kept)).peekable();
            let chosen = (0..tried).filter(|&at| passing[at]).enumerate();
            let chosen = chosen.filter(|(number, _)| taken.next_if_eq(number).is_some());
            let mut samples = Vec::with_capacity(kept);
            samples.extend(chosen.map(|(_, at)| candidate(thinned(at, sum, tried))));
            samples
        };
        listed.stay();
        Ok(samples)
    }

    /// The sequence of a key: a window, a place and a symmetry, each uniform among those
    /// that the filter lets through; the one with most rain of some draws where none is.
    pub(in crate::dataset) fn drawn(
        &self,
        key: SampleKey,
        filter: &SampleFilter,
        augmentation: Augmentation,
    ) -> Sample {
        let mut random = generator(Purpose::Parts, key);
        let mut best: Option<(bool, f64, Sample)> = None;
        for _ in 0..DRAWS {
            let sample = self.draw(&mut random, augmentation);
            let coverage = self.view(sample).coverage(sample);
            let chance = if filter.importance > 0.0 { coverage.above_zero / filter.importance } else { 1.0 };
            if unit(&mut random) < chance && filter.lets_through(coverage) {
                return sample;
            }
            let rank = (coverage.measured >= filter.measured, coverage.measured * coverage.above_zero);
            if best.is_none_or(|(enough, rain, _)| rank > (enough, rain)) {
                best = Some((rank.0, rank.1, sample));
            }
        }
        best.map(|(_, _, sample)| sample).expect("some sequences were drawn")
    }

    fn draw(&self, random: &mut ChaCha8Rng, augmentation: Augmentation) -> Sample {
        let (clip, first) = self.numbering.window(below(random, self.windows()));
        let [_, height, width] = self.clips[clip].shape;
        let [rows, columns] = self.size;
        let top = below(random, height - rows + 1);
        let left = below(random, width - columns + 1);
        let [upside_down, mirrored, transposed] = [(); 3].map(|()| coin(random));
        // A rotation by a quarter is a mirrored transposition. Without flips an odd number
        // of the three would be one.
        let transposed = transposed && augmentation.rotations && rows == columns;
        let symmetry = match (augmentation.flips, augmentation.rotations) {
            (true, _) => Symmetry { upside_down, mirrored, transposed },
            (false, true) => Symmetry { upside_down, mirrored: upside_down != transposed, transposed },
            (false, false) => Symmetry::default(),
        };
        Sample { clip, first, top, left, symmetry }
    }
}
