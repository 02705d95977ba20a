//! A convolution of stride 1 with anything after it.

use super::epilogue::Epilogue;
use super::packed::Packed;
use super::plan::Algorithm;
use super::{direct, winograd};
use crate::error::Result;
use crate::feature_maps::{Extent, FeatureMaps, Rows};
use crate::scalar::Scalar;
use crate::scratchpad::Scratchpad;

/// Convolves every image and hands the sums to the epilogue. `output` is the extent of the
/// sums, each pixel of which the epilogue meets once.
pub(crate) fn convolve<T: Scalar, E: Epilogue<T>>(
    packed: &Packed<T>,
    input: Rows<'_, T>,
    output: Extent,
    epilogue: &E,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    if output.is_empty() {
        return Ok(());
    }
    let halo = packed.geometry.halo(input.layout.extent, [output.height, output.width]);
    let widened = widened(input, halo)?;
    let input = widened.as_ref().map_or(input, |maps| maps.as_ref().rows());
    match packed.algorithm {
        Algorithm::Winograd(tile) => winograd::convolve(tile, packed, input, output, epilogue, scratch),
        Algorithm::Direct | Algorithm::Patches => direct::convolve(packed, input, output, epilogue, scratch),
    }
    Ok(())
}

/// A copy with a wider halo, where the halo of the maps is too narrow for a kernel.
pub(super) fn widened<T: Scalar>(maps: Rows<'_, T>, halo: [usize; 2]) -> Result<Option<FeatureMaps<T>>> {
    let layout = maps.layout;
    if layout.halo[0] >= halo[0] && layout.halo[1] >= halo[1] {
        return Ok(None);
    }
    let mut copy = FeatureMaps::sectioned(layout.extent, layout.sections, halo)?;
    copy.as_mut().copy_rows(maps);
    Ok(Some(copy))
}
