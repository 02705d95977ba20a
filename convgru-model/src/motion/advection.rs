//! Moving a frame along a flow that stays as it is.

use convgru_kernels::Scalar;

use super::flow::{Flow, Frame};
use super::parallel_planes;
use super::plane::Plane;

/// How often the movement half a step back is looked up.
const ITERATIONS: usize = 3;

/// Where the values of each pixel come from, so many steps back.
///
/// Backward and semi-Lagrangian: the way of a pixel goes step by step, each as long as the flow
/// in its middle, which is found by iteration (Germann and Zawadzki, "Scale-dependence of the
/// predictability of precipitation from continental radar images", 2002).
#[derive(Clone, Debug)]
pub(super) struct Origins<T> {
    width: usize,
    /// Row and column of each pixel's origin.
    points: Vec<[T; 2]>,
}

impl<T: Scalar> Origins<T> {
    /// Every pixel where it is.
    pub(super) fn here(height: usize, width: usize) -> Self {
        let point = |at: usize| [at / width, at % width].map(|at| T::from_f32(at as f32));
        Self { width, points: (0..height * width).map(point).collect() }
    }

    /// One step further back.
    pub(super) fn step_back(&mut self, flow: &Flow<T>) {
        let origin = |[y, x]: [T; 2]| {
            let (mut down, mut right) = (T::ZERO, T::ZERO);
            let half = T::from_f32(0.5);
            for _ in 0..ITERATIONS {
                let middle = flow.down.place(y - half * down, x - half * right);
                (down, right) = (flow.down.mixed(&middle), flow.right.mixed(&middle));
            }
            [y - down, x - right]
        };
        parallel_planes::for_each_row(&mut self.points, self.width, &|_, row| {
            row.iter_mut().for_each(|point| *point = origin(*point));
        });
    }

    /// What a frame shows there, and `outside` beyond its edges and where it was not measured; of
    /// pixels some of whose neighbours were not, those that were.
    pub(super) fn values(&self, frame: &Frame<T>, outside: T) -> Plane<T> {
        let Frame { values, valid } = frame;
        Plane::from_fn(values.height, values.width, |y, x| {
            let [y, x] = self.points[y * self.width + x];
            if !values.holds(y, x) {
                return outside;
            }
            let place = values.place(y, x);
            let share = valid.mixed(&place);
            if share > T::ZERO { values.mixed(&place) / share } else { outside }
        })
    }
}
