//! What a forward pass of training keeps for the way back.

use convgru_kernels::{FeatureMaps, Scalar};

use super::recurrent::RecurrentPass;
use super::sizes::{Sizes, sequence};
use crate::fused::stack::StackWorkspace;
use crate::sequence::SavedPass;
use crate::tensor::Tensor;

/// A forward pass of training, by the engine that computed it.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a workspace holds one, behind a pointer")]
pub(super) enum SavedForecast<T> {
    Fused(ForecastPass<T>),
    Composed(RecurrentPass<T>),
}

impl<T: Scalar> SavedForecast<T> {
    /// After the output activation, `[T_out, N, K C, H, W]` of `K` members.
    pub(super) fn output(&self) -> &Tensor<T> {
        match self {
            Self::Fused(pass) => &pass.output,
            Self::Composed(pass) => &pass.output,
        }
    }

    /// The shape of the frames that were read, `[T_in, N, C, H, W]`.
    pub(super) fn input_shape(&self) -> [usize; 5] {
        match self {
            Self::Fused(pass) => sequence(pass.sizes.frame, pass.frames_read),
            Self::Composed(pass) => sequence(pass.sizes.frame, pass.frames_read),
        }
    }
}

impl<T: Scalar> SavedPass for SavedForecast<T> {
    fn bytes(&self) -> usize {
        match self {
            Self::Fused(pass) => pass.bytes(),
            Self::Composed(pass) => pass.bytes(),
        }
    }
}

/// A forward pass of training through fused stacks, for its backward pass.
#[derive(Debug)]
pub(super) struct ForecastPass<T> {
    pub(super) sizes: Sizes,
    /// Frames that were read. The stacks of the encoder hold as many of the last of these as get a gradient.
    pub(super) frames_read: usize,
    /// The last frame that was read, `[N, C, H, W]`.
    pub(super) last_frame: Vec<T>,
    /// The frames that get a gradient, `[T, N, C, H, W]`, where an encoder makes its inputs again; otherwise none.
    pub(super) frames: Vec<T>,
    /// The stacks of the encoder and of the decoder, the finest scale first.
    pub(super) encoder: Vec<StackWorkspace<T>>,
    pub(super) decoder: Vec<StackWorkspace<T>>,
    pub(super) activations: Activations<T>,
    /// After the output activation, `[T_out, N, K C, H, W]` of `K` members.
    pub(super) output: Tensor<T>,
    /// For each step whether it read a true frame.
    pub(super) forced: Vec<bool>,
    /// Whether the gradient of the input is asked for.
    pub(super) input_gradient: bool,
}

impl<T: Scalar> ForecastPass<T> {
    fn bytes(&self) -> usize {
        let stacks: usize = self.encoder.iter().chain(&self.decoder).map(StackWorkspace::bytes).sum();
        let frames = self.last_frame.len() + self.frames.len() + self.output.len();
        let numbers = frames + self.activations.numbers();
        stacks + numbers * size_of::<T>()
    }
}

/// What lies between the stacks of a network and is read on the way back.
#[derive(Debug)]
pub(super) struct Activations<T> {
    /// The patches of the frames of the input, where a convolution reads them.
    pub(super) patches: Option<FeatureMaps<T>>,
    /// What lies between two convolutions of the output.
    pub(super) hidden: Option<FeatureMaps<T>>,
    /// Patches of the frames that are carried on, and what a convolution makes of them.
    pub(super) extrapolated: Option<[FeatureMaps<T>; 2]>,
}

impl<T: Scalar> Activations<T> {
    fn numbers(&self) -> usize {
        let maps = self.extrapolated.iter().flatten().chain(&self.patches).chain(&self.hidden);
        maps.map(|maps| maps.extent().len()).sum()
    }
}

impl<T> Default for Activations<T> {
    fn default() -> Self {
        Self { patches: None, hidden: None, extrapolated: None }
    }
}
