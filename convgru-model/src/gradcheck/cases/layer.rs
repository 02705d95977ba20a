//! Layers: convolution, activations, shuffling and resampling of pixels.

use convgru_kernels::reference::Number;
use proptest::prelude::*;

use crate::error::{Error, Result};
use crate::gradcheck::draw::{self, Values};
use crate::gradcheck::{Case, Operation, Subject, probed};
use crate::layer::{
    Activation, Conv2d, Conv2dConfig, Conv2dParameters, Padding, PixelShuffle, PixelUnshuffle, Resample,
    ResampleMethod,
};
use crate::parameters::Parameters;
use crate::reference::{self, Array};
use crate::tensor::Tensor;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        convolution("convolution", 1, true),
        convolution("convolution without bias", 1, false),
        convolution("convolution with stride and dilation", 2, true),
        pointwise_convolution(),
        Case::new("pixel shuffle", patches(), |(shape, factor, seed)| {
            let [n, c, h, w] = shape;
            plain(Layer::Shuffle(PixelShuffle { factor }), [n, c * factor * factor, h, w], seed)
        }),
        Case::new("pixel unshuffle", patches(), |(shape, factor, seed)| {
            let [n, c, h, w] = shape;
            plain(Layer::Unshuffle(PixelUnshuffle { factor }), [n, c, h * factor, w * factor], seed)
        }),
    ];
    for (name, method) in
        [("nearest resampling", ResampleMethod::Nearest), ("bilinear resampling", ResampleMethod::Bilinear)]
    {
        cases.push(Case::new(name, resampling(), move |(shape, size, seed)| {
            plain(Layer::Resample(Resample { method, size }), shape, seed)
        }));
    }
    for (name, activation) in [
        ("identity", Activation::Identity),
        ("sigmoid", Activation::Sigmoid),
        ("hard sigmoid", Activation::HardSigmoid),
        ("tanh", Activation::Tanh),
        ("relu", Activation::Relu),
        ("leaky relu", Activation::LeakyRelu(0.2)),
    ] {
        cases.push(Case::new(name, (images(), draw::seed()), move |(shape, seed)| {
            plain(Layer::Activation(activation), shape, seed)
        }));
    }
    cases
}

/// `[N, C, H, W]`, one-pixel images among them.
fn images() -> impl Strategy<Value = [usize; 4]> + Clone {
    let size = prop_oneof![1 => draw::one_pixel(), 4 => draw::image_size()];
    (draw::batch(), 1usize..=3, size).prop_map(|(n, c, [h, w])| [n, c, h, w])
}

fn patches() -> impl Strategy<Value = ([usize; 4], usize, u64)> + Clone {
    (images(), 1usize..=3, draw::seed())
}

fn resampling() -> impl Strategy<Value = ([usize; 4], [usize; 2], u64)> + Clone {
    (images(), (1usize..=7, 1usize..=7).prop_map(|(h, w)| [h, w]), draw::seed())
}

/// A layer without parameters.
#[derive(Debug, Clone, Copy)]
enum Layer {
    Activation(Activation),
    Shuffle(PixelShuffle),
    Unshuffle(PixelUnshuffle),
    Resample(Resample),
}

struct Plain {
    layer: Layer,
    input: Tensor<f64>,
}

fn plain(layer: Layer, shape: [usize; 4], seed: u64) -> Result<impl Subject<Error = Error>> {
    let mut input = Values::new(seed).away_from_zero(&shape);
    if matches!(layer, Layer::Activation(Activation::HardSigmoid)) {
        // On both sides of the kinks at three, but not near them.
        for x in input.as_mut_slice() {
            *x *= if (5.0 * x.abs() - 3.0).abs() < 0.05 { 5.5 } else { 5.0 };
        }
    }
    probed(Plain { layer, input }, seed ^ 1)
}

impl Operation for Plain {
    fn describe(&self) -> String {
        let shape = self.input.shape();
        match self.layer {
            Layer::Activation(_) => format!("x {shape:?}"),
            Layer::Shuffle(PixelShuffle { factor }) | Layer::Unshuffle(PixelUnshuffle { factor }) => {
                format!("x {shape:?}, factor {factor}")
            }
            Layer::Resample(resample) => format!("x {shape:?} to {:?}", resample.size),
        }
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        vec![("x".to_owned(), self.input.clone())]
    }

    fn forward(&self, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>> {
        let output = match self.layer {
            Layer::Activation(activation) => activation.forward(&inputs[0]),
            Layer::Shuffle(shuffle) => shuffle.forward(&inputs[0])?,
            Layer::Unshuffle(unshuffle) => unshuffle.forward(&inputs[0])?,
            Layer::Resample(resample) => resample.forward(&inputs[0])?,
        };
        Ok(vec![output])
    }

    fn add_gradients(
        &self,
        inputs: &[Tensor<f64>],
        d_outputs: &[Tensor<f64>],
        gradients: &mut [Tensor<f64>],
    ) -> Result<()> {
        let d_input = match self.layer {
            Layer::Activation(activation) => {
                activation.backward(&activation.forward(&inputs[0]), &d_outputs[0])?
            }
            Layer::Shuffle(shuffle) => shuffle.backward(&d_outputs[0])?,
            Layer::Unshuffle(unshuffle) => unshuffle.backward(&d_outputs[0])?,
            Layer::Resample(resample) => resample.backward(inputs[0].shape(), &d_outputs[0])?,
        };
        gradients[0].add_assign(&d_input)
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Vec<Array<N>>> {
        let x = &inputs[0];
        let output = match self.layer {
            Layer::Activation(activation) => x.map(|x| reference::activation(activation, x)),
            Layer::Shuffle(shuffle) => reference::pixel_shuffle(x, shuffle.factor)?,
            Layer::Unshuffle(unshuffle) => reference::pixel_unshuffle(x, unshuffle.factor)?,
            Layer::Resample(Resample { method: ResampleMethod::Nearest, size }) => {
                reference::nearest(x, size)?
            }
            Layer::Resample(Resample { method: ResampleMethod::Bilinear, size }) => {
                reference::bilinear(x, size)?
            }
        };
        Ok(vec![output])
    }
}

/// A convolution with strides and dilations up to `reach`, explicit padding among them.
fn convolution(name: &str, reach: usize, bias: bool) -> Case {
    let steps = move || (1..=reach, 1..=reach).prop_map(|(a, b)| [a, b]);
    let kernel = (1usize..=3, 1usize..=3).prop_filter("kh != kw", |(h, w)| h != w).prop_map(|(h, w)| [h, w]);
    let padding =
        prop_oneof![Just(Padding::Same), prop::array::uniform4(0usize..=2).prop_map(Padding::Explicit),];
    let reached = (steps(), steps())
        .prop_filter("some stride or dilation, where there can be", move |(s, d)| {
            reach == 1 || s.iter().chain(d).any(|&step| step > 1)
        });
    let config = (draw::unequal_channels(), kernel, reached, padding).prop_map(
        move |([in_channels, out_channels], kernel_size, (stride, dilation), padding)| Conv2dConfig {
            in_channels,
            out_channels,
            kernel_size,
            stride,
            dilation,
            padding,
            bias,
        },
    );
    let size = prop_oneof![1 => draw::one_pixel(), 4 => draw::image_size()];
    let fits = (config, draw::batch(), size, draw::seed())
        .prop_filter("the kernel fits", |(config, _, size, _)| config.shape().output_size(*size).is_ok());
    Case::new(name, fits, |(config, batch, size, seed)| convolution_operation(config, batch, size, seed))
}

fn pointwise_convolution() -> Case {
    let drawn = (draw::unequal_channels(), draw::batch(), draw::image_size(), draw::seed());
    Case::new("convolution of one pixel", drawn, |([in_channels, out_channels], batch, size, seed)| {
        convolution_operation(Conv2dConfig::new(in_channels, out_channels, [1, 1]), batch, size, seed)
    })
}

struct Convolution {
    layer: Conv2d<f64>,
    inputs: Vec<(String, Tensor<f64>)>,
}

fn convolution_operation(
    config: Conv2dConfig,
    batch: usize,
    [height, width]: [usize; 2],
    seed: u64,
) -> Result<impl Subject<Error = Error>> {
    let layer = Conv2d::new(config, seed)?;
    let mut values = Values::new(seed);
    let input = values.tensor(&[batch, config.in_channels, height, width]);
    let mut inputs = vec![("x".to_owned(), input)];
    for (name, parameter) in layer.parameters().to_named() {
        inputs.push((name, values.tensor(parameter.shape())));
    }
    probed(Convolution { layer, inputs }, seed ^ 1)
}

impl Convolution {
    fn parameters(&self, inputs: &[Tensor<f64>]) -> Conv2dParameters<f64> {
        Conv2dParameters { weight: inputs[1].clone(), bias: inputs.get(2).cloned() }
    }
}

impl Operation for Convolution {
    fn describe(&self) -> String {
        let config = self.layer.config();
        let [kh, kw] = config.kernel_size;
        let mut text =
            format!("x {:?}, out {}, kernel {kh}x{kw}", self.inputs[0].1.shape(), config.out_channels);
        if config.stride != [1, 1] {
            text += &format!(", stride {:?}", config.stride);
        }
        if config.dilation != [1, 1] {
            text += &format!(", dilation {:?}", config.dilation);
        }
        if let Padding::Explicit(padding) = config.padding {
            text += &format!(", padding {padding:?}");
        }
        text
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        self.inputs.clone()
    }

    fn forward(&self, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>> {
        let layer = Conv2d::from_parameters(*self.layer.config(), self.parameters(inputs))?;
        Ok(vec![layer.forward(&inputs[0])?])
    }

    fn add_gradients(
        &self,
        inputs: &[Tensor<f64>],
        d_outputs: &[Tensor<f64>],
        gradients: &mut [Tensor<f64>],
    ) -> Result<()> {
        let layer = Conv2d::from_parameters(*self.layer.config(), self.parameters(inputs))?;
        let mut d_parameters = self.parameters(gradients);
        let d_input = layer.backward(&inputs[0], &d_outputs[0], &mut d_parameters)?;
        gradients[0].add_assign(&d_input)?;
        for (gradient, (_, d_parameter)) in gradients[1..].iter_mut().zip(d_parameters.to_named()) {
            *gradient = d_parameter;
        }
        Ok(())
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Vec<Array<N>>> {
        let shape = self.layer.config().shape();
        Ok(vec![reference::conv2d(&shape, &inputs[0], &inputs[1], inputs.get(2))?])
    }
}
