//! What belongs to another network, or to this one with other weights, is refused and changes nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;

use convgru_model::composed::{CellConfig, CellKind, Recurrent, RecurrentConfig, RecurrentParameters};
use convgru_model::layer::{Activation, Conv2d, Conv2dConfig};
use convgru_model::{
    BidirectionalConvGru, BidirectionalConvGruConfig, ConvGru, ConvGruConfig, EncoderForecasterConfig, Error,
    Feedback, Forecaster, ForecasterConfig, MlcastConfig, Parameters, PredictionGradient, PyramidConfig,
    PyramidScale, RecurrentForecasterConfig, ResetGate, Residual, Sequence, TeacherForcing, Tensor,
    Workspace,
};
use fixtures::{everything, noise, of_outputs};
use proptest::prelude::*;

/// Configurations, many of which have weights and maps of the same shapes and compute something else.
fn stack(index: usize) -> ConvGruConfig {
    let base = ConvGruConfig::new(2, &[3, 3]);
    match index {
        0 | 1 => base,
        2 => ConvGruConfig { candidate_activation: Activation::Relu, ..base },
        3 => ConvGruConfig { gate_activation: Activation::HardSigmoid, ..base },
        // As far over the edge as kernels of 5.
        4 => ConvGruConfig { dilation: [2, 2], ..base },
        5 => ConvGruConfig { kernel_size: [5, 5].into(), ..base },
        6 => ConvGruConfig { reset: ResetGate::After, ..base },
        7 => ConvGruConfig { bias: false, ..base },
        8 => ConvGruConfig { precision: convgru_model::Precision::Exact, ..base },
        _ => ConvGruConfig::new(2, &[3, 4]),
    }
}

fn networks() -> Vec<ConvGru<f64>> {
    (0..10).map(|index| ConvGru::new(stack(index), index as u64).unwrap()).collect()
}

fn workspace(network: &ConvGru<f64>, steps: usize) -> (Vec<Tensor<f64>>, Workspace<f64>) {
    let (frames, mut workspace) = (noise(&[steps, 2, 2, 5, 6], steps), Workspace::default());
    let output = network.forward_train(everything(&frames), &mut workspace).unwrap();
    (output.outputs, workspace)
}

fn backward(
    network: &ConvGru<f64>,
    workspace: &mut Workspace<f64>,
    states: &[Tensor<f64>],
    gradients: &mut convgru_model::ConvGruParameters<f64>,
) -> convgru_model::Result<()> {
    network.backward(workspace, &of_outputs(states), gradients).map(drop)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    /// Workspace, gradients of states and gradients of weights, each from a network of its own.
    #[test]
    fn a_stack_takes_back_only_what_is_its_own(
        network in 0usize..10, kept in 0usize..10, of_states in 0usize..10, of_weights in 0usize..10,
        steps in 2usize..4,
    ) {
        let networks = networks();
        let (_, mut workspace) = workspace(&networks[kept], 3);
        let (states, _) = self::workspace(&networks[of_states], steps);
        let mut gradients = networks[of_weights].parameters().zeros_like();
        gradients.for_each_mut(&mut |_, tensor| tensor.fill(0.5));
        let before = gradients.clone();
        let result = backward(&networks[network], &mut workspace, &states, &mut gradients);
        let of_shape = |a: usize, b: usize| {
            let shapes = |n: usize| networks[n].parameters().to_named().into_iter().map(|(n, t)| (n, t.shape().to_vec()));
            shapes(a).eq(shapes(b))
                && networks[a].config().reset == networks[b].config().reset
        };
        let fits = network == kept && of_shape(network, of_weights) && steps == 3
            && networks[network].config().hidden_channels == networks[of_states].config().hidden_channels;
        prop_assert_eq!(result.is_ok(), fits, "{:?}", result);
        if result.is_err() {
            prop_assert_eq!(&gradients, &before);
            // The workspace is as good as before to the network that made it.
            let (states, mut fresh) = self::workspace(&networks[kept], 3);
            let mut one = networks[kept].parameters().zeros_like();
            let mut other = one.clone();
            backward(&networks[kept], &mut workspace, &states, &mut one).unwrap();
            backward(&networks[kept], &mut fresh, &states, &mut other).unwrap();
            prop_assert_eq!(one, other);
        }
    }

    /// Tensors of gradients in another order, or with other names and shapes.
    #[test]
    fn gradients_of_other_cells_must_have_the_order_of_the_parameters(swaps in any::<[prop::sample::Index; 2]>()) {
        let network = Recurrent::<f64>::new(two_cells(), 3).unwrap();
        let frames = noise(&[3, 1, 3, 5, 6], 1);
        for budget in [convgru_model::MemoryBudget::Unlimited, convgru_model::MemoryBudget::Bytes(1)] {
            let mut network = network.clone();
            network.set_memory_budget(budget);
            let mut workspace = Workspace::default();
            let states = network.forward_train(&frames, &mut workspace).unwrap();
            let mut named = network.parameters().zeros_like().to_named();
            let [a, b] = swaps.map(|index| index.index(named.len()));
            named.swap(a, b);
            let mut gradients = RecurrentParameters::new(named);
            let before = gradients.clone();
            let result = network.backward(&mut workspace, &of_outputs(&states.outputs), &mut gradients);
            prop_assert_eq!(result.is_ok(), a == b);
            prop_assert_eq!(gradients == before, a != b);
        }
    }

    /// Weights in another order under their names are the same network; under the names of others they are refused.
    #[test]
    fn weights_are_matched_by_name_and_never_used_by_place(swaps in any::<[prop::sample::Index; 2]>()) {
        let network = Recurrent::<f64>::new(two_cells(), 3).unwrap();
        let frames = noise(&[3, 1, 3, 5, 6], 1);
        let expected = network.forward(&frames).unwrap();
        let mut named = network.parameters().to_named();
        let [a, b] = swaps.map(|index| index.index(named.len()));
        named.swap(a, b);
        let swapped = RecurrentParameters::new(named);
        let same = Recurrent::from_parameters(two_cells(), swapped.clone()).unwrap();
        prop_assert_eq!(same.forward(&frames).unwrap(), expected);
        let mut replaced = network.clone();
        *replaced.parameters_mut() = swapped;
        prop_assert_eq!(replaced.forward(&frames).is_ok(), a == b);
        prop_assert_eq!(replaced.forward_train(&frames, &mut Workspace::default()).is_ok(), a == b);
        prop_assert_eq!(replaced.prepare().is_ok(), a == b);
        prop_assert_eq!(replaced.step(&noise(&[1, 3, 5, 6], 2), None).is_ok(), a == b);
        prop_assert_eq!(replaced.iterate_spectral_norms().is_ok(), a == b);
        prop_assert_eq!(
            convgru_model::export::onnx::recurrent(&replaced, convgru_model::export::onnx::Form::Step).is_ok(),
            a == b
        );
    }
}

/// Two layers whose tensors have the same shapes.
fn two_cells() -> RecurrentConfig {
    let cell = CellConfig { spectral_norm: true, ..CellConfig::new(3, 3) };
    RecurrentConfig::chain([cell.clone(), CellConfig { candidate_activation: Activation::Relu, ..cell }])
}

#[test]
fn gradients_with_a_tensor_twice_or_too_many_are_refused() {
    let network = Recurrent::<f64>::new(two_cells(), 3).unwrap();
    let frames = noise(&[3, 1, 3, 5, 6], 1);
    let mut workspace = Workspace::default();
    let states = network.forward_train(&frames, &mut workspace).unwrap();
    let named = network.parameters().zeros_like().to_named();
    let mut twice = named.clone();
    twice[1].0.clone_from(&named[0].0);
    let more = [&named[..], &[("other".to_owned(), Tensor::zeros(&[1]))]].concat();
    for wrong in [twice, more, named[1..].to_vec(), Vec::new()] {
        let mut gradients = RecurrentParameters::new(wrong);
        let before = gradients.clone();
        network.backward(&mut workspace, &of_outputs(&states.outputs), &mut gradients).unwrap_err();
        assert_eq!(gradients, before);
    }
}

/// Gates that were not kept would be recomputed with other weights.
#[test]
fn a_workspace_is_of_the_weights_of_its_forward_pass() {
    let mut network = ConvGru::new(stack(0), 3).unwrap();
    let (states, mut kept) = workspace(&network, 3);
    let copy = network.clone();
    network.parameters_mut().layers[0].input_weights.as_mut_slice()[0] += 0.5;
    let mut gradients = network.parameters().zeros_like();
    let error = backward(&network, &mut kept, &states, &mut gradients).unwrap_err();
    assert!(matches!(error, Error::Workspace { .. }), "{error}");
    assert_eq!(gradients, network.parameters().zeros_like());
    // A copy has the weights that it was copied with.
    backward(&copy, &mut kept, &states, &mut gradients).unwrap();
    // Memory that is used again is of the network that used it last.
    let input = noise(&[3, 2, 2, 5, 6], 3);
    network.forward_train(everything(&input), &mut kept).unwrap();
    backward(&network, &mut kept, &states, &mut gradients).unwrap();
    backward(&copy, &mut kept, &states, &mut gradients).unwrap_err();
    // A sequence that does not fit leaves the workspace as it is.
    let wrong = [noise(&[2, 3, 5, 6], 1)];
    network
        .forward_train(Sequence { states: Some(&wrong), ..Sequence::from(&input) }, &mut kept)
        .unwrap_err();
    backward(&network, &mut kept, &states, &mut gradients).unwrap();
}

#[test]
fn both_directions_and_other_cells_take_back_only_what_is_their_own() {
    let config = ConvGruConfig::new(2, &[3]);
    let relu = ConvGruConfig { candidate_activation: Activation::Relu, ..config.clone() };
    let input = noise(&[3, 2, 2, 5, 6], 1);
    let mut kept = Workspace::default();
    let [mut one, other] = [config, relu]
        .map(|stack| BidirectionalConvGru::<f64>::new(BidirectionalConvGruConfig::new(stack), 1).unwrap());
    let states = one.forward_train(&input, &mut kept).unwrap();
    let mut gradients = one.parameters().zeros_like();
    let d = of_outputs(&states.outputs);
    other.backward(&mut kept, &d, &mut gradients).unwrap_err();
    assert_eq!(gradients, one.parameters().zeros_like());
    one.backward(&mut kept, &d, &mut gradients).unwrap();
    let before = gradients.clone();
    one.parameters_mut();
    one.backward(&mut kept, &d, &mut gradients).unwrap_err();
    assert_eq!(gradients, before);

    let cell = CellConfig { spectral_norm: true, ..CellConfig::new(2, 3) };
    let relu = CellConfig { candidate_activation: Activation::Relu, ..cell.clone() };
    let [mut one, other] =
        [cell, relu].map(|cell| Recurrent::<f64>::new(RecurrentConfig::chain([cell]), 1).unwrap());
    let changes: [fn(&mut Recurrent<f64>); 2] = [
        |network| {
            network.parameters_mut();
        },
        |network| network.iterate_spectral_norms().unwrap(),
    ];
    for change in changes {
        let states = one.forward_train(&input, &mut kept).unwrap();
        let (mut gradients, d) = (one.parameters().zeros_like(), of_outputs(&states.outputs));
        other.backward(&mut kept, &d, &mut gradients).unwrap_err();
        assert_eq!(gradients, one.parameters().zeros_like());
        one.backward(&mut kept, &d, &mut gradients).unwrap();
        let before = gradients.clone();
        change(&mut one);
        one.backward(&mut kept, &d, &mut gradients).unwrap_err();
        assert_eq!(gradients, before);
    }
}

/// Networks that continue frames whose parameters have the same names and shapes.
fn forecasters() -> Vec<Forecaster<f64>> {
    let plain = |feedback| EncoderForecasterConfig {
        patch: 2,
        hidden_channels: vec![3],
        feedback,
        ..Default::default()
    };
    let pyramid = |residual, slope| PyramidConfig {
        scales: vec![PyramidScale::new(3, 2), PyramidScale::new(3, 2)],
        head_channels: 2,
        residual,
        slope,
        ..Default::default()
    };
    let configs: [ForecasterConfig; 5] = [
        plain(Feedback::Predictions).into(),
        plain(Feedback::Unconditioned).into(),
        pyramid(Residual::None, 0.2).into(),
        pyramid(Residual::None, 0.1).into(),
        pyramid(Residual::LastFrame, 0.2).into(),
    ];
    configs.into_iter().map(|config| Forecaster::new(config, 2).unwrap()).collect()
}

#[test]
fn networks_that_continue_frames_take_back_only_what_is_their_own() {
    let frames = noise(&[3, 1, 1, 8, 8], 1);
    for made in 0..5 {
        for given in 0..5 {
            let networks = forecasters();
            let mut kept = Workspace::default();
            let prediction = networks[made].forward_train(&frames, 2, None, &mut kept).unwrap();
            let mut gradients = networks[given].parameters().zeros_like();
            let before = gradients.clone();
            let d = PredictionGradient::Output(prediction.output.clone());
            let result = networks[given].backward(&mut kept, d.clone(), &mut gradients);
            assert_eq!(result.is_ok(), made == given, "{made} {given}");
            assert_eq!(gradients == before, made != given);
            let result = networks[given].backward(&mut kept, d, &mut gradients);
            assert_eq!(result.is_ok(), made == given, "{made} {given}");
        }
        // Weights that were given out since.
        let mut network = forecasters().swap_remove(made);
        let mut kept = Workspace::default();
        let prediction = network.forward_train(&frames, 2, None, &mut kept).unwrap();
        network.parameters_mut().for_each_mut(&mut |_, tensor| tensor.fill(0.0));
        let mut gradients = network.parameters().zeros_like();
        let d = PredictionGradient::Output(prediction.output.clone());
        let error = network.backward(&mut kept, d, &mut gradients).unwrap_err();
        assert!(matches!(error, Error::Workspace { .. }), "{error}");
        assert_eq!(gradients, network.parameters().zeros_like());
    }
}

/// A network takes the weights of another of its configuration, and no others, wherever they come from.
#[test]
fn networks_that_continue_frames_take_only_weights_that_fit() {
    let frames = noise(&[3, 1, 1, 8, 8], 1);
    let mut networks = forecasters();
    let wide = PyramidConfig {
        scales: vec![PyramidScale::new(4, 2), PyramidScale::new(3, 2)],
        ..Default::default()
    };
    networks.push(Forecaster::new(wide, 2).unwrap());
    let names = |network: &Forecaster<f64>| {
        let named = network.parameters().to_named().into_iter();
        named.map(|(name, tensor)| (name, tensor.shape().to_vec())).collect::<Vec<_>>()
    };
    for network in &networks {
        for other in &networks {
            let (config, given) = (network.config().clone(), other.parameters().clone());
            let fits = names(network) == names(other);
            let made = Forecaster::from_parameters(config, given.clone());
            assert_eq!(made.is_ok(), fits, "{:?}, {:?}", network.config(), other.config());
            let mut network = network.clone();
            *network.parameters_mut() = given;
            assert_eq!(network.forward(&frames, 2).is_ok(), fits);
            assert_eq!(network.prepare().is_ok(), fits);
        }
    }
}

/// Weights are asked for in the order in which networks have them, and looked at one by one.
#[test]
fn every_network_is_made_of_tensors_that_are_given_one_by_one() {
    let stack = ConvGruConfig::new(2, &[3, 2]);
    let both = BidirectionalConvGruConfig::new(stack.clone());
    let lstm = CellConfig { kind: CellKind::Lstm, peephole: true, ..CellConfig::new(2, 3) };
    macro_rules! expect_made {
        ($($network:ident, $config:expr);*) => {$(
            let config = $config;
            let network = $network::<f64>::new(config.clone(), 3).unwrap();
            let named = network.parameters().to_named();
            let mut given = named.iter();
            let made = $network::from_tensors(config.clone(), &mut |name: &str, shape: &[usize]| {
                let (expected, tensor) = given.next().unwrap();
                assert_eq!((name, shape), (expected.as_str(), tensor.shape()));
                Ok(tensor.clone())
            });
            assert_eq!(made.unwrap().parameters(), network.parameters());
            assert!(given.next().is_none());
            for (wrong, _) in &named {
                let take = &mut |name: &str, shape: &[usize]| {
                    Ok(Tensor::zeros(if name == wrong { &[7] } else { shape }))
                };
                let error = $network::<f64>::from_tensors(config.clone(), take).unwrap_err().to_string();
                assert!(error.contains("[7]"), "{wrong}: {error}");
            }
        )*};
    }
    expect_made!(
        ConvGru, stack;
        BidirectionalConvGru, both;
        Recurrent, RecurrentConfig::chain([lstm]);
        Forecaster, ForecasterConfig::from(PyramidConfig::default());
        Forecaster, ForecasterConfig::from(MlcastConfig { blocks: 1, ..Default::default() });
        Forecaster, ForecasterConfig::from(RecurrentForecasterConfig::default());
        Forecaster, ForecasterConfig::default()
    );
}

/// What a sequence may have besides frames is refused, not left aside.
#[test]
fn networks_that_continue_frames_read_no_states_contexts_or_lengths() {
    let (frames, states) = (noise(&[3, 1, 1, 8, 8], 1), [noise(&[1, 3, 4, 4], 2)]);
    for network in forecasters() {
        let sequence = Sequence::from(&frames);
        for (sequence, what) in [
            (Sequence { states: Some(&states), ..sequence }, "initial states"),
            (Sequence { contexts: &states, ..sequence }, "contexts"),
            (Sequence { lengths: Some(&[2]), ..sequence }, "lengths"),
            (Sequence { inputs: &[], ..sequence }, "inputs"),
        ] {
            let error = network.forward(sequence, 2).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
            network.forward_train(sequence, 2, None, &mut Workspace::default()).unwrap_err();
        }
    }
}

/// True frames that a network would leave aside are looked at as well.
#[test]
fn true_frames_must_fit_every_network() {
    let input = noise(&[3, 1, 1, 8, 8], 1);
    for network in forecasters() {
        for (shape, flags, fits) in [
            ([2, 1, 1, 8, 8], 2, true),
            ([3, 1, 1, 8, 8], 2, false),
            ([2, 2, 1, 8, 8], 2, false),
            ([2, 1, 1, 8, 8], 1, false),
        ] {
            let (frames, forced) = (noise(&shape, 2), vec![true; flags]);
            let teacher = TeacherForcing { frames: &frames, forced: &forced };
            assert_eq!(
                network.forward_train(&input, 2, Some(teacher), &mut Workspace::default()).is_ok(),
                fits,
                "{shape:?} {flags}"
            );
        }
    }
}

/// Every tensor of a network, each replaced by one of another shape, of as many numbers and of others.
#[test]
fn weights_of_other_shapes_are_refused_by_every_call() {
    let shapes = |tensor: &Tensor<f64>| {
        let flat = vec![tensor.len()];
        let mut turned = tensor.shape().to_vec();
        turned.reverse();
        let other = [vec![1], flat.clone(), turned, vec![0], vec![2, 2, 2, 2, 2]];
        other.into_iter().filter(|shape| shape != tensor.shape()).collect::<Vec<_>>()
    };
    let count = |parameters: &dyn Parameters<f64>| {
        let mut count = 0;
        parameters.for_each(&mut |_, _| count += 1);
        count
    };
    let replace = |parameters: &mut dyn Parameters<f64>, place: usize, shape: usize| {
        let mut at = 0;
        parameters.for_each_mut(&mut |_, tensor| {
            if at == place {
                let shapes = shapes(tensor);
                *tensor = Tensor::zeros(&shapes[shape % shapes.len()]);
            }
            at += 1;
        });
    };
    let frames = noise(&[2, 1, 1, 8, 8], 1);
    for network in forecasters() {
        for place in 0..count(network.parameters()) {
            for shape in 0..5 {
                let mut network = network.clone();
                replace(network.parameters_mut(), place, shape);
                network.forward(&frames, 2).unwrap_err();
                network.forward_train(&frames, 2, None, &mut Workspace::default()).unwrap_err();
                network.prepare().unwrap_err();
                let part = convgru_model::export::onnx::Part::EncoderStep;
                convgru_model::export::onnx::forecaster(&network, part).unwrap_err();
            }
        }
    }
    for config in [stack(0), stack(6)] {
        let network = ConvGru::<f64>::new(config, 1).unwrap();
        for place in 0..count(network.parameters()) {
            for shape in 0..5 {
                let mut network = network.clone();
                replace(network.parameters_mut(), place, shape);
                let input = noise(&[2, 1, 2, 5, 6], 1);
                network.forward(&input).unwrap_err();
                network.forward_train(&input, &mut Workspace::default()).unwrap_err();
                network.step(&input.index(0), None).unwrap_err();
                network.prepare().unwrap_err();
                let layout = &convgru_model::import::layout::Layout::SEED;
                convgru_model::export::state_dict(layout, &network, None).unwrap_err();
            }
        }
        let mut more = network.clone();
        let layer = more.parameters().layers[1].clone();
        more.parameters_mut().layers.push(layer);
        more.forward(&noise(&[2, 1, 2, 5, 6], 1)).unwrap_err();
        more.parameters_mut().layers.clear();
        more.prepare().unwrap_err();
    }
    let lstm = CellConfig { kind: CellKind::Lstm, peephole: true, ..CellConfig::new(2, 3) };
    let network = Recurrent::<f64>::new(RecurrentConfig::chain([lstm]), 1).unwrap();
    for place in 0..count(network.parameters()) {
        for shape in 0..5 {
            let mut network = network.clone();
            replace(network.parameters_mut(), place, shape);
            network.forward(&noise(&[2, 1, 2, 5, 6], 1)).unwrap_err();
            network.prepare().unwrap_err();
            network.iterate_spectral_norms().unwrap_err();
        }
    }
    let mut layer = Conv2d::<f64>::new(Conv2dConfig::new(2, 3, [3, 1]), 1).unwrap();
    layer.parameters_mut().weight = Tensor::zeros(&[3, 2, 1, 3]);
    layer.forward(&noise(&[1, 2, 5, 6], 1)).unwrap_err();
    layer.parameters_mut().weight = Tensor::zeros(&[3, 2, 3, 1]);
    layer.parameters_mut().bias = None;
    layer.forward(&noise(&[1, 2, 5, 6], 1)).unwrap_err();
}
