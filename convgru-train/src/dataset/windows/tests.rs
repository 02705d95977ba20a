//! Windows, places and draws.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::dataset::fixtures::budget;

fn source(lengths: &[usize], steps: usize, stride: usize) -> WindowSource {
    let clip = |&frames: &usize| Clip {
        name: format!("{frames}"),
        time_axis: None,
        shape: [1, 5, 7],
        pixels: Pixels::Bytes((0..frames * 35).map(|i| (i % 11) as u8).collect()),
    };
    let codebook = Codebook::of_codes(8, |code| if code == 10 { f32::NAN } else { f32::from(code) / 10.0 });
    WindowSource::new(lengths.iter().map(clip).collect(), codebook, steps, [2, 3], stride)
}

const ANY: SampleFilter = SampleFilter { measured: 0.0, rain: 0.0, importance: 0.0 };
const TURNED: Augmentation = Augmentation { flips: true, rotations: true };

proptest! {
    #[test]
    fn windows_lie_within_one_clip(
        lengths in proptest::collection::vec(0usize..12, 1..5), steps in 1usize..6, stride in 1usize..4, most in 1usize..50,
    ) {
        let source = source(&lengths, steps, stride);
        let expected: usize = lengths.iter().map(|&n| (0..n).step_by(stride).filter(|at| at + steps <= n).count()).sum();
        prop_assert_eq!(source.windows(), expected);
        let listed = source.listed(&ANY, most, Path::new("x"), &budget()).unwrap();
        prop_assert_eq!(listed.len(), most.min(expected * 4));
        for sample in &listed {
            prop_assert!(sample.first + steps <= lengths[sample.clip]);
            prop_assert!(sample.top + 2 <= 5 && sample.left + 3 <= 7);
        }
        let mut sorted = listed.clone();
        sorted.sort_by_key(|s| (s.clip, s.first, s.top, s.left));
        sorted.dedup();
        prop_assert_eq!(sorted, listed);
    }

    #[test]
    fn draws_lie_within_one_strip_and_repeat(
        lengths in proptest::collection::vec(0usize..12, 1..5), steps in 1usize..6, seed: u64, epoch: u64, index: u64,
    ) {
        let source = source(&lengths, steps, 1);
        prop_assume!(source.windows() > 0);
        let key = SampleKey { seed, split: Split::Train, epoch, index };
        let sample = source.drawn(key, &ANY, TURNED);
        prop_assert_eq!(source.drawn(key, &ANY, TURNED), sample);
        prop_assert!(sample.first + steps <= lengths[sample.clip]);
        prop_assert!(sample.top + 2 <= 5 && sample.left + 3 <= 7);
        // Parts of 2 x 3 pixels cannot be transposed.
        prop_assert!(!sample.symmetry.transposed);
    }
}

#[test]
fn every_window_and_turn_is_drawn() {
    let mut source = source(&[5, 0, 7], 3, 1);
    source.size = [3, 3];
    let draw = |index, augmentation| {
        source.drawn(SampleKey { seed: 0, split: Split::Train, epoch: 0, index }, &ANY, augmentation)
    };
    let count = |augmentation, of: fn(Sample) -> (usize, usize)| {
        (0..4000).map(|index| of(draw(index, augmentation))).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(count(TURNED, |s| (s.clip, s.first)), 3 + 5);
    assert_eq!(count(TURNED, |s| (s.top, s.left)), 3 * 5);
    let turns: fn(Sample) -> (usize, usize) = |s| {
        let bits = [s.symmetry.upside_down, s.symmetry.mirrored, s.symmetry.transposed];
        (bits.iter().fold(0, |sum, &bit| 2 * sum + usize::from(bit)), 0)
    };
    assert_eq!(count(TURNED, turns), 8);
    assert_eq!(count(Augmentation { flips: true, rotations: false }, turns), 4);
    assert_eq!(count(Augmentation { flips: false, rotations: true }, turns), 4);
    assert_eq!(count(Augmentation { flips: false, rotations: false }, turns), 1);
}

#[test]
fn rain_is_sought_and_seen_more_often_than_it_falls() {
    // One clip: the left half of each frame is dry, the right half rains.
    let pixels = (0..10 * 8 * 16).map(|i| if i % 16 >= 8 { 5 } else { 0 }).collect();
    let clip =
        Clip { name: String::new(), time_axis: None, shape: [1, 8, 16], pixels: Pixels::Bytes(pixels) };
    let codebook = Codebook::of_codes(8, |code| f32::from(code) / 10.0);
    let source = WindowSource::new(vec![clip], codebook, 2, [8, 4], 1);
    let mean_share = |filter: SampleFilter| {
        let key = |index| SampleKey { seed: 1, split: Split::Train, epoch: 0, index };
        let share = |index| {
            let sample = source.drawn(key(index), &filter, TURNED);
            source.view(sample).coverage(sample).above_zero
        };
        (0..2000).map(share).sum::<f64>() / 2000.0
    };
    let uniform = mean_share(ANY);
    assert!((uniform - 0.5).abs() < 0.05, "{uniform}");
    // Of a share s uniform in {0, 0, ..., 1}, weighted by s.
    assert!(mean_share(SampleFilter { importance: 1.0, ..ANY }) > 0.85);
    assert_eq!(mean_share(SampleFilter { rain: 1.0, ..ANY }), 1.0);
    let listed = source.listed(&SampleFilter { rain: 0.5, ..ANY }, 1000, Path::new("x"), &budget()).unwrap();
    assert!(listed.iter().all(|sample| sample.left >= 8) && listed.len() == 9 * 2);
}
