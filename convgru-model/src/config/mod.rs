//! Configurations: what a network is, in a form people write in TOML.

mod activations;
mod bidirectional;
mod bounds;
mod conv_gru;
mod encoder_forecaster;
mod forecaster;
mod initializer;
mod kernel_size;
mod mlcast;
mod network;
mod output_activation;
mod pyramid;
mod recurrent_forecaster;

pub(crate) use activations::validate_slope;
pub use bidirectional::{BidirectionalConvGruConfig, Merge};
use bounds::validate_members;
pub(crate) use bounds::{MAX_CHANNELS, MAX_LAYERS, MAX_PARAMETERS, invalid};
pub use conv_gru::{ConvGruConfig, Precision, ResetGate};
pub use encoder_forecaster::{EncoderForecasterConfig, Feedback};
pub use forecaster::ForecasterConfig;
pub use initializer::Initializer;
pub use kernel_size::KernelSizes;
pub(crate) use kernel_size::{validate_dilation, validate_kernel};
pub(crate) use mlcast::DOWN as MLCAST_DOWN;
pub use mlcast::MlcastConfig;
pub(crate) use network::{ComponentConfig, ConvolutionStart, NetworkConfig};
pub use output_activation::OutputActivation;
#[cfg(feature = "onnx")]
pub(crate) use pyramid::MOST_SCALES;
pub use pyramid::{PyramidConfig, PyramidScale, Residual};
pub(crate) use recurrent_forecaster::BODY;
pub use recurrent_forecaster::RecurrentForecasterConfig;
