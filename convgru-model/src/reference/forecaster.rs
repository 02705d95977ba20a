//! A network that continues frames, of any kind.

use convgru_kernels::reference::Number;

use super::array::{Array, NamedArrays};
use super::encoder_forecaster::encoder_forecaster;
use super::forecast::PredictionArrays;
use super::pyramid::pyramid;
use crate::config::ForecasterConfig;
use crate::error::Result;

/// Reads a sequence and continues it by `steps` frames, as [`encoder_forecaster()`] or [`pyramid()`] does. True frames are for
/// networks that read their own predictions.
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
) -> Result<PredictionArrays<N>> {
    match config {
        ForecasterConfig::EncoderForecaster(config) => {
            encoder_forecaster(config, parameters, None, input, steps, forcing)
        }
        ForecasterConfig::Pyramid(config) => pyramid(config, parameters, None, input, steps),
    }
}
