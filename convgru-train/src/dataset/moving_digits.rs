//! Moving digits: they fly through the frame and bounce off its walls.

use std::path::Path;

use rand_chacha::ChaCha8Rng;

use super::config::{DataConfig, Source};
use super::mnist::MnistDigits;
use super::random::{Purpose, SampleKey, generator};
use super::synthetic_digits::StrokeDigits;
use super::trajectory::Trajectory;
use super::{SequenceDataset, SequenceMut, Split, check_request};
use crate::shown::shown;
use crate::{Error, Result};

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
///
/// ```
/// use convgru_train::dataset::{DataConfig, MovingDigits, SequenceDataset, SequenceMut, Split};
///
/// let digits = MovingDigits::from_strokes(&DataConfig::default(), Split::Train, 0)?;
/// let mut frames = vec![0.0; 20 * 64 * 64];
/// digits.sequence(0, 123, &mut SequenceMut { frames: &mut frames, valid: None })?;
/// assert!(frames.iter().all(|value| (0.0..=1.0).contains(value)));
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub struct MovingDigits {
    name: String,
    config: DataConfig,
    split: Split,
    seed: u64,
    source: Box<dyn DigitSource>,
}

impl MovingDigits {
    /// Digits drawn from strokes; needs no files.
    ///
    /// # Errors
    /// [`Error::Config`] if the configuration is invalid.
    pub fn from_strokes(config: &DataConfig, split: Split, seed: u64) -> Result<Self> {
        config.validate()?;
        let config = DataConfig { source: Source::Strokes, ..config.clone() };
        let source = Box::new(StrokeDigits::new(config.digit_size));
        Ok(Self::new(config, split, seed, source))
    }

    /// Digits of MNIST from a folder with its own file names, such as
    /// `train-images-idx3-ubyte` or `t10k-images-idx3-ubyte.gz`. The last 5,000
    /// of the 60,000 training digits are kept for validation.
    ///
    /// # Errors
    /// [`Error::Config`] if the configuration is invalid, [`Error::Data`] if the
    /// folder has not the file, [`Error::Io`] or [`Error::Format`] if the file
    /// cannot be used.
    pub fn from_mnist(config: &DataConfig, folder: &Path, split: Split, seed: u64) -> Result<Self> {
        config.validate()?;
        let config = DataConfig { source: Source::Mnist, ..config.clone() };
        let source = Box::new(MnistDigits::open(folder, split, config.digit_size, &config.budget())?);
        Ok(Self::new(config, split, seed, source))
    }

    fn new(config: DataConfig, split: Split, seed: u64, source: Box<dyn DigitSource>) -> Self {
        let name = format!("moving digits ({}, {split})", config.source.name());
        Self { name, config, split, seed, source }
    }
}

impl std::fmt::Debug for MovingDigits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MovingDigits")
            .field("name", &self.name)
            .field("config", &self.config)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl SequenceDataset for MovingDigits {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.config.sequences(self.split)
    }

    fn frame_shape(&self) -> [usize; 3] {
        [1, self.config.size, self.config.size]
    }

    fn steps(&self) -> usize {
        self.config.steps()
    }

    fn sequence(&self, epoch: u64, index: usize, into: &mut SequenceMut<'_>) -> Result<()> {
        check_request(self, index, into)?;
        let frames = &mut *into.frames;
        let epoch = if self.split == Split::Train { epoch } else { 0 };
        let sample = SampleKey { seed: self.seed, split: self.split, epoch, index: index as u64 };
        let mut random = generator(Purpose::Digits, sample);
        let DataConfig { size, digit_size, .. } = self.config;
        let free = self.config.free_canvas();
        let speed = [self.config.min_speed, self.config.max_speed].map(|pixels| pixels / free as f64);
        let mut grey = vec![0; digit_size * digit_size];
        let mut digit = vec![0.0; digit_size * digit_size];
        frames.fill(0.0);
        for _ in 0..self.config.digits {
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

/// The data set that a configuration with a folder asks for.
pub(super) fn open(
    config: &DataConfig,
    folder: Option<&Path>,
    split: Split,
    seed: u64,
) -> Result<MovingDigits> {
    match (config.source, folder) {
        (Source::Strokes, None) => MovingDigits::from_strokes(config, split, seed),
        (Source::Mnist, Some(folder)) => MovingDigits::from_mnist(config, folder, split, seed),
        (Source::Strokes, Some(folder)) => Err(Error::Config {
            field: "data.source".into(),
            reason: format!(
                "is \"strokes\", which reads no files, but the data folder {} is given; set it to \"mnist\" \
                 or leave the folder out",
                shown(folder)
            ),
        }),
        (source @ (Source::Radar | Source::Frames), _) => Err(Error::Config {
            field: "data.source".into(),
            reason: format!(
                "is \"{}\", but digits are asked for; set it to \"strokes\" or \"mnist\"",
                source.name()
            ),
        }),
        (Source::Mnist, None) => Err(Error::Config {
            field: "data.source".into(),
            reason:
                "is \"mnist\", which reads MNIST's files, but no data folder is given; name it with --data, \
                     or set the source to \"strokes\", which needs no files"
                    .into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::fixtures;
    use proptest::prelude::*;

    /// Every digit is a full square of one level.
    struct Block(u8);

    impl DigitSource for Block {
        fn draw(&self, _: &mut ChaCha8Rng, image: &mut [u8]) {
            image.fill(self.0);
        }
    }

    fn blocks(config: DataConfig, seed: u64) -> MovingDigits {
        config.validate().unwrap();
        MovingDigits::new(config, Split::Train, seed, Box::new(Block(255)))
    }

    fn sequence(dataset: &MovingDigits, epoch: u64, index: usize) -> Vec<f32> {
        let [c, h, w] = dataset.frame_shape();
        let mut frames = vec![f32::NAN; dataset.steps() * c * h * w];
        dataset.sequence(epoch, index, &mut SequenceMut { frames: &mut frames, valid: None }).unwrap();
        frames
    }

    /// The upper left corner and the number of lit pixels.
    fn corner(frame: &[f32], size: usize) -> (usize, usize, usize) {
        let lit: Vec<usize> = (0..frame.len()).filter(|&i| frame[i] > 0.0).collect();
        let left = lit.iter().map(|i| i % size).min().unwrap();
        (left, lit[0] / size, lit.len())
    }

    proptest! {
        #[test]
        fn digits_stay_whole_inside_the_frame(
            seed: u64, digit_size in 8usize..20, free in 1usize..30, low in 0.0f64..1.0, high in 0.0f64..1.0,
        ) {
            let (low, high) = (low.min(high), low.max(high));
            let size = digit_size + free;
            let config = DataConfig {
                digits: 1, size, digit_size, min_speed: low * free as f64, max_speed: high * free as f64,
                ..DataConfig::default()
            };
            let frames = sequence(&blocks(config, seed), 0, 0);
            let mut before = None;
            for frame in frames.chunks_exact(size * size) {
                let (x, y, lit) = corner(frame, size);
                prop_assert_eq!(lit, digit_size * digit_size);
                prop_assert!(x <= free && y <= free);
                if let Some((x0, y0)) = before {
                    let way = high * free as f64 + 1.0;
                    prop_assert!(x.abs_diff(x0) as f64 <= way && y.abs_diff(y0) as f64 <= way);
                }
                before = Some((x, y));
            }
        }
    }

    #[test]
    fn digits_bounce() {
        let config = DataConfig { digits: 1, input_frames: 50, output_frames: 50, ..DataConfig::default() };
        let dataset = blocks(config, 3);
        let mut turns = 0;
        for index in 0..10 {
            let frames = sequence(&dataset, 0, index);
            let xs: Vec<i64> = frames.chunks_exact(64 * 64).map(|f| corner(f, 64).0 as i64).collect();
            let ways: Vec<i64> =
                xs.windows(2).map(|pair| (pair[1] - pair[0]).signum()).filter(|&s| s != 0).collect();
            turns += ways.windows(2).filter(|pair| pair[0] != pair[1]).count();
        }
        // 100 frames of at most 0.1 each turn about six times; one in ten paths may run along a wall.
        assert!(turns > 20, "{turns} turns in 10 sequences");
    }

    #[test]
    fn the_brighter_digit_shows_where_two_overlap() {
        struct Growing(std::sync::atomic::AtomicU8);
        impl DigitSource for Growing {
            fn draw(&self, _: &mut ChaCha8Rng, image: &mut [u8]) {
                image.fill(self.0.fetch_add(60, std::sync::atomic::Ordering::Relaxed));
            }
        }
        // 28 of 40 pixels wide, two digits must always overlap.
        let config = DataConfig { size: 40, digits: 2, ..DataConfig::default() };
        let growing = Growing(std::sync::atomic::AtomicU8::new(100));
        let dataset = MovingDigits::new(config, Split::Train, 0, Box::new(growing));
        for frame in sequence(&dataset, 0, 0).chunks_exact(40 * 40) {
            let brighter = frame.iter().filter(|&&v| v == 160.0 / 255.0).count();
            let darker = frame.iter().filter(|&&v| v == 100.0 / 255.0).count();
            let none = frame.iter().filter(|&&v| v == 0.0).count();
            assert_eq!(brighter, 28 * 28);
            assert!(darker < 28 * 28);
            assert_eq!(brighter + darker + none, 40 * 40);
        }
    }

    #[test]
    fn a_sequence_depends_on_nothing_but_its_key() {
        let config = DataConfig::default();
        let dataset = MovingDigits::from_strokes(&config, Split::Train, 9).unwrap();
        let once = sequence(&dataset, 4, 17);
        sequence(&dataset, 1, 3);
        assert_eq!(sequence(&dataset, 4, 17), once);
        let again = MovingDigits::from_strokes(&config, Split::Train, 9).unwrap();
        assert_eq!(sequence(&again, 4, 17), once);
        assert_ne!(sequence(&dataset, 5, 17), once);
        assert_ne!(sequence(&dataset, 4, 18), once);
        let other_seed = MovingDigits::from_strokes(&config, Split::Train, 10).unwrap();
        assert_ne!(sequence(&other_seed, 4, 17), once);
        let validation = MovingDigits::from_strokes(&config, Split::Validation, 9).unwrap();
        assert_ne!(sequence(&validation, 4, 17), once);
    }

    #[test]
    fn only_training_changes_with_the_epoch() {
        let config = DataConfig::default();
        for (split, same) in [(Split::Train, false), (Split::Validation, true), (Split::Test, true)] {
            let dataset = MovingDigits::from_strokes(&config, split, 0).unwrap();
            assert_eq!(sequence(&dataset, 0, 5) == sequence(&dataset, 1, 5), same, "{split}");
        }
    }

    #[test]
    fn values_are_grey_levels_over_255() {
        let dataset = MovingDigits::from_strokes(&DataConfig::default(), Split::Test, 0).unwrap();
        let frames = sequence(&dataset, 0, 0);
        assert!(frames.iter().all(|&v| v == (v * 255.0).round() / 255.0));
        assert!(frames.iter().any(|&v| v > 0.9) && frames.contains(&0.0));
    }

    #[test]
    fn requests_that_cannot_be_met_are_errors() {
        let dataset = MovingDigits::from_strokes(&DataConfig::default(), Split::Test, 0).unwrap();
        let message = |index, values| {
            let mut frames = vec![0.0; values];
            let mut into = SequenceMut { frames: &mut frames, valid: None };
            dataset.sequence(0, index, &mut into).unwrap_err().to_string()
        };
        let error = message(1000, 20 * 64 * 64);
        assert!(error.contains("1000"), "{error}");
        let error = message(0, 10);
        assert!(error.contains("81920") && error.contains("10"), "{error}");
    }

    #[test]
    fn real_digits_move_whole() {
        let Some(folder) = fixtures::mnist_folder() else {
            return;
        };
        let config = DataConfig { digits: 1, ..DataConfig::default() };
        let dataset = MovingDigits::from_mnist(&config, &folder, Split::Test, 0).unwrap();
        for index in 0..20 {
            let frames = sequence(&dataset, 0, index);
            let sum = |frame: &[f32]| frame.iter().map(|&v| f64::from(v)).sum::<f64>();
            let first = sum(&frames[..64 * 64]);
            assert!(first > 10.0);
            assert!(frames.chunks_exact(64 * 64).all(|frame| (sum(frame) - first).abs() < 1e-9));
        }
    }

    #[test]
    fn garments_move_as_digits_do() {
        let Some(folder) = crate::fixtures::data_folder("fashion-mnist") else {
            return;
        };
        let config = DataConfig { digits: 1, size: 48, digit_size: 28, ..DataConfig::default() };
        let dataset = MovingDigits::from_mnist(&config, &folder, Split::Test, 0).unwrap();
        let frames = sequence(&dataset, 0, 3);
        let sum = |frame: &[f32]| frame.iter().map(|&v| f64::from(v)).sum::<f64>();
        let first = sum(&frames[..48 * 48]);
        assert!(first > 10.0);
        assert!(frames.chunks_exact(48 * 48).all(|frame| (sum(frame) - first).abs() < 1e-9));
    }
}
