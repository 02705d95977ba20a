//! mlcast's network, by its definition.

use convgru_kernels::Extent;
use convgru_kernels::reference::Number;

use super::array::{Array, NamedArrays};
use super::cell::{CellParameters, cell_step, zero_states};
use super::forecast::PredictionArrays;
use super::pyramid::{at, cropped, depth_to_space, extended, position, space_to_depth};
use crate::config::MlcastConfig;
use crate::error::Result;
use crate::forecaster::Noise;

/// Reads a sequence and continues it by `steps` frames.
///
/// Frames are continued by zeros below and to the right. At each step each cell of the encoder but the finest reads the patches of
/// the new state below, squares of two pixels as channels. Each cell of the decoder starts from the patches of the last state of the
/// encoder's cell of its number; at each step the coarsest reads its noise, or zeros, and each finer one the new state above, whose
/// channels become squares of pixels. The squares of the finest block are the frame. Each member of an ensemble reads noise of its own. Where the
/// configuration is [`signed`](MlcastConfig::signed), the encoder reads `2 x - 1` and the frame is `(1 + y) / 2`.
///
/// The states that the encoder starts from are zeros where none are given.
///
/// # Shapes
/// `input`: `[T, N, C, H, W]`, T at least 1.
///
/// # Errors
/// [`Error::MissingTensor`](crate::Error::MissingTensor) for a parameter that is not there; shape errors as the layers, and of noise
/// that is given.
pub fn mlcast<N: Number>(
    config: &MlcastConfig,
    parameters: &NamedArrays<N>,
    start: Option<Vec<Vec<Array<N>>>>,
    noise: &Noise<f64>,
    input: &Array<N>,
    steps: usize,
) -> Result<PredictionArrays<N>> {
    let cells = |side: &str| {
        let cell = |block| CellParameters::find(parameters, &format!("{side}.{block}.layers.0."));
        (0..config.blocks).map(cell).collect::<Result<Vec<_>>>()
    };
    let (encoder, decoder) = (cells("encoder")?, cells("forecaster")?);
    let mut states = start.unwrap_or_default();
    for t in 0..input.shape().first().copied().unwrap_or(0) {
        let frame = input.index(t)?;
        let frame = if config.signed { frame.map(|x| x + x - N::from_f64(1.0)) } else { frame };
        let mut below = extended(&frame, 1 << config.blocks)?;
        for (block, cell) in encoder.iter().enumerate() {
            let image = below.extent()?;
            if states.len() == block {
                states.push(zero_states(&[*cell], image.batch, [image.height, image.width]));
            }
            let state = cell_step(cell, Some(&below), &states[block][0])?;
            below = space_to_depth(&state, 2)?;
            states[block] = vec![state];
        }
    }

    let starts = states.iter().map(|of_block| space_to_depth(&of_block[0], 2)).collect::<Result<Vec<_>>>()?;
    let noise = Drawn::new(config, noise, starts[config.blocks - 1].extent()?, steps)?;
    let mut members = Vec::new();
    for member in 0..config.members {
        let mut states = starts.clone();
        let mut frames = Vec::new();
        for t in 0..steps {
            let mut above = noise.of(member, t);
            for (state, cell) in states.iter_mut().zip(&decoder).rev() {
                *state = cell_step(cell, Some(&above), state)?;
                above = depth_to_space(state, 2)?;
            }
            let frame = cropped(&above, &input.shape()[1..]);
            let half = N::from_f64(0.5);
            frames.push(if config.signed { frame.map(|y| half + half * y) } else { frame });
        }
        members.push(frames);
    }
    let frames: Vec<Array<N>> = (0..steps).map(|t| side_by_side(&members, t)).collect();
    let output = Array::stack(&frames)?;
    Ok(PredictionArrays {
        logits: output.clone(),
        output,
        encoder_states: states,
        nearest_kink: f64::INFINITY,
    })
}

/// What the coarsest cell of the decoder reads: numbers, or zeros.
struct Drawn {
    extent: Extent,
    steps: usize,
    /// `[members, steps, N, C', H', W']`, where there are some.
    numbers: Vec<f64>,
}

impl Drawn {
    fn new(config: &MlcastConfig, noise: &Noise<f64>, extent: Extent, steps: usize) -> Result<Self> {
        if !config.reads_noise() {
            return Ok(Self { extent, steps, numbers: Vec::new() });
        }
        let [n, c, h, w] = extent.dims();
        let numbers = noise.to_tensor([config.members, steps, n, c, h, w])?;
        Ok(Self { extent, steps: numbers.shape()[1], numbers: numbers.as_slice().to_vec() })
    }

    fn of<N: Number>(&self, member: usize, step: usize) -> Array<N> {
        let first = (member * self.steps + step) * self.extent.len();
        let number = |index: usize| self.numbers.get(first + index).copied().unwrap_or(0.0);
        Array::from_fn(&self.extent.dims(), |index| N::from_f64(number(index)))
    }
}

/// The frames of all members at a step, the channels of one member after the channels of another.
fn side_by_side<N: Number>(members: &[Vec<Array<N>>], step: usize) -> Array<N> {
    let [batch, channels, height, width] = [0, 1, 2, 3].map(|axis| members[0][step].shape()[axis]);
    let shape = [batch, members.len() * channels, height, width];
    Array::from_fn(&shape, |index| {
        let [n, c, y, x] = position(index, &shape);
        at(&members[c / channels][step], [n, c % channels, y, x])
    })
}
