//! Cells of drawn configurations, their numbers at the limits of what is allowed: made or refused, and what is made has
//! the gradient of differences, the bits of a stream, and the same gradient again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;

use convgru_model::composed::{
    Bias, CellConfig, CellKind, Context, Normalization, PaddingMode, Recurrent, RecurrentConfig,
};
use convgru_model::layer::Activation;
use convgru_model::{MemoryBudget, OutputGradients, Parameters, ResetGate, Sequence, Tensor, Workspace};
use fixtures::noise;
use proptest::prelude::*;

/// Kernels of one pixel, of some, and wider than every image.
fn sizes() -> impl Strategy<Value = [usize; 2]> {
    let size =
        prop_oneof![4 => Just(3usize), 2 => Just(1), 1 => Just(5), 1 => Just(9), 1 => Just(2), 1 => Just(0)];
    prop::array::uniform2(size)
}

fn steps() -> impl Strategy<Value = [usize; 2]> {
    let step = prop_oneof![5 => Just(1usize), 2 => Just(2), 1 => Just(7), 1 => Just(0)];
    prop::array::uniform2(step)
}

fn padding_mode() -> impl Strategy<Value = PaddingMode> {
    prop_oneof![3 => Just(PaddingMode::Zeros), 1 => Just(PaddingMode::Replicate), 1 => Just(PaddingMode::Circular), 1 => Just(PaddingMode::Reflect)]
}

fn cells() -> impl Strategy<Value = CellConfig> {
    let kind = prop_oneof![3 => Just(CellKind::Gru), 1 => Just(CellKind::Lstm), 1 => Just(CellKind::TrajGru)];
    let channels = (0usize..=4, 1usize..=4, 1usize..=2, 1usize..=2);
    let kernels = (sizes(), prop::option::of(sizes()), prop::option::weighted(0.2, sizes()));
    let padding = prop::option::weighted(0.3, prop::array::uniform2(0usize..=4));
    let volumes = prop_oneof![4 => Just([1usize, 1]), 1 => Just([3, 1]), 1 => Just([1, 3])];
    let normalization = prop_oneof![
        3 => Just(Normalization::None),
        1 => Just(Normalization::Layer),
        1 => (1usize..=4, 1usize..=4).prop_map(|(gates, candidate)| Normalization::Group { gates, candidate }),
    ];
    let context =
        prop_oneof![3 => Just(Context::None), 1 => Just(Context::Additive), 1 => Just(Context::Global)];
    let bias = prop_oneof![Just(Bias::None), Just(Bias::One), Just(Bias::Two)];
    let flows = (0usize..=3, 0usize..=3);
    (
        (kind, channels, kernels, padding),
        (steps(), steps(), steps(), volumes),
        (prop::array::uniform2(padding_mode()), normalization, context, bias, flows),
        any::<[bool; 5]>(),
    )
        .prop_map(|((kind, channels, kernels, padding), distances, choices, flags)| {
            let (in_channels, hidden_channels, groups, input_groups) = channels;
            let (kernel_size, input_kernel_size, second_kernel_size) = kernels;
            let (dilation, input_dilation, input_stride, [kernel_depth, input_kernel_depth]) = distances;
            let (padding_mode, normalization, context, bias, (flows, flow_channels)) = choices;
            let [after, peephole, spectral_norm, hard, plain] = flags;
            let full = CellConfig {
                kind,
                in_channels,
                hidden_channels,
                kernel_size,
                input_kernel_size,
                kernel_depth,
                input_kernel_depth,
                second_kernel_size,
                dilation,
                input_dilation,
                input_stride,
                input_padding: padding,
                groups,
                input_groups,
                padding_mode,
                bias,
                reset: if after || kind == CellKind::TrajGru { ResetGate::After } else { ResetGate::Before },
                gate_activation: if hard { Activation::HardSigmoid } else { Activation::Sigmoid },
                normalization,
                spectral_norm,
                context,
                peephole,
                flows,
                flow_channels,
                ..CellConfig::default()
            };
            // Half of them are such as have little that excludes the rest.
            let one = CellConfig {
                kind,
                in_channels,
                hidden_channels,
                kernel_size,
                dilation,
                bias,
                ..CellConfig::default()
            };
            match (plain, kind) {
                (true, CellKind::TrajGru) => {
                    let dilation = [1, 1];
                    let bias = Bias::Two;
                    CellConfig {
                        reset: full.reset,
                        input_kernel_size,
                        input_dilation,
                        flows,
                        flow_channels,
                        dilation,
                        bias,
                        ..one
                    }
                }
                (true, CellKind::Lstm) => CellConfig {
                    input_stride,
                    input_padding: padding,
                    padding_mode,
                    peephole,
                    groups,
                    input_groups,
                    ..one
                },
                (true, CellKind::Gru) => CellConfig {
                    input_stride,
                    input_dilation,
                    input_padding: padding,
                    padding_mode,
                    reset: full.reset,
                    ..one
                },
                _ => full,
            }
        })
}

/// Moves the weights along a direction.
fn moved(network: &Recurrent<f64>, by: f64) -> Recurrent<f64> {
    let (mut moved, mut place) = (network.clone(), 0);
    moved.parameters_mut().for_each_mut(&mut |name, tensor| {
        place += 1;
        let direction: Tensor<f64> = noise(tensor.shape(), place);
        if !name.contains("spectral") {
            tensor.as_mut_slice().iter_mut().zip(direction.as_slice()).for_each(|(x, &d)| *x += by * d);
        }
    });
    moved
}

/// `sum of top . probe`.
fn loss(network: &Recurrent<f64>, sequence: Sequence<'_, f64>, probe: &Tensor<f64>) -> f64 {
    network.forward(sequence).unwrap().outputs[0]
        .as_slice()
        .iter()
        .zip(probe.as_slice())
        .map(|(y, p)| y * p)
        .sum()
}

fn check(config: &CellConfig, size: [usize; 2], depth: usize, lengths: &[usize]) {
    let network = RecurrentConfig::chain([config.clone()]);
    let Ok(mut network) = Recurrent::<f64>::new(network, 3) else {
        // What is refused is refused by its own check.
        config.validate().unwrap_err();
        return;
    };
    // Flows begin as none, where what they move has a kink.
    network = moved(&network, 0.3);
    let volumes = config.kernel_depth.max(config.input_kernel_depth) > 1;
    let frame = |channels: usize, size: [usize; 2]| match volumes {
        true => vec![2, channels, depth, size[0], size[1]],
        false => vec![2, channels, size[0], size[1]],
    };
    let shape = frame(config.in_channels, size);
    let input = noise(&[&[3][..], &shape].concat(), 1);
    let state_size = config.state_size(size);
    let contexts = match config.context {
        Context::Additive => vec![noise(&frame(3 * config.hidden_channels, state_size), 2)],
        _ => Vec::new(),
    };
    let sequence = Sequence { contexts: &contexts, lengths: Some(lengths), ..Sequence::from(&input) };
    let Ok(result) = network.forward(sequence) else {
        network.prepare().unwrap().stream(&[&shape], &contexts).unwrap_err();
        network.forward_train(sequence, &mut Workspace::default()).unwrap_err();
        return;
    };
    let top = &result.outputs[0];
    assert!(top.is_finite(), "{config:?}");
    let probe = noise(top.shape(), 5);
    let d = OutputGradients { outputs: vec![Some(&probe)], ..Default::default() };
    let mut workspace = Workspace::default();
    let mut gradients = Vec::new();
    for budget in [MemoryBudget::Unlimited, MemoryBudget::Bytes(1)] {
        network.set_memory_budget(budget);
        let trained = network.forward_train(sequence, &mut workspace).unwrap();
        assert_eq!(trained, result);
        for _ in 0..2 {
            let mut gradient = network.parameters().zeros_like();
            network.backward(&mut workspace, &d, &mut gradient).unwrap();
            gradients.push(gradient);
        }
    }
    assert_eq!(gradients[0], gradients[1]);
    assert_eq!(gradients[2], gradients[3]);
    let mut along = 0.0;
    let mut place = 0;
    gradients[0].for_each(&mut |name, tensor| {
        place += 1;
        let direction: Tensor<f64> = noise(tensor.shape(), place);
        if !name.contains("spectral") {
            along += tensor.as_slice().iter().zip(direction.as_slice()).map(|(g, d)| g * d).sum::<f64>();
        }
    });
    let step = 1e-6;
    let [before, here, after] = [-step, 0.0, step].map(|by| loss(&moved(&network, by), sequence, &probe));
    let [left, right] = [(here - before) / step, (after - here) / step];
    // A hard sigmoid, and places that flows point to, have kinks: nothing is known where both sides differ.
    let tolerance = 1e-4 * along.abs().max(1.0);
    if (left - right).abs() <= tolerance {
        let difference = (left + right) / 2.0;
        assert!(
            (along - difference).abs() <= 10.0 * tolerance,
            "{along} {left} {right} of {size:?}, {lengths:?}, {config:?}"
        );
    }
    // One frame at a time; what has ended keeps its state.
    let mut stream = network.prepare().unwrap().stream(&[&shape], &contexts).unwrap();
    let whole = network.forward(Sequence { lengths: None, ..sequence }).unwrap();
    for t in 0..3 {
        assert_eq!(stream.step(&[&input.index(t)]).unwrap(), &whole.outputs[0].index(t), "{config:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..Default::default() })]

    #[test]
    fn cells_are_refused_or_right(
        config in cells(), size in prop::array::uniform2(1usize..=6), depth in 1usize..=3,
        lengths in prop::array::uniform2(0usize..=3),
    ) {
        check(&config, size, depth, &lengths);
    }
}

#[test]
fn numbers_that_no_cell_computes_with_are_refused() {
    let cell = CellConfig { normalization: Normalization::Layer, ..CellConfig::new(2, 4) };
    for normalization_epsilon in [f64::NAN, -1e-5, 0.0, f64::INFINITY, 1e300, 1e-300, -0.0] {
        let config = CellConfig { normalization_epsilon, ..cell.clone() };
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains("normalization_epsilon"), "{error}");
    }
    for update_bias in [f64::NAN, f64::INFINITY, 1e300, -1e300] {
        let error = CellConfig { update_bias, ..cell.clone() }.validate().unwrap_err().to_string();
        assert!(error.contains("update_bias"), "{error}");
    }
}
