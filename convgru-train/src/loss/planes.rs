//! The frames of one lead time as planes of numbers, for losses that look at neighbours.

use convgru_model::Scalar;

use crate::parallel;

/// The planes of one lead time.
#[derive(Clone, Copy)]
pub(super) struct Planes<'a, T> {
    pub(super) x: &'a [T],
    pub(super) y: &'a [T],
    /// Zero where the truth is unknown; empty where all of it is known.
    pub(super) valid: &'a [T],
    pub(super) size: PlaneSize,
}

/// The height and width of a plane in pixels.
#[derive(Clone, Copy)]
pub(super) struct PlaneSize {
    pub(super) height: usize,
    pub(super) width: usize,
}

impl PlaneSize {
    pub(super) fn area(self) -> usize {
        self.height * self.width
    }
}

/// One plane in `f64`, zeros where the truth is unknown.
pub(super) struct Plane {
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    /// Empty where all of the truth is known.
    pub(super) valid: Vec<bool>,
    pub(super) size: PlaneSize,
}

impl Plane {
    /// Whether the truth is known at a pixel.
    pub(super) fn knows(&self, pixel: usize) -> bool {
        self.valid.get(pixel).is_none_or(|valid| *valid)
    }
}

impl<T: Scalar> Planes<'_, T> {
    fn plane(&self, index: usize) -> Plane {
        let area = self.size.area();
        let range = index * area..(index + 1) * area;
        let valid: Vec<bool> = match self.valid {
            [] => Vec::new(),
            valid => valid[range.clone()].iter().map(|valid| valid.to_f64() != 0.0).collect(),
        };
        let known = |values: &[T]| {
            let value =
                |(i, value): (usize, &T)| if *valid.get(i).unwrap_or(&true) { value.to_f64() } else { 0.0 };
            values[range.clone()].iter().enumerate().map(value).collect()
        };
        Plane { x: known(self.x), y: known(self.y), size: self.size, valid }
    }

    /// The sum of `f` over the planes, which are taken in parallel and added in order.
    pub(super) fn sum(&self, f: impl Fn(&Plane) -> f64 + Sync) -> f64 {
        parallel::sum(self.x.len() / self.size.area(), &|index| f(&self.plane(index)))
    }

    /// As [`sum`](Self::sum); `f` also adds the derivative by `x` to zeros, which is added to
    /// `dx` with the factor `scale`.
    pub(super) fn sum_and_gradient(
        &self,
        dx: &mut [T],
        scale: f64,
        f: impl Fn(&Plane, &mut [f64]) -> f64 + Sync,
    ) -> f64 {
        parallel::sum_parts(dx, self.size.area(), &|index, dx| {
            let mut derivative = vec![0.0; dx.len()];
            let sum = f(&self.plane(index), &mut derivative);
            for (dx, derivative) in dx.iter_mut().zip(derivative) {
                *dx = T::from_f64(dx.to_f64() + derivative * scale);
            }
            sum
        })
    }
}
