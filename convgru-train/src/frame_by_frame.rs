//! Networks that are no forecasters over a sequence: a result for each frame.

use convgru_model::composed::{Context, Recurrent, RecurrentConfig};
use convgru_model::{Network, Tensor};

use crate::counted::counted;
use crate::{Error, Result};

/// Channels of the frames that a network reads one by one.
///
/// # Errors
/// [`Error::Data`] for a [`Forecaster`](convgru_model::Forecaster), which continues frames, and for a network that reads no frames, several
/// inputs or contexts.
pub fn frame_channels(network: &Network<f32>) -> Result<usize> {
    let refuse = |reason: String| Err(Error::Data { what: "network".into(), reason });
    let channels = match network {
        Network::ConvGru(network) => network.config().in_channels,
        Network::Recurrent(network) => channels_of(network.config()).or_else(refuse)?,
        other => {
            return refuse(format!(
                "a {} continues frames instead of reading them one by one",
                other.description().kind()
            ));
        }
    };
    if channels == 0 {
        return refuse(
            "it reads no frames: each state follows from the state before alone; use the library, whose `forward` takes a tensor of \
             frames without channels, [T, N, 0, H, W]"
                .into(),
        );
    }
    Ok(channels)
}

fn channels_of(config: &RecurrentConfig) -> std::result::Result<usize, String> {
    let contexts = config.cells().filter(|cell| cell.context == Context::Additive).count();
    match (config.inputs(), contexts) {
        (1, 0) => Ok(config.in_channels(0)),
        (inputs, contexts) => Err(format!(
            "it reads {} and {}, and one sequence of frames is given; use the library, whose `Sequence` takes all of them",
            counted(inputs, "input"),
            counted(contexts, "context")
        )),
    }
}

/// What a network gives for each frame, its states carried on from frame to frame: of a [`Recurrent`] what its last stage gives, of a
/// [`ConvGru`](convgru_model::ConvGru) the state of its topmost layer. Numbers go in as they are, and come out as the network gives them.
///
/// A [`Recurrent`] runs on the fused engine where that computes it ([`Recurrent::to_chain`]).
///
/// # Shapes
/// frames: `[T, C, H, W]`; result: `[T, C', H', W']`
///
/// # Errors
/// [`Error::Data`] as [`frame_channels`] and for frames of other channels, [`Error::Model`] for a frame with a number that is NaN or
/// infinite, and for frames that are too large.
///
/// # Example
/// ```
/// use convgru_model::{ConvGru, ConvGruConfig, Network, Tensor};
/// use convgru_train::apply_to_frames;
///
/// let network = Network::ConvGru(ConvGru::<f32>::new(ConvGruConfig::new(5, &[4]), 0)?);
/// let states = apply_to_frames(&network, &Tensor::zeros(&[3, 5, 6, 7]))?;
/// assert_eq!(states.shape(), [3, 4, 6, 7]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn apply_to_frames(network: &Network<f32>, frames: &Tensor<f32>) -> Result<Tensor<f32>> {
    let refuse = |reason: String| Err(Error::Data { what: "frames".into(), reason });
    let expected = frame_channels(network)?;
    let &[steps, channels, height, width] = frames.shape() else {
        return refuse(format!("they are [T, C, H, W], got {:?}", frames.shape()));
    };
    if channels != expected {
        return refuse(format!(
            "they have {}, and the network reads {}",
            counted(channels, "channel"),
            counted(expected, "channel")
        ));
    }
    if frames.is_empty() {
        return refuse(format!("there are none in the shape {:?}", frames.shape()));
    }
    match network {
        Network::ConvGru(network) => {
            let mut stream = network.prepare()?.stream(1, height, width)?;
            stream.set_check_finite(true);
            collect(steps, frames, |frame| stream.step(frame).cloned())
        }
        Network::Recurrent(network) => through_recurrent(network, frames),
        other => refuse(format!("a {} continues them", other.description().kind())),
    }
}

fn through_recurrent(network: &Recurrent<f32>, frames: &Tensor<f32>) -> Result<Tensor<f32>> {
    let &[steps, channels, height, width] = frames.shape() else { unreachable!("the shape was checked") };
    if let Ok(chain) = network.to_chain() {
        let mut stream = chain.stream(1, height, width)?;
        stream.set_check_finite(true);
        return collect(steps, frames, |frame| stream.step(frame).cloned());
    }
    let mut stream = network.prepare()?.stream(&[&[1, channels, height, width]], &[])?;
    stream.set_check_finite(true);
    collect(steps, frames, |frame| stream.step(&[frame]).cloned())
}

/// The results of all frames, one after the other.
fn collect(
    steps: usize,
    frames: &Tensor<f32>,
    mut step: impl FnMut(&Tensor<f32>) -> convgru_model::Result<Tensor<f32>>,
) -> Result<Tensor<f32>> {
    let of_frame = [&[1], &frames.shape()[1..]].concat();
    let mut all: Option<Tensor<f32>> = None;
    for index in 0..steps {
        let frame = Tensor::from_vec(&of_frame, frames.slice(index).to_vec())?;
        let given = step(&frame).map_err(|error| match error {
            convgru_model::Error::NotFinite { .. } => {
                Error::Data { what: format!("frame {index}"), reason: error.to_string() }
            }
            other => other.into(),
        })?;
        let results = match &mut all {
            Some(results) => results,
            None => all.insert(Tensor::try_zeros(&[&[steps], &given.shape()[1..]].concat())?),
        };
        results.slice_mut(index).copy_from_slice(given.as_slice());
    }
    all.ok_or_else(|| Error::Data { what: "frames".into(), reason: "there are none".into() })
}
