//! Structural similarity of a frame.
//!
//! Wang, Bovik, Sheikh and Simoncelli, "Image quality evaluation: from error
//! visibility to structural similarity", 2004. With `E` the mean under a
//! Gaussian window around a pixel, for images `x` and `y` of the range `L = 1`:
//!
//! ```text
//! mx = E[x]   my = E[y]   vx = E[x^2] - mx^2   vy = E[y^2] - my^2   vxy = E[x y] - mx my
//! S  = (2 mx my + C1) (2 vxy + C2) / ((mx^2 + my^2 + C1) (vx + vy + C2))
//! C1 = (0.01 L)^2     C2 = (0.03 L)^2
//! ```
//!
//! The window ([`SsimWindow`]) is 11 x 11 with a standard deviation of 1.5 pixels, or
//! 7 x 7 with equal weights, for which variances and covariances are sample variances and covariances,
//! `49 / 48` times these. Both are separable: each mean is a weighted sum over rows, then
//! over columns.

#[cfg(test)]
mod tests;
mod window;

use convgru_model::{Scalar, Tensor};

use super::{check, pixels};
use crate::{Error, Result};

use window::RADIUS;
pub use window::SsimWindow;
pub(crate) use window::{Window, weighted_sum};

/// The side of the Gaussian window in pixels, and so of the smallest frame
/// with a structural similarity.
pub const SSIM_WINDOW: usize = 2 * RADIUS + 1;

pub(crate) const C1: f64 = 0.01 * 0.01;
pub(crate) const C2: f64 = 0.03 * 0.03;

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
    SsimWindow::Gaussian.ssim(prediction, truth)
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
    SsimWindow::Gaussian.ssim_map(prediction, truth)
}

impl SsimWindow {
    /// As [`ssim`], with this window; with [`Uniform`](Self::Uniform) it is
    /// `skimage.metrics.structural_similarity` with `data_range=1` and nothing else.
    ///
    /// ```
    /// use convgru_model::Tensor;
    /// use convgru_train::metric::SsimWindow;
    ///
    /// let frame = Tensor::<f32>::from_fn(&[1, 8, 8], |i| (i % 7) as f32 / 7.0);
    /// assert_eq!(SsimWindow::Uniform.ssim(&frame, &frame)?, 1.0);
    /// assert!(SsimWindow::Gaussian.ssim(&frame, &frame).is_err());
    /// # Ok::<(), convgru_train::Error>(())
    /// ```
    ///
    /// # Shapes
    /// prediction, truth: `[H, W]` or `[C, H, W]`, the same
    ///
    /// # Errors
    /// If the shapes differ or a side is below [`side`](Self::side).
    pub fn ssim<T: Scalar>(self, prediction: &Tensor<T>, truth: &Tensor<T>) -> Result<f64> {
        let (size, window) = (frame_size(prediction, truth)?, Window::of(self));
        if !size.holds(&window) {
            return Err(Error::Data {
                what: "structural similarity".into(),
                reason: format!(
                    "frames of {} x {} pixels are smaller than its window of {side} x {side}",
                    size.height,
                    size.width,
                    side = self.side()
                ),
            });
        }
        Ok(mean_similarity(&window, &pixels(prediction.as_slice()), &pixels(truth.as_slice()), size))
    }

    /// As [`ssim_map`], with this window.
    ///
    /// # Shapes
    /// prediction, truth: `[H, W]` or `[C, H, W]`, the same; map: the same
    ///
    /// # Errors
    /// If the shapes differ, are others than these, or hold no pixels.
    pub fn ssim_map<T: Scalar>(self, prediction: &Tensor<T>, truth: &Tensor<T>) -> Result<Tensor<f64>> {
        let (size, window) = (frame_size(prediction, truth)?, Window::of(self));
        let (x, y) = (pixels(prediction.as_slice()), pixels(truth.as_slice()));
        let mut map = Vec::with_capacity(x.len());
        let border = window.radius();
        for (x, y) in x.chunks_exact(size.area()).zip(y.chunks_exact(size.area())) {
            let (x, y) = (mirrored(x, size, border), mirrored(y, size, border));
            similarity_rows(&window, &x, &y, size.padded(border), |row| map.extend_from_slice(row));
        }
        Ok(Tensor::from_vec(prediction.shape(), map)?)
    }
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

    fn holds(self, window: &Window) -> bool {
        self.height.min(self.width) > 2 * window.radius()
    }

    fn padded(self, border: usize) -> Self {
        Self { height: self.height + 2 * border, width: self.width + 2 * border }
    }
}

/// The mean of `S` over the pixels whose window lies inside, then over the
/// channels; where no window does, over all pixels with a mirrored border.
/// Neither slice may be empty.
pub(super) fn mean_similarity(window: &Window, x: &[f64], y: &[f64], size: PlaneSize) -> f64 {
    let border = window.radius();
    let mut planes = 0.0;
    for (x, y) in x.chunks_exact(size.area()).zip(y.chunks_exact(size.area())) {
        let (mut sum, mut count) = (0.0, 0);
        let mut add = |row: &[f64]| {
            sum += row.iter().sum::<f64>();
            count += row.len();
        };
        if size.holds(window) {
            similarity_rows(window, x, y, size, &mut add);
        } else {
            let (x, y) = (mirrored(x, size, border), mirrored(y, size, border));
            similarity_rows(window, &x, &y, size.padded(border), &mut add);
        }
        planes += sum / count as f64;
    }
    planes / (x.len() / size.area()) as f64
}

/// Calls `visit` with each row of `S` over the windows that lie inside one
/// plane, `height - 2 radius` rows of `width - 2 radius`.
fn similarity_rows(window: &Window, x: &[f64], y: &[f64], size: PlaneSize, mut visit: impl FnMut(&[f64])) {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<f64>>();
    let (xx, yy, xy) = (product(x, x), product(y, y), product(x, y));
    let (width, factor) = (size.width, window.covariance_factor);
    let inner = width - 2 * window.radius();
    let mut column_means = vec![0.0; width];
    let mut means = [(); 5].map(|()| vec![0.0; inner]);
    let mut row = vec![0.0; inner];
    for top in 0..size.height - 2 * window.radius() {
        for (mean, plane) in means.iter_mut().zip([x, y, &xx, &yy, &xy]) {
            weighted_sum(&window.weights, &mut column_means, |k| &plane[(top + k) * width..][..width]);
            weighted_sum(&window.weights, mean, |k| &column_means[k..][..inner]);
        }
        let [mx, my, mxx, myy, mxy] = &means;
        for (i, s) in row.iter_mut().enumerate() {
            let (mx, my) = (mx[i], my[i]);
            let [vx, vy, vxy] = [mxx[i] - mx * mx, myy[i] - my * my, mxy[i] - mx * my].map(|v| factor * v);
            let above = (2.0 * mx * my + C1) * (2.0 * vxy + C2);
            let below = (mx * mx + my * my + C1) * (vx + vy + C2);
            *s = above / below;
        }
        visit(&row);
    }
}

/// A plane with a border of some pixels in which it is mirrored, as often as
/// needed if it is smaller than that.
fn mirrored(plane: &[f64], size: PlaneSize, border: usize) -> Vec<f64> {
    let source = |index: usize, length: usize| {
        let shift = 2 * length * border.div_ceil(2 * length) - border;
        let phase = (index + shift) % (2 * length);
        if phase < length { phase } else { 2 * length - 1 - phase }
    };
    let padded = size.padded(border);
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
