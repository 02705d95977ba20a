//! Moving digits: they fly through the frame and bounce off its walls.

use rand_chacha::ChaCha8Rng;

use super::random::{Purpose, SampleKey, generator};
use super::trajectory::Trajectory;
use super::{DataConfig, DigitsConfig, SequenceDataset, SequenceMut, Split, check_request};
use crate::Result;

/// Where the images of single digits come from.
pub(super) trait DigitSource: Send + Sync {
    /// Draws a random digit onto a square image of grey levels, row by row, over
    /// whatever it held.
    fn draw(&self, random: &mut ChaCha8Rng, image: &mut [u8]);
}

/// Sequences of digits that move in straight lines, bounce off the walls, and
/// where they overlap show the brighter one: Moving MNIST (Srivastava et al.
/// 2015) with digits of one's choice.
///
/// Sequence `index` of an epoch depends on the seed, the split, the epoch and
/// the index alone, so any of them can be made at any time, in any order. The
/// validation and the test split are the same in every epoch.
pub(super) struct MovingDigits {
    name: String,
    /// Frames and sequences.
    sequences: usize,
    steps: usize,
    digits: DigitsConfig,
    split: Split,
    seed: u64,
    source: Box<dyn DigitSource>,
}

impl MovingDigits {
    /// Digits of a source; the numbers of the configuration and of `digits` were validated.
    pub(super) fn new(
        config: &DataConfig,
        digits: &DigitsConfig,
        split: Split,
        seed: u64,
        source: Box<dyn DigitSource>,
    ) -> Self {
        let name = format!("moving digits ({}, {split})", config.source.name());
        let (sequences, steps) = (config.sequences(split), config.steps());
        Self { name, sequences, steps, digits: digits.clone(), split, seed, source }
    }
}

impl SequenceDataset for MovingDigits {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.sequences
    }

    fn frame_shape(&self) -> [usize; 3] {
        [1, self.digits.size, self.digits.size]
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn sequence(&self, epoch: u64, index: usize, into: &mut SequenceMut<'_>) -> Result<()> {
        check_request(self, index, into)?;
        let frames = &mut *into.frames;
        let epoch = if self.split == Split::Train { epoch } else { 0 };
        let sample = SampleKey { seed: self.seed, split: self.split, epoch, index: index as u64 };
        let mut random = generator(Purpose::Digits, sample);
        let DigitsConfig { size, digit_size, .. } = self.digits;
        let free = self.digits.free_canvas();
        let speed = [self.digits.min_speed, self.digits.max_speed].map(|pixels| pixels / free as f64);
        let mut grey = vec![0; digit_size * digit_size];
        let mut digit = vec![0.0; digit_size * digit_size];
        frames.fill(0.0);
        for _ in 0..self.digits.digits {
            let mut path = Trajectory::random(&mut random, speed);
            self.source.draw(&mut random, &mut grey);
            for (value, &level) in digit.iter_mut().zip(&grey) {
                *value = f32::from(level) / 255.0;
            }
            for frame in frames.chunks_exact_mut(size * size) {
                path.advance();
                let [x, y] = path.pixel(free);
                overlay(&digit, digit_size, &mut frame[y * size + x..], size);
            }
        }
        Ok(())
    }
}

/// Lays a square image onto a frame whose first element is the upper left pixel
/// of the place; the brighter value counts.
fn overlay(image: &[f32], side: usize, frame: &mut [f32], width: usize) {
    for (row, line) in image.chunks_exact(side).zip(frame.chunks_mut(width)) {
        for (pixel, &value) in line.iter_mut().zip(row) {
            *pixel = pixel.max(value);
        }
    }
}

#[cfg(test)]
mod tests;
