//! The last frame carried on along the movement of the last frames, and what is read of it.

use convgru_kernels::{FeatureMaps, Scalar, Scratchpad};

use super::{Frames, Prepared, Pyramid};
use crate::config::Residual;
use crate::error::Result;
use crate::motion::OpticalFlow;
use crate::tensor::Tensor;

/// The largest power of e that frames are carried on as.
const LARGEST_POWER: f64 = 80.0;

/// What the encoder's first convolution reads of carried frames.
#[derive(Debug)]
pub(super) struct CarriedRead<T> {
    pub(super) patches: FeatureMaps<T>,
    /// After the rectifier.
    pub(super) features: FeatureMaps<T>,
}

impl<T: Scalar> Pyramid<T> {
    /// Whether the last frame is carried on.
    pub(super) fn moves(&self) -> bool {
        self.config.residual == Residual::Motion
    }

    /// How many of the last frames a forecast needs.
    pub(super) fn frames_needed(&self) -> usize {
        if self.moves() { OpticalFlow::default().frames } else { 1 }
    }

    /// The last frame carried on to each of the next steps, where it is: constants of a training step.
    ///
    /// # Shapes
    /// `input`: `[T, N, C, H, W]`; result: `[steps, N, C, H, W]`
    pub(super) fn carried(&self, input: &Tensor<T>, steps: usize) -> Result<Option<Tensor<T>>> {
        if !self.moves() {
            return Ok(None);
        }
        let flow = OpticalFlow::default();
        let exponent = self.config.carried_exponent;
        if exponent == 0.0 {
            return flow.extrapolate(input, None, steps).map(Some);
        }
        // Larger powers are no numbers of single precision any more.
        let power = |x: f64| (exponent * x).min(LARGEST_POWER).exp_m1();
        let grown = mapped(input.clone(), power);
        let moved = flow.extrapolate_values(input, &grown, None, steps)?;
        Ok(Some(mapped(moved, |grown| grown.ln_1p() / exponent)))
    }
}

fn mapped<T: Scalar>(mut frames: Tensor<T>, function: impl Fn(f64) -> f64) -> Tensor<T> {
    frames.as_mut_slice().iter_mut().for_each(|number| *number = T::from_f64(function(number.to_f64())));
    frames
}

impl<T: Scalar> Prepared<'_, T> {
    /// What the encoder's first convolution reads of `carried` frames, `[T, N, C, H, W]`, where the forecaster does.
    pub(super) fn read_carried(
        &self,
        frames: &Frames,
        carried: Option<&[T]>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<Option<CarriedRead<T>>> {
        let Some(carried) = carried.filter(|_| self.config.reads_carried()) else { return Ok(None) };
        let down = &self.encoder[0].down;
        let patches = frames.to_patches(carried, down.halo())?;
        let mut features = down.convolve(patches.as_ref(), [0, 0], scratch)?;
        features.as_mut().leaky_relu(self.slope());
        Ok(Some(CarriedRead { patches, features }))
    }
}
