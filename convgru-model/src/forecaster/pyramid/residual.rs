//! What is added to the output: the last frame, or that frame carried on along the movement of the last frames.

use convgru_kernels::Scalar;

use crate::config::{OutputActivation, PyramidConfig, Residual};
use crate::error::Result;
use crate::motion::OpticalFlow;
use crate::tensor::Tensor;

/// The smallest number of a frame that is added as its logit; the largest is as far from one.
pub(crate) const NEAREST_TO_ZERO: f64 = 0.01;

/// The largest power of e that frames are carried on as.
const LARGEST_POWER: f64 = 80.0;

/// The frames that are added to the output, and the way back through the last one that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addition {
    as_logits: bool,
    /// Members whose outputs it is added to.
    members: usize,
    /// Numbers of a frame of one sample.
    sample: usize,
}

impl Addition {
    /// What a configuration adds to frames of so many pixels.
    pub(super) fn of(config: &PyramidConfig, pixels: usize) -> Option<Self> {
        let added = config.residual != Residual::None;
        added.then_some(Self {
            as_logits: config.output_activation == OutputActivation::Sigmoid,
            members: config.members,
            sample: config.image_channels * pixels,
        })
    }

    /// Adds a frame `[N, C, H, W]`, or one for each step, to each member of some steps of an output, `[T, N, K C, H, W]`.
    pub(super) fn add<T: Scalar>(self, frames: &[T], outputs: &mut [T]) {
        let added: Vec<T> =
            if self.as_logits { frames.iter().map(|&x| logit(x)).collect() } else { frames.to_vec() };
        for (index, output) in outputs.chunks_exact_mut(self.sample).enumerate() {
            let added = &added[self.place(index, frames.len())..][..self.sample];
            output.iter_mut().zip(added).for_each(|(y, &x)| *y += x);
        }
    }

    /// Adds the gradient of a frame that was added to all steps, from the gradients of the outputs.
    pub(super) fn backward<T: Scalar>(self, frame: &[T], d_outputs: &[T], d_frame: &mut [T]) {
        for (index, d_output) in d_outputs.chunks_exact(self.sample).enumerate() {
            let at = self.place(index, frame.len());
            for ((d, &dy), &x) in d_frame[at..].iter_mut().zip(d_output).zip(&frame[at..]) {
                *d += if self.as_logits { dy * slope_of_logit(x) } else { dy };
            }
        }
    }

    /// Where the sample begins in frames of `len` numbers to which part `index` of the outputs belongs: members of a
    /// sample follow each other.
    fn place(self, index: usize, len: usize) -> usize {
        index / self.members * self.sample % len
    }
}

/// Whether a pyramid carries the last frame on.
pub(super) fn moves(config: &PyramidConfig) -> bool {
    config.residual == Residual::Motion
}

/// The last frame carried on to each of the next steps.
///
/// # Shapes
/// `last_frames`: `[T, N, C, H, W]`; result: `[steps, N, C, H, W]`
pub(super) fn carried_on<T: Scalar>(
    config: &PyramidConfig,
    last_frames: &Tensor<T>,
    steps: usize,
) -> Result<Tensor<T>> {
    let flow = OpticalFlow::default();
    let exponent = config.carried_exponent;
    if exponent == 0.0 {
        return flow.extrapolate(last_frames, None, steps);
    }
    // Larger powers are no numbers of single precision any more.
    let power = |x: f64| (exponent * x).min(LARGEST_POWER).exp_m1();
    let grown = mapped(last_frames.clone(), power);
    let moved = flow.extrapolate_values(last_frames, &grown, None, steps)?;
    Ok(mapped(moved, |grown| grown.ln_1p() / exponent))
}

fn mapped<T: Scalar>(mut frames: Tensor<T>, function: impl Fn(f64) -> f64) -> Tensor<T> {
    frames.as_mut_slice().iter_mut().for_each(|number| *number = T::from_f64(function(number.to_f64())));
    frames
}

fn bounds<T: Scalar>() -> [T; 2] {
    [T::from_f64(NEAREST_TO_ZERO), T::from_f64(1.0 - NEAREST_TO_ZERO)]
}

fn logit<T: Scalar>(x: T) -> T {
    let [low, high] = bounds();
    let x = x.max(low).min(high);
    (x - T::ONE).ln_1p() - (-x).ln_1p()
}

fn slope_of_logit<T: Scalar>(x: T) -> T {
    let [low, high] = bounds();
    if x > low && x < high { T::ONE / (x * (T::ONE - x)) } else { T::ZERO }
}
