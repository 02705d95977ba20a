//! How digits move.

use std::path::Path;

use super::*;
use crate::dataset::{Source, open};
use proptest::prelude::*;

/// Every digit is a full square of one level.
struct Block(u8);

impl DigitSource for Block {
    fn draw(&self, _: &mut ChaCha8Rng, image: &mut [u8]) {
        image.fill(self.0);
    }
}

fn blocks(steps: usize, digits: &DigitsConfig, seed: u64) -> MovingDigits {
    digits.validate().unwrap();
    let config = DataConfig { input_frames: steps - 1, output_frames: 1, ..DataConfig::default() };
    MovingDigits::new(&config, digits, Split::Train, seed, Box::new(Block(255)))
}

fn of_images(folder: &Path, digits: DigitsConfig) -> Box<dyn SequenceDataset> {
    let config = DataConfig { source: Source::Mnist(digits), ..DataConfig::default() };
    open(&config, Some(folder), Split::Test, 0).unwrap()
}

fn strokes(split: Split, seed: u64) -> Box<dyn SequenceDataset> {
    open(&DataConfig::default(), None, split, seed).unwrap()
}

fn sequence(dataset: &dyn SequenceDataset, epoch: u64, index: usize) -> Vec<f32> {
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
        let digits = DigitsConfig {
            digits: 1, size, digit_size, min_speed: low * free as f64, max_speed: high * free as f64,
        };
        let frames = sequence(&blocks(20, &digits, seed), 0, 0);
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
    let dataset: Box<dyn SequenceDataset> =
        Box::new(blocks(100, &DigitsConfig { digits: 1, ..DigitsConfig::default() }, 3));
    let mut turns = 0;
    for index in 0..10 {
        let frames = sequence(&*dataset, 0, index);
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
    let digits = DigitsConfig { size: 40, digits: 2, ..DigitsConfig::default() };
    let growing = Growing(std::sync::atomic::AtomicU8::new(100));
    let dataset = MovingDigits::new(&DataConfig::default(), &digits, Split::Train, 0, Box::new(growing));
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
    let dataset = strokes(Split::Train, 9);
    let once = sequence(&*dataset, 4, 17);
    sequence(&*dataset, 1, 3);
    assert_eq!(sequence(&*dataset, 4, 17), once);
    let again = strokes(Split::Train, 9);
    assert_eq!(sequence(&*again, 4, 17), once);
    assert_ne!(sequence(&*dataset, 5, 17), once);
    assert_ne!(sequence(&*dataset, 4, 18), once);
    let other_seed = strokes(Split::Train, 10);
    assert_ne!(sequence(&*other_seed, 4, 17), once);
    let validation = strokes(Split::Validation, 9);
    assert_ne!(sequence(&*validation, 4, 17), once);
}

#[test]
fn only_training_changes_with_the_epoch() {
    for (split, same) in [(Split::Train, false), (Split::Validation, true), (Split::Test, true)] {
        let dataset = strokes(split, 0);
        assert_eq!(sequence(&*dataset, 0, 5) == sequence(&*dataset, 1, 5), same, "{split}");
    }
}

#[test]
fn values_are_grey_levels_over_255() {
    let dataset = strokes(Split::Test, 0);
    let frames = sequence(&*dataset, 0, 0);
    assert!(frames.iter().all(|&v| v == (v * 255.0).round() / 255.0));
    assert!(frames.iter().any(|&v| v > 0.9) && frames.contains(&0.0));
}

#[test]
fn requests_that_cannot_be_met_are_errors() {
    let dataset = strokes(Split::Test, 0);
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
    let Some(folder) = crate::fixtures::data_folder("mnist") else {
        return;
    };
    let digits = DigitsConfig { digits: 1, ..DigitsConfig::default() };
    let dataset = of_images(&folder, digits);
    for index in 0..20 {
        let frames = sequence(&*dataset, 0, index);
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
    let dataset = of_images(&folder, DigitsConfig { digits: 1, size: 48, ..DigitsConfig::default() });
    let frames = sequence(&*dataset, 0, 3);
    let sum = |frame: &[f32]| frame.iter().map(|&v| f64::from(v)).sum::<f64>();
    let first = sum(&frames[..48 * 48]);
    assert!(first > 10.0);
    assert!(frames.chunks_exact(48 * 48).all(|frame| (sum(frame) - first).abs() < 1e-9));
}
