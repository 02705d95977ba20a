//! One minus the structural similarity of a plane, summed over the windows that lie inside.
//!
//! [`metric::ssim`](crate::metric::ssim()) has the equation of `S`. With `B1 = mx^2 + my^2
//! + C1`, `B2 = vx + vy + C2` and the factor `f` of variances, where `vx = f (E[x^2] - mx^2)` and
//! `vxy = f (E[x y] - mx my)`:
//!
//! ```text
//! dS/dvx  = -S / B2            dS/dE[x^2] = f dS/dvx
//! dS/dvxy = 2 (2 mx my + C1) / (B1 B2)            dS/dE[x y] = f dS/dvxy
//! dS/dE[x] = 2 my (2 vxy + C2) / (B1 B2) - 2 mx S / B1 - f (2 mx dS/dvx + my dS/dvxy)
//! ```
//!
//! Each mean goes back to the pixels of its window with the window's weights, the mean of `x^2`
//! with the factor `2 x`, the mean of `x y` with the factor `y`.

use super::planes::{Plane, PlaneSize};
use crate::metric::{C1, C2, SsimWindow, Window, weighted_sum};

/// The number of windows inside a plane with every truth in them known.
pub(super) fn count(plane: &Plane, window: SsimWindow) -> f64 {
    let whole = Windows::of(plane, window).whole();
    whole.iter().filter(|whole| **whole).count() as f64
}

/// The sum of `1 - S` over these windows.
pub(super) fn sum(plane: &Plane, window: SsimWindow) -> f64 {
    Windows::of(plane, window).visit(|_, _| {})
}

/// As [`sum`]; adds the derivative by `x` to `dx`.
pub(super) fn sum_and_gradient(plane: &Plane, window: SsimWindow, dx: &mut [f64]) -> f64 {
    let windows = Windows::of(plane, window);
    let area = windows.inner.area();
    let mut slopes = [(); 3].map(|()| vec![0.0; area]);
    let sum = windows.visit(|at, slope| {
        for (map, slope) in slopes.iter_mut().zip(slope) {
            map[at] = slope;
        }
    });
    let [by_x, by_xx, by_xy] = slopes.map(|map| windows.spread(&map));
    for (pixel, dx) in dx.iter_mut().enumerate() {
        *dx += by_x[pixel] + 2.0 * plane.x[pixel] * by_xx[pixel] + plane.y[pixel] * by_xy[pixel];
    }
    sum
}

/// The windows inside a plane.
struct Windows<'a> {
    plane: &'a Plane,
    window: Window,
    /// How many there are, down and across; none of a plane smaller than the window.
    inner: PlaneSize,
}

impl<'a> Windows<'a> {
    fn of(plane: &'a Plane, window: SsimWindow) -> Self {
        let window = Window::of(window);
        let border = 2 * window.radius();
        let inner = PlaneSize {
            height: plane.size.height.saturating_sub(border),
            width: plane.size.width.saturating_sub(border),
        };
        Self { plane, window, inner }
    }

    fn side(&self) -> usize {
        self.window.weights.len()
    }

    /// For each window whether every truth in it is known.
    fn whole(&self) -> Vec<bool> {
        let (side, width) = (self.side(), self.plane.size.width);
        if self.plane.valid.is_empty() || self.inner.area() == 0 {
            return vec![true; self.inner.area()];
        }
        let row_known = |start: usize| self.plane.valid[start..start + side].iter().all(|valid| *valid);
        let rows: Vec<bool> = (0..self.plane.size.height)
            .flat_map(|y| (0..self.inner.width).map(move |x| y * width + x))
            .map(row_known)
            .collect();
        (0..self.inner.area()).map(|at| (0..side).all(|k| rows[at + k * self.inner.width])).collect()
    }

    /// Calls `visit` with the place of each whole window and the derivatives of `1 - S` by its
    /// means of `x`, `x^2` and `x y`; returns the sum of `1 - S`.
    fn visit(&self, mut visit: impl FnMut(usize, [f64; 3])) -> f64 {
        if self.inner.area() == 0 {
            return 0.0;
        }
        let whole = self.whole();
        let Plane { x, y, size, .. } = self.plane;
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<f64>>();
        let (xx, yy, xy) = (product(x, x), product(y, y), product(x, y));
        let mut columns = vec![0.0; size.width];
        let mut means = [(); 5].map(|()| vec![0.0; self.inner.width]);
        let mut sum = 0.0;
        for top in 0..self.inner.height {
            for (mean, plane) in means.iter_mut().zip([x, y, &xx, &yy, &xy]) {
                let weights = &self.window.weights;
                weighted_sum(weights, &mut columns, |k| &plane[(top + k) * size.width..][..size.width]);
                weighted_sum(weights, mean, |k| &columns[k..][..self.inner.width]);
            }
            for left in (0..self.inner.width).filter(|left| whole[top * self.inner.width + left]) {
                let (loss, slopes) = self.window_loss([0, 1, 2, 3, 4].map(|mean| means[mean][left]));
                visit(top * self.inner.width + left, slopes);
                sum += loss;
            }
        }
        sum
    }

    /// `1 - S` and its derivatives by the means of `x`, `x^2` and `x y`.
    fn window_loss(&self, [mx, my, mxx, myy, mxy]: [f64; 5]) -> (f64, [f64; 3]) {
        let factor = self.window.covariance_factor;
        let [vx, vy, vxy] = [mxx - mx * mx, myy - my * my, mxy - mx * my].map(|v| factor * v);
        let (similar_means, similar_shapes) = (2.0 * mx * my + C1, 2.0 * vxy + C2);
        let (means, shapes) = (mx * mx + my * my + C1, vx + vy + C2);
        let similarity = similar_means * similar_shapes / (means * shapes);
        let by_vx = -similarity / shapes;
        let by_vxy = 2.0 * similar_means / (means * shapes);
        let by_mx = 2.0 * my * similar_shapes / (means * shapes) - similarity * 2.0 * mx / means;
        let by_mean = by_mx - factor * (2.0 * mx * by_vx + my * by_vxy);
        (1.0 - similarity, [-by_mean, -factor * by_vx, -factor * by_vxy])
    }

    /// What each pixel gets of the windows it is in: the transpose of the two weighted sums.
    fn spread(&self, map: &[f64]) -> Vec<f64> {
        let PlaneSize { height, width } = self.plane.size;
        let mut columns = vec![0.0; self.inner.height * width];
        let mut pixels = vec![0.0; height * width];
        if self.inner.area() == 0 {
            return pixels;
        }
        for (row, out) in map.chunks_exact(self.inner.width).zip(columns.chunks_exact_mut(width)) {
            for (k, weight) in self.window.weights.iter().enumerate() {
                out[k..].iter_mut().zip(row).for_each(|(out, value)| *out += weight * value);
            }
        }
        for (top, row) in columns.chunks_exact(width).enumerate() {
            for (k, weight) in self.window.weights.iter().enumerate() {
                let out = &mut pixels[(top + k) * width..][..width];
                out.iter_mut().zip(row).for_each(|(out, value)| *out += weight * value);
            }
        }
        pixels
    }
}
