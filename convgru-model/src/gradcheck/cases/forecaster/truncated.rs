//! Networks whose gradients flow through the last frames of its input alone.

use std::num::NonZeroUsize;

use convgru_kernels::reference::Number;
use proptest::prelude::*;

use crate::composed::{CellConfig, CellKind, ConvStageConfig, Stage};
use crate::config::{EncoderForecasterConfig, Feedback, ForecasterConfig, RecurrentForecasterConfig};
use crate::error::Result;
use crate::forecaster::{Forecaster, PredictionGradient};
use crate::gradcheck::cases::sequences::{get, named, set};
use crate::gradcheck::draw::{self, Values};
use crate::gradcheck::{Case, Subject};
use crate::parameters::Parameters;
use crate::reference::{self, Array, NamedArrays, PredictionArrays};
use crate::sequence::{Sequence, Workspace};
use crate::tensor::Tensor;

pub(super) fn cases() -> Vec<Case> {
    [
        ("encoder-forecaster, truncated", Kind::EncoderForecaster(Feedback::Predictions)),
        ("encoder-forecaster, truncated, unconditioned", Kind::EncoderForecaster(Feedback::Unconditioned)),
        ("recurrent, truncated", Kind::Recurrent),
    ]
    .map(|(name, kind)| {
        let frames = (1usize..=2, 1usize..=3, 1usize..=2);
        let shape = (prop::collection::vec(1usize..=2, 1..=2), draw::image_size(), frames, draw::seed());
        Case::new(name, shape, move |(hidden_channels, [h, w], frames, seed)| {
            let config = match kind {
                Kind::EncoderForecaster(feedback) => {
                    EncoderForecasterConfig { patch: 1, hidden_channels, feedback, ..Default::default() }
                        .into()
                }
                Kind::Recurrent => lstms(&hidden_channels).into(),
            };
            Truncated::new(config, [h.min(2), w.min(3)], frames, seed)
        })
    })
    .into()
}

/// The fixed settings of a case.
#[derive(Debug, Clone, Copy)]
enum Kind {
    EncoderForecaster(Feedback),
    Recurrent,
}

/// LSTMs over frames of one channel, which have two states each.
fn lstms(hidden: &[usize]) -> RecurrentForecasterConfig {
    let (mut stages, mut in_channels) = (Vec::new(), 1);
    for &hidden in hidden {
        stages.push(Stage::Cell(CellConfig { kind: CellKind::Lstm, ..CellConfig::new(in_channels, hidden) }));
        in_channels = hidden;
    }
    let to_frames = ConvStageConfig { in_channels, kernel_size: [1, 1], ..Default::default() };
    stages.push(Stage::Convolution(to_frames));
    RecurrentForecasterConfig { patch: 1, stages, ..Default::default() }
}

/// The graph cut after the first frames: the states of the network are then constants, computed by
/// the reference with the parameters that are drawn. Differences are those of the reference, for
/// a shipped forward pass has no cut.
struct Truncated {
    network: Forecaster<f64>,
    /// Frames before the cut, `[T, N, C, H, W]`.
    before: Tensor<f64>,
    /// The states after these, as the reference has them.
    states: Vec<Vec<Tensor<f64>>>,
    /// Frames after the cut, and the parameters.
    inputs: Vec<(String, Tensor<f64>)>,
    /// The gradient of the predicted frames.
    probe: Tensor<f64>,
}

impl Truncated {
    fn new(
        config: ForecasterConfig,
        [h, w]: [usize; 2],
        (before, last, steps): (usize, usize, usize),
        seed: u64,
    ) -> Result<Self> {
        let mut values = Values::new(seed);
        let mut network = Forecaster::new(config.clone(), seed)?;
        let draw = &mut |_: &str, parameter: &mut Tensor<f64>| *parameter = values.tensor(parameter.shape());
        network.parameters_mut().for_each_mut(draw);
        network.set_truncation(NonZeroUsize::new(last));
        let mut frames = |steps: usize| values.tensor(&[steps, 2, 1, h, w]);
        let (before, after, probe) = (frames(before), frames(last), frames(steps));
        let mut inputs = vec![("x".to_owned(), after)];
        inputs.extend(network.parameters().to_named());
        let parameters = named::<f64>(&inputs[1..], &constants(&inputs[1..]));
        let frames = Array::constant(&before);
        let forecast = forecast(&config, &parameters, None, (&frames, 1))?;
        let states = forecast.encoder_states.iter();
        let states = states.map(|states| states.iter().map(Array::values).collect()).collect();
        Ok(Self { states, network, before, inputs, probe })
    }

    /// The sum of the predicted frames times the probe.
    fn cut<N: Number>(&self, inputs: &[Array<N>]) -> Result<N> {
        let parameters = named(&self.inputs[1..], &inputs[1..]);
        let start = self.states.iter().map(|states| states.iter().map(Array::constant).collect()).collect();
        let frames = (&inputs[0], self.probe.shape()[0]);
        let forecast = forecast(self.network.config(), &parameters, Some(start), frames)?;
        let pairs = forecast.output.as_slice().iter().zip(self.probe.as_slice());
        Ok(pairs.fold(N::from_f64(0.0), |sum, (&x, &probe)| sum + x * N::from_f64(probe)))
    }
}

/// The network by its definition, from given states on: `steps` frames after some.
fn forecast<N: Number>(
    config: &ForecasterConfig,
    parameters: &NamedArrays<N>,
    start: Option<Vec<Vec<Array<N>>>>,
    (frames, steps): (&Array<N>, usize),
) -> Result<PredictionArrays<N>> {
    match config {
        ForecasterConfig::EncoderForecaster(config) => {
            reference::encoder_forecaster(config, parameters, start, frames, steps, None)
        }
        ForecasterConfig::Recurrent(config) => {
            reference::recurrent_forecaster(config, parameters, start, frames, steps, None)
        }
        _ => unreachable!("no case has another kind"),
    }
}

fn constants(inputs: &[(String, Tensor<f64>)]) -> Vec<Array<f64>> {
    inputs.iter().map(|(_, tensor)| Array::constant(tensor)).collect()
}

impl Subject for Truncated {
    type Error = crate::error::Error;

    fn describe(&self) -> String {
        let (before, after) = (self.before.shape()[0], self.inputs[0].1.shape());
        let hidden = self.network.config().hidden_channels();
        format!("{before} frames, cut, x {after:?} to {}, hidden {hidden:?}", self.probe.shape()[0])
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        self.inputs.clone()
    }

    fn loss(&self, inputs: &[Tensor<f64>]) -> Result<f64> {
        self.cut(&inputs.iter().map(Array::constant).collect::<Vec<_>>())
    }

    fn add_gradients(&self, inputs: &[Tensor<f64>], gradients: &mut [Tensor<f64>]) -> Result<()> {
        let frames = [self.before.as_slice(), inputs[0].as_slice()].concat();
        let mut shape = inputs[0].shape().to_vec();
        shape[0] += self.before.shape()[0];
        let frames = Tensor::from_vec(&shape, frames)?;
        let sequence = Sequence { input_gradient: true, ..Sequence::from(&frames) };
        let mut workspace = Workspace::default();
        self.network.forward_train(sequence, self.probe.shape()[0], None, &mut workspace)?;
        let mut d_parameters = self.network.parameters().zeros_like();
        set(&mut d_parameters, &self.inputs[1..], &gradients[1..]);
        let loss = PredictionGradient::Output(self.probe.clone());
        let back = self.network.backward(&mut workspace, loss, &mut d_parameters)?;
        let after = back.inputs[0].as_slice()[self.before.len()..].to_vec();
        gradients[0].add_assign(&Tensor::from_vec(inputs[0].shape(), after)?)?;
        get(&d_parameters, &self.inputs[1..], &mut gradients[1..]);
        Ok(())
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Option<N>> {
        self.cut(inputs).map(Some)
    }
}
