//! The convolution and its gradients: arguments are checked and go to the algorithm of the shape, with as much
//! temporary memory as it asks for. Images of convolutions that go by patches are given back after each call.
//!
//! Unsafe: Outputs are borrowed exclusively and have the extent and the sections of the convolution; rows and
//! channels are visited once.

use super::algorithm::Algorithm;
use super::convolve::{ConvSource, Region, convolve, widened};
use super::direct::DirectWeightGradient;
use super::epilogue::{StoreSums, WriteMode};
use super::geometry::Geometry;
use super::shape::ConvShape;
use super::strided::StridedConvolution;
use super::weights::PackedWeights;
use super::winograd::WinogradWeightGradient;
use crate::error::Result;
use crate::feature_maps::{Extent, FeatureMapsMut, FeatureMapsRef, expect_layout, expect_len, expect_slope};
use crate::parallel::{Disjoint, for_each_item};
use crate::real::Real;
use crate::scratchpad::Scratchpad;

/// Whether input and output are the maps of a convolution; the extent of the output.
fn expect_maps<T: Real>(
    shape: &ConvShape,
    input: &FeatureMapsRef<'_, T>,
    output: &FeatureMapsMut<'_, T>,
) -> Result<Extent> {
    let extent = shape.output_extent(input.extent())?;
    expect_layout("input of the convolution", &input.layout(), input.extent(), 1)?;
    expect_layout("output of the convolution", &output.layout(), extent, shape.out_sections)?;
    Ok(extent)
}

pub(crate) fn forward<T: Real>(
    weights: &PackedWeights<'_, T>,
    input: FeatureMapsRef<'_, T>,
    mut output: FeatureMapsMut<'_, T>,
    mode: WriteMode,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let shape = weights.shape();
    let extent = expect_maps(&shape, &input, &output)?;
    if extent.is_empty() {
        return Ok(());
    }
    if shape.in_channels > 0
        && let Some(packed) = weights.forward()?
    {
        let region = Region::all(&output.layout());
        let store = StoreSums { bias: weights.bias(), ..StoreSums::new(output.rows(), mode) };
        // SAFETY: the output is borrowed exclusively, and the epilogue alone has its rows.
        return unsafe { convolve(&[ConvSource::new(packed, input.rows())], &region, &store, scratch) };
    }
    if shape.in_channels > 0 {
        let convolution = StridedConvolution::new(&shape, input.extent(), extent);
        let mut own = Scratchpad::with_isa(scratch.isa());
        let memory = own.provide(convolution.scratch())?;
        convolution.forward(weights.matrix()?, input, output.reborrow(), mode, memory)?;
    } else if mode == WriteMode::Overwrite {
        output.set_zero();
    }
    if let Some(bias) = weights.bias() {
        let rows = output.rows();
        rows.for_each_row(|place| {
            let bias = &bias[place.block * T::BLOCK..][..T::BLOCK];
            // SAFETY: `for_each_row` visits every row once, and the handle is of this call alone.
            for pixel in unsafe { rows.row(place) }.chunks_exact_mut(T::BLOCK) {
                pixel.iter_mut().zip(bias).for_each(|(value, &bias)| *value += bias);
            }
        });
    }
    Ok(())
}

pub(crate) fn forward_rectified<T: Real>(
    weights: &PackedWeights<'_, T>,
    input: FeatureMapsRef<'_, T>,
    addend: Option<FeatureMapsRef<'_, T>>,
    mut output: FeatureMapsMut<'_, T>,
    slope: T,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let shape = weights.shape();
    let extent = expect_maps(&shape, &input, &output)?;
    expect_slope(slope)?;
    if let Some(addend) = &addend {
        expect_layout("addend of the convolution", &addend.layout(), extent, shape.out_sections)?;
    }
    if shape.in_channels > 0
        && !extent.is_empty()
        && let Some(packed) = weights.forward()?
    {
        let region = Region::all(&output.layout());
        let store = StoreSums {
            bias: weights.bias(),
            addend: addend.map(|maps| maps.rows()),
            slope: Some(slope),
            ..StoreSums::new(output.rows(), WriteMode::Overwrite)
        };
        // SAFETY: the output is borrowed exclusively, and the epilogue alone has its rows.
        return unsafe { convolve(&[ConvSource::new(packed, input.rows())], &region, &store, scratch) };
    }
    forward(weights, input, output.reborrow(), WriteMode::Overwrite, scratch)?;
    if let Some(addend) = addend {
        output.add(addend)?;
    }
    if slope != T::ONE {
        output.leaky_relu(slope);
    }
    Ok(())
}

pub(crate) fn input_gradient<T: Real>(
    weights: &PackedWeights<'_, T>,
    d_output: FeatureMapsRef<'_, T>,
    mut d_input: FeatureMapsMut<'_, T>,
    mode: WriteMode,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let shape = weights.shape();
    let input = d_input.extent();
    let extent = shape.output_extent(input)?;
    let what = "gradient of the output of the convolution";
    expect_layout(what, &d_output.layout(), extent, shape.out_sections)?;
    expect_layout("gradient of the input of the convolution", &d_input.layout(), input, 1)?;
    if input.is_empty() {
        return Ok(());
    }
    match weights.backward()? {
        None => {
            let convolution = StridedConvolution::new(&shape, input, extent);
            let mut own = Scratchpad::with_isa(scratch.isa());
            let memory = own.provide(convolution.scratch())?;
            convolution.input_gradient(weights.matrix()?, d_output, d_input, mode, memory)
        }
        Some(packed) => {
            let region = Region::all(&d_input.layout());
            let store = StoreSums::new(d_input.rows(), mode);
            // SAFETY: the gradient of the input is borrowed exclusively, and the epilogue alone has its rows.
            unsafe { convolve(&[ConvSource::new(packed, d_output.rows())], &region, &store, scratch) }
        }
    }
}

pub(crate) fn weight_gradient<T: Real>(
    shape: &ConvShape,
    input: FeatureMapsRef<'_, T>,
    d_output: FeatureMapsRef<'_, T>,
    d_weights: &mut [T],
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let algorithm = Algorithm::of_weight_gradient::<T>(shape);
    weight_gradient_by(algorithm, shape, input, d_output, d_weights, scratch)
}

pub(crate) fn weight_gradient_by<T: Real>(
    algorithm: Algorithm,
    shape: &ConvShape,
    input: FeatureMapsRef<'_, T>,
    d_output: FeatureMapsRef<'_, T>,
    d_weights: &mut [T],
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    algorithm.expect_computable::<T>("gradient of the weights", shape)?;
    let extent = shape.output_extent(input.extent())?;
    let what = "gradient of the output of the convolution";
    expect_layout("input of the convolution", &input.layout(), input.extent(), 1)?;
    expect_layout(what, &d_output.layout(), extent, shape.out_sections)?;
    expect_len("gradient of the weights", shape.weight_len(), d_weights.len())?;
    if extent.is_empty() || d_weights.is_empty() {
        return Ok(());
    }
    if algorithm == Algorithm::Patches {
        let convolution = StridedConvolution::new(shape, input.extent(), extent);
        let mut own = Scratchpad::with_isa(scratch.isa());
        let memory = own.provide(convolution.weight_gradient_scratch())?;
        return convolution.weight_gradient(input, d_output, d_weights, memory);
    }
    let geometry = Geometry::forward::<T>(shape);
    let halo = geometry.halo(input.extent(), [extent.height, extent.width]);
    let widened = widened(input.rows(), halo)?;
    let input = widened.as_ref().map_or(input, |maps| maps.as_ref());
    let (isa, input, d_output) = (scratch.isa(), input.rows(), d_output.rows());
    match algorithm {
        Algorithm::Winograd(tile) | Algorithm::WinogradByPanel(tile) => {
            let gradient = WinogradWeightGradient::new(tile, &geometry, isa, input, d_output);
            gradient.run(d_weights, scratch.provide(gradient.scratch())?);
        }
        Algorithm::Direct | Algorithm::Patches => {
            let gradient = DirectWeightGradient::new(&geometry, isa, input, d_output);
            gradient.run(d_weights, scratch.provide(gradient.scratch())?);
        }
    }
    Ok(())
}

pub(crate) fn bias_gradient<T: Real>(d_output: FeatureMapsRef<'_, T>, d_bias: &mut [T]) -> Result<()> {
    let extent = d_output.extent();
    expect_len("gradient of the bias", extent.channels, d_bias.len())?;
    if extent.is_empty() {
        return Ok(());
    }
    let layout = d_output.layout();
    let (channels, rows) = (layout.channels(), d_output.rows());
    let mut lanes = vec![(); rayon::current_num_threads()];
    let disjoint = Disjoint::new(d_bias);
    for_each_item(layout.blocks(), extent.len(), &mut lanes, |block, ()| {
        // Sums of rows in the number type, sums of those in f64.
        let mut totals = [0.0f64; 16];
        for image in 0..extent.batch {
            for row in 0..extent.height {
                let mut sums = [T::ZERO; 16];
                for pixel in
                    rows.row(crate::feature_maps::RowPlace { image, block, row }).chunks_exact(T::BLOCK)
                {
                    for (lane, &value) in pixel.iter().enumerate() {
                        sums[lane] += value;
                    }
                }
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total += sum.to_f64();
                }
            }
        }
        for (channel, total) in channels.of_block(block).zip(totals) {
            // SAFETY: `for_each_item` runs each block once, and the channels of blocks differ.
            let bias = unsafe { disjoint.part(channel..channel + 1) };
            bias[0] += T::from_f64(total);
        }
    });
    Ok(())
}
