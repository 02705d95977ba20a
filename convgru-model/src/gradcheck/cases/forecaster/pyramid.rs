//! The pyramid.

use proptest::prelude::*;

use super::Forecasting;
use crate::config::{OutputActivation, PyramidConfig, PyramidScale, ResetGate, Residual};
use crate::error::Result;
use crate::forecaster::Forecaster;
use crate::gradcheck::cases::sequences::named;
use crate::gradcheck::draw::{self, Values};
use crate::gradcheck::{Case, probed};
use crate::parameters::Parameters;
use crate::reference::{self, Array};
use crate::tensor::Tensor;

/// A number this near to a kink may cross it in a difference.
const NEAR: f64 = 0.03;
/// Draws that are tried to stay away from kinks.
const TRIES: u64 = 2000;

pub(super) fn cases() -> Vec<Case> {
    // Rectifiers of slope 1 have no kinks, which lets shapes be larger.
    let plain = |config: fn(PyramidConfig) -> PyramidConfig| Kind { config, logits: false, kinks: false };
    let smooth: [(&str, Kind); 14] = [
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
        ("pyramid, mask", plain(|c| PyramidConfig { mask_channel: true, ..c })),
        (
            "pyramid, mask, residual of logits, skip, two members",
            plain(|c| PyramidConfig {
                mask_channel: true,
                output_activation: OutputActivation::Sigmoid,
                residual: Residual::LastFrame,
                skip: true,
                members: 2,
                ..c
            }),
        ),
        (
            "pyramid, mask, motion, skip",
            plain(|c| PyramidConfig { mask_channel: true, residual: Residual::Motion, skip: true, ..c }),
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
            kernel_size: kernel,
            ..PyramidScale::new(channels, down)
        };
        let config = (kind.config)(PyramidConfig {
            image_channels,
            scales: scales.into_iter().take(most).map(of_scale).collect(),
            link_kernel_size: link,
            slope: 1.0,
            head_channels: 2,
            ..Default::default()
        });
        let moves = config.residual == Residual::Motion;
        let image_channels = image_channels + usize::from(config.mask_channel);
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
        probed(forecasting(kind, config, steps, frame, seed)?, seed ^ 1)
    })
}

fn forecasting(
    kind: Kind,
    config: PyramidConfig,
    [frames, steps]: [usize; 2],
    [n, c, h, w]: [usize; 4],
    seed: u64,
) -> Result<Forecasting> {
    let moves = config.residual == Residual::Motion;
    let adds_logits =
        config.residual == Residual::LastFrame && config.output_activation == OutputActivation::Sigmoid;
    let network = Forecaster::new(config.clone(), seed)?;
    let parameters = network.parameters().to_named();
    let draw = |seed: u64| {
        let mut values = Values::new(seed);
        let mut frames = values.tensor(&[frames, n, c, h, w]);
        if adds_logits {
            // Logits are steep near the ends: between 0.2 and 0.8, and some beyond them.
            let at = |x: f64| if x > 0.9 { 1.2 * x } else { 0.5 + 0.3 * x };
            frames.as_mut_slice().iter_mut().for_each(|x| *x = at(*x));
        }
        let mut inputs = if moves { Vec::new() } else { vec![("x".to_owned(), frames)] };
        for (name, parameter) in &parameters {
            let mut drawn = values.tensor(parameter.shape());
            if moves {
                // More frames and pixels make weights of other cases too steep for differences.
                drawn.as_mut_slice().iter_mut().for_each(|weight| *weight *= 0.5);
            }
            inputs.push((name.clone(), drawn));
        }
        inputs
    };
    // Frames that move: what is carried on of them is constant, so they are not probed.
    let fixed = moves.then(|| moving(&[frames, n, c, h, w], seed));
    let mut forecasting =
        Forecasting { network, inputs: draw(seed), fixed, steps, logits: kind.logits, teacher: None };
    let mut best = nearest_kink(&config, &forecasting, &forecasting.inputs)?;
    for attempt in (1..TRIES).take_while(|_| kind.kinks) {
        if best > NEAR {
            break;
        }
        let inputs = draw(seed.wrapping_add(attempt));
        let nearest = nearest_kink(&config, &forecasting, &inputs)?;
        if nearest > best {
            (best, forecasting.inputs) = (nearest, inputs);
        }
    }
    Ok(forecasting)
}

/// How far the number that is nearest to a kink of its function is away from it, with some inputs.
fn nearest_kink(
    config: &PyramidConfig,
    forecasting: &Forecasting,
    inputs: &[(String, Tensor<f64>)],
) -> Result<f64> {
    let arrays: Vec<Array<f64>> = inputs.iter().map(|(_, tensor)| Array::constant(tensor)).collect();
    let first = forecasting.count_of_frames();
    let fixed = forecasting.fixed.as_ref().map(Array::constant);
    let frames = fixed.as_ref().unwrap_or(&arrays[0]);
    let parameters = named(&inputs[first..], &arrays[first..]);
    Ok(reference::pyramid(config, &parameters, None, frames, forecasting.steps)?.nearest_kink)
}

pub(super) fn describe(config: &PyramidConfig) -> String {
    let scale = |scale: &PyramidScale| {
        let [height, width] = scale.kernel_size;
        let (layers, channels, features) = (scale.layers, scale.channels, scale.features());
        format!("down {}, {features} to {layers} x {channels}, {height}x{width}", scale.down)
    };
    let scales: Vec<String> = config.scales.iter().map(scale).collect();
    let [height, width] = config.link_kernel_size;
    format!("scales [{}], links {height}x{width}", scales.join("; "))
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
