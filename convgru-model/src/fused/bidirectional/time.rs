//! The order of steps in both directions, and the states of both as one.

use convgru_kernels::Scalar;

use crate::config::Merge;
use crate::tensor::Tensor;

/// Where the backward direction meets a step of a sample: the last frame that is the sample's own
/// comes first. What lies past its end stays where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reversal<'a> {
    pub(super) steps: usize,
    /// Of each sample; `None` is all steps.
    pub(super) lengths: Option<&'a [usize]>,
}

impl Reversal<'_> {
    /// The place of step `t` of sample `n` in the other order, from either of the two.
    fn step(&self, n: usize, t: usize) -> usize {
        let length = self.lengths.map_or(self.steps, |lengths| lengths[n]);
        if t < length { length - 1 - t } else { t }
    }

    /// A sequence `[T, N, ...]` in the other order.
    pub(super) fn of<T: Scalar>(&self, sequence: &Tensor<T>) -> Tensor<T> {
        let mut reversed = Tensor::zeros(sequence.shape());
        let (batch, image) = images(sequence);
        for (i, target) in reversed.as_mut_slice().chunks_exact_mut(image.max(1)).enumerate() {
            let (t, n) = (i / batch, i % batch);
            target.copy_from_slice(part(sequence, self.step(n, t) * batch + n, image));
        }
        reversed
    }

    /// The states of both directions, each in its own order, as one sequence in the order of time.
    pub(super) fn merged<T: Scalar>(
        &self,
        merge: Merge,
        forward: Tensor<T>,
        backward: &Tensor<T>,
    ) -> Tensor<T> {
        let (batch, image) = images(&forward);
        let place = |i: usize| self.step(i % batch, i / batch) * batch + i % batch;
        match merge {
            Merge::Sum => {
                let mut sum = forward;
                for (i, target) in sum.as_mut_slice().chunks_exact_mut(image.max(1)).enumerate() {
                    for (sum, &x) in target.iter_mut().zip(part(backward, place(i), image)) {
                        *sum += x;
                    }
                }
                sum
            }
            Merge::Concatenate => {
                let mut shape = forward.shape().to_vec();
                shape[2] *= 2;
                let mut both = Tensor::zeros(&shape);
                for (i, target) in both.as_mut_slice().chunks_exact_mut((2 * image).max(1)).enumerate() {
                    let (first, second) = target.split_at_mut(image);
                    first.copy_from_slice(part(&forward, i, image));
                    second.copy_from_slice(part(backward, place(i), image));
                }
                both
            }
        }
    }

    /// The gradients of the states of both directions, each in its own order, from the gradient of
    /// [`merged`](Self::merged).
    pub(super) fn split<T: Scalar>(&self, merge: Merge, gradient: &Tensor<T>) -> [Tensor<T>; 2] {
        match merge {
            Merge::Sum => [gradient.clone(), self.of(gradient)],
            Merge::Concatenate => {
                let mut shape = gradient.shape().to_vec();
                shape[2] /= 2;
                let [mut forward, mut backward] = [(); 2].map(|()| Tensor::zeros(&shape));
                let (batch, image) = images(&forward);
                for i in 0..self.steps * batch {
                    let (first, second) = part(gradient, i, 2 * image).split_at(image);
                    let place = self.step(i % batch, i / batch) * batch + i % batch;
                    forward.as_mut_slice()[i * image..][..image].copy_from_slice(first);
                    backward.as_mut_slice()[place * image..][..image].copy_from_slice(second);
                }
                [forward, backward]
            }
        }
    }
}

/// Samples of a step, and numbers of one of them, of a sequence `[T, N, ...]`.
fn images<T: Scalar>(sequence: &Tensor<T>) -> (usize, usize) {
    (sequence.shape()[1], sequence.shape()[2..].iter().product())
}

/// The numbers of image `i` of a sequence.
fn part<T: Scalar>(sequence: &Tensor<T>, i: usize, image: usize) -> &[T] {
    &sequence.as_slice()[i * image..(i + 1) * image]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[4, 2, 1, 1, 1]`: the step, and ten more for the second sample.
    fn sequence(add: usize) -> Tensor<f64> {
        Tensor::from_fn(&[4, 2, 1, 1, 1], |i| (add + i / 2 + 10 * (i % 2)) as f64)
    }

    #[test]
    fn each_sample_is_reversed_within_its_own_length() {
        let reversal = Reversal { steps: 4, lengths: Some(&[4, 3]) };
        let reversed = reversal.of(&sequence(0));
        assert_eq!(reversed.as_slice(), [3.0, 12.0, 2.0, 11.0, 1.0, 10.0, 0.0, 13.0]);
        assert_eq!(reversal.of(&reversed), sequence(0));
        let reversed = Reversal { steps: 4, lengths: None }.of(&sequence(0));
        assert_eq!(reversed.as_slice(), [3.0, 13.0, 2.0, 12.0, 1.0, 11.0, 0.0, 10.0]);
    }

    #[test]
    fn both_directions_are_merged_in_the_order_of_time_and_come_apart_again() {
        let reversal = Reversal { steps: 4, lengths: Some(&[2, 0]) };
        let both = reversal.merged(Merge::Concatenate, sequence(0), &sequence(100));
        assert_eq!(both.shape(), [4, 2, 2, 1, 1]);
        assert_eq!(both.as_slice()[..8], [0.0, 101.0, 10.0, 110.0, 1.0, 100.0, 11.0, 111.0]);
        assert_eq!(reversal.split(Merge::Concatenate, &both), [sequence(0), sequence(100)]);
        let sum = reversal.merged(Merge::Sum, sequence(0), &sequence(100));
        assert_eq!(sum.as_slice()[..4], [101.0, 120.0, 101.0, 122.0]);
        assert_eq!(reversal.split(Merge::Sum, &sequence(0)), [sequence(0), reversal.of(&sequence(0))]);
    }
}
