//! Peak signal-to-noise ratio of a frame.

use convgru_model::{Scalar, Tensor};

use super::mse::squared_error;
use super::{check, pixels};
use crate::Result;

/// The largest value [`psnr`] returns, in dB.
///
/// Equal frames would be infinitely good and make every mean infinite. 100 dB,
/// a mean squared error of 1e-10 per pixel, is far above what a prediction or
/// even a rounding to 8 bits (59 dB) reaches.
pub const PSNR_CAP: f64 = 100.0;

/// The peak signal-to-noise ratio of one frame in dB, for values from 0 to 1:
/// `10 log10(1 / m)`, `m` the mean of `(prediction - truth)^2` over pixels and
/// channels; at most [`PSNR_CAP`].
///
/// Below the cap it is `skimage.metrics.peak_signal_noise_ratio` with `data_range=1`.
///
/// # Shapes
/// prediction, truth: any, the same; usually `[C, H, W]`
///
/// # Errors
/// If the shapes differ or there are no pixels.
///
/// ```
/// use convgru_model::Tensor;
///
/// let (black, grey) = (Tensor::<f32>::zeros(&[1, 4, 4]), Tensor::from_fn(&[1, 4, 4], |_| 0.1f32));
/// let decibel = convgru_train::metric::psnr(&grey, &black)?;
/// assert!((decibel - 20.0).abs() < 1e-6);
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub fn psnr<T: Scalar>(prediction: &Tensor<T>, truth: &Tensor<T>) -> Result<f64> {
    check(prediction, truth)?;
    Ok(peak_signal_noise_ratio(&pixels(prediction.as_slice()), &pixels(truth.as_slice())))
}

pub(super) fn peak_signal_noise_ratio(x: &[f64], y: &[f64]) -> f64 {
    let mean = squared_error(x, y) / x.len() as f64;
    if mean.is_nan() { f64::NAN } else { (10.0 * (1.0 / mean).log10()).min(PSNR_CAP) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::parity_file;

    #[test]
    fn values_are_those_of_scikit_image() {
        let file = parity_file("metrics.safetensors");
        for name in ["constant", "noise", "shift", "unclipped", "rgb_noise"] {
            let truth = file.tensor(if name == "rgb_noise" { "image.rgb_ref" } else { "image.ref" });
            let got = psnr(truth, file.tensor(&format!("image.{name}"))).unwrap();
            let expected = file.number(&format!("psnr.{name}"));
            assert!((got - expected).abs() <= 1e-12, "{name}: {got} instead of {expected}");
        }
    }

    #[test]
    fn equal_frames_reach_the_cap_and_no_more() {
        let frame = Tensor::<f32>::from_fn(&[1, 3, 3], |i| i as f32 / 9.0);
        assert_eq!(psnr(&frame, &frame).unwrap(), PSNR_CAP);
        let near = Tensor::<f64>::from_fn(&[1, 3, 3], |_| 1e-9);
        assert_eq!(psnr(&near, &Tensor::zeros(&[1, 3, 3])).unwrap(), PSNR_CAP);
    }

    #[test]
    fn not_a_number_is_not_capped() {
        let frame = Tensor::from_vec(&[1, 1, 2], vec![f64::NAN, 0.0]).unwrap();
        assert!(psnr(&frame, &Tensor::zeros(&[1, 1, 2])).unwrap().is_nan());
    }
}
