//! Moving a frame along a flow that stays as it is.

use convgru_kernels::Scalar;

use super::flow::{Flow, Frame};
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
    down: Plane<T>,
    right: Plane<T>,
}

impl<T: Scalar> Origins<T> {
    /// Every pixel where it is.
    pub(super) fn here(height: usize, width: usize) -> Self {
        Self {
            down: Plane::from_fn(height, width, |y, _| T::from_f32(y as f32)),
            right: Plane::from_fn(height, width, |_, x| T::from_f32(x as f32)),
        }
    }

    /// One step further back.
    pub(super) fn step_back(&mut self, flow: &Flow<T>) {
        let origin = |y: usize, x: usize| {
            let (y, x) = (self.down.at(y, x), self.right.at(y, x));
            let (mut down, mut right) = (T::ZERO, T::ZERO);
            let half = T::from_f32(0.5);
            for _ in 0..ITERATIONS {
                let (middle_y, middle_x) = (y - half * down, x - half * right);
                down = flow.down.interpolated(middle_y, middle_x);
                right = flow.right.interpolated(middle_y, middle_x);
            }
            (y - down, x - right)
        };
        let (height, width) = (self.down.height, self.down.width);
        let down = Plane::from_fn(height, width, |y, x| origin(y, x).0);
        let right = Plane::from_fn(height, width, |y, x| origin(y, x).1);
        (self.down, self.right) = (down, right);
    }

    /// What a frame shows there, and `outside` beyond its edges and where it was not measured; of
    /// pixels some of whose neighbours were not, those that were.
    pub(super) fn values(&self, frame: &Frame<T>, outside: T) -> Plane<T> {
        let Frame { values, valid } = frame;
        Plane::from_fn(values.height, values.width, |y, x| {
            let (y, x) = (self.down.at(y, x), self.right.at(y, x));
            if !values.holds(y, x) {
                return outside;
            }
            let share = valid.interpolated(y, x);
            if share > T::ZERO { values.interpolated(y, x) / share } else { outside }
        })
    }
}
