//! The operations: what they are, forward and backward.

mod convolution;
mod convolve;
mod depth;
mod gate;
mod grouped;
mod normalization;
mod operands;
mod padding;
mod pointwise;
mod pooling;
mod slices;
mod spectral;
mod warp;

use std::ops::Range;

use convgru_kernels::Scalar;

pub(crate) use convolution::Convolution;
pub(crate) use gate::GateFunction;
pub(crate) use operands::{Operands, Sink, images_of};
pub(crate) use padding::Pad;
pub use padding::PaddingMode;
pub(crate) use pooling::{Pooling, Resize};

use crate::error::{Result, expect_count};
use crate::layer::Activation;
use crate::tensor::Tensor;

/// An operation and its options; what it works on is given when it is applied.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    /// `w * x`, or `w * x + b`: x, w and b if there is one.
    Convolve(Convolution),
    /// Pixels around the image.
    Pad(Pad),
    /// An elementwise function.
    Activate(Activation),
    /// `a + b`
    Add,
    /// `a . b`
    Multiply,
    /// `h + z.(n - h)` of z, n, h.
    Blend,
    /// An elementwise function of some channels, or of the sums of some channels of both operands.
    Gate(GateFunction),
    /// Adds one number for each channel of each image, `[M, C, 1, 1]`, to all its pixels.
    AddToPixels,
    /// Multiplies each channel by a number of its own: x and `[C]`.
    ScaleChannels,
    /// Some channels.
    Channels(Range<usize>),
    /// All channels of all operands, one after the other.
    JoinChannels,
    /// Some images.
    Images(Range<usize>),
    /// All images of all operands, one after the other.
    JoinImages,
    /// Images of the first operand where true, of the second elsewhere.
    Choose(Vec<bool>),
    /// Normalisation over groups of channels (Wu and He 2018) with scale and shift: x, scale, shift.
    GroupNorm { groups: usize, epsilon: f64 },
    /// The mean over all pixels of each channel, `[M, C, 1, 1]`.
    MeanOfPixels,
    /// Pooling to fewer pixels.
    Pool(Pooling),
    /// Interpolation of the first operand to the size of the second, linear, the corners of both on each other.
    Resize,
    /// Images moved along a flow `[M, 2, H, W]`, in pixels, x first: `y(i, j) = h(i - dy, j - dx)`.
    Warp,
    /// Neighbouring planes of volumes as channels.
    UnfoldDepth { depth: usize, kernel: usize },
    /// `u . [Wx Wh] v`: of two kernels over the same outputs, and two vectors that are no variables.
    SpectralNorm,
    /// A tensor divided by a single number.
    Divide,
}

impl Op {
    /// The result.
    pub(crate) fn forward<T: Scalar>(&self, operands: &Operands<'_, '_, T>) -> Result<Tensor<T>> {
        let values = operands.values;
        let expected = self.operands(values.len());
        expect_count(&format!("operands of {self:?}"), expected, values.len())?;
        match self {
            Self::Convolve(convolution) => convolution.forward(operands),
            Self::Pad(pad) => pad.forward(values[0]),
            Self::Activate(activation) => Ok(activation.forward(values[0])),
            Self::Add => pointwise::add(values[0], values[1]),
            Self::Multiply => pointwise::multiply(values[0], values[1]),
            Self::Blend => pointwise::blend([values[0], values[1], values[2]]),
            Self::Gate(gate) => gate.forward(values),
            Self::AddToPixels => pointwise::add_to_pixels(values[0], values[1]),
            Self::ScaleChannels => pointwise::scale_channels(values[0], values[1]),
            Self::Channels(range) => slices::channels(values[0], range),
            Self::JoinChannels => slices::join_channels(values),
            Self::Images(range) => slices::images(values[0], range),
            Self::JoinImages => slices::join_images(values),
            Self::Choose(first) => slices::choose(values[0], values[1], first),
            Self::GroupNorm { groups, epsilon } => {
                normalization::forward(*groups, *epsilon, [values[0], values[1], values[2]])
            }
            Self::MeanOfPixels => pooling::mean(values[0]),
            Self::Pool(pooling) => pooling.forward(values[0]),
            Self::Resize => Resize::to(values[1]).forward(values[0]),
            Self::Warp => warp::forward(values[0], values[1]),
            Self::UnfoldDepth { depth, kernel } => depth::unfold(values[0], *depth, *kernel),
            Self::SpectralNorm => spectral::norm(values),
            Self::Divide => spectral::divide(values[0], values[1]),
        }
    }

    /// Adds the gradients of the operands, given the gradient of the result.
    pub(crate) fn backward<T: Scalar>(
        &self,
        operands: &Operands<'_, '_, T>,
        result: &Tensor<T>,
        d_result: &Tensor<T>,
        sink: &mut impl Sink<T>,
    ) -> Result<()> {
        let values = operands.values;
        match self {
            Self::Convolve(convolution) => convolution.backward(operands, d_result, sink),
            Self::Pad(pad) => pad.backward(values[0], d_result, sink),
            Self::Activate(activation) => pointwise::activate_backward(*activation, result, d_result, sink),
            Self::Add => pointwise::add_backward(d_result, sink),
            Self::Multiply => pointwise::multiply_backward(values[0], values[1], d_result, sink),
            Self::Blend => pointwise::blend_backward([values[0], values[1], values[2]], d_result, sink),
            Self::Gate(gate) => gate.backward(values.len(), result, d_result, sink),
            Self::AddToPixels => pointwise::add_to_pixels_backward(d_result, sink),
            Self::ScaleChannels => pointwise::scale_channels_backward(values[0], values[1], d_result, sink),
            Self::Channels(range) => slices::channels_backward(range, d_result, sink),
            Self::JoinChannels => slices::join_channels_backward(values, d_result, sink),
            Self::Images(range) => slices::images_backward(range, d_result, sink),
            Self::JoinImages => slices::join_images_backward(values, d_result, sink),
            Self::Choose(first) => slices::choose_backward(first, d_result, sink),
            Self::GroupNorm { groups, epsilon } => {
                normalization::backward(*groups, *epsilon, [values[0], values[1]], d_result, sink)
            }
            Self::MeanOfPixels => pooling::mean_backward(d_result, sink),
            Self::Pool(pooling) => pooling.backward(values[0], d_result, sink),
            Self::Resize => Resize::to(values[1]).backward(d_result, sink),
            Self::Warp => warp::backward(values[0], values[1], d_result, sink),
            Self::UnfoldDepth { depth, kernel } => depth::unfold_backward(*depth, *kernel, d_result, sink),
            Self::SpectralNorm => spectral::norm_backward(values, d_result, sink),
            Self::Divide => spectral::divide_backward(values[1], result, d_result, sink),
        }
    }

    /// How many operands there must be, where there are `given`.
    fn operands(&self, given: usize) -> usize {
        match self {
            Self::Convolve(_) => given.clamp(2, 3),
            Self::Gate(_) => given.clamp(1, 2),
            Self::JoinChannels | Self::JoinImages => given.max(1),
            Self::Add
            | Self::Multiply
            | Self::AddToPixels
            | Self::ScaleChannels
            | Self::Choose(_)
            | Self::Warp
            | Self::Resize
            | Self::Divide => 2,
            Self::Blend | Self::GroupNorm { .. } => 3,
            Self::SpectralNorm => 4,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests;
