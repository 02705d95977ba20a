//! Sums of the losses of elements, and their gradients, on several threads.

use convgru_model::Scalar;

use crate::parallel;

/// Elements per chunk. It depends on nothing, so the order of the
/// summation, and with it every bit of the value, is the same as with one thread.
const CHUNK: usize = 4096;

/// Prediction and target, and a factor of each element unless there is none (empty).
#[derive(Clone, Copy)]
pub(super) struct Elements<'a, T> {
    pub(super) x: &'a [T],
    pub(super) y: &'a [T],
    pub(super) weight: &'a [T],
}

impl<'a, T: Scalar> Elements<'a, T> {
    /// The elements of chunk `index`.
    fn chunk(&self, index: usize) -> Self {
        let part = |values: &'a [T]| {
            let end = values.len().min((index + 1) * CHUNK);
            &values[end.min(index * CHUNK)..end]
        };
        Self { x: part(self.x), y: part(self.y), weight: part(self.weight) }
    }

    /// Value and derivative of each element; of weight 0 both are 0, whatever it holds.
    fn each(self, f: impl Fn(f64, f64) -> (f64, f64)) -> impl Iterator<Item = (f64, f64)> {
        self.x.iter().zip(self.y).enumerate().map(move |(i, (x, y))| {
            let (value, derivative) = f(x.to_f64(), y.to_f64());
            match self.weight.get(i).map(|weight| weight.to_f64()) {
                Some(0.0) => (0.0, 0.0),
                Some(weight) => (value * weight, derivative * weight),
                None => (value, derivative),
            }
        })
    }

    /// The sum of `f(x, y).0`: chunk by chunk, then over the chunks in order.
    pub(super) fn sum(self, f: impl Fn(f64, f64) -> (f64, f64) + Sync) -> f64 {
        parallel::sum(self.x.len().div_ceil(CHUNK), &|index| {
            self.chunk(index).each(&f).fold(0.0, |sum, (value, _)| sum + value)
        })
    }

    /// As [`sum`](Self::sum); adds `scale f(x, y).1` to `dx`.
    pub(super) fn sum_and_gradient(
        self,
        dx: &mut [T],
        scale: f64,
        f: impl Fn(f64, f64) -> (f64, f64) + Sync,
    ) -> f64 {
        parallel::sum_parts(dx, CHUNK, &|index, dx| {
            let mut sum = 0.0;
            for ((value, derivative), dx) in self.chunk(index).each(&f).zip(dx) {
                sum += value;
                *dx = T::from_f64(dx.to_f64() + derivative * scale);
            }
            sum
        })
    }

    /// The sum of `f(x, y).0`; where there is room for a gradient with its factor, as
    /// [`sum_and_gradient`](Self::sum_and_gradient).
    pub(super) fn reduce(
        self,
        gradient: Option<(&mut [T], f64)>,
        f: impl Fn(f64, f64) -> (f64, f64) + Sync,
    ) -> f64 {
        match gradient {
            None => self.sum(f),
            Some((dx, scale)) => self.sum_and_gradient(dx, scale, f),
        }
    }
}
