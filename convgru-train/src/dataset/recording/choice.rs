//! Which sequences of a recording make a data set.

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::sample::{Sample, Survey, Symmetry, View};
use super::strip::{Levels, Strip};
use crate::dataset::random::{Purpose, SampleKey, below, coin, generator, unit};

/// Draws of a sequence before the best of them is taken.
const DRAWS: usize = 64;
/// Candidates looked at for each listed sequence, at most.
const CANDIDATES: usize = 64;

/// Strips with what their codes mean, and the size of the sequences taken from them.
pub(in crate::dataset) struct Material {
    pub(in crate::dataset) strips: Vec<Strip>,
    pub(in crate::dataset) levels: Levels,
    /// Frames of a sequence.
    pub(in crate::dataset) steps: usize,
    /// Height and width of a sequence; strips have frames at least as large.
    pub(in crate::dataset) size: [usize; 2],
    /// Frames from the beginning of a window to that of the next, at least 1.
    pub(in crate::dataset) stride: usize,
}

/// What a sequence needs to be worth looking at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::dataset) struct Worth {
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
pub(in crate::dataset) struct Turning {
    pub(in crate::dataset) flips: bool,
    pub(in crate::dataset) rotations: bool,
}

impl Worth {
    fn is_met(&self, survey: Survey) -> bool {
        survey.measured >= self.measured && survey.above_zero >= self.rain
    }
}

impl Material {
    /// The number of windows of a strip.
    fn windows_of(&self, strip: &Strip) -> usize {
        (strip.len() + 1).checked_sub(self.steps).map_or(0, |places| places.div_ceil(self.stride))
    }

    /// The number of windows of all strips.
    pub(in crate::dataset) fn windows(&self) -> usize {
        self.strips.iter().map(|strip| self.windows_of(strip)).sum()
    }

    /// Strip and first frame of a window.
    fn window(&self, mut number: usize) -> (usize, usize) {
        for (index, strip) in self.strips.iter().enumerate() {
            let windows = self.windows_of(strip);
            if number < windows {
                return (index, number * self.stride);
            }
            number -= windows;
        }
        unreachable!("windows are numbered below their count")
    }

    pub(super) fn view(&self, sample: Sample) -> View<'_> {
        View { strip: &self.strips[sample.strip], levels: &self.levels, steps: self.steps, size: self.size }
    }

    /// Places beside each other that cover the frames of a strip but for a border.
    fn places(&self, strip: &Strip) -> Vec<[usize; 2]> {
        let [_, height, width] = strip.shape;
        let along = |length: usize, size: usize| {
            let count = length / size;
            let border = (length - count * size) / 2;
            (0..count).map(move |at| border + at * size)
        };
        let columns: Vec<usize> = along(width, self.size[1]).collect();
        along(height, self.size[0]).flat_map(|top| columns.iter().map(move |&left| [top, left])).collect()
    }

    /// At most `most` sequences, evenly over time, of those that are worth it; in the order
    /// of time and place.
    pub(in crate::dataset) fn listed(&self, worth: &Worth, most: usize) -> Vec<Sample> {
        let mut candidates = Vec::new();
        for number in 0..self.windows() {
            let (strip, first) = self.window(number);
            for [top, left] in self.places(&self.strips[strip]) {
                candidates.push(Sample { strip, first, top, left, symmetry: Symmetry::default() });
            }
        }
        let candidates = thinned(candidates, most.saturating_mul(CANDIDATES));
        let everything = *worth == Worth { measured: 0.0, rain: 0.0, importance: worth.importance };
        let worthy: Vec<Sample> = candidates
            .into_par_iter()
            .filter(|&sample| everything || worth.is_met(self.view(sample).survey(sample)))
            .collect();
        thinned(worthy, most)
    }

    /// The sequence of a key: a window, a place and a symmetry, each uniform among those
    /// that are worth it; the one with most rain of some draws where none is.
    pub(in crate::dataset) fn drawn(&self, key: SampleKey, worth: &Worth, turning: Turning) -> Sample {
        let mut random = generator(Purpose::Parts, key);
        let mut best: Option<(bool, f64, Sample)> = None;
        for _ in 0..DRAWS {
            let sample = self.draw(&mut random, turning);
            let survey = self.view(sample).survey(sample);
            let chance = if worth.importance > 0.0 { survey.above_zero / worth.importance } else { 1.0 };
            if unit(&mut random) < chance && worth.is_met(survey) {
                return sample;
            }
            let rank = (survey.measured >= worth.measured, survey.measured * survey.above_zero);
            if best.is_none_or(|(enough, rain, _)| rank > (enough, rain)) {
                best = Some((rank.0, rank.1, sample));
            }
        }
        best.map(|(_, _, sample)| sample).expect("some sequences were drawn")
    }

    fn draw(&self, random: &mut ChaCha8Rng, turning: Turning) -> Sample {
        let (strip, first) = self.window(below(random, self.windows()));
        let [_, height, width] = self.strips[strip].shape;
        let [rows, columns] = self.size;
        let top = below(random, height - rows + 1);
        let left = below(random, width - columns + 1);
        let [upside_down, mirrored, transposed] = [(); 3].map(|()| coin(random));
        // A rotation by a quarter is a mirrored transposition. Without flips an odd number
        // of the three would be one.
        let transposed = transposed && turning.rotations && rows == columns;
        let symmetry = match (turning.flips, turning.rotations) {
            (true, _) => Symmetry { upside_down, mirrored, transposed },
            (false, true) => Symmetry { upside_down, mirrored: upside_down != transposed, transposed },
            (false, false) => Symmetry::default(),
        };
        Sample { strip, first, top, left, symmetry }
    }
}

/// At most `most` of some things, evenly spaced, the first among them.
fn thinned<T>(things: Vec<T>, most: usize) -> Vec<T> {
    let count = things.len();
    if count <= most {
        return things;
    }
    // The thing `i` is taken where the rounded-down `i most / count` grows.
    let place = |i: usize| (i as u128 * most as u128) / count as u128;
    things
        .into_iter()
        .enumerate()
        .filter(|(i, _)| *i == 0 || place(*i) != place(i - 1))
        .map(|(_, x)| x)
        .collect()
}
