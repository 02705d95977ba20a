//! The members of an ensemble in a prediction.

use convgru_model::{Scalar, Tensor};

/// How many times the channels of the truth a prediction has; 1 where the shapes do not say.
pub(super) fn members_of<T>(prediction: &Tensor<T>, truth: &Tensor<T>) -> usize
where
    T: Scalar,
{
    match (prediction.shape(), truth.shape()) {
        (&[_, _, all, _, _], &[_, _, channels, _, _]) if channels > 0 && all.is_multiple_of(channels) => {
            (all / channels).max(1)
        }
        _ => 1,
    }
}

/// Adds to the gradient of each member its share in the gradient of the mean.
///
/// # Shapes
/// mean: `[T, N, C, H, W]`; gradient: `[T, N, K C, H, W]`
pub(super) fn share_out<T: Scalar>(mean: &Tensor<T>, gradient: &mut Tensor<T>, members: usize) {
    let sample: usize = mean.shape()[2..].iter().product();
    if sample == 0 {
        return;
    }
    for (item, of_members) in gradient.as_mut_slice().chunks_exact_mut(members * sample).enumerate() {
        let of_mean = &mean.as_slice()[item * sample..][..sample];
        for (at, total) in of_members.iter_mut().enumerate() {
            *total = T::from_f64(total.to_f64() + of_mean[at % sample].to_f64() / members as f64);
        }
    }
}
