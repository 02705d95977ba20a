//! Direct convolution: every tap is read where it lies, sums stay in registers.

mod forward;
mod weight_gradient;

pub(super) use forward::DirectConvolution;
pub(super) use weight_gradient::DirectWeightGradient;

/// Bytes of the input that the rows of one item of work read: half of a small
/// second-level cache.
const INPUT_BYTES: usize = 256 * 1024;

/// Items a call is cut into where it has as many rows: enough for the threads of a desk
/// machine. A constant, because the size of the items must not depend on the machine.
const MIN_ITEMS: usize = 16;

/// Rows of an item of work.
fn band_rows(rows: usize, row_bytes: usize) -> usize {
    (INPUT_BYTES / row_bytes.max(1)).min(rows.div_ceil(MIN_ITEMS)).max(1)
}
