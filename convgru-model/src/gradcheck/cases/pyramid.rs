//! The pyramid as a whole.

use convgru_kernels::reference::Number;
use proptest::prelude::*;

use crate::config::{KernelSize, OutputActivation, PyramidConfig, PyramidScale, ResetGate, Residual};
use crate::error::Result;
use crate::forecaster::{OutputGradient, Pyramid, PyramidParameters};
use crate::gradcheck::draw::{self, Values};
use crate::gradcheck::{Case, Operation, Probed};
use crate::parameters::Parameters;
use crate::reference::{self, Array, NamedArrays, PyramidForecast};
use crate::tensor::Tensor;

/// A number this near to a kink may cross it in a difference.
const NEAR: f64 = 0.03;
/// Draws that are tried to stay away from kinks.
const TRIES: u64 = 2000;

pub(super) fn cases() -> Vec<Case> {
    // Rectifiers of slope 1 have no kinks, which lets shapes be larger.
    let plain = |config: fn(PyramidConfig) -> PyramidConfig| Kind { config, logits: false, kinks: false };
    let smooth: [(&str, Kind); 11] = [
        ("pyramid", plain(|c| c)),
        (
            "pyramid without bias, one convolution at the end",
            plain(|c| PyramidConfig { bias: false, head_channels: 0, ..c }),
        ),
        ("pyramid, skip", plain(|c| PyramidConfig { skip: true, ..c })),
        (
            "pyramid, residual, reset after",
            plain(|c| PyramidConfig { residual: Residual::LastFrame, reset: ResetGate::After, ..c }),
        ),
        ("pyramid, sigmoid", plain(|c| PyramidConfig { output_activation: OutputActivation::Sigmoid, ..c })),
        (
            "pyramid, residual of logits, skip",
            plain(|c| PyramidConfig {
                output_activation: OutputActivation::Sigmoid,
                residual: Residual::LastFrame,
                skip: true,
                ..c
            }),
        ),
        (
            "pyramid, residual of logits, two members",
            plain(|c| PyramidConfig {
                output_activation: OutputActivation::Sigmoid,
                residual: Residual::LastFrame,
                members: 2,
                ..c
            }),
        ),
        ("pyramid, motion, skip", plain(|c| PyramidConfig { residual: Residual::Motion, skip: true, ..c })),
        (
            "pyramid, motion of powers, skip",
            plain(|c| PyramidConfig { residual: Residual::Motion, carried_exponent: 3.0, skip: true, ..c }),
        ),
        (
            "pyramid, motion of logits, skip, two members",
            plain(|c| PyramidConfig {
                output_activation: OutputActivation::Sigmoid,
                residual: Residual::Motion,
                skip: true,
                members: 2,
                ..c
            }),
        ),
        (
            "pyramid, sigmoid, loss on logits",
            Kind {
                logits: true,
                ..plain(|c| PyramidConfig { output_activation: OutputActivation::Sigmoid, ..c })
            },
        ),
    ];
    let leaky = Kind { kinks: true, ..plain(|c| PyramidConfig { slope: 0.2, skip: true, ..c }) };
    let moving = |c| PyramidConfig { slope: 0.2, skip: true, residual: Residual::Motion, ..c };
    let mut cases: Vec<Case> = smooth.into_iter().map(|(name, kind)| case(name, kind)).collect();
    cases.push(case("pyramid, leaky rectifiers", leaky));
    cases.push(case("pyramid, motion, leaky rectifiers", Kind { kinks: true, ..plain(moving) }));
    cases
}

/// What a case fixes; shapes are drawn.
#[derive(Debug, Clone, Copy)]
struct Kind {
    config: fn(PyramidConfig) -> PyramidConfig,
    /// Whether the loss is taken before the output activation.
    logits: bool,
    kinks: bool,
}

fn case(name: &str, kind: Kind) -> Case {
    let kernel = || prop::sample::select(vec![[1usize, 3usize], [3, 1], [3, 3], [1, 1]]);
    let scale = (1usize..=2, 1usize..=2, 1usize..=2, 1usize..=2, kernel());
    let scales = prop::collection::vec(scale, 1..=3);
    let size = (1usize..=4, 1usize..=5).prop_filter("H != W", |(h, w)| h != w);
    let frames = (1usize..=3, 1usize..=3).prop_filter("T_in != T_out", |(inputs, outputs)| inputs != outputs);
    let drawn = (scales, kernel(), 1usize..=2, size, 1usize..=2, frames, draw::seed());
    Case::new(name, drawn, move |(scales, link, image_channels, (h, w), batch, (inputs, outputs), seed)| {
        let most = if kind.kinks { 2 } else { 3 };
        let of_scale = |(channels, down, features, layers, kernel)| PyramidScale {
            features: Some(features),
            layers: if kind.kinks { 1 } else { layers },
            kernel_size: KernelSize::Rectangle(kernel),
            ..PyramidScale::new(channels, down)
        };
        let config = (kind.config)(PyramidConfig {
            image_channels,
            scales: scales.into_iter().take(most).map(of_scale).collect(),
            link_kernel_size: KernelSize::Rectangle(link),
            slope: 1.0,
            head_channels: 2,
            ..Default::default()
        });
        let moves = config.residual == Residual::Motion;
        let frame = match (kind.kinks, moves) {
            (true, _) => [1, image_channels, h.min(2), w.min(3)],
            (false, true) => [batch, image_channels, 2 * h - 1, 2 * w - 1],
            (false, false) => [batch, image_channels, h, w],
        };
        let steps = match (kind.kinks, moves) {
            (true, _) => [inputs.min(2), outputs.min(2)],
            // Up to one more frame than shows the movement.
            (false, true) => [inputs + 2, outputs],
            (false, false) => [inputs, outputs],
        };
        Probed::new(Forecasting::new(kind, config, steps, frame, seed)?, seed ^ 1)
    })
}

struct Forecasting {
    kind: Kind,
    network: Pyramid<f64>,
    /// The frames, unless they are fixed, and all parameters.
    inputs: Vec<(String, Tensor<f64>)>,
    /// Frames that move, and what is carried on of them is constant: they are not probed.
    fixed: Option<Tensor<f64>>,
    steps: usize,
}

impl Forecasting {
    fn new(
        kind: Kind,
        config: PyramidConfig,
        [frames, steps]: [usize; 2],
        [n, c, h, w]: [usize; 4],
        seed: u64,
    ) -> Result<Self> {
        let (added, moves) = (config.residual == Residual::LastFrame, config.residual == Residual::Motion);
        let network = Pyramid::new(config, seed)?;
        let fixed = moves.then(|| moving(&[frames, n, c, h, w], seed));
        let draw = |seed: u64| {
            let mut values = Values::new(seed);
            let mut frames = values.tensor(&[frames, n, c, h, w]);
            if added && network.config().output_activation == OutputActivation::Sigmoid {
                // Logits are steep near the ends: between 0.2 and 0.8, and some beyond them.
                let at = |x: f64| if x > 0.9 { 1.2 * x } else { 0.5 + 0.3 * x };
                frames.as_mut_slice().iter_mut().for_each(|x| *x = at(*x));
            }
            let mut inputs = if moves { Vec::new() } else { vec![("x".to_owned(), frames)] };
            for (name, parameter) in network.parameters().to_named() {
                let mut drawn = values.tensor(parameter.shape());
                if moves {
                    // More frames and pixels make weights of other cases too steep for differences.
                    drawn.as_mut_slice().iter_mut().for_each(|weight| *weight *= 0.5);
                }
                inputs.push((name, drawn));
            }
            inputs
        };
        let mut forecasting = Self { kind, inputs: draw(seed), fixed, steps, network: network.clone() };
        let mut best = forecasting.nearest_kink(&forecasting.inputs)?;
        for attempt in (1..TRIES).take_while(|_| kind.kinks) {
            if best > NEAR {
                break;
            }
            let inputs = draw(seed.wrapping_add(attempt));
            let nearest = forecasting.nearest_kink(&inputs)?;
            if nearest > best {
                (best, forecasting.inputs) = (nearest, inputs);
            }
        }
        Ok(forecasting)
    }

    fn nearest_kink(&self, inputs: &[(String, Tensor<f64>)]) -> Result<f64> {
        let arrays: Vec<Array<f64>> = inputs.iter().map(|(_, tensor)| Array::constant(tensor)).collect();
        Ok(self.run_reference(&arrays)?.nearest_kink)
    }

    fn run_reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<PyramidForecast<N>> {
        let first = self.probed_frames();
        let names = self.inputs[first..].iter().map(|(name, _)| name.clone());
        let named = NamedArrays::new(names.zip(inputs[first..].iter().cloned()).collect());
        let fixed = self.fixed.as_ref().map(Array::constant);
        let frames = fixed.as_ref().unwrap_or(&inputs[0]);
        reference::pyramid(self.network.config(), &named, None, frames, self.steps)
    }

    /// How many of the inputs are frames.
    fn probed_frames(&self) -> usize {
        usize::from(self.fixed.is_none())
    }

    fn frames<'a>(&'a self, inputs: &'a [Tensor<f64>]) -> &'a Tensor<f64> {
        self.fixed.as_ref().unwrap_or(&inputs[0])
    }

    fn parameters(&self, tensors: &[Tensor<f64>]) -> PyramidParameters<f64> {
        let mut parameters = self.network.parameters().clone();
        let mut given = tensors[self.probed_frames()..].iter();
        parameters.for_each_mut(&mut |_, parameter| {
            if let Some(tensor) = given.next() {
                parameter.clone_from(tensor);
            }
        });
        parameters
    }

    fn network(&self, inputs: &[Tensor<f64>]) -> Pyramid<f64> {
        let mut network = self.network.clone();
        *network.parameters_mut() = self.parameters(inputs);
        network
    }
}

impl Operation for Forecasting {
    fn describe(&self) -> String {
        let config = self.network.config();
        let scale = |scale: &PyramidScale| {
            let [height, width] = scale.kernel_size.size();
            let (layers, channels, features) = (scale.layers, scale.channels, scale.features());
            format!("down {}, {features} to {layers} x {channels}, {height}x{width}", scale.down)
        };
        let scales: Vec<String> = config.scales.iter().map(scale).collect();
        let [height, width] = config.link_kernel_size.size();
        let shape = self.fixed.as_ref().unwrap_or(&self.inputs[0].1).shape();
        format!("x {shape:?} to {}, scales [{}], links {height}x{width}", self.steps, scales.join("; "))
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        self.inputs.clone()
    }

    fn forward(&self, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>> {
        let network = self.network(inputs);
        if self.kind.logits {
            return Ok(vec![network.forward_train(self.frames(inputs), self.steps)?.0.logits]);
        }
        Ok(vec![network.forward(self.frames(inputs), self.steps)?])
    }

    fn add_gradients(
        &self,
        inputs: &[Tensor<f64>],
        d_outputs: &[Tensor<f64>],
        gradients: &mut [Tensor<f64>],
    ) -> Result<()> {
        let network = self.network(inputs);
        let (_, mut workspace) = network.forward_train(self.frames(inputs), self.steps)?;
        let d_output = match self.kind.logits {
            true => OutputGradient::Logits(&d_outputs[0]),
            false => OutputGradient::Output(&d_outputs[0]),
        };
        let mut d_parameters = self.parameters(gradients);
        let d_input = network.backward(&mut workspace, d_output, &mut d_parameters)?;
        let (of_frames, of_parameters) = gradients.split_at_mut(self.probed_frames());
        if let Some(gradient) = of_frames.first_mut() {
            gradient.add_assign(&d_input)?;
        }
        for (gradient, (_, d_parameter)) in of_parameters.iter_mut().zip(d_parameters.to_named()) {
            *gradient = d_parameter;
        }
        Ok(())
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Vec<Array<N>>> {
        let forecast = self.run_reference(inputs)?.frames;
        Ok(vec![if self.kind.logits { forecast.logits } else { forecast.output }])
    }
}

/// Waves that move, each channel in a direction of its own; some numbers are beyond those that have logits.
fn moving(shape: &[usize; 5], seed: u64) -> Tensor<f64> {
    let &[_, n, c, height, width] = shape;
    Tensor::from_fn(shape, |index| {
        let (t, image) = (index / (n * c * height * width), index / (height * width) % (n * c));
        let (y, x) = (index / width % height, index % width);
        let [t, image, y, x] = [t, image, y, x].map(|number| number as f64);
        let phase = (seed % 97) as f64 + 1.3 * image;
        0.5 + 0.55 * (0.9 * (y - 0.6 * t) + 0.7 * (x - (0.8 - 0.5 * image) * t) + phase).sin()
    })
}
