//! Weights on their way in. Foreign conventions are converted here and nowhere else.

mod detect;
mod float;
mod forecaster;
pub mod layout;
mod mxnet;
mod named_tensors;
pub mod network;
pub mod pytorch;
pub(crate) mod safetensors;

/// The most cells times tensors that a search looks through. A network of a hundred cells among forty thousand tensors has as
/// many; without a limit a small file could have names for hours.
const MAX_SEARCH: usize = 1 << 22;

/// Whether a search for cells among tensors is within its limit; otherwise the reason why there is none.
fn expect_search(cells: usize, tensors: usize) -> std::result::Result<(), String> {
    if cells.saturating_mul(tensors) <= MAX_SEARCH {
        return Ok(());
    }
    Err(format!("{cells} cells among {tensors} tensors are more than are looked for"))
}

pub use detect::{Detected, detect};
pub use float::NEEDS_64_BITS;
pub use forecaster::{FORECASTER_ENTRY, forecaster};
pub use layout::detect::{DetectedStack, Direction};
pub use layout::stacking::Incomplete;
pub use named_tensors::{NamedTensors, named_tensors, named_tensors_in_single_precision};
pub use network::detect::DetectedNetwork;
pub use safetensors::{SafetensorsWeights, from_safetensors, safetensors_metadata};
