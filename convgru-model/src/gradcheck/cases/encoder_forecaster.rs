//! The encoder-forecaster as a whole.

use convgru_kernels::reference::Number;
use proptest::prelude::*;

use crate::config::{EncoderForecasterConfig, Feedback, KernelSize, KernelSizes, OutputActivation};
use crate::error::Result;
use crate::forecaster::{EncoderForecaster, EncoderForecasterParameters, OutputGradient, TeacherForcing};
use crate::gradcheck::draw::{self, Values};
use crate::gradcheck::{Case, Operation, Probed};
use crate::parameters::Parameters;
use crate::reference::{self, Array, Forcing, NamedArrays};
use crate::tensor::Tensor;

pub(super) fn cases() -> Vec<Case> {
    let case = Kind {
        feedback: Feedback::Predictions,
        activation: OutputActivation::Identity,
        probe: Probe::Pixels,
        teacher: false,
        bias: true,
        members: 1,
    };
    let sigmoid = Kind { activation: OutputActivation::Sigmoid, ..case };
    let blind = Kind { feedback: Feedback::Unconditioned, ..case };
    let size = || prop_oneof![1 => draw::one_pixel(), 3 => draw::image_size().prop_map(|[h, w]| [h.min(2), w.min(3)])];
    [
        ("encoder-forecaster", case),
        ("encoder-forecaster without bias", Kind { bias: false, ..case }),
        ("encoder-forecaster, sigmoid", sigmoid),
        ("encoder-forecaster, sigmoid, loss on logits", Kind { probe: Probe::Logits, ..sigmoid }),
        ("encoder-forecaster, teacher forcing", Kind { teacher: true, ..case }),
        ("encoder-forecaster, sigmoid, teacher forcing", Kind { teacher: true, ..sigmoid }),
        ("encoder-forecaster, unconditioned", blind),
        (
            "encoder-forecaster, unconditioned, sigmoid",
            Kind { activation: OutputActivation::Sigmoid, ..blind },
        ),
        (
            "encoder-forecaster, unconditioned, loss on logits",
            Kind { activation: OutputActivation::Sigmoid, probe: Probe::Logits, ..blind },
        ),
        ("encoder-forecaster, three members", Kind { members: 3, ..blind }),
    ]
    .map(|(name, kind)| {
        let kernels = prop::sample::select(vec![[1, 3], [3, 1], [3, 3], [1, 5]]);
        let layers = prop::collection::vec((1usize..=2, kernels), 1..=2);
        // Forcing shows from the second predicted frame on.
        let outputs = if kind.teacher { 2usize..=4 } else { 1..=4 };
        let frames =
            (1usize..=4, outputs).prop_filter("T_in != T_out", |(inputs, outputs)| inputs != outputs);
        let shape = (draw::patch_and_channels(), layers, size(), 1usize..=2, frames, draw::seed());
        Case::new(name, shape, move |((patch, channels), layers, [h, w], batch, (inputs, outputs), seed)| {
            let config = EncoderForecasterConfig {
                image_channels: channels,
                patch,
                hidden_channels: layers.iter().map(|(hidden, _)| *hidden).collect(),
                kernel_size: KernelSizes::PerLayer(
                    layers.iter().map(|(_, kernel)| KernelSize::Rectangle(*kernel)).collect(),
                ),
                bias: kind.bias,
                feedback: kind.feedback,
                output_activation: kind.activation,
                members: kind.members,
                ..Default::default()
            };
            let frame = [batch, channels, h * patch, w * patch];
            let operation = Forecasting::new(kind, config, [inputs, outputs], frame, seed)?;
            Probed::new(operation, seed ^ 1)
        })
    })
    .into()
}

/// Where the loss is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Probe {
    /// After the output activation.
    Pixels,
    /// Before it.
    Logits,
}

/// What a case fixes; shapes are drawn.
#[derive(Debug, Clone, Copy)]
struct Kind {
    feedback: Feedback,
    activation: OutputActivation,
    probe: Probe,
    teacher: bool,
    bias: bool,
    members: usize,
}

struct Forecasting {
    kind: Kind,
    network: EncoderForecaster<f64>,
    inputs: Vec<(String, Tensor<f64>)>,
    steps: usize,
    /// True frames, `[steps, N, C, H, W]`; they are data and have no gradient.
    truth: Tensor<f64>,
    forced: Vec<bool>,
}

impl Forecasting {
    fn new(
        kind: Kind,
        config: EncoderForecasterConfig,
        [frames, steps]: [usize; 2],
        [n, c, h, w]: [usize; 4],
        seed: u64,
    ) -> Result<Self> {
        let network = EncoderForecaster::new(config, seed)?;
        let mut values = Values::new(seed);
        let mut inputs = vec![("x".to_owned(), values.tensor(&[frames, n, c, h, w]))];
        for (name, parameter) in network.parameters().to_named() {
            inputs.push((name, values.tensor(parameter.shape())));
        }
        let truth = values.tensor(&[steps, n, c, h, w]);
        let forced = (0..steps).map(|t| kind.teacher && (t == 1 || values.coin())).collect();
        Ok(Self { kind, network, inputs, steps, truth, forced })
    }

    fn parameters(&self, tensors: &[Tensor<f64>]) -> EncoderForecasterParameters<f64> {
        let mut parameters = self.network.parameters().clone();
        let mut given = tensors[1..].iter();
        parameters.for_each_mut(&mut |_, parameter| {
            if let Some(tensor) = given.next() {
                parameter.clone_from(tensor);
            }
        });
        parameters
    }

    fn network(&self, inputs: &[Tensor<f64>]) -> EncoderForecaster<f64> {
        let mut network = self.network.clone();
        *network.parameters_mut() = self.parameters(inputs);
        network
    }

    fn teacher(&self) -> Option<TeacherForcing<'_, f64>> {
        self.kind.teacher.then_some(TeacherForcing { frames: &self.truth, forced: &self.forced })
    }
}

impl Operation for Forecasting {
    fn describe(&self) -> String {
        let config = self.network.config();
        let mut text = format!(
            "x {:?} to {}, patch {}, hidden {:?}",
            self.inputs[0].1.shape(),
            self.steps,
            config.patch,
            config.hidden_channels
        );
        for layer in 0..config.hidden_channels.len() {
            let [height, width] = config.kernel_size.of_layer(layer);
            text += &format!("{} {height}x{width}", if layer == 0 { ", kernel" } else { "" });
        }
        if self.kind.teacher {
            let forced: String = self.forced.iter().map(|&forced| if forced { 'f' } else { '-' }).collect();
            text += &format!(", forced {forced}");
        }
        text
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        self.inputs.clone()
    }

    fn forward(&self, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>> {
        let network = self.network(inputs);
        if !self.kind.teacher && self.kind.probe == Probe::Pixels {
            return Ok(vec![network.forward(&inputs[0], self.steps)?]);
        }
        let (prediction, _) = network.forward_train(&inputs[0], self.steps, self.teacher())?;
        Ok(vec![match self.kind.probe {
            Probe::Pixels => prediction.output,
            Probe::Logits => prediction.logits,
        }])
    }

    fn add_gradients(
        &self,
        inputs: &[Tensor<f64>],
        d_outputs: &[Tensor<f64>],
        gradients: &mut [Tensor<f64>],
    ) -> Result<()> {
        let network = self.network(inputs);
        let (_, mut workspace) = network.forward_train(&inputs[0], self.steps, self.teacher())?;
        let d_output = match self.kind.probe {
            Probe::Pixels => OutputGradient::Output(&d_outputs[0]),
            Probe::Logits => OutputGradient::Logits(&d_outputs[0]),
        };
        let mut d_parameters = self.parameters(gradients);
        let d_input = network.backward(&mut workspace, d_output, &mut d_parameters)?;
        gradients[0].add_assign(&d_input)?;
        for (gradient, (_, d_parameter)) in gradients[1..].iter_mut().zip(d_parameters.to_named()) {
            *gradient = d_parameter;
        }
        Ok(())
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Vec<Array<N>>> {
        let names = self.inputs[1..].iter().map(|(name, _)| name.clone());
        let named = NamedArrays::new(names.zip(inputs[1..].iter().cloned()).collect());
        let truth = Array::constant(&self.truth);
        let forcing = self.kind.teacher.then_some(Forcing { frames: &truth, forced: &self.forced });
        let config = self.network.config();
        let forecast = reference::encoder_forecaster(config, &named, &inputs[0], self.steps, forcing)?;
        Ok(vec![match self.kind.probe {
            Probe::Pixels => forecast.output,
            Probe::Logits => forecast.logits,
        }])
    }
}
