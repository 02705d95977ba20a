//! The encoder-forecaster, by its definition.

use convgru_kernels::conv::ConvShape;
use convgru_kernels::reference::Number;

use super::array::{Array, NamedArrays};
use super::cell::{CellParameters, stack_forward, stack_step, zero_states};
use super::forecast::{PredictionArrays, measured};
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
/// With [`mask_channel`](EncoderForecasterConfig::mask_channel) frames that are read have a mask as their last channel; the mask of a prediction
/// is 1. The states that the encoder starts from are zeros where none are given, `start[0]` otherwise.
///
/// # Shapes
/// `input`: `[T, N, C, H, W]`, T at least 1.
/// `forcing`: the true frames, `[steps, N, C, H, W]`, and for each step whether it reads the true frame before it; the
/// first entry has no meaning.
///
/// # Errors
/// [`Error::MissingTensor`](crate::Error::MissingTensor) for a parameter that is not
/// there; shape errors as the layers.
pub fn encoder_forecaster<N: Number>(
    config: &EncoderForecasterConfig,
    parameters: &NamedArrays<N>,
    start: Option<Vec<Vec<Array<N>>>>,
    input: &Array<N>,
    steps: usize,
    forcing: Option<(&Array<N>, &[bool])>,
) -> Result<PredictionArrays<N>> {
    let layers = config.hidden_channels.len();
    let encoder = CellParameters::find_stack(parameters, "encoder.", layers)?;
    let forecaster = CellParameters::find_stack(parameters, "forecaster.", layers)?;
    let (weight, bias) = (parameters.get("head.weight")?, parameters.find("head.bias"));

    let frames = input.shape().first().copied().unwrap_or(0);
    let patches = patches(config, input)?;
    let mut read = patches.index(frames.saturating_sub(1))?;
    let image = read.extent()?;
    let initial = start
        .and_then(|mut start| start.pop())
        .unwrap_or_else(|| zero_states(&encoder, image.batch, [image.height, image.width]));
    let mut states = stack_forward(&encoder, &patches, &initial)?.pop().unwrap_or(initial);

    let encoder_states = vec![states.clone()];
    let (mut logits, mut outputs) = (Vec::new(), Vec::new());
    for t in 0..steps {
        let shown = forcing.filter(|(_, forced)| t > 0 && forced.get(t) == Some(&true));
        if let Some((frames, _)) = shown {
            read = pixel_unshuffle(&frames.index(t - 1)?, config.patch)?;
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
        read = pixel_unshuffle(&measured(&output, config.mask_channel), config.patch)?;
        logits.push(frame);
        outputs.push(output);
    }
    Ok(PredictionArrays {
        logits: Array::stack(&logits)?,
        output: Array::stack(&outputs)?,
        encoder_states,
        nearest_kink: f64::INFINITY,
    })
}

fn patches<N: Number>(config: &EncoderForecasterConfig, input: &Array<N>) -> Result<Array<N>> {
    let frames = input.shape().first().copied().unwrap_or(0);
    let patches: Result<Vec<Array<N>>> =
        (0..frames).map(|t| pixel_unshuffle(&input.index(t)?, config.patch)).collect();
    Array::stack(&patches?)
}
