//! How far `f32` is from `f64` after 20 steps, forward and backward: docs/numerics.md.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use convgru_model::layer::Activation;
use convgru_model::{
    ConvGru, ConvGruConfig, OutputGradients, Parameters, Precision, ResetGate, Tensor, Workspace,
};

/// Largest relative error of the states of a sequence in the 2-norm.
const STATES: f64 = 2e-5;
/// Largest relative error of the gradient of a tensor of weights in the 2-norm.
const GRADIENTS: f64 = 1e-4;

fn relative_error(got: &Tensor<f32>, exact: &Tensor<f64>) -> f64 {
    let pairs = got.as_slice().iter().zip(exact.as_slice());
    let error: f64 = pairs.map(|(&g, e)| (f64::from(g) - e).powi(2)).sum();
    (error / exact.as_slice().iter().map(|e| e * e).sum::<f64>()).sqrt()
}

/// The errors of states and of the worst gradient, against `f64`.
fn errors(config: &ConvGruConfig, [steps, batch, height, width]: [usize; 4]) -> [f64; 2] {
    let single = ConvGru::<f32>::new(config.clone(), 3).unwrap();
    let mut double = ConvGru::<f64>::new(config.clone(), 3).unwrap();
    let mut weights = Vec::new();
    single.parameters().for_each(&mut |_, tensor| weights.push(tensor.cast::<f64>()));
    let mut weights = weights.into_iter();
    double.parameters_mut().for_each_mut(&mut |_, tensor| *tensor = weights.next().unwrap());
    let shape = [steps, batch, config.in_channels, height, width];
    let frames = Tensor::<f32>::from_fn(&shape, |i| {
        ((i.wrapping_mul(2_654_435_761) >> 7) % 2001) as f32 / 1000.0 - 1.0
    });
    macro_rules! run {
        ($network:expr, $frames:expr) => {{
            let mut workspace = Workspace::default();
            let states = $network.forward_train($frames, &mut workspace).unwrap();
            let d_outputs = OutputGradients { outputs: vec![Some(&states.outputs[0])], ..Default::default() };
            let mut gradients = $network.parameters().zeros_like();
            $network.backward(&mut workspace, &d_outputs, &mut gradients).unwrap();
            (states, gradients)
        }};
    }
    let (states, gradients) = run!(single, &frames);
    let (exact, exact_gradients) = run!(double, &frames.cast::<f64>());
    let mut exact_tensors = Vec::new();
    exact_gradients.for_each(&mut |_, tensor| exact_tensors.push(tensor.clone()));
    let mut exact_tensors = exact_tensors.iter();
    let mut worst = 0.0f64;
    gradients.for_each(&mut |_, tensor| {
        worst = worst.max(relative_error(tensor, exact_tensors.next().unwrap()));
    });
    [relative_error(&states.outputs[0], &exact.outputs[0]), worst]
}

#[test]
fn twenty_steps_stay_within_the_stated_errors() {
    let cases = [
        ("3x3", ConvGruConfig::new(16, &[32, 32]), [20, 2, 16, 20]),
        ("5x5", ConvGruConfig { kernel_size: 5.into(), ..ConvGruConfig::new(8, &[32]) }, [20, 1, 13, 17]),
        (
            "seed",
            ConvGruConfig { kernel_size: [3, 5, 3].into(), ..ConvGruConfig::new(8, &[32, 64, 16]) },
            [20, 1, 12, 12],
        ),
        (
            "reset after",
            ConvGruConfig { reset: ResetGate::After, ..ConvGruConfig::new(16, &[32, 24]) },
            [20, 2, 16, 19],
        ),
        (
            "leaky relu, hard sigmoid",
            ConvGruConfig {
                gate_activation: Activation::HardSigmoid,
                candidate_activation: Activation::LeakyRelu(0.2),
                ..ConvGruConfig::new(16, &[32, 24])
            },
            [20, 2, 16, 19],
        ),
        (
            "relu, dilation, reset after",
            ConvGruConfig {
                candidate_activation: Activation::Relu,
                dilation: [2, 2],
                reset: ResetGate::After,
                ..ConvGruConfig::new(16, &[32])
            },
            [20, 2, 16, 19],
        ),
        (
            "5x5 over the input",
            ConvGruConfig { input_kernel_size: Some(5.into()), ..ConvGruConfig::new(16, &[32]) },
            [20, 2, 13, 17],
        ),
    ];
    for (name, config, size) in cases {
        for precision in [Precision::Fast, Precision::Exact] {
            let config = ConvGruConfig { precision, ..config.clone() };
            let [states, gradients] = errors(&config, size);
            eprintln!("{name}, {precision:?}: states {states:.1e}, gradients {gradients:.1e}");
            assert!(
                states <= STATES && gradients <= GRADIENTS,
                "{name}, {precision:?}: {states:e} {gradients:e}"
            );
        }
    }
}
