//! Strategies for shapes, and numbers to fill them.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::tensor::Tensor;

/// Height and width of a small image, unequal: 1 to 4 rows, 1 to 5 columns.
pub fn image_size() -> impl Strategy<Value = [usize; 2]> + Clone {
    (1usize..=4, 1usize..=5).prop_filter("H != W", |(h, w)| h != w).prop_map(|(h, w)| [h, w])
}

/// The image of one pixel.
pub fn one_pixel() -> impl Strategy<Value = [usize; 2]> + Clone {
    Just([1, 1])
}

/// Height and width of an odd kernel, unequal, of 3 to 15 taps.
pub fn odd_kernel() -> impl Strategy<Value = [usize; 2]> + Clone {
    prop::sample::select(vec![[1, 3], [3, 1], [1, 5], [5, 1], [3, 5], [5, 3]])
}

/// Two unequal numbers of channels, 1 to 3 each.
pub fn unequal_channels() -> impl Strategy<Value = [usize; 2]> + Clone {
    (1usize..=3, 1usize..=3).prop_filter("unequal", |(a, b)| a != b).prop_map(|(a, b)| [a, b])
}

/// The size of a patch and the channels of an image, with at most four numbers in a patch.
pub fn patch_and_channels() -> impl Strategy<Value = (usize, usize)> + Clone {
    prop::sample::select(vec![(1, 1), (1, 3), (2, 1)])
}

/// The number of images in a batch, N: 1 to 3.
pub fn batch() -> impl Strategy<Value = usize> + Clone {
    1usize..=3
}

/// The number of steps of a sequence, T: 1 to 5.
pub fn steps() -> impl Strategy<Value = usize> + Clone {
    1usize..=5
}

/// The seed of the numbers that fill a drawn shape.
pub fn seed() -> impl Strategy<Value = u64> + Clone {
    any::<u64>()
}

/// A reproducible stream of random numbers.
#[derive(Debug, Clone)]
pub struct Values(ChaCha8Rng);

impl Values {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// The next number, uniform in `-1..1`.
    pub fn number(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// The next truth value, with equal chances.
    pub fn coin(&mut self) -> bool {
        self.0.next_u64() >> 63 == 1
    }

    /// How many steps of a sequence each sample of a batch takes: 0 to `steps`, and the first at least one.
    pub fn lengths(&mut self, batch: usize, steps: usize) -> Vec<usize> {
        let mut below = |count: usize| (self.0.next_u64() % count as u64) as usize;
        (0..batch).map(|n| if n == 0 { 1 + below(steps) } else { below(steps + 1) }).collect()
    }

    /// A tensor of numbers uniform in `-1..1`.
    pub fn tensor(&mut self, shape: &[usize]) -> Tensor<f64> {
        Tensor::from_fn(shape, |_| self.number())
    }

    /// A tensor of numbers uniform in `-1..-0.1` and `0.1..1`, for functions with a
    /// kink at zero.
    pub fn away_from_zero(&mut self, shape: &[usize]) -> Tensor<f64> {
        Tensor::from_fn(shape, |_| {
            let number = self.number();
            number * 0.9 + if number < 0.0 { -0.1 } else { 0.1 }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fill_their_range_and_avoid_zero_where_asked() {
        let mut values = Values::new(7);
        let tensor = values.tensor(&[10_000]);
        let (low, high) = tensor.as_slice().iter().fold((0.0f64, 0.0f64), |(l, h), &v| (l.min(v), h.max(v)));
        assert!((-1.0..-0.99).contains(&low) && (0.99..1.0).contains(&high), "{low} {high}");
        let tensor = values.away_from_zero(&[10_000]);
        assert!(tensor.as_slice().iter().all(|v| (0.1..=1.0).contains(&v.abs())));
    }

    #[test]
    fn the_same_seed_gives_the_same_values() {
        assert_eq!(Values::new(3).tensor(&[5]), Values::new(3).tensor(&[5]));
        assert_ne!(Values::new(3).tensor(&[5]), Values::new(4).tensor(&[5]));
    }
}
