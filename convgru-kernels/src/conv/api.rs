//! The convolution and its gradients, as callers see them.

use super::plan::Algorithm;
use super::weights::PackedWeights;
use super::{ConvShape, Output};
use crate::error::Result;
use crate::feature_maps::{FeatureMapsMut, FeatureMapsRef};
use crate::scalar::Scalar;
use crate::scratchpad::Scratchpad;

/// Convolves a batch of images: `y = w * x + b`, or `y += w * x + b`, where the bias is zero
/// unless the weights have one ([`PackedWeights::with_bias`]).
///
/// # Shapes
/// `input`: `[N, in_channels, H, W]`; `output`: `[N, out_channels, H', W']` as
/// [`ConvShape::output_size`] gives, in [`ConvShape::out_sections`] sections.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) or [`Error::Sections`](crate::Error::Sections) if maps do not fit, and
/// the errors of [`ConvShape::output_size`].
///
/// ```
/// use convgru_kernels::{Extent, FeatureMaps, Scratchpad, conv::{self, ConvShape, Output, PackedWeights}};
///
/// let shape = ConvShape::same(1, 1, [3, 3]);
/// let weights = PackedWeights::new(shape, &[1.0f32; 9])?;
/// let extent = Extent { batch: 1, channels: 1, height: 4, width: 5 };
/// let mut input = FeatureMaps::with_halo(extent, [1, 1])?;
/// input.as_mut().read_nchw(&[1.0; 20])?;
/// let mut output = FeatureMaps::zeros(extent)?;
/// conv::forward(&weights, input.as_ref(), output.as_mut(), Output::Overwrite, &mut Scratchpad::new())?;
/// let mut sums = [0.0; 20];
/// output.as_ref().write_nchw(&mut sums)?;
/// assert_eq!(sums[..5], [4.0, 6.0, 6.0, 6.0, 4.0]);
/// # Ok::<(), convgru_kernels::Error>(())
/// ```
pub fn forward<T: Scalar>(
    weights: &PackedWeights<'_, T>,
    input: FeatureMapsRef<'_, T>,
    output: FeatureMapsMut<'_, T>,
    mode: Output,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    T::forward(weights, input, output, mode, scratch)
}

/// Brings the gradient of the output back to the input: `dx = w^T * dy`, or `dx += w^T * dy`.
///
/// The adjoint of [`forward`]: `<w * x, dy> = <x, w^T * dy>`.
///
/// # Shapes
/// `d_output`: `[N, out_channels, H', W']` in [`ConvShape::out_sections`] sections; `d_input`:
/// `[N, in_channels, H, W]`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) or [`Error::Sections`](crate::Error::Sections) if maps do not fit, and
/// the errors of [`ConvShape::output_size`].
pub fn input_gradient<T: Scalar>(
    weights: &PackedWeights<'_, T>,
    d_output: FeatureMapsRef<'_, T>,
    d_input: FeatureMapsMut<'_, T>,
    mode: Output,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    T::input_gradient(weights, d_output, d_input, mode, scratch)
}

/// Adds the gradient of the weights: `dw += dy (x) x`, summed over images and pixels.
///
/// # Shapes
/// `input`: `[N, in_channels, H, W]`; `d_output`: `[N, out_channels, H', W']` in
/// [`ConvShape::out_sections`] sections; `d_weights`: `[out_channels, in_channels, kh, kw]` in memory order.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent), [`Error::Sections`](crate::Error::Sections) or
/// [`Error::Length`](crate::Error::Length) if an argument does not fit, and the errors of
/// [`ConvShape::output_size`].
pub fn weight_gradient<T: Scalar>(
    shape: &ConvShape,
    input: FeatureMapsRef<'_, T>,
    d_output: FeatureMapsRef<'_, T>,
    d_weights: &mut [T],
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let algorithm = Algorithm::of_weight_gradient::<T>(shape);
    T::weight_gradient(algorithm, shape, input, d_output, d_weights, scratch)
}

/// [`weight_gradient`] by an algorithm other than the one [`Algorithm::of_weight_gradient`]
/// chooses, to measure or check it.
///
/// # Errors
/// As [`weight_gradient`], and [`Error::Algorithm`](crate::Error::Algorithm) if the algorithm cannot compute
/// the convolution.
pub fn weight_gradient_by<T: Scalar>(
    algorithm: Algorithm,
    shape: &ConvShape,
    input: FeatureMapsRef<'_, T>,
    d_output: FeatureMapsRef<'_, T>,
    d_weights: &mut [T],
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    T::weight_gradient(algorithm, shape, input, d_output, d_weights, scratch)
}

/// Adds the gradient of the bias: `db += dy`, summed over images and pixels.
///
/// # Shapes
/// `d_output`: `[N, out_channels, H', W']`, in any sections; `d_bias`: `[out_channels]`.
///
/// # Errors
/// [`Error::Length`](crate::Error::Length) if `d_bias` has another length.
pub fn bias_gradient<T: Scalar>(d_output: FeatureMapsRef<'_, T>, d_bias: &mut [T]) -> Result<()> {
    T::bias_gradient(d_output, d_bias)
}
