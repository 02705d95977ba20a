//! Composed cells that read frames, and then their own predictions.

mod part;
mod stream;
mod timeline;
mod training;

use convgru_kernels::Scalar;

pub(super) use self::stream::RecurrentStreamState;
pub(super) use self::training::{RecurrentPass, Training};
use super::sizes::Sizes;
use crate::composed::graph::{Operations, Tensors};
use crate::composed::{Continuation, ParameterSpec, RecurrentConfig, Runner, SequenceShape};
use crate::config::RecurrentForecasterConfig;
use crate::error::Result;
use crate::layer::{PixelShuffle, PixelUnshuffle};
use crate::memory;
use crate::tensor::Tensor;

/// A network of composed cells at hand: see [`RecurrentForecasterConfig`].
#[derive(Debug)]
pub(super) struct RecurrentNetwork<'a, T> {
    pub(super) config: RecurrentForecasterConfig,
    body: RecurrentConfig,
    specs: Vec<Vec<ParameterSpec>>,
    tensors: Tensors<'a, T>,
}

impl<'a, T: Scalar> RecurrentNetwork<'a, T> {
    pub(super) fn new(config: &RecurrentForecasterConfig, tensors: Tensors<'a, T>) -> Self {
        let body = config.body();
        Self { config: config.clone(), specs: body.parameter_specs(), body, tensors }
    }

    /// The network before the first frame, or after some, on whatever computes it.
    fn continuation<O: Operations>(&self, ops: &mut O, batch: usize) -> Result<Continuation<'_, O::Value>> {
        Ok(Continuation {
            runner: Runner::new(ops, &self.body, &self.specs, 1)?,
            batch,
            activation: self.config.output_activation.into(),
            mask_channels: self.config.mask_patch_channels(),
            states: None,
            prediction: None,
        })
    }

    /// The patches of frames as channels: `[T, N, C, H, W] -> [T, N, C p^2, H/p, W/p]`.
    fn patches(&self, frames: &Tensor<T>) -> Result<Tensor<T>> {
        PixelUnshuffle { factor: self.config.patch }.forward(frames)
    }

    /// The frames of patches, the inverse of [`patches`](Self::patches).
    fn frames(&self, patches: &Tensor<T>) -> Result<Tensor<T>> {
        PixelShuffle { factor: self.config.patch }.forward(patches)
    }

    /// Fails for frames of which the states of so many steps are beyond the memory of the machine.
    fn expect_memory(&self, sizes: &Sizes, steps: usize) -> Result<()> {
        let step = sizes.of_scale(0, self.config.read_patch_channels());
        let dims = SequenceShape::of_images(steps, step.batch);
        let bytes = dims.bytes_of_states::<T>(&[&[step.height, step.width]], &self.body);
        memory::expect_bytes("the states of a sequence", bytes)
    }
}
