//! Frames that move on as they moved: nowcasts without a network.
//!
//! Lagrangian persistence of rain: the movement is estimated from the last frames, and the last
//! one is carried on along it. It is the baseline of rain nowcasting, and what a
//! [`PyramidConfig`](crate::PyramidConfig) with [`Residual::Motion`](crate::Residual::Motion) adds to its output.

mod advection;
mod flow;
mod parallel_planes;
mod plane;
#[cfg(test)]
mod tests;

use convgru_kernels::Scalar;

use crate::error::{Error, Result};
use crate::sequence::expect_steps;
use crate::tensor::Tensor;
use advection::Origins;
use flow::{Frame, Search};
use plane::Plane;

/// Extrapolation along the optical flow.
///
/// * **Movement**: Lucas and Kanade, "An iterative image registration technique with an application
///   to stereo vision" (1981), at every pixel under a Gaussian window, of all pairs of the last
///   frames together, coarse to fine; a level without contrast keeps the movement of the one above. A
///   single frame shows no movement, and stays.
/// * **Advection**: the last frame along it, backward and semi-Lagrangian (Germann and Zawadzki
///   2002), interpolated linearly. What comes from beyond an edge or from where nothing was
///   measured is [`outside`](Self::outside).
///
/// ```
/// use convgru_model::Tensor;
/// use convgru_model::motion::OpticalFlow;
///
/// // A soft blob that moves a pixel and a half to the right per frame.
/// let blob = |t: usize, y: usize, x: usize| {
///     let (y, x) = (y as f32 - 24.0, x as f32 - 16.0 - 1.5 * t as f32);
///     (-(y * y + x * x) / 40.0).exp()
/// };
/// let frames = Tensor::from_fn(&[7, 1, 1, 48, 48], |i| blob(i / 2304, i % 2304 / 48, i % 48));
/// let input = Tensor::from_vec(&[4, 1, 1, 48, 48], frames.as_slice()[..4 * 2304].to_vec())?;
/// let nowcast = OpticalFlow::default().extrapolate(&input, None, 3)?;
/// for t in 0..3 {
///     let apart = nowcast.slice(t).iter().zip(frames.slice(4 + t)).map(|(a, b)| (a - b).abs());
///     assert!(apart.fold(0.0, f32::max) < 0.1);
/// }
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpticalFlow {
    /// How many of the last frames show the movement, at least 2; fewer where there are fewer.
    pub frames: usize,
    /// Standard deviation of the window in pixels, above 0, to 1024.
    pub window: f32,
    /// How often each level is refined, 1 to 100.
    pub iterations: usize,
    /// How strongly a level keeps to the movement of the coarser one, as a part of its mean
    /// contrast; above 0, to a million.
    pub damping: f32,
    /// The value of what comes from beyond an edge, or from where nothing was measured: 0 as in no rain, or NaN where it is
    /// missing, which scores leave out.
    pub outside: f32,
}

/// The most refinements of a level.
const MOST_ITERATIONS: usize = 100;

/// The widest window in pixels: a Gaussian of it covers more than three thousand of them on each side.
const WIDEST_WINDOW: f32 = 1024.0;

/// The strongest damping: nothing moves.
const MOST_DAMPING: f32 = 1e6;

impl Default for OpticalFlow {
    fn default() -> Self {
        Self { frames: 4, window: 8.0, iterations: 4, damping: 0.1, outside: 0.0 }
    }
}

impl OpticalFlow {
    /// Continues frames. Each channel moves for itself. With `valid`, pixels where it is 0 were
    /// not measured; those that are NaN or infinite were not either. The result has the same bits for any number of
    /// threads.
    ///
    /// # Shapes
    /// input, valid: `[T, N, C, H, W]`, at least one frame; result: `[steps, N, C, H, W]`
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if a field is out of its range, [`Error::ShapeMismatch`] if shapes do not fit or
    /// there are no frames, [`Error::OutOfRange`] for more than 65536 steps, [`Error::TooLarge`] for steps that need more
    /// memory than the machine has.
    pub fn extrapolate<T: Scalar>(
        &self,
        input: &Tensor<T>,
        valid: Option<&Tensor<T>>,
        steps: usize,
    ) -> Result<Tensor<T>> {
        self.extrapolate_values(input, input, valid, steps)
    }

    /// Continues `carried`, whose movement `seen` shows: rain moves as its reflectivity does, and
    /// is carried on as a rate.
    ///
    /// # Shapes
    /// seen, carried, valid: `[T, N, C, H, W]`; result: `[steps, N, C, H, W]`
    ///
    /// # Errors
    /// As [`extrapolate`](Self::extrapolate).
    pub fn extrapolate_values<T: Scalar>(
        &self,
        seen: &Tensor<T>,
        carried: &Tensor<T>,
        valid: Option<&Tensor<T>>,
        steps: usize,
    ) -> Result<Tensor<T>> {
        let shape = self.check(seen, carried, valid, steps)?;
        let [frames, n, c, height, width] = shape;
        let mut result = Tensor::try_zeros(&[steps, n, c, height, width])?;
        if result.is_empty() {
            return Ok(result);
        }
        let planes: Vec<Vec<Plane<T>>> = parallel_planes::map(n * c, &|at| {
            let plane = |tensor: &Tensor<T>, t: usize| {
                let values = &tensor.slice(t)[at * height * width..][..height * width];
                Plane::new(height, width, values.to_vec())
            };
            let is_measured = |&valid: &T| if valid > T::ZERO { T::ONE } else { T::ZERO };
            let measured = |t: usize| match valid {
                Some(valid) => plane(valid, t).map(is_measured),
                None => Plane::from_fn(height, width, |_, _| T::ONE),
            };
            // What was not measured may be any number, or none.
            let only = |value: T, valid: T| if valid > T::ZERO { value } else { T::ZERO };
            let first = frames - self.frames.min(frames);
            let finite = |valid: T, value: T| if value.is_finite() { valid } else { T::ZERO };
            let frame = |tensor: &Tensor<T>, t: usize| {
                let values = plane(tensor, t);
                let valid = measured(t).zip(&values, finite);
                Frame { values: values.zip(&valid, only), valid }
            };
            let shown: Vec<_> = (first..frames).map(|t| frame(seen, t)).collect();
            self.continued(&shown, &frame(carried, frames - 1), steps)
        });
        for t in 0..steps {
            for (place, planes) in result.slice_mut(t).chunks_exact_mut(height * width).zip(&planes) {
                place.copy_from_slice(&planes[t].values);
            }
        }
        Ok(result)
    }

    fn continued<T: Scalar>(&self, shown: &[Frame<T>], last: &Frame<T>, steps: usize) -> Vec<Plane<T>> {
        let search = Search { window: self.window, iterations: self.iterations, damping: self.damping };
        let flow = search.run(shown);
        let mut origins = Origins::here(last.values.height, last.values.width);
        let outside = T::from_f32(self.outside);
        (0..steps)
            .map(|_| {
                origins.step_back(&flow);
                origins.values(last, outside)
            })
            .collect()
    }

    fn check<T: Scalar>(
        &self,
        seen: &Tensor<T>,
        carried: &Tensor<T>,
        valid: Option<&Tensor<T>>,
        steps: usize,
    ) -> Result<[usize; 5]> {
        let invalid = |field: &str, reason: String| Err(Error::InvalidConfig { field: field.into(), reason });
        if self.frames < 2 {
            return invalid("frames", format!("{} is less than 2", self.frames));
        }
        if !(1..=MOST_ITERATIONS).contains(&self.iterations) {
            return invalid(
                "iterations",
                format!("{} is not within 1 to {MOST_ITERATIONS}", self.iterations),
            );
        }
        for (field, value, most) in
            [("window", self.window, WIDEST_WINDOW), ("damping", self.damping, MOST_DAMPING)]
        {
            // A NaN is no number above 0 either.
            if !(value > 0.0 && value <= most) {
                return invalid(field, format!("{value} is not a number above 0, to {most}"));
            }
        }
        expect_steps("steps of optical flow", steps)?;
        let mismatch = |what: &str, expected: String, got: &Tensor<T>| {
            Err(Error::ShapeMismatch { what: what.into(), expected, got: got.shape().to_vec() })
        };
        let needed = || "[T >= 1, N, C, H >= 1, W >= 1]".to_owned();
        let &[t, n, c, height, width] = seen.shape() else {
            return mismatch("the frames of optical flow", needed(), seen);
        };
        if t == 0 || height == 0 || width == 0 {
            return mismatch("the frames of optical flow", needed(), seen);
        }
        for (what, other) in
            [("the frames that are carried on", Some(carried)), ("the mask of optical flow", valid)]
        {
            if let Some(other) = other.filter(|other| other.shape() != seen.shape()) {
                return mismatch(what, format!("{:?}", seen.shape()), other);
            }
        }
        Ok([t, n, c, height, width])
    }
}
