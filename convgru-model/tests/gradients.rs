//! The gradient checks notice what is wrong, and gradients are the same on other ways.
//!
//! Every case runs inside of the crate, in `gradcheck/cases/tests.rs`; `cargo xtask gradcheck` runs more draws of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;

use convgru_model::gradcheck;
use convgru_model::gradcheck::draw::Values;
use convgru_model::{
    ConvGru, ConvGruConfig, EncoderForecasterConfig, Forecaster, Parameters, PredictionGradient, Sequence,
    Tensor, Workspace,
};
use fixtures::{everything, of_outputs};
use proptest::prelude::*;
use rayon::prelude::*;

#[test]
fn a_broken_gradient_is_noticed_in_every_case() {
    let missed: Vec<String> = gradcheck::cases()
        .par_iter()
        .filter(|case| !case.catches_broken_gradient(2024))
        .map(|case| case.name().to_owned())
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn names_of_cases_are_unique() {
    let mut names: Vec<String> = gradcheck::cases().iter().map(|case| case.name().to_owned()).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_cases_pass_for_random_seeds(index in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let cases = gradcheck::cases();
        let row = cases[index.index(cases.len())].run(seed, 0);
        prop_assert!(row.passed, "seed {}: {:?}", seed, row);
    }
}

fn network() -> (ConvGru<f64>, Tensor<f64>, Vec<Tensor<f64>>) {
    let mut values = Values::new(11);
    let mut network = ConvGru::new(ConvGruConfig::new(2, &[3, 2]), 5).unwrap();
    network.parameters_mut().for_each_mut(&mut |_, parameter| *parameter = values.tensor(parameter.shape()));
    let probes = vec![values.tensor(&[3, 2, 3, 4, 5]), values.tensor(&[3, 2, 2, 4, 5])];
    (network, values.tensor(&[3, 2, 2, 4, 5]), probes)
}

#[test]
fn no_state_and_a_state_of_zeros_have_the_same_gradients() {
    let (network, x, probes) = network();
    let zeros = [Tensor::zeros(&[2, 3, 4, 5]), Tensor::zeros(&[2, 2, 4, 5])];
    let run = |states: Option<&[Tensor<f64>]>| {
        let mut workspace = Workspace::default();
        network.forward_train(Sequence { states, ..everything(&x) }, &mut workspace).unwrap();
        let mut gradients = network.parameters().zeros_like();
        let back = network.backward(&mut workspace, &of_outputs(&probes), &mut gradients).unwrap();
        (back, gradients)
    };
    let ((none, d_none), (given, d_given)) = (run(None), run(Some(&zeros)));
    let near = |a: &Tensor<f64>, b: &Tensor<f64>| {
        a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs().max(1.0))
    };
    for ((name, a), (_, b)) in d_none.to_named().iter().zip(d_given.to_named()) {
        assert!(near(a, &b), "{name}");
    }
    assert!(near(&none.inputs[0], &given.inputs[0]));
}

#[test]
fn gradients_of_weights_do_not_depend_on_whether_the_input_has_one() {
    let (network, x, probes) = network();
    let mut workspace = Workspace::default();
    let mut run = |input_gradient| {
        let mut gradients = network.parameters().zeros_like();
        network.forward_train(Sequence { input_gradient, ..everything(&x) }, &mut workspace).unwrap();
        let back = network.backward(&mut workspace, &of_outputs(&probes), &mut gradients).unwrap();
        (back.inputs.len(), gradients)
    };
    let ((with, a), (without, b)) = (run(true), run(false));
    assert_eq!([with, without], [1, 0]);
    assert_eq!(a, b);

    let config = EncoderForecasterConfig { patch: 2, hidden_channels: vec![3, 2], ..Default::default() };
    let network = Forecaster::<f64>::new(config, 5).unwrap();
    let mut values = Values::new(12);
    let (frames, probe) = (values.tensor(&[3, 1, 1, 4, 6]), values.tensor(&[2, 1, 1, 4, 6]));
    let run = |input_gradient| {
        let mut workspace = Workspace::default();
        let sequence = Sequence { input_gradient, ..Sequence::from(&frames) };
        network.forward_train(sequence, 2, None, &mut workspace).unwrap();
        let mut gradients = network.parameters().zeros_like();
        let loss = PredictionGradient::Output(probe.clone());
        let back = network.backward(&mut workspace, loss, &mut gradients).unwrap();
        (back.inputs.len(), gradients)
    };
    let ((with, a), (without, b)) = (run(true), run(false));
    assert_eq!([with, without], [1, 0]);
    assert_eq!(a, b);
}
