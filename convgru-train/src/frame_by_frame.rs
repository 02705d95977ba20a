//! Networks that continue no frames, over a sequence: a result for each frame.

use convgru_model::composed::{Context, Recurrent, RecurrentConfig};
use convgru_model::{Network, RaftUpdateConfig, Tensor};

use crate::counted::counted;
use crate::{Error, Result};

/// Channels of the frames that a network reads one by one.
///
/// # Errors
/// [`Error::Data`] for a [`Forecaster`](convgru_model::Forecaster) that continues frames, and for a network that reads no frames, such as an update block of RAFT,
/// several inputs or contexts.
///
/// # Example
/// ```
/// use convgru_model::{ConvGru, ConvGruConfig, Network};
///
/// let network = Network::ConvGru(ConvGru::<f32>::new(ConvGruConfig::new(5, &[4]), 0)?);
/// assert_eq!(convgru_train::frame_channels(&network)?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn frame_channels(network: &Network<f32>) -> Result<usize> {
    let refuse = |reason: String| Err(Error::Data { what: "network".into(), reason });
    let channels = match network {
        Network::ConvGru(network) => network.config().in_channels,
        Network::RaftUpdate(block) => return refuse(reads_correlations(block.config())),
        Network::Recurrent(network) => channels_of(network.config()).or_else(refuse)?,
        Network::Forecaster(network) if network.config().input_channels() > 0 => {
            network.config().input_channels()
        }
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

/// Why an update block of RAFT runs over no frames.
pub(crate) fn reads_correlations(config: &RaftUpdateConfig) -> String {
    format!(
        "an update block of RAFT reads no frames: an update needs a state of {} channels, a context of {} and {} correlations of two pictures, which \
         the rest of RAFT computes; the example raft_update of convgru-model shows a call of the library",
        config.hidden_channels, config.context_channels, config.correlation_channels
    )
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

/// The result of a network for each frame; the network keeps its states between frames. The result of a [`Recurrent`] is the output of its last
/// stage, the result of a [`ConvGru`](convgru_model::ConvGru) is the state of its topmost layer, and the result of a
/// [`Forecaster`](convgru_model::Forecaster) with [`input_channels`](field@convgru_model::RecurrentForecasterConfig::input_channels) is its image. Neither frames nor results are scaled.
///
/// A [`Recurrent`] runs on the fused engine if this engine computes its stages ([`Recurrent::to_chain`]).
///
/// # Shapes
/// frames: `[T, C, H, W]`; result: `[T, C', H', W']`
///
/// # Errors
/// [`Error::Data`] as [`frame_channels`], for frames of other channels, for a frame with a number that is NaN or infinite, and for a frame of
/// which the network gives such numbers; [`Error::Model`] for frames that are too large.
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
        Network::Forecaster(network) => {
            let prepared = network.prepare()?;
            let mut stream = prepared.stream(1, height, width)?;
            stream.set_check_finite(true);
            collect(steps, frames, |frame| {
                stream.read(frame)?;
                Ok(stream.forecast(1)?.index(0))
            })
        }
        Network::RaftUpdate(block) => refuse(reads_correlations(block.config())),
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
        let given = step(&frame).map_err(|error| of_frame_number(index, error))?;
        expect_finite(index, frames, &given)?;
        let results = match &mut all {
            Some(results) => results,
            None => all.insert(Tensor::try_zeros(&[&[steps], &given.shape()[1..]].concat())?),
        };
        results.slice_mut(index).copy_from_slice(given.as_slice());
    }
    all.ok_or_else(|| Error::Data { what: "frames".into(), reason: "there are none".into() })
}

/// The error of a step, with the number of its frame where a number of the frame caused it.
fn of_frame_number(index: usize, error: convgru_model::Error) -> Error {
    match error {
        convgru_model::Error::NotFinite { count, of, first, .. } => Error::Data {
            what: format!("frame {index}"),
            reason: format!(
                "{count} of {of} numbers are NaN, infinite or too large for 32 bits (more than 3.4e38), the first at {:?} ([C, H, W]); leave the \
                 frame out or fill it in",
                first.get(1..).unwrap_or_default()
            ),
        },
        other => other.into(),
    }
}

/// Fails if the network gives numbers for a frame that are not finite: sums in 32 bits were too large for them.
fn expect_finite(index: usize, frames: &Tensor<f32>, given: &Tensor<f32>) -> Result<()> {
    let count = given.as_slice().iter().filter(|value| !value.is_finite()).count();
    if count == 0 {
        return Ok(());
    }
    let read = (0..=index).flat_map(|read| frames.slice(read));
    let largest = read.fold(0.0f32, |most, value| most.max(value.abs()));
    Err(Error::Data {
        what: format!("frame {index}"),
        reason: format!(
            "{count} of {} numbers that the network gives are NaN or infinite; the frames so far hold numbers up to {largest:e}, which are too \
             large for it. Scale the frames as the network was trained",
            given.len()
        ),
    })
}
