//! Composed cells that read frames and then their own predictions, by definition.

use std::rc::Rc;

use convgru_kernels::reference::Number;

use super::array::{Array, NamedArrays};
use super::forecast::{PredictionArrays, measured};
use super::layer::{pixel_shuffle, pixel_unshuffle};
use crate::composed::reference_steps;
use crate::config::{BODY, OutputActivation, RecurrentForecasterConfig};
use crate::error::Result;

/// Reads a sequence and continues it by `steps` frames; with [`input_channels`](field@RecurrentForecasterConfig::input_channels) gives the images of its last
/// `steps` frames.
///
/// Frames become channels by [`pixel_unshuffle`]. The stages read one frame after the other. [`pixel_shuffle`] of the topmost output for
/// the last frame is the first prediction. Each further step reads the prediction before it, or a true frame. With
/// [`mask_channel`](RecurrentForecasterConfig::mask_channel) the mask of a prediction is 1. Cells without given states start from zeros.
///
/// # Shapes
/// `input`: `[T, N, C, H, W]`, T at least 1.
/// `forcing`: the true frames, `[steps, N, C, H, W]`, and for each step whether it reads the true frame before it; the first entry has no meaning.
///
/// # Errors
/// [`Error::MissingTensor`](crate::Error::MissingTensor) for a parameter that is not there; shape errors as the layers.
pub fn recurrent_forecaster<N: Number>(
    config: &RecurrentForecasterConfig,
    parameters: &NamedArrays<N>,
    start: Option<Vec<Vec<Array<N>>>>,
    input: &Array<N>,
    steps: usize,
    forcing: Option<(&Array<N>, &[bool])>,
) -> Result<PredictionArrays<N>> {
    let body = config.body();
    let names = body.parameter_shapes()?.into_iter();
    let weights = names.map(|(name, _)| parameters.get(&format!("{BODY}.{name}")).cloned());
    let weights = weights.collect::<Result<Vec<_>>>()?;
    let frames = input.shape().first().copied().unwrap_or(0);
    let (mut logits, mut outputs, mut encoder_states) = (Vec::new(), Vec::new(), Vec::new());
    let start =
        start.map(|states| states.into_iter().map(|cell| cell.into_iter().map(Rc::new).collect()).collect());
    let nearest_kink = reference_steps(&body, weights, start, |done, result| {
        if let Some((_, states)) = result.filter(|_| done == frames) {
            encoder_states =
                states.iter().map(|cell| cell.iter().map(|state| (**state).clone()).collect()).collect();
        }
        let silent = if config.input_channels > 0 { frames - steps + 1 } else { frames };
        let Some((top, _)) = result.filter(|_| done >= silent) else {
            return pixel_unshuffle(&input.index(done)?, config.patch).map(Some);
        };
        let frame = pixel_shuffle(top, config.patch)?;
        let output = match config.output_activation {
            OutputActivation::Identity => frame.clone(),
            OutputActivation::Sigmoid => frame.map(N::sigmoid),
        };
        let mut read = measured(&output, config.mask_channel);
        logits.push(frame);
        outputs.push(output);
        let next = logits.len();
        if next == steps {
            return Ok(None);
        }
        if config.input_channels > 0 {
            read = input.index(done)?;
        }
        if let Some((truth, _)) = forcing.filter(|(_, forced)| forced.get(next) == Some(&true)) {
            read = truth.index(next - 1)?;
        }
        pixel_unshuffle(&read, config.patch).map(Some)
    })?;
    Ok(PredictionArrays {
        logits: Array::stack(&logits)?,
        output: Array::stack(&outputs)?,
        encoder_states,
        nearest_kink,
    })
}
