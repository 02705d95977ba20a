//! Composed cells that read their own predictions.

use proptest::prelude::*;

use super::Forecasting;
use crate::composed::{CellConfig, CellKind, ConvStageConfig, Normalization, Stage, Wiring};
use crate::config::{OutputActivation, RecurrentForecasterConfig, ResetGate};
use crate::error::Result;
use crate::forecaster::Forecaster;
use crate::gradcheck::draw::{self, Values};
use crate::gradcheck::{Case, probed};
use crate::layer::Activation;
use crate::parameters::Parameters;
use crate::sequence::MemoryBudget;

pub(super) fn cases() -> Vec<Case> {
    let case = Kind {
        body: Body::Lstms,
        activation: OutputActivation::Identity,
        logits: false,
        teacher: false,
        mask: false,
        in_parts: false,
        other_inputs: false,
    };
    let images = Kind { other_inputs: true, ..case };
    let sigmoid = Kind { activation: OutputActivation::Sigmoid, ..case };
    [
        ("recurrent, LSTMs", case),
        ("recurrent, LSTMs, sigmoid", sigmoid),
        ("recurrent, LSTMs, sigmoid, loss on logits", Kind { logits: true, ..sigmoid }),
        ("recurrent, LSTMs, teacher forcing", Kind { teacher: true, ..case }),
        ("recurrent, LSTMs, mask, sigmoid, teacher forcing", Kind { mask: true, teacher: true, ..sigmoid }),
        ("recurrent, LSTMs, mask, step by step", Kind { mask: true, in_parts: true, ..case }),
        (
            "recurrent, LSTMs, sigmoid, teacher forcing, step by step",
            Kind { teacher: true, in_parts: true, ..sigmoid },
        ),
        ("recurrent, pair of passes between convolutions", Kind { body: Body::PairBetweenConvolutions, ..case }),
        ("recurrent, residual wiring, normalised", Kind { body: Body::Residual, ..sigmoid }),
        ("recurrent, levels, step by step", Kind { body: Body::Levels, in_parts: true, ..case }),
        (
            "recurrent, an image for each input frame",
            Kind { body: Body::PairBetweenConvolutions, other_inputs: true, ..sigmoid },
        ),
        ("recurrent, an image for each input frame, loss on logits", Kind { logits: true, ..images }),
        ("recurrent, an image for each input frame, step by step", Kind { in_parts: true, ..images }),
    ]
    .map(|(name, kind)| {
        let size = prop_oneof![1 => draw::one_pixel(), 3 => draw::image_size().prop_map(|[h, w]| [h.min(2), w.min(3)])];
        // Forcing shows from the second predicted frame on.
        let outputs = if kind.teacher { 2usize..=4 } else { 1..=3 };
        let frames =
            (1usize..=3, outputs).prop_filter("T_in != T_out", |(inputs, outputs)| inputs != outputs);
        let shape = (draw::patch_and_channels(), 1usize..=2, size, 1usize..=2, frames, draw::seed());
        Case::new(name, shape, move |((patch, channels), hidden, [h, w], batch, (inputs, outputs), seed)| {
            let config = kind.network([channels, patch], hidden);
            let read = config.read_patch_channels() / (patch * patch);
            let frame = [batch, read, h * patch, w * patch];
            // No more images than input frames.
            let inputs = if kind.other_inputs { inputs.max(outputs) } else { inputs };
            probed(forecasting(kind, config, [inputs, outputs], frame, seed)?, seed ^ 1)
        })
    })
    .into()
}

/// The stages.
#[derive(Debug, Clone, Copy)]
enum Body {
    Lstms,
    PairBetweenConvolutions,
    Residual,
    Levels,
}

/// The fixed settings of a case; shapes are drawn.
#[derive(Debug, Clone, Copy)]
struct Kind {
    body: Body,
    activation: OutputActivation,
    /// Whether the loss is taken before the activation.
    logits: bool,
    teacher: bool,
    mask: bool,
    /// Whether the backward pass computes each step again.
    in_parts: bool,
    /// Whether the network reads other frames than images, with two channels more.
    other_inputs: bool,
}

impl Kind {
    fn network(self, [image_channels, patch]: [usize; 2], hidden: usize) -> RecurrentForecasterConfig {
        let config = RecurrentForecasterConfig {
            image_channels,
            input_channels: if self.other_inputs { image_channels + 2 } else { 0 },
            patch,
            mask_channel: self.mask,
            output_activation: self.activation,
            ..Default::default()
        };
        let (read, image) = (config.read_patch_channels(), config.patch_channels());
        let lstm = |inputs: usize| CellConfig {
            kind: CellKind::Lstm,
            peephole: true,
            ..CellConfig::new(inputs, hidden)
        };
        let convolution = |in_channels, out_channels, activation| ConvStageConfig {
            in_channels,
            out_channels,
            kernel_size: [1, 3],
            activation,
            ..Default::default()
        };
        let to_frames = Stage::Convolution(convolution(hidden, image, Activation::Identity));
        let (wiring, stages) = match self.body {
            Body::Lstms => {
                (Wiring::Chain, vec![Stage::Cell(lstm(read)), Stage::Cell(lstm(hidden)), to_frames])
            }
            Body::PairBetweenConvolutions => {
                let pair = CellConfig {
                    kernel_size: [1, 3],
                    second_kernel_size: Some([3, 1]),
                    ..CellConfig::new(hidden, hidden)
                };
                let first = Stage::Convolution(convolution(read, hidden, Activation::Tanh));
                let residual = Stage::Residual(convolution(hidden, hidden, Activation::Tanh));
                (Wiring::Chain, vec![first, Stage::Cell(pair), residual, to_frames])
            }
            Body::Residual => {
                let cell = |inputs: usize| CellConfig {
                    reset: ResetGate::After,
                    normalization: Normalization::Layer,
                    normalization_epsilon: 0.1,
                    ..CellConfig::new(inputs, hidden)
                };
                (Wiring::Residual, vec![Stage::Cell(cell(read)), Stage::Cell(cell(hidden)), to_frames])
            }
            Body::Levels => {
                let cells = [CellConfig::new(read + hidden, image), CellConfig::new(image, hidden)];
                (Wiring::Levels, cells.map(Stage::Cell).to_vec())
            }
        };
        RecurrentForecasterConfig { wiring, stages, ..config }
    }
}

fn forecasting(
    kind: Kind,
    config: RecurrentForecasterConfig,
    [frames, steps]: [usize; 2],
    [n, c, h, w]: [usize; 4],
    seed: u64,
) -> Result<Forecasting> {
    let mut network = Forecaster::new(config, seed)?;
    if kind.in_parts {
        network.set_memory_budget(MemoryBudget::Bytes(1));
    }
    let mut values = Values::new(seed);
    let mut inputs = vec![("x".to_owned(), values.tensor(&[frames, n, c, h, w]))];
    for (name, parameter) in network.parameters().to_named() {
        inputs.push((name, values.tensor(parameter.shape())));
    }
    let truth = values.tensor(&[steps, n, c, h, w]);
    let forced = (0..steps).map(|t| kind.teacher && (t == 1 || values.coin())).collect();
    Ok(Forecasting {
        network,
        inputs,
        fixed: None,
        steps,
        logits: kind.logits,
        teacher: kind.teacher.then_some((truth, forced)),
    })
}

pub(super) fn describe(config: &RecurrentForecasterConfig) -> String {
    let hidden: Vec<usize> = config.body().cells().map(|cell| cell.hidden_channels).collect();
    format!("patch {}, {:?}, hidden {hidden:?}", config.patch, config.wiring)
}
