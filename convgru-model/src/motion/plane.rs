//! Images of one channel: interpolation, smoothing, halving.

use convgru_kernels::Scalar;

use super::parallel_planes;

/// Numbers in rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plane<T> {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) values: Vec<T>,
}

/// A point between four pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<T> {
    /// Distances from the pixel above and from the one to the left.
    y: T,
    x: T,
    /// The indices of the pixels to the left and right, above and below.
    top: [usize; 2],
    bottom: [usize; 2],
}

impl<T: Scalar> Plane<T> {
    pub(super) fn new(height: usize, width: usize, values: Vec<T>) -> Self {
        assert_eq!(values.len(), height * width, "a plane of {height} x {width}");
        Self { height, width, values }
    }

    /// Each pixel by its row and column, in parallel.
    pub(super) fn from_fn(height: usize, width: usize, pixel: impl Fn(usize, usize) -> T + Sync) -> Self {
        let mut values = vec![T::ZERO; height * width];
        parallel_planes::for_each_row(&mut values, width, &|y, row| {
            for (x, value) in row.iter_mut().enumerate() {
                *value = pixel(y, x);
            }
        });
        Self { height, width, values }
    }

    pub(super) fn at(&self, y: usize, x: usize) -> T {
        self.values[y * self.width + x]
    }

    /// The value at a point between pixels, by the four around it; points outside have that
    /// of the nearest edge.
    pub(super) fn interpolated(&self, y: T, x: T) -> T {
        self.mixed(&self.place(y, x))
    }

    /// Where a point lies, in all planes of this size.
    pub(super) fn place(&self, y: T, x: T) -> Place<T> {
        let (y, top, bottom) = between(y, self.height);
        let (x, left, right) = between(x, self.width);
        let [top, bottom] = [top, bottom].map(|row| [left, right].map(|column| row * self.width + column));
        Place { y, x, top, bottom }
    }

    /// The value at a place, as [`interpolated`](Self::interpolated) has it.
    pub(super) fn mixed(&self, place: &Place<T>) -> T {
        let row = |[left, right]: [usize; 2]| {
            self.values[left] + place.x * (self.values[right] - self.values[left])
        };
        let top = row(place.top);
        top + place.y * (row(place.bottom) - top)
    }

    /// Whether a point lies on the image, whose pixels reach half a pixel from their centres.
    pub(super) fn holds(&self, y: T, x: T) -> bool {
        let within = |at: T, length: usize| (-0.5..=length as f64 - 0.5).contains(&at.to_f64());
        within(y, self.height) && within(x, self.width)
    }

    /// Weighted sums with a Gaussian of this standard deviation in pixels; nothing lies beyond the edges.
    pub(super) fn smoothed(&self, deviation: f32) -> Self {
        let weights = gaussian::<T>(deviation);
        let along = |plane: &Self| {
            let mut sums = plane.values.clone();
            parallel_planes::for_each_row(&mut sums, plane.width, &|y, sums| {
                let row = &plane.values[y * plane.width..][..plane.width];
                sums.iter_mut().for_each(|sum| *sum *= weights[0]);
                // Weight by weight, so that neighbouring pixels are summed at once.
                for (d, &weight) in weights.iter().enumerate().take(plane.width).skip(1) {
                    add_scaled(&mut sums[d..], row, weight);
                }
                for (d, &weight) in weights.iter().enumerate().take(plane.width).skip(1) {
                    add_scaled(sums, &row[d..], weight);
                }
            });
            // Transposed, so that twice along rows is once along each axis.
            Self::from_fn(plane.width, plane.height, |x, y| sums[y * plane.width + x])
        };
        along(&along(self))
    }

    /// Half the size, rounded up: each pixel the mean of up to four.
    pub(super) fn halved(&self) -> Self {
        Self::from_fn(self.height.div_ceil(2), self.width.div_ceil(2), |y, x| {
            let rows = 2 * y..(2 * y + 2).min(self.height);
            let columns = 2 * x..(2 * x + 2).min(self.width);
            let count = T::from_f32((rows.len() * columns.len()) as f32);
            rows.flat_map(|y| columns.clone().map(move |x| (y, x))).map(|(y, x)| self.at(y, x)).sum::<T>()
                / count
        })
    }

    /// The image of half the size brought to this size, with the centres of pixels where they were.
    pub(super) fn doubled(&self, height: usize, width: usize) -> Self {
        let place = |at: usize| T::from_f32((at as f32 - 0.5) / 2.0);
        Self::from_fn(height, width, |y, x| self.interpolated(place(y), place(x)))
    }

    pub(super) fn map(&self, change: impl Fn(&T) -> T) -> Self {
        Self::new(self.height, self.width, self.values.iter().map(change).collect())
    }

    pub(super) fn zip(&self, other: &Self, combine: impl Fn(T, T) -> T) -> Self {
        let values = self.values.iter().zip(&other.values).map(|(&a, &b)| combine(a, b)).collect();
        Self::new(self.height, self.width, values)
    }
}

/// Adds a multiple of values, as far as both go.
fn add_scaled<T: Scalar>(sums: &mut [T], values: &[T], weight: T) {
    sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += weight * value);
}

/// The distance from the pixel before, that pixel and the one after it.
fn between<T: Scalar>(at: T, length: usize) -> (T, usize, usize) {
    let at = at.max(T::ZERO).min(T::from_f32((length - 1) as f32));
    let before = at.to_f64() as usize;
    (at - T::from_f32(before as f32), before, (before + 1).min(length - 1))
}

/// The weights of a pixel and those at a distance, to three deviations.
fn gaussian<T: Scalar>(deviation: f32) -> Vec<T> {
    let reach = (3.0 * deviation).ceil() as usize;
    let weight = |d: usize| (-0.5 * (d as f32 / deviation).powi(2)).exp();
    let sum = 1.0 + 2.0 * (1..=reach).map(weight).sum::<f32>();
    (0..=reach).map(|d| T::from_f32(weight(d) / sum)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_interpolated_exactly_and_held_at_the_edges() {
        let plane = Plane::<f32>::from_fn(4, 5, |y, x| y as f32 + 10.0 * x as f32);
        assert_eq!(plane.interpolated(1.25, 2.5), 26.25);
        assert_eq!(plane.interpolated(-3.0, 9.0), 40.0);
        assert!(plane.holds(3.5, -0.5) && !plane.holds(3.51, 0.0) && !plane.holds(f32::NAN, 0.0));
    }

    #[test]
    fn smoothing_keeps_the_sum_far_from_edges_and_treats_both_axes_alike() {
        let point = Plane::<f32>::from_fn(31, 27, |y, x| f32::from(u8::from((y, x) == (15, 13))));
        let smoothed = point.smoothed(2.0);
        assert_eq!((smoothed.height, smoothed.width), (31, 27));
        assert!((smoothed.values.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(smoothed.at(12, 13), smoothed.at(15, 10));
        assert!(smoothed.at(15, 13) > smoothed.at(15, 14));
    }

    #[test]
    fn halves_are_means_and_doubles_keep_a_ramp() {
        let plane = Plane::<f32>::from_fn(5, 4, |y, x| y as f32 + 10.0 * x as f32);
        let half = plane.halved();
        assert_eq!((half.height, half.width), (3, 2));
        assert_eq!((half.at(0, 0), half.at(2, 1)), (5.5, 29.0));
        let ramp = Plane::<f64>::from_fn(8, 8, |_, x| x as f64);
        assert_eq!(ramp.halved().doubled(8, 8).at(3, 4), 4.0);
    }
}
