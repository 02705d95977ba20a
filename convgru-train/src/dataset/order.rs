//! The order of the samples in an epoch.

use super::Split;
use super::random::{Purpose, SampleKey, below, generator};

/// The order in which epoch `epoch` visits `len` samples: a permutation of
/// `0..len` that depends on nothing but its three arguments.
///
/// A training run that stopped after `n` samples of an epoch goes on with
/// element `n` of the same permutation.
///
/// ```
/// use convgru_train::dataset::order;
///
/// let epoch = order(7, 0, 5);
/// assert_eq!(epoch, order(7, 0, 5));
/// let mut sorted = epoch.clone();
/// sorted.sort();
/// assert_eq!(sorted, [0, 1, 2, 3, 4]);
/// ```
pub fn order(seed: u64, epoch: u64, len: usize) -> Vec<usize> {
    let sample = SampleKey { seed, split: Split::Train, epoch, index: 0 };
    let mut random = generator(Purpose::Order, sample);
    let mut samples: Vec<usize> = (0..len).collect();
    // Fisher-Yates: each of the len! permutations is equally likely.
    for last in (1..len).rev() {
        samples.swap(last, below(&mut random, last + 1));
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_sample_is_visited_once(seed: u64, epoch: u64, len in 0usize..300) {
            let mut samples = order(seed, epoch, len);
            samples.sort_unstable();
            prop_assert_eq!(samples, (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn seeds_and_epochs_have_orders_of_their_own() {
        assert_eq!(order(1, 2, 100), order(1, 2, 100));
        assert_ne!(order(1, 2, 100), order(1, 3, 100));
        assert_ne!(order(1, 2, 100), order(2, 2, 100));
        assert_ne!(order(1, 2, 100), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn permutations_are_equally_likely() {
        let mut counts = std::collections::HashMap::new();
        for epoch in 0..6000 {
            *counts.entry(order(3, epoch, 3)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // 1000 expected, standard deviation 29.
        assert!(counts.values().all(|&c: &i32| (c - 1000).abs() < 150), "{counts:?}");
    }
}
