//! Configurations: what a network is, in a form people write in TOML.

mod activations;
mod bidirectional;
mod conv_gru;
mod encoder_forecaster;
mod forecaster;
mod kernel_size;
mod network;
mod pyramid;

pub(crate) use activations::validate_slope;
pub use bidirectional::{BidirectionalConvGruConfig, Merge};
pub use conv_gru::{ConvGruConfig, Initializer, Precision, ResetGate};
pub use encoder_forecaster::{EncoderForecasterConfig, Feedback, OutputActivation};
pub use forecaster::ForecasterConfig;
pub use kernel_size::KernelSizes;
pub(crate) use kernel_size::{validate_dilation, validate_kernel};
pub(crate) use network::{ComponentConfig, ConvolutionStart, NetworkConfig};
#[cfg(feature = "onnx")]
pub(crate) use pyramid::MOST_SCALES;
pub use pyramid::{PyramidConfig, PyramidScale, Residual};

use crate::error::{Error, Result};

/// The largest number of channels a configuration may ask for.
pub(crate) const MAX_CHANNELS: usize = 65_536;
/// The largest number of layers a configuration may ask for.
pub(crate) const MAX_LAYERS: usize = 64;
/// The largest number of parameters a network may have.
pub(crate) const MAX_PARAMETERS: usize = 1 << 31;

/// The most members of an ensemble of predictions.
const MOST_MEMBERS: usize = 64;

/// Fails for a number of members that no head has.
fn validate_members(members: usize) -> Result<()> {
    if (1..=MOST_MEMBERS).contains(&members) {
        return Ok(());
    }
    invalid("members", format!("{members} is not between 1 and {MOST_MEMBERS}"))
}

/// An [`Error::InvalidConfig`].
pub(crate) fn invalid<T>(field: impl Into<String>, reason: impl Into<String>) -> Result<T> {
    Err(Error::InvalidConfig { field: field.into(), reason: reason.into() })
}
