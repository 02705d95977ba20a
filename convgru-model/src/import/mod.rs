//! Weights on their way in. Foreign conventions are converted here and nowhere else.

mod description;
mod detect;
mod float;
pub mod layout;
pub mod mlcast;
mod mxnet;
mod named_tensors;
pub mod network;
mod origin;
pub mod pytorch;
mod read;
pub(crate) mod safetensors;
mod search;
mod weight_norm;
pub(crate) mod wrappers;

pub use description::{DESCRIPTION_ENTRY, DescribedNetwork, FileDescription, NamedNetwork};
pub use detect::{Detected, detect};
pub use float::NEEDS_64_BITS;
pub use layout::detect::Direction;
pub use layout::stacking::Incomplete;
pub use named_tensors::{NamedTensors, named_tensors, named_tensors_in_single_precision};
pub use origin::{Origin, OriginTensor};
pub use read::{read, read_all};
pub(crate) use safetensors::MAX_METADATA as MOST_TEXT;
pub use safetensors::{SafetensorsWeights, from_safetensors, safetensors_metadata};
