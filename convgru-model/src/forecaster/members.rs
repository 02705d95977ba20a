//! The forecast of an ensemble.

use convgru_kernels::Scalar;

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The mean over the members of an ensemble whose predictions lie in groups of channels, as networks with several
/// [members](crate::ForecasterConfig::members) make them. Of one member it is the prediction itself, to the bit.
///
/// ```
/// use convgru_model::{Tensor, mean_of_members};
///
/// let members = Tensor::from_vec(&[1, 1, 2, 1, 2], vec![1.0f32, 2.0, 3.0, 6.0])?;
/// assert_eq!(mean_of_members(members, 2)?.as_slice(), [2.0, 4.0]);
/// # Ok::<(), convgru_model::Error>(())
/// ```
///
/// # Shapes
/// `frames`: `[T, N, K C, H, W]`, the channels of the first of `K` members first; result: `[T, N, C, H, W]`
///
/// # Errors
/// [`Error::ShapeMismatch`] unless there are five dimensions and the channels are a multiple of `members`.
pub fn mean_of_members<T: Scalar>(frames: Tensor<T>, members: usize) -> Result<Tensor<T>> {
    let &[steps, batch, channels, height, width] = frames.shape() else {
        return Err(mismatch(&frames, members));
    };
    if members == 0 || !channels.is_multiple_of(members) {
        return Err(mismatch(&frames, members));
    }
    if members == 1 {
        return Ok(frames);
    }
    let shape = [steps, batch, channels / members, height, width];
    if frames.is_empty() {
        return frames.reshape(&shape);
    }
    let sample = channels / members * height * width;
    let mean = |index: usize| {
        let first = index / sample * members * sample + index % sample;
        let sum: f64 = (0..members).map(|k| frames.as_slice()[first + k * sample].to_f64()).sum();
        T::from_f64(sum / members as f64)
    };
    Ok(Tensor::from_fn(&shape, mean))
}

fn mismatch<T: Scalar>(frames: &Tensor<T>, members: usize) -> Error {
    Error::ShapeMismatch {
        what: format!("the predictions of {members} members"),
        expected: format!("[T, N, a multiple of {members}, H, W]"),
        got: frames.shape().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_each_sample_are_averaged_channel_by_channel() {
        // Two steps of two samples of three members of two channels; the value tells where it is.
        let value = |t: usize, n: usize, k: usize, c: usize, x: usize| {
            (1000 * t + 100 * n + 10 * c + x) as f64 + [0.25, 0.5, -0.75][k]
        };
        let frames =
            Tensor::from_fn(&[2, 2, 6, 1, 3], |i| value(i / 36, i / 18 % 2, i / 6 % 3, i / 3 % 2, i % 3));
        let mean = mean_of_members(frames, 3).unwrap();
        assert_eq!(mean.shape(), [2, 2, 2, 1, 3]);
        let expected = |i: usize| (1000 * (i / 12) + 100 * (i / 6 % 2) + 10 * (i / 3 % 2) + i % 3) as f64;
        assert_eq!(mean, Tensor::from_fn(&[2, 2, 2, 1, 3], expected));
    }

    #[test]
    fn channels_that_are_no_members_are_refused() {
        let refused = |shape: &[usize], members| {
            mean_of_members(Tensor::<f32>::zeros(shape), members).unwrap_err().to_string()
        };
        let error = refused(&[1, 1, 4, 1, 1], 3);
        assert!(error.contains("3 members") && error.contains("[1, 1, 4, 1, 1]"), "{error}");
        refused(&[1, 1, 4, 1, 1], 0);
        refused(&[4, 1, 1], 2);
    }
}
