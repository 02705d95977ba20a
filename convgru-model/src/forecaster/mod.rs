//! Networks that read frames and continue them.
//!
//! [`Forecaster`] is the network; its kinds are not public. A kind is a configuration
//! ([`NetworkConfig`](crate::config::NetworkConfig)) and its work with packed weights: a [`packed::PackedNetwork`] of fused stacks, or
//! composed cells ([`recurrent`]). Streams, training, limits and parameters are the same for every kind.

mod convolution;
mod decoder;
mod encoder;
mod encoder_forecaster;
mod fused_stream;
mod limits;
mod mask;
mod members;
mod mlcast;
mod network;
mod noise;
mod packed;
mod parameters;
mod pass;
mod patches;
mod prediction;
mod prepared;
mod pyramid;
mod recurrent;
mod sizes;
mod stream;
mod training;
mod way;
mod weights;

pub use members::mean_of_members;
pub use network::Forecaster;
pub use noise::Noise;
pub use parameters::ForecasterParameters;
pub use prediction::{Prediction, PredictionGradient, TeacherForcing};
pub use prepared::PreparedForecaster;
#[cfg(any(feature = "gradcheck", feature = "onnx"))]
pub(crate) use pyramid::NEAREST_TO_ZERO;
#[cfg(feature = "onnx")]
pub(crate) use sizes::expect_frames;
pub use stream::ForecastStream;
