//! Square grey images in another size.

/// Scales images from one side length to another.
///
/// Each new pixel is a weighted mean of old ones, first along x, then along y.
/// The weights fall off linearly with the distance and reach one pixel far, or
/// one new pixel where that is larger, so that shrinking averages and enlarging
/// interpolates.
#[derive(Clone, Debug)]
pub(super) struct Resampler {
    from: usize,
    /// For each new place: the first old place and the weights from there on,
    /// with sum 1.
    weights: Vec<(usize, Vec<f32>)>,
}

impl Resampler {
    /// From images of `from` x `from` pixels to images of `to` x `to`.
    pub(super) fn new(from: usize, to: usize) -> Self {
        let step = from as f64 / to as f64;
        let reach = step.max(1.0);
        let weights = (0..to)
            .map(|place| {
                // Centre of the new pixel, in old pixels.
                let centre = (place as f64 + 0.5) * step;
                let first = (centre - reach).floor().max(0.0) as usize;
                let end = ((centre + reach).ceil() as usize).min(from);
                let raw: Vec<f64> =
                    (first..end).map(|i| (1.0 - (i as f64 + 0.5 - centre).abs() / reach).max(0.0)).collect();
                let sum: f64 = raw.iter().sum();
                (first, raw.iter().map(|weight| (weight / sum) as f32).collect())
            })
            .collect();
        Self { from, weights }
    }

    /// Scales one image; `image` has the new size.
    pub(super) fn apply(&self, old: &[u8], image: &mut [u8]) {
        let (from, to) = (self.from, self.weights.len());
        let mut narrow = vec![0.0f32; from * to];
        for (old, narrow) in old.chunks_exact(from).zip(narrow.chunks_exact_mut(to)) {
            for ((first, weights), value) in self.weights.iter().zip(narrow) {
                *value = weights.iter().zip(&old[*first..]).map(|(&w, &v)| w * f32::from(v)).sum();
            }
        }
        for ((first, weights), row) in self.weights.iter().zip(image.chunks_exact_mut(to)) {
            for (column, value) in row.iter_mut().enumerate() {
                let sum: f32 =
                    weights.iter().enumerate().map(|(i, &w)| w * narrow[(first + i) * to + column]).sum();
                *value = (sum + 0.5) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scaled(old: &[u8], from: usize, to: usize) -> Vec<u8> {
        let mut image = vec![0; to * to];
        Resampler::new(from, to).apply(old, &mut image);
        image
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let old: Vec<u8> = (0..49).map(|i| i * 5).collect();
        assert_eq!(scaled(&old, 7, 7), old);
    }

    #[test]
    fn enlarging_interpolates() {
        // New centres 0.25, 0.75, 1.25, 1.75 between the old ones 0.5 and 1.5.
        let image = scaled(&[0, 100, 0, 100], 2, 4);
        assert_eq!(image[..4], [0, 25, 75, 100]);
        assert_eq!(image[12..], [0, 25, 75, 100]);
    }

    proptest! {
        #[test]
        fn flat_images_stay_flat(from in 1usize..40, to in 1usize..60, level: u8) {
            prop_assert!(scaled(&vec![level; from * from], from, to).iter().all(|&v| v == level));
        }

        #[test]
        fn values_stay_between_the_extremes(
            old in proptest::collection::vec(10u8..200, 36), to in 1usize..30,
        ) {
            prop_assert!(scaled(&old, 6, to).iter().all(|v| (10..200).contains(v)));
        }
    }
}
