//! Blocks of steps that are computed together.

use std::ops::Range;

use convgru_kernels::Extent;

use crate::fused::cell::GATES;

/// Numbers of gradients before the activations that are kept at a time, about: 4 MiB in `f32`,
/// enough for the convolutions over a block to be large.
const BLOCK_ELEMENTS: usize = 1 << 20;

/// Blocks of at most `size` steps that cover a sequence.
pub(super) fn blocks(steps: usize, size: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    let size = size.max(1);
    (0..steps.div_ceil(size)).map(move |block| block * size..steps.min((block + 1) * size))
}

/// Steps of a block of a sequence whose widest layer has `hidden` channels.
pub(crate) fn steps_of_block(step: Extent, hidden: usize, steps: usize) -> usize {
    let [batch, hidden, height, width] = step.with_channels(hidden).dims();
    let numbers = [batch, hidden, height, width].iter().fold(GATES, |n, &size| n.saturating_mul(size));
    (BLOCK_ELEMENTS / numbers.max(1)).clamp(1, steps.max(1))
}
