//! Networks of every other cell, compared in ONNX Runtime.

use anyhow::Context as _;
use convgru_model::composed::{
    CellConfig, CellKind, Context, ConvStageConfig, Normalization, PaddingMode, Recurrent, RecurrentConfig,
    RecurrentParameters, Stage, Wiring,
};
use convgru_model::export::onnx::{self, Form};
use convgru_model::layer::Activation;
use convgru_model::{OutputActivation, RecurrentForecasterConfig, ResetGate, Sequence, Tensor};

use super::networks::{SIZES, described_weights, numbers};
use super::written::{Network, Run};

/// Two layers of a cell.
fn two(cell: &CellConfig) -> RecurrentConfig {
    let above = CellConfig { in_channels: cell.hidden_channels, hidden_channels: 4, ..cell.clone() };
    RecurrentConfig::chain([cell.clone(), above])
}

/// Three layers, each with an input of its own.
fn gru_rcn(pool: bool) -> RecurrentConfig {
    let layer =
        |inputs, lower_channels, hidden| CellConfig { lower_channels, ..CellConfig::new(inputs, hidden) };
    let above =
        CellConfig { padding_mode: [PaddingMode::Replicate, PaddingMode::Circular], ..layer(4, 3, 2) };
    let cells = [layer(3, 0, 3), above, CellConfig { normalization: Normalization::Layer, ..layer(2, 2, 4) }];
    RecurrentConfig { wiring: Wiring::GruRcn { pool }, ..RecurrentConfig::chain(cells) }
}

/// Networks that continue frames: of two channels, of a mask, of convolutions around a cell, of a normalised cell before a plain one.
pub(super) fn forecasters() -> Vec<(&'static str, RecurrentForecasterConfig)> {
    let network = |patch: usize, image_channels: usize, mask_channel: bool, cells: Vec<CellConfig>| {
        let config = RecurrentForecasterConfig { patch, image_channels, mask_channel, ..Default::default() };
        let (in_channels, out_channels) =
            (cells.last().map_or(0, |cell| cell.hidden_channels), config.patch_channels());
        let to_frames =
            Stage::Convolution(ConvStageConfig { in_channels, out_channels, ..Default::default() });
        let stages = cells.into_iter().map(Stage::Cell).chain([to_frames]).collect();
        RecurrentForecasterConfig { stages, ..config }
    };
    let lstm = |inputs| CellConfig { kind: CellKind::Lstm, peephole: true, ..CellConfig::new(inputs, 5) };
    let pair = CellConfig { kernel_size: [1, 5], second_kernel_size: Some([5, 1]), ..CellConfig::new(4, 6) };
    let normalised = CellConfig { normalization: Normalization::Layer, ..CellConfig::new(4, 4) };
    let sigmoid = OutputActivation::Sigmoid;
    vec![
        ("lstms, two channels", network(2, 2, false, vec![lstm(8), lstm(5)])),
        (
            "lstms, mask, sigmoid",
            RecurrentForecasterConfig { output_activation: sigmoid, ..network(2, 1, true, vec![lstm(8)]) },
        ),
        ("pair of passes", network(2, 1, false, vec![pair])),
        ("normalised cell, plain cell", network(2, 1, false, vec![normalised, CellConfig::new(4, 3)])),
    ]
}

/// Networks with every operation that can be written.
pub(super) fn all() -> Vec<(&'static str, RecurrentConfig)> {
    let gru = CellConfig::new(3, 4);
    let after = CellConfig { reset: ResetGate::After, ..gru.clone() };
    let leaky = Activation::LeakyRelu(0.2);
    let padded =
        |rows, columns| CellConfig { padding_mode: [rows, columns], kernel_size: [5, 3], ..gru.clone() };
    let group = Normalization::Group { gates: 4, candidate: 2 };
    vec![
        ("gru", two(&gru)),
        ("gru, reset after, leaky", two(&CellConfig { candidate_activation: leaky, ..after.clone() })),
        ("gru, hard sigmoid, dilated", {
            let gate_activation = Activation::HardSigmoid;
            two(&CellConfig { gate_activation, dilation: [2, 1], input_dilation: [1, 2], ..gru.clone() })
        }),
        ("gru, groups and a strided input", {
            let below = CellConfig { groups: 2, input_stride: [2, 1], ..gru.clone() };
            RecurrentConfig::chain([
                below,
                CellConfig { in_channels: 4, groups: 4, input_groups: 2, ..gru.clone() },
            ])
        }),
        (
            "gru, edges replicated and wrapped around",
            two(&padded(PaddingMode::Replicate, PaddingMode::Circular)),
        ),
        ("gru, edges mirrored", two(&padded(PaddingMode::Reflect, PaddingMode::Zeros))),
        ("gru, group norm", two(&CellConfig { normalization: group, ..gru.clone() })),
        ("gru, layer norm, reset after", {
            two(&CellConfig { normalization: Normalization::Layer, ..after.clone() })
        }),
        ("gru, spectral norm", two(&CellConfig { spectral_norm: true, ..gru.clone() })),
        ("gru, global context", two(&CellConfig { context: Context::Global, ..gru.clone() })),
        ("gru, additive context", two(&CellConfig { context: Context::Additive, ..gru.clone() })),
        (
            "gru in pairs, zoneout",
            two(&CellConfig { second_kernel_size: Some([5, 1]), zoneout: 0.3, ..gru.clone() }),
        ),
        ("lstm with peepholes", two(&CellConfig { kind: CellKind::Lstm, peephole: true, ..gru.clone() })),
        ("trajectory gru", {
            let cell = CellConfig { kind: CellKind::TrajGru, flows: 3, flow_channels: 6, ..after.clone() };
            two(&CellConfig { candidate_activation: leaky, ..cell })
        }),
        ("trajectory gru without input", {
            let cell = CellConfig { kind: CellKind::TrajGru, flows: 3, flow_channels: 6, ..after.clone() };
            two(&CellConfig { in_channels: 0, candidate_activation: leaky, ..cell })
        }),
        ("stack with residual links", {
            let above = CellConfig { in_channels: 4, ..after };
            RecurrentConfig { wiring: Wiring::Residual, ..RecurrentConfig::chain([gru.clone(), above]) }
        }),
        (
            "levels",
            RecurrentConfig {
                wiring: Wiring::Levels,
                ..RecurrentConfig::chain([
                    CellConfig { in_channels: 3 + 5, context: Context::Additive, ..gru.clone() },
                    CellConfig {
                        in_channels: 4 + 2,
                        hidden_channels: 5,
                        context: Context::Additive,
                        ..gru.clone()
                    },
                    CellConfig { in_channels: 5, hidden_channels: 2, ..gru.clone() },
                ])
            },
        ),
        ("stacked gru-rcn", gru_rcn(false)),
        ("stacked gru-rcn, pooled", gru_rcn(true)),
        ("cells between convolutions", {
            let convolution = |in_channels, out_channels| ConvStageConfig {
                in_channels,
                out_channels,
                activation: Activation::Relu,
                ..ConvStageConfig::default()
            };
            RecurrentConfig {
                stages: vec![
                    Stage::Convolution(convolution(3, 3)),
                    Stage::Cell(gru),
                    Stage::Residual(convolution(4, 4)),
                    Stage::Convolution(ConvStageConfig { bias: false, ..convolution(4, 2) }),
                ],
                wiring: Wiring::Chain,
            }
        }),
    ]
}

pub(super) fn network(name: &str, config: RecurrentConfig) -> anyhow::Result<Network> {
    let drawn = Recurrent::<f32>::new(config.clone(), 7)?;
    // Zeros and ones would hide a file that lacks them; flows of some pixels, and norms as they were drawn.
    let named = drawn.parameters().named().iter().map(|(name, tensor)| {
        let set = tensor.rank() == 1 && !name.contains(".spectral.") || name.ends_with("flow_weights");
        let values = numbers(tensor.shape(), 5);
        (name.clone(), if set { values } else { tensor.clone() })
    });
    let parameters = RecurrentParameters::new(named.collect());
    let network = Recurrent::from_parameters(config, parameters)?;
    let runs = SIZES.into_iter().map(|size| run(&network, size)).collect::<anyhow::Result<_>>()?;
    let mut models = vec![("step", onnx::recurrent(&network, Form::Step)?)];
    if network.config().inputs() == 1 {
        models.push(("sequence", onnx::recurrent(&network, Form::Sequence)?));
    }
    Ok(Network {
        name: format!("recurrent: {name}"),
        kind: "Recurrent",
        config: serde_json::to_value(network.config())?,
        weights: described_weights(network.into())?,
        theirs: None,
        models,
        runs,
    })
}

/// A sequence from states that are not zero.
fn run(network: &Recurrent<f32>, [steps, batch, height, width]: [usize; 4]) -> anyhow::Result<Run> {
    let config = network.config();
    let halvings = |input: usize| if config.wiring == (Wiring::GruRcn { pool: true }) { input } else { 0 };
    let inputs: Vec<Tensor<f32>> = (0..config.inputs())
        .map(|input| {
            let [height, width] = [height, width].map(|size| size >> halvings(input));
            numbers(&[steps, batch, config.in_channels(input), height, width], 7 * input)
        })
        .collect();
    // A step from zeros tells the shapes of the states.
    let first = inputs.iter().map(|input| input.index(0).reshape(&[&[1], &input.shape()[1..]].concat()));
    let first = first.collect::<Result<Vec<_>, _>>()?;
    let contexts = |shapes: &[Tensor<f32>]| -> Vec<(String, Tensor<f32>)> {
        let cells = config.cells().enumerate().filter(|(_, cell)| cell.context == Context::Additive);
        cells
            .map(|(index, _)| {
                let mut shape = shapes[index].shape().to_vec();
                shape[1] *= 3;
                (format!("context.{index}"), numbers(&shape, index + 3))
            })
            .collect()
    };
    let tensors =
        |named: &[(String, Tensor<f32>)]| named.iter().map(|(_, tensor)| tensor.clone()).collect::<Vec<_>>();
    let mut sizes = Vec::new();
    let mut size = [height, width];
    for (index, cell) in config.cells().enumerate() {
        if config.wiring == Wiring::Levels && index > 0 {
            size = size.map(|size| size.div_ceil(2));
        }
        size = cell.state_size(size);
        sizes.push(Tensor::zeros(&[batch, cell.hidden_channels, size[0], size[1]]));
    }
    let beside = contexts(&sizes);
    let given = tensors(&beside);
    let sequence = |inputs| Sequence { contexts: &given, ..Sequence::from(inputs) };
    let zeros = network.forward(sequence(&first[..]))?.last;
    let states: Vec<Tensor<f32>> =
        zeros.iter().enumerate().map(|(index, state)| numbers(state.shape(), index + 1)).collect();
    let mut result = network.forward(Sequence { states: Some(&states), ..sequence(&inputs[..]) })?;
    let mut expected = vec![("output".to_owned(), result.outputs.swap_remove(0))];
    let last = result.last.into_iter().enumerate();
    expected.extend(last.map(|(index, state)| (format!("next_state.{index}"), state)));
    let mut inputs = inputs.into_iter();
    let input = inputs.next().context("a network reads an input")?;
    Ok(Run { input, more: inputs.collect(), states, beside, steps, expected })
}
