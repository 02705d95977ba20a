//! The encoder-forecaster, by its definition.

use convgru_kernels::conv::ConvShape;
use convgru_kernels::reference::Number;

use super::array::{Array, NamedArrays};
use super::cell::{CellParameters, stack_forward, stack_step, zero_states};
use super::forecaster::{Forcing, Forecast};
use super::layer::{conv2d, pixel_shuffle, pixel_unshuffle};
use crate::config::{EncoderForecasterConfig, Feedback, OutputActivation};
use crate::error::Result;

/// Reads a sequence and continues it by `steps` frames.
///
/// Frames become channels by [`pixel_unshuffle`]; the encoder reads them all, and its
/// last states are the first states of the forecaster. At each step the forecaster
/// reads the last input frame or its own last prediction (or a true frame), or nothing
/// at all, and the head, a convolution of one pixel, turns the state of its top layer
/// into a frame by [`pixel_shuffle`].
///
/// # Shapes
/// `input`: `[T, N, C, H, W]`, T at least 1.
///
/// # Errors
/// [`Error::MissingTensor`](crate::Error::MissingTensor) for a parameter that is not
/// there; shape errors as the layers.
pub fn encoder_forecaster<N: Number>(
    config: &EncoderForecasterConfig,
    parameters: &NamedArrays<N>,
    input: &Array<N>,
    steps: usize,
    forcing: Option<Forcing<'_, N>>,
) -> Result<Forecast<N>> {
    forecast_from(config, parameters, None, input, steps, forcing)
}

/// The states of the encoder after a sequence, one for each layer: where a truncation cuts.
///
/// # Shapes
/// `input`: `[T, N, C, H, W]`, T at least 1; states: `[N, hidden, H/p, W/p]`
///
/// # Errors
/// As [`encoder_forecaster`].
pub fn encode<N: Number>(
    config: &EncoderForecasterConfig,
    parameters: &NamedArrays<N>,
    input: &Array<N>,
) -> Result<Vec<Array<N>>> {
    let encoder = CellParameters::find_stack(parameters, "encoder.", config.hidden_channels.len())?;
    let patches = patches(config, input)?;
    let image = patches.index(0)?.extent()?;
    let zeros = zero_states(&encoder, image.batch, [image.height, image.width]);
    Ok(stack_forward(&encoder, &patches, &zeros)?.pop().unwrap_or(zeros))
}

fn patches<N: Number>(config: &EncoderForecasterConfig, input: &Array<N>) -> Result<Array<N>> {
    let frames = input.shape().first().copied().unwrap_or(0);
    let patches: Result<Vec<Array<N>>> =
        (0..frames).map(|t| pixel_unshuffle(&input.index(t)?, config.patch)).collect();
    Array::stack(&patches?)
}

/// As [`encoder_forecaster`], where the encoder starts from states.
///
/// # Errors
/// As [`encoder_forecaster`].
pub fn forecast_from<N: Number>(
    config: &EncoderForecasterConfig,
    parameters: &NamedArrays<N>,
    states: Option<&[Array<N>]>,
    input: &Array<N>,
    steps: usize,
    forcing: Option<Forcing<'_, N>>,
) -> Result<Forecast<N>> {
    let layers = config.hidden_channels.len();
    let encoder = CellParameters::find_stack(parameters, "encoder.", layers)?;
    let forecaster = CellParameters::find_stack(parameters, "forecaster.", layers)?;
    let (weight, bias) = (parameters.get("head.weight")?, parameters.find("head.bias"));

    let frames = input.shape().first().copied().unwrap_or(0);
    let patches = patches(config, input)?;
    let mut read = patches.index(frames.saturating_sub(1))?;
    let image = read.extent()?;
    let initial = match states {
        Some(states) => states.to_vec(),
        None => zero_states(&encoder, image.batch, [image.height, image.width]),
    };
    let mut states = stack_forward(&encoder, &patches, &initial)?.pop().unwrap_or(initial);

    let (mut logits, mut outputs) = (Vec::new(), Vec::new());
    for t in 0..steps {
        let shown = forcing.filter(|forcing| t > 0 && forcing.forced.get(t) == Some(&true));
        if let Some(forcing) = shown {
            read = pixel_unshuffle(&forcing.frames.index(t - 1)?, config.patch)?;
        }
        let step_input = (config.feedback == Feedback::Predictions).then_some(&read);
        states = stack_step(&forecaster, step_input, &states)?;
        let Some(top) = states.last() else { break };
        let head = ConvShape::same(top.extent()?.channels, config.patch_channels() * config.members, [1, 1]);
        let frame = pixel_shuffle(&conv2d(&head, top, weight, bias)?, config.patch)?;
        let output = match config.output_activation {
            OutputActivation::Identity => frame.clone(),
            OutputActivation::Sigmoid => frame.map(N::sigmoid),
        };
        read = pixel_unshuffle(&output, config.patch)?;
        logits.push(frame);
        outputs.push(output);
    }
    Ok(Forecast { logits: Array::stack(&logits)?, output: Array::stack(&outputs)? })
}
