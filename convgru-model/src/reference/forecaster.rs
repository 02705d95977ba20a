//! A network that continues frames, of any kind.

use convgru_kernels::reference::Number;

use super::array::{Array, NamedArrays};
use super::encoder_forecaster::encoder_forecaster;
use super::forecast::PredictionArrays;
use super::mlcast::mlcast;
use super::pyramid::pyramid;
use super::recurrent_forecaster::recurrent_forecaster;
use crate::config::ForecasterConfig;
use crate::error::Result;
use crate::forecaster::Noise;

/// Reads a sequence and continues it by `steps` frames, as [`encoder_forecaster()`], [`pyramid()`], [`mlcast()`] or
/// [`recurrent_forecaster()`] does. True frames are for networks that read their own predictions, noise for those that read noise.
///
/// # Shapes
/// `input`: `[T, N, C, H, W]`, T at least 1.
/// `forcing`: the true frames, `[steps, N, C, H, W]`, and for each step whether it reads the true frame before it; the
/// first entry has no meaning.
///
/// # Errors
/// [`Error::MissingTensor`](crate::Error::MissingTensor) for a parameter that is not there; shape errors as the layers.
pub fn forecaster<N: Number>(
    config: &ForecasterConfig,
    parameters: &NamedArrays<N>,
    input: &Array<N>,
    steps: usize,
    forcing: Option<(&Array<N>, &[bool])>,
    noise: &Noise<f64>,
) -> Result<PredictionArrays<N>> {
    match config {
        ForecasterConfig::EncoderForecaster(config) => {
            encoder_forecaster(config, parameters, None, input, steps, forcing)
        }
        ForecasterConfig::Pyramid(config) => pyramid(config, parameters, None, input, steps),
        ForecasterConfig::Mlcast(config) => mlcast(config, parameters, None, noise, input, steps),
        ForecasterConfig::Recurrent(config) => {
            recurrent_forecaster(config, parameters, None, input, steps, forcing)
        }
    }
}
