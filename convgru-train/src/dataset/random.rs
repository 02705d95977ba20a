//! Random numbers of one sample: a function of what is drawn, not of what was
//! drawn before.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::Split;

/// What the random numbers decide. Each purpose has streams of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The digits of a sequence and their paths.
    Digits,
    /// The order of an epoch.
    Order,
    /// The window, place and symmetry of a part of a recording.
    Parts,
    /// Which parts of frames a list has.
    Listing,
}

impl Purpose {
    fn tag(self) -> [u8; 8] {
        match self {
            Self::Digits => *b"digits\0\0",
            Self::Order => *b"order\0\0\0",
            Self::Parts => *b"parts\0\0\0",
            Self::Listing => *b"listing\0",
        }
    }
}

/// The sample that random numbers are drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SampleKey {
    pub(super) seed: u64,
    pub(super) split: Split,
    pub(super) epoch: u64,
    pub(super) index: u64,
}

/// The generator of one sample: ChaCha with 8 rounds.
///
/// The 32 bytes of its key are, in little endian,
///
/// ```text
/// purpose tag (8 ASCII bytes) | seed (u64) | split number (u64) | epoch (u64)
/// ```
///
/// and its stream number is the index. All five are kept apart, so two
/// different samples never share a stream.
pub(super) fn generator(purpose: Purpose, sample: SampleKey) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&purpose.tag());
    key[8..16].copy_from_slice(&sample.seed.to_le_bytes());
    key[16..24].copy_from_slice(&sample.split.number().to_le_bytes());
    key[24..].copy_from_slice(&sample.epoch.to_le_bytes());
    let mut random = ChaCha8Rng::from_seed(key);
    random.set_stream(sample.index);
    random
}

/// The generator of what is drawn for the whole of something that is numbered, such as a step or a trial: `purpose` keeps its
/// numbers apart from the numbers of other purposes.
pub(crate) fn numbered(seed: u64, purpose: u64, number: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ purpose);
    random.set_stream(number);
    random
}

/// Uniform in `[0, 1)`: 53 random bits times 2^-53.
pub(crate) fn unit(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// True or false, each with probability 1/2.
pub(super) fn coin(random: &mut ChaCha8Rng) -> bool {
    random.next_u64() >> 63 == 1
}

/// Uniform between `low` and `high`.
pub(super) fn between(random: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * unit(random)
}

/// Between -1 and 1 with a triangular density, most often near 0: the
/// difference of two uniform numbers.
pub(super) fn triangular(random: &mut ChaCha8Rng) -> f64 {
    let first = unit(random);
    first - unit(random)
}

/// Uniform among `0..bound`, without bias (Lemire 2019, "Fast random integer
/// generation in an interval"). `bound` must not be zero.
pub(super) fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
    let bound = bound as u64;
    let biased = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(random.next_u64()) * u128::from(bound);
        if product as u64 >= biased {
            return (product >> 64) as usize;
        }
    }
}

/// A direction in the plane, uniform on the unit circle.
///
/// The direction of a point drawn uniformly in the unit disc; it needs a square
/// root but no sine, and so has the same bits on every platform.
pub(super) fn direction(random: &mut ChaCha8Rng) -> [f64; 2] {
    loop {
        let point = [between(random, -1.0, 1.0), between(random, -1.0, 1.0)];
        let squared = point[0] * point[0] + point[1] * point[1];
        if (1e-6..=1.0).contains(&squared) {
            let length = squared.sqrt();
            return [point[0] / length, point[1] / length];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: SampleKey = SampleKey { seed: 1, split: Split::Train, epoch: 1, index: 1 };

    fn first(purpose: Purpose, sample: SampleKey) -> u64 {
        generator(purpose, sample).next_u64()
    }

    #[test]
    fn every_part_of_the_key_changes_the_stream() {
        let mut seen = vec![
            first(Purpose::Digits, SAMPLE),
            first(Purpose::Order, SAMPLE),
            first(Purpose::Parts, SAMPLE),
            first(Purpose::Digits, SampleKey { seed: 2, ..SAMPLE }),
            first(Purpose::Digits, SampleKey { seed: 1 << 40, ..SAMPLE }),
            first(Purpose::Digits, SampleKey { split: Split::Validation, ..SAMPLE }),
            first(Purpose::Digits, SampleKey { split: Split::Test, ..SAMPLE }),
            first(Purpose::Digits, SampleKey { epoch: 2, ..SAMPLE }),
            first(Purpose::Digits, SampleKey { index: 2, ..SAMPLE }),
            first(Purpose::Digits, SampleKey { index: 1 << 40, ..SAMPLE }),
        ];
        assert_eq!(first(Purpose::Digits, SAMPLE), seen[0]);
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn uniform_numbers_cover_their_ranges_evenly() {
        let mut random = generator(Purpose::Digits, SAMPLE);
        let mut counts = [0; 10];
        let (mut sum, mut triangle, mut quadrants) = (0.0, 0.0, [0; 4]);
        for _ in 0..10_000 {
            counts[below(&mut random, 10)] += 1;
            let u = unit(&mut random);
            assert!((0.0..1.0).contains(&u));
            sum += u;
            let t = triangular(&mut random);
            assert!(t > -1.0 && t < 1.0);
            triangle += t;
            let [x, y] = direction(&mut random);
            assert!((x * x + y * y - 1.0).abs() < 1e-12);
            quadrants[usize::from(x > 0.0) * 2 + usize::from(y > 0.0)] += 1;
        }
        // Five standard deviations around the expected counts and sums.
        assert!(counts.iter().all(|&c: &i32| (c - 1000).abs() < 150), "{counts:?}");
        assert!(quadrants.iter().all(|&c: &i32| (c - 2500).abs() < 220), "{quadrants:?}");
        assert!((sum - 5000.0).abs() < 150.0, "{sum}");
        assert!(triangle.abs() < 210.0, "{triangle}");
    }
}
