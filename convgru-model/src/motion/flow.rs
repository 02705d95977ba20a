//! The movement between frames.

use convgru_kernels::Scalar;

use super::parallel_planes;
use super::plane::Plane;

/// A frame, 0 where nothing was measured, and which of its pixels were, 1 or 0.
#[derive(Clone, Debug)]
pub(super) struct Frame<T> {
    pub(super) values: Plane<T>,
    pub(super) valid: Plane<T>,
}

/// Pixels per step from one frame to the next, down and to the right.
#[derive(Clone, Debug)]
pub(super) struct Flow<T> {
    pub(super) down: Plane<T>,
    pub(super) right: Plane<T>,
}

/// How movement is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// Standard deviation of the window in pixels, on every level.
    pub(super) window: f32,
    /// How often each level is refined.
    pub(super) iterations: usize,
    /// How strongly a level keeps to the one above it, as a part of its mean contrast.
    pub(super) damping: f32,
}

/// No side of the coarsest level is below this many pixels, unless one of the frames is.
const COARSEST: usize = 12;

/// A refinement changes a movement by at most this many pixels.
const LONGEST_CORRECTION: f32 = 2.0;

impl Search {
    /// The movement that the frames share, from coarse to fine.
    pub(super) fn run<T: Scalar>(&self, frames: &[Frame<T>]) -> Flow<T> {
        let mut levels = vec![frames.to_vec()];
        while let Some(last) = levels.last()
            && last[0].values.height.min(last[0].values.width) >= 2 * COARSEST
        {
            levels.push(parallel_planes::map(last.len(), &|index| last[index].halved()));
        }
        let mut flow: Option<Flow<T>> = None;
        for level in levels.iter().rev() {
            let (height, width) = (level[0].values.height, level[0].values.width);
            let mut finer = match flow {
                Some(coarse) => coarse.doubled(height, width),
                None => Flow::zero(height, width),
            };
            for _ in 0..self.iterations {
                self.refine(level, &mut finer);
            }
            flow = Some(finer);
        }
        flow.expect("there is at least one level")
    }

    /// Adds what minimises the squared difference between frames under a window around each pixel.
    fn refine<T: Scalar>(&self, frames: &[Frame<T>], flow: &mut Flow<T>) {
        let pairs: Vec<[Plane<T>; 5]> =
            frames.windows(2).map(|pair| products(&pair[0], &pair[1], flow)).collect();
        let (height, width) = (flow.down.height, flow.down.width);
        let sums: Vec<Plane<T>> = (0..5)
            .map(|index| {
                let sum = |at: usize| pairs.iter().map(|products| products[index].values[at]).sum();
                Plane::from_fn(height, width, |y, x| sum(y * width + x)).smoothed(self.window)
            })
            .collect();
        let [yy, xx, yx, yt, xt] = [0, 1, 2, 3, 4].map(|index| &sums[index].values);
        let contrast: f64 = yy.iter().zip(xx).map(|(a, b)| a.to_f64() + b.to_f64()).sum();
        let damping = (f64::from(self.damping) * contrast / (2 * height * width) as f64) as f32;
        let damping = T::from_f32(damping);
        if damping <= T::ZERO {
            // Nothing is to be seen.
            return;
        }
        for at in 0..height * width {
            let (a, b, c) = (yy[at] + damping, xx[at] + damping, yx[at]);
            let determinant = a * b - c * c;
            let longest = T::from_f32(LONGEST_CORRECTION);
            // Of squares beyond the largest number nothing is known.
            let is_nan = |value: T| value.partial_cmp(&value).is_none();
            let bounded = |value: T| if is_nan(value) { T::ZERO } else { value.max(-longest).min(longest) };
            flow.down.values[at] -= bounded((b * yt[at] - c * xt[at]) / determinant);
            flow.right.values[at] -= bounded((a * xt[at] - c * yt[at]) / determinant);
        }
        let normal = Plane::from_fn(height, width, |_, _| T::ONE).smoothed(SMOOTHING);
        for plane in [&mut flow.down, &mut flow.right] {
            *plane = plane.smoothed(SMOOTHING).zip(&normal, |sum, weight| sum / weight);
        }
    }
}

/// Shares of measured pixels from here on are all of them.
const WHOLE: f32 = 0.999;

/// Deviation in pixels of what evens out a movement after each refinement.
const SMOOTHING: f32 = 1.5;

/// Products of the slopes down and right, and of each with the change in time, at each pixel.
fn products<T: Scalar>(before: &Frame<T>, after: &Frame<T>, flow: &Flow<T>) -> [Plane<T>; 5] {
    let (height, width) = (before.values.height, before.values.width);
    // What the next frame shows where this one's pixels have gone; and whether both were measured.
    let point = |y: usize, x: usize| {
        (T::from_f32(y as f32) + flow.down.at(y, x), T::from_f32(x as f32) + flow.right.at(y, x))
    };
    let moved = Plane::from_fn(height, width, |y, x| {
        let (y, x) = point(y, x);
        after.values.interpolated(y, x)
    });
    let seen = Plane::from_fn(height, width, |y, x| {
        let (to_y, to_x) = point(y, x);
        let inside = after.valid.holds(to_y, to_x);
        let whole = before.valid.at(y, x) * after.valid.interpolated(to_y, to_x) >= T::from_f32(WHOLE);
        truth::<T>(inside && whole)
    });
    let middle = before.values.zip(&moved, |a, b| T::from_f32(0.5) * (a + b));
    let slope = |y: usize, x: usize, down: bool| {
        let ends = |at: usize, length: usize| (at.saturating_sub(1), (at + 1).min(length - 1));
        let (from, to) = if down { ends(y, height) } else { ends(x, width) };
        if from == to {
            return T::ZERO;
        }
        let value = |at: usize| if down { middle.at(at, x) } else { middle.at(y, at) };
        let whole = if down { seen.at(from, x) * seen.at(to, x) } else { seen.at(y, from) * seen.at(y, to) };
        whole * (value(to) - value(from)) / T::from_f32((to - from) as f32)
    };
    let down = Plane::from_fn(height, width, |y, x| seen.at(y, x) * slope(y, x, true));
    let right = Plane::from_fn(height, width, |y, x| seen.at(y, x) * slope(y, x, false));
    let change = moved.zip(&before.values, |after, before| after - before);
    let product = |a: &Plane<T>, b: &Plane<T>| a.zip(b, |a, b| a * b);
    [
        product(&down, &down),
        product(&right, &right),
        product(&down, &right),
        product(&down, &change),
        product(&right, &change),
    ]
}

/// 1 for true.
fn truth<T: Scalar>(is: bool) -> T {
    if is { T::ONE } else { T::ZERO }
}

impl<T: Scalar> Frame<T> {
    /// Half the size; a pixel is the mean of those measured, and measured where all were.
    fn halved(&self) -> Self {
        let measured = self.valid.halved();
        let sums = self.values.halved();
        let values = sums.zip(&measured, |sum, share| if share > T::ZERO { sum / share } else { T::ZERO });
        let valid = measured.zip(&measured, |share, _| truth::<T>(share >= T::from_f32(WHOLE)));
        Self { values, valid }
    }
}

impl<T: Scalar> Flow<T> {
    fn zero(height: usize, width: usize) -> Self {
        let plane = Plane::from_fn(height, width, |_, _| T::ZERO);
        Self { down: plane.clone(), right: plane }
    }

    fn doubled(&self, height: usize, width: usize) -> Self {
        let double = |plane: &Plane<T>| {
            let mut plane = plane.doubled(height, width);
            plane.values.iter_mut().for_each(|value| *value *= T::from_f32(2.0));
            plane
        };
        Self { down: double(&self.down), right: double(&self.right) }
    }
}
