//! The last frame carried on along the movement of the last frames, and what is read of it.

use convgru_kernels::{FeatureMaps, Scalar, Scratchpad};

use super::{Frames, Prepared, Pyramid};
use crate::config::Residual;
use crate::error::Result;
use crate::motion::OpticalFlow;
use crate::tensor::Tensor;

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
        self.moves().then(|| OpticalFlow::default().extrapolate(input, None, steps)).transpose()
    }
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
