//! The networks that are compared: every kind of cell and stack that can be exported.

use convgru_model::export::onnx::{self, Form, Part};
use convgru_model::export::{self, state_dict, to_safetensors};
use convgru_model::import::layout::Layout;
use convgru_model::import::{NamedNetwork, read};
use convgru_model::layer::Activation;
use convgru_model::{
    ConvGru, ConvGruConfig, EncoderForecasterConfig, Feedback, Forecaster, ForecasterConfig, KernelSizes,
    MlcastConfig, OutputActivation, Parameters, PyramidConfig, PyramidScale, ResetGate, Residual, Sequence,
    Tensor,
};

use super::written::{Network, Run};
use super::{raft_update, recurrent};

/// Steps, batch, height and width, the latter in patches where there are such.
pub(super) const SIZES: [[usize; 4]; 2] = [[3, 1, 6, 10], [5, 3, 9, 4]];

/// Frames that are predicted at each of the sizes.
const PREDICTED: [usize; 2] = [4, 2];

/// Every network.
pub(super) fn all() -> anyhow::Result<Vec<Network>> {
    let mut networks = Vec::new();
    for reset in [ResetGate::Before, ResetGate::After] {
        for bias in [true, false] {
            for (channels, kernels, of_input) in shapes() {
                let config = ConvGruConfig {
                    bias,
                    reset,
                    kernel_size: kernels,
                    input_kernel_size: of_input,
                    ..ConvGruConfig::new(channels[0], &channels[1..])
                };
                networks.push(stack(config)?);
            }
            let config = ConvGruConfig { bias, reset, ..ConvGruConfig::new(0, &[3, 4]) };
            networks.push(stack(config)?);
        }
    }
    for config in kinds() {
        networks.push(stack(config)?);
    }
    for config in encoder_forecasters() {
        networks.push(encoder_forecaster(config)?);
    }
    for (name, config) in pyramids() {
        networks.push(pyramid(name, config)?);
    }
    for config in mlcasts() {
        networks.push(mlcast(config)?);
    }
    for (name, config) in recurrent::forecasters() {
        // The fields that the comparison reads: channels of each state.
        let cells = config.body();
        let hidden = cells.cells().flat_map(|cell| vec![cell.hidden_channels; cell.states()]);
        let described = serde_json::json!({
            "hidden_channels": hidden.collect::<Vec<_>>(),
            "patch": config.patch,
        });
        networks.push(forecaster(
            "RecurrentForecaster",
            format!("frames, {name}"),
            config.into(),
            described,
        )?);
    }
    for (name, config) in recurrent::all() {
        networks.push(recurrent::network(name, config)?);
    }
    networks.extend(raft_update::all()?);
    Ok(networks)
}

/// Channels from the input up, and kernels.
fn shapes() -> [(Vec<usize>, KernelSizes, Option<KernelSizes>); 5] {
    let uneven = [[1, 3], [5, 5], [3, 1]];
    [
        (vec![3, 8], KernelSizes::All(3), None),
        (vec![8, 32, 64, 16], [3, 5, 3].into(), None),
        (vec![3, 4, 4], KernelSizes::All(1), None),
        (vec![2, 5, 4], KernelSizes::All(5), Some(KernelSizes::All(1))),
        (vec![1, 4, 6, 2], KernelSizes::PerLayer(uneven.to_vec()), Some(KernelSizes::All(3))),
    ]
}

/// Other functions, and kernels with gaps.
fn kinds() -> [ConvGruConfig; 4] {
    let leaky = Activation::LeakyRelu(0.2);
    let config = ConvGruConfig::new(3, &[8, 4]);
    [
        ConvGruConfig { candidate_activation: Activation::Relu, ..config.clone() },
        ConvGruConfig { candidate_activation: leaky, reset: ResetGate::After, ..config.clone() },
        ConvGruConfig { gate_activation: Activation::HardSigmoid, ..config.clone() },
        ConvGruConfig { dilation: [2, 1], input_dilation: Some([1, 2]), ..config },
    ]
}

/// A network that continues frames; `kind` is its class in Python.
fn forecaster(
    kind: &'static str,
    name: String,
    config: ForecasterConfig,
    described: serde_json::Value,
) -> anyhow::Result<Network> {
    let mut network = Forecaster::<f32>::new(config.clone(), 7)?;
    set_biases(network.parameters_mut());
    // The last convolution of a residual begins with zeros.
    network.parameters_mut().for_each_mut(&mut |name, tensor| {
        if name == "head.output.weight" {
            let shape = tensor.shape().to_vec();
            *tensor = numbers(&shape, 3);
        }
    });
    let mut runs = Vec::new();
    for ([frames, batch, height, width], steps) in SIZES.into_iter().zip(PREDICTED) {
        let (patch, beyond) = match &config {
            ForecasterConfig::EncoderForecaster(config) => (config.patch, 0),
            // Widths that are no multiple of the factor.
            ForecasterConfig::Pyramid(config) => (config.scales[0].down, frames / 5),
            ForecasterConfig::Mlcast(_) => (2, frames / 5),
            ForecasterConfig::Recurrent(config) => (config.patch, 0),
        };
        let size = [frames, batch, config.read_channels(), height * patch, width * patch - beyond];
        let input = numbers(&size, 0);
        let prediction = network.forward(&input, steps)?;
        let expected = vec![("prediction".to_owned(), prediction)];
        runs.push(Run { input, more: Vec::new(), states: Vec::new(), beside: Vec::new(), steps, expected });
    }
    let models = vec![
        ("encoder", onnx::forecaster(&network, Part::EncoderStep)?),
        ("forecaster", onnx::forecaster(&network, Part::ForecasterStep)?),
        ("forecast", onnx::forecaster(&network, Part::Forecast { steps: PREDICTED[0] })?),
    ];
    Ok(Network {
        name,
        kind,
        config: described,
        weights: described_weights(network.into())?,
        theirs: None,
        models,
        runs,
    })
}

/// The weights of a network with its description.
pub(super) fn described_weights(network: convgru_model::Network<f32>) -> anyhow::Result<Vec<u8>> {
    Ok(export::networks(&vec![NamedNetwork { name: String::new(), network, origin: None }])?)
}

fn pyramid(name: &str, config: PyramidConfig) -> anyhow::Result<Network> {
    let described = serde_json::to_value(&config)?;
    forecaster("Pyramid", format!("pyramid, {name}"), config.into(), described)
}

/// A network of mlcast, whose weights are written for the package, too.
fn mlcast(config: MlcastConfig) -> anyhow::Result<Network> {
    let described = serde_json::to_value(&config)?;
    let signed = if config.signed { ", signed" } else { "" };
    let name = format!("mlcast, channels {}, {} blocks{signed}", config.image_channels, config.blocks);
    let mut network = forecaster("Mlcast", name, config.clone().into(), described)?;
    let ours = read::<f32>(&network.weights)?.into_forecaster()?;
    network.theirs = Some(to_safetensors(&export::mlcast(&config, ours.parameters())?, &[])?);
    Ok(network)
}

fn mlcasts() -> [MlcastConfig; 3] {
    [
        MlcastConfig { blocks: 2, ..Default::default() },
        MlcastConfig { blocks: 1, signed: true, ..Default::default() },
        MlcastConfig { image_channels: 2, blocks: 1, kernel_size: [5, 5], ..Default::default() },
    ]
}

fn encoder_forecaster(config: EncoderForecasterConfig) -> anyhow::Result<Network> {
    let unconditioned = if config.feedback == Feedback::Unconditioned { ", unconditioned" } else { "" };
    let (channels, patch) = (config.image_channels, config.patch);
    let members = if config.members > 1 { format!(", {} members", config.members) } else { String::new() };
    let mask = if config.mask_channel { ", mask" } else { "" };
    let name =
        format!("encoder-forecaster, channels {channels}{mask}, patch {patch}{unconditioned}{members}");
    let described = serde_json::to_value(&config)?;
    forecaster("EncoderForecaster", name, config.into(), described)
}

fn pyramids() -> [(&'static str, PyramidConfig); 6] {
    let scales = |list: &[(usize, usize)]| {
        list.iter().map(|&(channels, down)| PyramidScale::new(channels, down)).collect::<Vec<_>>()
    };
    let plain = PyramidConfig { scales: scales(&[(8, 2), (12, 2)]), head_channels: 6, ..Default::default() };
    let sigmoid = PyramidConfig { output_activation: OutputActivation::Sigmoid, ..plain.clone() };
    let wide = PyramidConfig {
        image_channels: 2,
        scales: vec![
            PyramidScale { layers: 2, ..PyramidScale::new(6, 1) },
            PyramidScale { features: Some(5), kernel_size: [5, 5], ..PyramidScale::new(8, 3) },
            PyramidScale::new(4, 2),
        ],
        skip: true,
        residual: Residual::LastFrame,
        reset: ResetGate::After,
        candidate_activation: Activation::LeakyRelu(0.2),
        head_channels: 0,
        ..plain.clone()
    };
    [
        ("two scales", plain),
        (
            "residual of logits, three members",
            PyramidConfig { residual: Residual::LastFrame, members: 3, image_channels: 2, ..sigmoid.clone() },
        ),
        (
            "mask, residual of logits, two members",
            PyramidConfig {
                residual: Residual::LastFrame,
                mask_channel: true,
                members: 2,
                ..sigmoid.clone()
            },
        ),
        ("residual of logits, skip", PyramidConfig { residual: Residual::LastFrame, skip: true, ..sigmoid }),
        ("three scales, residual, skip, reset after", wide),
        (
            "one scale, without bias",
            PyramidConfig { scales: scales(&[(8, 4)]), bias: false, ..Default::default() },
        ),
    ]
}

fn encoder_forecasters() -> [EncoderForecasterConfig; 6] {
    let config = |image_channels, patch, hidden_channels: &[usize]| EncoderForecasterConfig {
        image_channels,
        patch,
        hidden_channels: hidden_channels.to_vec(),
        ..EncoderForecasterConfig::default()
    };
    [
        EncoderForecasterConfig { output_activation: OutputActivation::Sigmoid, ..config(1, 4, &[8, 6]) },
        EncoderForecasterConfig { kernel_size: KernelSizes::All(5), ..config(3, 2, &[7]) },
        EncoderForecasterConfig { feedback: Feedback::Unconditioned, ..config(2, 2, &[5, 4, 3]) },
        EncoderForecasterConfig { feedback: Feedback::Unconditioned, members: 3, ..config(2, 4, &[6]) },
        EncoderForecasterConfig { bias: false, ..config(2, 1, &[4, 4]) },
        EncoderForecasterConfig { mask_channel: true, ..config(2, 2, &[5]) },
    ]
}

/// Numbers between -1 and 1 without a pattern that a mistake could follow.
pub(super) fn numbers(shape: &[usize], seed: usize) -> Tensor<f32> {
    Tensor::from_fn(shape, |i| ((i + 1) as f64 * (0.754_877_666 + seed as f64 * 0.137) * 997.0).sin() as f32)
}

/// A bias of zero would hide a file that lacks it.
fn set_biases(parameters: &mut impl Parameters<f32>) {
    parameters.for_each_mut(&mut |name, tensor| {
        if name.ends_with("bias") {
            let shape = tensor.shape().to_vec();
            *tensor = numbers(&shape, 5);
        }
    });
}

fn stack(config: ConvGruConfig) -> anyhow::Result<Network> {
    let mut network = ConvGru::<f32>::new(config.clone(), 7)?;
    set_biases(network.parameters_mut());
    let bias = if config.bias { "bias" } else { "no bias" };
    let hidden: Vec<String> = config.hidden_channels.iter().map(usize::to_string).collect();
    let name = format!(
        "reset {}, {} and {}, dilation {:?}, {bias}, channels {} -> {}",
        config.reset,
        config.gate_activation,
        config.candidate_activation,
        config.dilation,
        config.in_channels,
        hidden.join(" -> ")
    );
    let mut runs = Vec::new();
    for [steps, batch, height, width] in SIZES {
        let input = numbers(&[steps, batch, config.in_channels, height, width], 0);
        let state = |(layer, &hidden): (usize, &usize)| numbers(&[batch, hidden, height, width], layer + 1);
        let states: Vec<_> = config.hidden_channels.iter().enumerate().map(state).collect();
        let mut result = network.forward(Sequence { states: Some(&states), ..Sequence::from(&input) })?;
        let mut expected = vec![("output".to_owned(), result.outputs.swap_remove(0))];
        let last = result.last.into_iter().enumerate();
        expected.extend(last.map(|(layer, state)| (format!("next_state.{layer}"), state)));
        runs.push(Run { input, more: Vec::new(), states, beside: Vec::new(), steps, expected });
    }
    let models = vec![
        ("step", onnx::conv_gru(&network, Form::Step)?),
        ("sequence", onnx::conv_gru(&network, Form::Sequence)?),
    ];
    // What has no place there is no part of the comparison.
    let gru = Layout::of("torch_nn_gru_1x1").and_then(|layout| state_dict(layout, &network, None).ok());
    Ok(Network {
        name,
        kind: "ConvGru",
        config: serde_json::to_value(&config)?,
        weights: described_weights(network.into())?,
        theirs: gru.map(|gru| to_safetensors(&gru, &[])).transpose()?,
        models,
        runs,
    })
}
