//! Structural similarity of a frame.
//!
//! Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error
//! visibility to structural similarity", 2004. With `E` the mean under a
//! Gaussian window around a pixel, for images `x` and `y` of the range `L = 1`:
//!
//! ```text
//! mx = E[x]   my = E[y]   vx = E[x^2] - mx^2   vy = E[y^2] - my^2   vxy = E[x y] - mx my
//! S  = (2 mx my + C1) (2 vxy + C2) / ((mx^2 + my^2 + C1) (vx + vy + C2))
//! C1 = (0.01 L)^2     C2 = (0.03 L)^2
//! ```
//!
//! The window is 11 x 11 with a standard deviation of 1.5 pixels and is
//! separable: each mean is a weighted sum over rows, then over columns.

use convgru_model::{Scalar, Tensor};

use super::{check, pixels};
use crate::{Error, Result};

/// The side of the Gaussian window in pixels, and so of the smallest frame
/// with a structural similarity.
pub const SSIM_WINDOW: usize = 2 * RADIUS + 1;

const RADIUS: usize = 5;
const SIGMA: f64 = 1.5;
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// The structural similarity of one frame, from -1 to 1, for values from 0 to
/// 1: the mean of `S` over the pixels whose window lies inside the frame,
/// then over the channels.
///
/// This is `skimage.metrics.structural_similarity` with
/// `gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1`.
///
/// # Shapes
/// prediction, truth: `[H, W]` or `[C, H, W]`, the same
///
/// # Errors
/// If the shapes differ or a side is below [`SSIM_WINDOW`], as no pixel's
/// window then lies inside. ([`ssim_map`] has no such limit.)
///
/// ```
/// use convgru_model::Tensor;
///
/// let frame = Tensor::<f32>::from_fn(&[1, 16, 16], |i| (i % 7) as f32 / 7.0);
/// assert_eq!(convgru_train::metric::ssim(&frame, &frame)?, 1.0);
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub fn ssim<T: Scalar>(prediction: &Tensor<T>, truth: &Tensor<T>) -> Result<f64> {
    let size = frame_size(prediction, truth)?;
    if !size.holds_window() {
        return Err(Error::Data {
            what: "structural similarity".into(),
            reason: format!(
                "frames of {} x {} pixels are smaller than its window of {SSIM_WINDOW} x {SSIM_WINDOW}",
                size.height, size.width
            ),
        });
    }
    Ok(mean_similarity(&pixels(prediction.as_slice()), &pixels(truth.as_slice()), size))
}

/// `S` at every pixel of one frame. Windows that reach over the border see the
/// frame mirrored there, the outermost pixel doubled (`c b a | a b c`).
///
/// # Shapes
/// prediction, truth: `[H, W]` or `[C, H, W]`, the same; map: the same
///
/// # Errors
/// If the shapes differ, are others than these, or hold no pixels.
pub fn ssim_map<T: Scalar>(prediction: &Tensor<T>, truth: &Tensor<T>) -> Result<Tensor<f64>> {
    let size = frame_size(prediction, truth)?;
    let (x, y) = (pixels(prediction.as_slice()), pixels(truth.as_slice()));
    let mut map = Vec::with_capacity(x.len());
    for (x, y) in x.chunks_exact(size.area()).zip(y.chunks_exact(size.area())) {
        similarity_rows(&mirrored(x, size), &mirrored(y, size), size.padded(), |row| {
            map.extend_from_slice(row);
        });
    }
    Ok(Tensor::from_vec(prediction.shape(), map).expect("every pixel has one value"))
}

/// The size of one channel of a frame.
#[derive(Clone, Copy)]
pub(super) struct PlaneSize {
    pub(super) height: usize,
    pub(super) width: usize,
}

impl PlaneSize {
    fn area(self) -> usize {
        self.height * self.width
    }

    fn holds_window(self) -> bool {
        self.height >= SSIM_WINDOW && self.width >= SSIM_WINDOW
    }

    fn padded(self) -> Self {
        Self { height: self.height + 2 * RADIUS, width: self.width + 2 * RADIUS }
    }
}

/// The mean of `S` over the pixels whose window lies inside, then over the
/// channels; where no window does, over all pixels with a mirrored border.
/// Neither slice may be empty.
pub(super) fn mean_similarity(x: &[f64], y: &[f64], size: PlaneSize) -> f64 {
    let mut planes = 0.0;
    for (x, y) in x.chunks_exact(size.area()).zip(y.chunks_exact(size.area())) {
        let (mut sum, mut count) = (0.0, 0);
        let mut add = |row: &[f64]| {
            sum += row.iter().sum::<f64>();
            count += row.len();
        };
        if size.holds_window() {
            similarity_rows(x, y, size, &mut add);
        } else {
            similarity_rows(&mirrored(x, size), &mirrored(y, size), size.padded(), &mut add);
        }
        planes += sum / count as f64;
    }
    planes / (x.len() / size.area()) as f64
}

/// Calls `visit` with each row of `S` over the windows that lie inside one
/// plane, `height - 10` rows of `width - 10`.
fn similarity_rows(x: &[f64], y: &[f64], size: PlaneSize, mut visit: impl FnMut(&[f64])) {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<f64>>();
    let (xx, yy, xy) = (product(x, x), product(y, y), product(x, y));
    let weights = gaussian();
    let width = size.width;
    let inner = width - 2 * RADIUS;
    let mut column_means = vec![0.0; width];
    let mut means = [(); 5].map(|()| vec![0.0; inner]);
    let mut row = vec![0.0; inner];
    for top in 0..size.height - 2 * RADIUS {
        for (mean, plane) in means.iter_mut().zip([x, y, &xx, &yy, &xy]) {
            weighted_sum(&weights, &mut column_means, |k| &plane[(top + k) * width..][..width]);
            weighted_sum(&weights, mean, |k| &column_means[k..][..inner]);
        }
        let [mx, my, mxx, myy, mxy] = &means;
        for (i, s) in row.iter_mut().enumerate() {
            let (mx, my) = (mx[i], my[i]);
            let (vx, vy, vxy) = (mxx[i] - mx * mx, myy[i] - my * my, mxy[i] - mx * my);
            let above = (2.0 * mx * my + C1) * (2.0 * vxy + C2);
            let below = (mx * mx + my * my + C1) * (vx + vy + C2);
            *s = above / below;
        }
        visit(&row);
    }
}

/// `out = sum over k of weights[k] part(k)`, element by element, for
/// symmetric weights.
fn weighted_sum<'a>(weights: &[f64; SSIM_WINDOW], out: &mut [f64], part: impl Fn(usize) -> &'a [f64]) {
    for (out, &centre) in out.iter_mut().zip(part(RADIUS)) {
        *out = weights[RADIUS] * centre;
    }
    for (k, &weight) in weights[..RADIUS].iter().enumerate() {
        let pairs = part(k).iter().zip(part(2 * RADIUS - k));
        for (out, (&before, &after)) in out.iter_mut().zip(pairs) {
            *out += weight * (before + after);
        }
    }
}

/// `e^(-d^2 / (2 sigma^2))` at the distances `-5..=5`, divided by its sum.
fn gaussian() -> [f64; SSIM_WINDOW] {
    let bell: [f64; SSIM_WINDOW] = std::array::from_fn(|k| {
        let distance = k as f64 - RADIUS as f64;
        (-0.5 * distance * distance / (SIGMA * SIGMA)).exp()
    });
    let sum: f64 = bell.iter().sum();
    bell.map(|weight| weight / sum)
}

/// A plane with a border of 5 pixels in which it is mirrored, as often as
/// needed if it is smaller than that.
fn mirrored(plane: &[f64], size: PlaneSize) -> Vec<f64> {
    let source = |index: usize, length: usize| {
        let shift = 2 * length * RADIUS.div_ceil(2 * length) - RADIUS;
        let phase = (index + shift) % (2 * length);
        if phase < length { phase } else { 2 * length - 1 - phase }
    };
    let padded = size.padded();
    let mut values = Vec::with_capacity(padded.area());
    for y in 0..padded.height {
        let row = &plane[source(y, size.height) * size.width..][..size.width];
        values.extend((0..padded.width).map(|x| row[source(x, size.width)]));
    }
    values
}

fn frame_size<T: Scalar>(prediction: &Tensor<T>, truth: &Tensor<T>) -> Result<PlaneSize> {
    check(prediction, truth)?;
    match *prediction.shape() {
        [height, width] | [_, height, width] => Ok(PlaneSize { height, width }),
        _ => Err(Error::Model(convgru_model::Error::ShapeMismatch {
            what: "the predicted frame of the structural similarity".into(),
            expected: "[H, W] or [C, H, W]".into(),
            got: prediction.shape().to_vec(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{parity_file, worst_difference};

    #[test]
    fn values_are_those_of_scikit_image() {
        let Some(file) = parity_file("metrics.safetensors") else {
            return;
        };
        for name in ["constant", "noise", "same", "shift", "unclipped", "rgb_noise"] {
            let truth = file.tensor(if name == "rgb_noise" { "image.rgb_ref" } else { "image.ref" });
            let got = ssim(file.tensor(&format!("image.{name}")), truth).unwrap();
            let expected = file.number(&format!("ssim_gaussian.{name}"));
            assert!((got - expected).abs() <= 1e-12, "{name}: {got} instead of {expected}");
        }
    }

    #[test]
    fn maps_are_those_of_scikit_image() {
        let Some(file) = parity_file("metrics.safetensors") else {
            return;
        };
        let map = ssim_map(file.tensor("image.ref"), file.tensor("image.noise")).unwrap();
        let worst = worst_difference(map.as_slice(), file.values("ssim_gaussian_map.noise"));
        assert!(worst <= 1e-12, "map off by {worst}");
    }

    /// The definition, pixel by pixel with a two-dimensional window.
    #[test]
    fn maps_are_the_definition() {
        let (height, width) = (6, 3);
        let x = Tensor::<f64>::from_fn(&[height, width], |i| (i as f64 * 1.7).sin());
        let y = Tensor::<f64>::from_fn(&[height, width], |i| (i as f64 * 0.9).cos());
        let map = ssim_map(&x, &y).unwrap();
        let at = |image: &Tensor<f64>, row: isize, column: isize| {
            let mirror = |mut i: isize, n: usize| {
                while !(0..n as isize).contains(&i) {
                    i = if i < 0 { -1 - i } else { 2 * n as isize - 1 - i };
                }
                i as usize
            };
            image.as_slice()[mirror(row, height) * width + mirror(column, width)]
        };
        for row in 0..height as isize {
            for column in 0..width as isize {
                let (mut total, mut e) = (0.0, [0.0; 5]);
                for dy in -5..=5 {
                    for dx in -5..=5 {
                        let weight = (-((dy * dy + dx * dx) as f64) / (2.0 * 1.5 * 1.5)).exp();
                        let (x, y) = (at(&x, row + dy, column + dx), at(&y, row + dy, column + dx));
                        total += weight;
                        for (e, value) in e.iter_mut().zip([x, y, x * x, y * y, x * y]) {
                            *e += weight * value;
                        }
                    }
                }
                let [mx, my, mxx, myy, mxy] = e.map(|e| e / total);
                let expected = (2.0 * mx * my + 1e-4) * (2.0 * (mxy - mx * my) + 9e-4)
                    / ((mx * mx + my * my + 1e-4) * (mxx - mx * mx + myy - my * my + 9e-4));
                let got = map.as_slice()[row as usize * width + column as usize];
                assert!((got - expected).abs() < 1e-12, "({row}, {column}): {got} instead of {expected}");
            }
        }
    }

    #[test]
    fn the_mean_leaves_out_a_border_of_five() {
        let x = Tensor::<f64>::from_fn(&[13, 11], |i| (i as f64).sin());
        let y = Tensor::<f64>::from_fn(&[13, 11], |i| (i as f64 * 1.1).sin());
        let map = ssim_map(&x, &y).unwrap();
        let expected = [5, 6, 7].map(|row| map.as_slice()[row * 11 + 5]).iter().sum::<f64>() / 3.0;
        assert!((ssim(&x, &y).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn frames_below_the_window_are_refused() {
        let frame = Tensor::<f32>::zeros(&[1, 10, 64]);
        let error = ssim(&frame, &frame).unwrap_err().to_string();
        assert_eq!(
            error,
            "structural similarity: frames of 10 x 64 pixels are smaller than its window of 11 x 11"
        );
        let sequence = Tensor::<f32>::zeros(&[1, 1, 16, 16]);
        assert!(ssim(&sequence, &sequence).is_err());
        assert!(ssim_map(&frame.reshape(&[640]).unwrap(), &Tensor::zeros(&[640])).is_err());
    }

    fn two_frames() -> impl Strategy<Value = (Tensor<f64>, Tensor<f64>)> {
        (1usize..3, 11usize..16, 11usize..16).prop_flat_map(|(c, h, w)| {
            let frame = || {
                prop::collection::vec(0.0f64..=1.0, c * h * w)
                    .prop_map(move |v| Tensor::from_vec(&[c, h, w], v).unwrap())
            };
            (frame(), frame())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn similarity_is_symmetric_bounded_and_one_for_equals((x, y) in two_frames()) {
            let similarity = ssim(&x, &y).unwrap();
            prop_assert_eq!(similarity.to_bits(), ssim(&y, &x).unwrap().to_bits());
            prop_assert!(similarity.abs() <= 1.0, "{}", similarity);
            prop_assert_eq!(ssim(&x, &x).unwrap(), 1.0);
        }
    }
}
