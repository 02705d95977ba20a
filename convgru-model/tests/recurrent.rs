//! What holds of every cell of the composed engine, whatever it computes.

mod fixtures;

use convgru_model::composed::{
    Bias, CellConfig, CellKind, Context, ConvStageConfig, Normalization, PaddingMode, Recurrent,
    RecurrentConfig, RecurrentParameters, Stage, Wiring,
};
use convgru_model::layer::Activation;
use convgru_model::{
    ConvGru, ConvGruConfig, MemoryBudget, Output, OutputGradients, Parameters, ResetGate, ReturnLayers,
    Sequence, StateGradient, Tensor, Workspace,
};
use fixtures::{bits_of, everything, of_outputs, pool};

fn frames(shape: &[usize]) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| ((i * 7919 + 13) % 2003) as f64 / 1001.5 - 1.0)
}

/// Cells of every kind, two layers each.
fn networks() -> Vec<(&'static str, RecurrentConfig)> {
    let gru = CellConfig::new(3, 4);
    let chain = |cell: CellConfig| {
        let hidden = cell.hidden_channels;
        let above = CellConfig { in_channels: hidden, input_groups: 1, ..cell.clone() };
        RecurrentConfig::chain([cell, above])
    };
    vec![
        ("gru", chain(gru.clone())),
        ("after", chain(CellConfig { reset: ResetGate::After, ..gru.clone() })),
        ("relu", chain(CellConfig { candidate_activation: Activation::Relu, ..gru.clone() })),
        ("dilated", chain(CellConfig { dilation: [2, 3], ..gru.clone() })),
        (
            "wrapped",
            chain(CellConfig {
                padding_mode: [PaddingMode::Replicate, PaddingMode::Circular],
                ..gru.clone()
            }),
        ),
        ("depthwise", chain(CellConfig { groups: 4, ..gru.clone() })),
        ("layer norm", chain(CellConfig { normalization: Normalization::Layer, ..gru.clone() })),
        ("spectral", chain(CellConfig { spectral_norm: true, ..gru.clone() })),
        ("global", chain(CellConfig { context: Context::Global, ..gru.clone() })),
        ("pairs", chain(CellConfig { second_kernel_size: Some([5, 1]), ..gru.clone() })),
        ("zoneout", chain(CellConfig { zoneout: 0.25, dropout: 0.25, ..gru.clone() })),
        ("lstm", chain(CellConfig { kind: CellKind::Lstm, peephole: true, ..gru.clone() })),
        ("traj gru", {
            let cell = CellConfig { kind: CellKind::TrajGru, reset: ResetGate::After, ..gru.clone() };
            chain(CellConfig { flow_channels: 4, flows: 2, ..cell })
        }),
        ("residual", RecurrentConfig { wiring: Wiring::Residual, ..chain(gru) }),
    ]
}

fn same_bits(a: &Output<f64>, b: &Output<f64>) -> bool {
    let bits = |output: &Output<f64>| -> Vec<u64> {
        output.outputs.iter().chain(&output.last).flat_map(bits_of).collect()
    };
    bits(a) == bits(b)
}

#[test]
fn one_frame_at_a_time_gives_the_bits_of_the_sequence_and_of_training() {
    let x = frames(&[4, 2, 3, 6, 7]);
    for (name, config) in networks() {
        let network = Recurrent::<f64>::new(config, 5).unwrap();
        let sequence = network.forward(everything(&x)).unwrap();
        let trained = network.forward_train(everything(&x), &mut Workspace::default()).unwrap();
        assert!(same_bits(&sequence, &trained), "{name}");
        let mut states: Option<Vec<Tensor<f64>>> = None;
        for t in 0..4 {
            states = Some(network.step(&x.index(t), states.as_deref()).unwrap());
        }
        assert_eq!(states.unwrap(), sequence.last, "{name}");
    }
}

#[test]
fn samples_do_not_touch_each_other_and_end_where_they_are_said_to() {
    let (steps, batch) = (5, 3);
    let x = frames(&[steps, batch, 3, 5, 6]);
    let lengths = [2, 5, 3];
    for (name, config) in networks() {
        let network = Recurrent::<f64>::new(config, 5).unwrap();
        let together = network.forward(Sequence { lengths: Some(&lengths), ..Sequence::from(&x) }).unwrap();
        for (sample, &len) in lengths.iter().enumerate() {
            let alone = (0..len).flat_map(|t| {
                let size = 3 * 5 * 6;
                x.slice(t)[sample * size..(sample + 1) * size].to_vec()
            });
            let alone = Tensor::from_vec(&[len, 1, 3, 5, 6], alone.collect()).unwrap();
            let alone = network.forward(&alone).unwrap();
            for (state, of_all) in alone.last.iter().zip(&together.last) {
                let size = state.len();
                assert_eq!(
                    state.as_slice(),
                    &of_all.as_slice()[sample * size..(sample + 1) * size],
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let x = frames(&[3, 2, 3, 9, 8]);
    for (name, config) in networks() {
        let network = Recurrent::<f64>::new(config, 1).unwrap();
        let run = || {
            let mut workspace = Workspace::default();
            let sequence = Sequence { dropout_seed: Some(3), input_gradient: true, ..Sequence::from(&x) };
            let output = network.forward_train(sequence, &mut workspace).unwrap();
            let mut gradients = network.parameters().zeros_like();
            let back =
                network.backward(&mut workspace, &of_outputs(&output.outputs), &mut gradients).unwrap();
            (output, gradients, back)
        };
        let expected = pool(1).install(run);
        for threads in [2, 3, 8] {
            assert!(pool(threads).install(run) == expected, "{name}: {threads} threads");
        }
    }
}

/// What a memory budget does not let a forward pass keep is computed again, with the same results.
#[test]
fn a_memory_budget_changes_no_state_and_no_gradient_but_by_rounding() {
    let x = frames(&[7, 3, 3, 5, 6]);
    let lengths = [2, 7, 4];
    for (name, config) in networks() {
        let mut network = Recurrent::<f64>::new(config, 5).unwrap();
        let given = Sequence { lengths: Some(&lengths), dropout_seed: Some(3), ..everything(&x) };
        let run = |network: &Recurrent<f64>| {
            let mut workspace = Workspace::default();
            let output = network.forward_train(given, &mut workspace).unwrap();
            let mut gradients = network.parameters().zeros_like();
            let mut d = of_outputs(&output.outputs);
            d.last = output.last.iter().map(Some).collect();
            let back = network.backward(&mut workspace, &d, &mut gradients).unwrap();
            (workspace.bytes(), output, gradients, back.inputs)
        };
        let (all, expected, d_expected, d_inputs) = run(&network);
        for part in [1, 3, 5] {
            network.set_memory_budget(MemoryBudget::Bytes(all * part / 7));
            let (bytes, output, gradients, d) = run(&network);
            assert!(bytes < all, "{name}: {bytes} of {all}");
            assert!(same_bits(&output, &expected), "{name}");
            let near = |a: &Tensor<f64>, b: &Tensor<f64>| {
                let largest = b.as_slice().iter().fold(1.0f64, |most, x| most.max(x.abs()));
                a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| (a - b).abs() < 1e-12 * largest)
            };
            assert!(near(&d[0], &d_inputs[0]), "{name}");
            for ((tensor, one), (_, other)) in gradients.named().iter().zip(d_expected.named()) {
                assert!(near(one, other), "{name}: {tensor}");
            }
        }
    }
}

/// The two engines compute the same cell, forward and backward.
#[test]
fn a_plain_cell_is_that_of_conv_gru() {
    let (x, state) = (frames(&[4, 2, 3, 7, 9]), frames(&[2, 5, 7, 9]));
    for reset in [ResetGate::Before, ResetGate::After] {
        let config =
            ConvGruConfig { reset, input_kernel_size: Some([5].into()), ..ConvGruConfig::new(3, &[5]) };
        let fused = ConvGru::<f64>::new(config, 3).unwrap();
        let cell = CellConfig { reset, input_kernel_size: Some([5, 5]), ..CellConfig::new(3, 5) };
        let named = fused.parameters().to_named();
        let named = named.into_iter().map(|(name, tensor)| (name.replace("layers", "stages"), tensor));
        let parameters = RecurrentParameters::new(named.collect());
        let composed = Recurrent::from_parameters(RecurrentConfig::chain([cell]), parameters).unwrap();

        let given = Sequence { states: Some(std::slice::from_ref(&state)), ..everything(&x) };
        let [mut of_fused, mut of_composed] = [(); 2].map(|()| Workspace::default());
        let expected = fused.forward_train(given, &mut of_fused).unwrap();
        let got = composed.forward_train(given, &mut of_composed).unwrap();
        assert_eq!((got.outputs.len(), got.last.len()), (expected.outputs.len(), expected.last.len()));
        let near = |a: &Tensor<f64>, b: &Tensor<f64>| {
            a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| (a - b).abs() < 1e-12)
        };
        assert!(near(&got.outputs[0], &expected.outputs[0]));

        let d = of_outputs(&expected.outputs);
        let mut d_fused = fused.parameters().zeros_like();
        let back = fused.backward(&mut of_fused, &d, &mut d_fused).unwrap();
        let mut d_composed = composed.parameters().zeros_like();
        let back_composed = composed.backward(&mut of_composed, &d, &mut d_composed).unwrap();
        assert!(near(&back_composed.inputs[0], &back.inputs[0]));
        assert!(near(&back_composed.states[0], &back.states[0]));
        for ((name, one), (_, other)) in d_fused.to_named().iter().zip(d_composed.named()) {
            assert!(near(one, other), "{name}");
        }
    }
}

/// What a ConvGru computes too it computes the same; what it does not is named.
#[test]
fn networks_become_stacks_of_the_fused_engine_where_it_has_them() {
    let x = frames(&[4, 2, 3, 7, 9]);
    let mut fused = 0;
    for (name, config) in networks() {
        let network = Recurrent::<f64>::new(config, 5).unwrap();
        match network.to_conv_gru() {
            Ok(stack) => {
                fused += 1;
                let expected = network.forward(&x).unwrap().outputs.swap_remove(0);
                let got = stack.forward(&x).unwrap().outputs.swap_remove(0);
                let pairs = got.as_slice().iter().zip(expected.as_slice());
                let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(worst < 1e-12, "{name}: {worst}");
            }
            Err(error) => assert!(error.to_string().contains("a ConvGru does not compute this"), "{error}"),
        }
    }
    // gru, reset after, relu, dilated, spectral.
    assert_eq!(fused, 5);
}

/// A globe that is turned gives a turned result in every layer, and one too small to be halved an error.
#[test]
fn stacked_layers_wrap_the_state_below_around_too() {
    let cell =
        CellConfig { padding_mode: [PaddingMode::Replicate, PaddingMode::Circular], ..CellConfig::new(2, 3) };
    let above = CellConfig { lower_channels: 3, ..cell.clone() };
    let stack = |pool| RecurrentConfig {
        wiring: Wiring::GruRcn { pool },
        ..RecurrentConfig::chain([cell.clone(), above.clone()])
    };
    let network = Recurrent::<f64>::new(stack(false), 3).unwrap();
    let (columns, turn) = (6, 2);
    let x = frames(&[2, 2, 2, 5, columns]);
    let turned = |tensor: &Tensor<f64>| {
        Tensor::from_fn(tensor.shape(), |i| tensor.as_slice()[i / columns * columns + (i + turn) % columns])
    };
    let y = turned(&x);
    let run = |x: &Tensor<f64>| {
        let both = [x.clone(), x.clone()];
        network.forward(Sequence::from(&both[..])).unwrap().outputs.swap_remove(0)
    };
    let (straight, of_turned) = (turned(&run(&x)), run(&y));
    let pairs = straight.as_slice().iter().zip(of_turned.as_slice());
    assert!(pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) < 1e-14);

    let network = Recurrent::<f64>::new(stack(true), 3).unwrap();
    let line = frames(&[1, 1, 2, 1, columns]);
    let half = frames(&[1, 1, 2, 1, columns / 2]);
    network.forward(Sequence::from(&[line, half][..])).unwrap_err();
}

/// The power iteration brings `u . W v` to the largest singular value, which no direction exceeds.
#[test]
fn spectral_norms_converge_and_bound_the_kernel() {
    let cell = CellConfig { spectral_norm: true, ..CellConfig::new(2, 3) };
    let mut network = Recurrent::<f64>::new(RecurrentConfig::chain([cell]), 2).unwrap();
    let norm = |network: &Recurrent<f64>| {
        let find = |name: &str| network.parameters().find(&format!("stages.0.{name}")).unwrap().clone();
        let (input, state) = (find("input_weights"), find("hidden_weights"));
        let (u, v) = (find("spectral.reset.u"), find("spectral.reset.v"));
        let rows = (3..6).map(|row| [input.slice(row), state.slice(row)].concat());
        let products = rows.map(|row| row.iter().zip(v.as_slice()).map(|(w, v)| w * v).sum::<f64>());
        products.zip(u.as_slice()).map(|(product, u)| product * u).sum::<f64>()
    };
    let mut last = norm(&network);
    for _ in 0..200 {
        network.iterate_spectral_norms().unwrap();
        let now = norm(&network);
        assert!(now >= last - 1e-12);
        last = now;
    }
    // Rows drawn orthonormal: every singular value is one.
    assert!((last - 1.0).abs() < 1e-9, "{last}");
}

#[test]
fn the_noise_of_training_is_that_of_its_seed_and_absent_in_use() {
    let x = frames(&[3, 1, 3, 5, 6]);
    let cell = CellConfig { zoneout: 0.4, dropout: 0.4, ..CellConfig::new(3, 4) };
    let network = Recurrent::<f64>::new(RecurrentConfig::chain([cell]), 2).unwrap();
    let sequence = |dropout_seed| Sequence { dropout_seed, ..Sequence::from(&x) };
    let train = |seed| network.forward_train(sequence(seed), &mut Workspace::default()).unwrap();
    assert_eq!(train(Some(1)), train(Some(1)));
    assert_ne!(train(Some(1)), train(Some(2)));
    assert_ne!(train(None), train(Some(1)));
    for seed in [None, Some(1)] {
        assert_eq!(train(seed), network.forward(sequence(seed)).unwrap());
    }
}

#[test]
fn configurations_survive_json_and_say_what_is_wrong() {
    for (name, config) in networks() {
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<RecurrentConfig>(&text).unwrap(), config, "{name}");
    }
    let traj = |cell: &mut CellConfig, change: &dyn Fn(&mut CellConfig)| {
        (cell.kind, cell.reset) = (CellKind::TrajGru, ResetGate::After);
        change(cell);
    };
    let message = |change: &dyn Fn(&mut CellConfig)| {
        let mut cell = CellConfig::new(2, 4);
        change(&mut cell);
        Recurrent::<f32>::new(RecurrentConfig::chain([cell]), 0).unwrap_err().to_string()
    };
    for (change, words) in [
        (
            &(|c: &mut CellConfig| c.kernel_size = [2, 3]) as &dyn Fn(&mut CellConfig),
            "kernel_size: kernel 2x3 must be odd both ways",
        ),
        (&|c| c.groups = 3, "groups: 3 groups of 4 channels"),
        (&|c| c.dilation = [0, 1], "dilation: 0x1 pixels from tap to tap"),
        (&|c| c.zoneout = 1.0, "zoneout: 1 is not within 0 and 1"),
        (&|c| c.peephole = true, "peephole: only an LSTM"),
        (&|c| c.kind = CellKind::TrajGru, "acts after the convolution"),
        (&|c| c.candidate_activation = Activation::LeakyRelu(-1.0), "the slope -1 of leaky-relu"),
        (&|c| c.dilation = [128, 1], "dilation: a kernel would reach over 257x3 pixels"),
        (&|c| c.gate_activation = Activation::Tanh, "gates are sigmoid or hard-sigmoid"),
        (&|c| c.normalization = Normalization::Group { gates: 3, candidate: 1 }, "3 and 1 groups of 8 and 4"),
        (&|c| c.lower_channels = 2, "lower_channels: 2 of cell 0, which reads 0"),
        (&|c| c.hidden_channels = 0, "hidden_channels: 0"),
        (&|c| (c.bias, c.update_bias) = (Bias::One, f64::NAN), "update_bias: NaN"),
        (&|c| c.input_padding = Some([usize::MAX, 1]), "is more than 65025"),
        (&|c| c.lower_channels = usize::MAX, "lower_channels: 18446744073709551615 is more"),
        (&|c| (c.kind, c.reset) = (CellKind::Lstm, ResetGate::After), "reset: an LSTM has no reset gate"),
        (&|c| traj(c, &|c| c.flows = usize::MAX), "18446744073709551615 flows of 32 features"),
        (&|c| traj(c, &|c| c.flow_channels = 0), "5 flows of 0 features"),
        (&|c| traj(c, &|c| c.groups = 2), "groups: flows see all channels"),
        (&|c| traj(c, &|c| c.padding_mode = [PaddingMode::Circular; 2]), "padding_mode: flows have the size"),
        (&|c| traj(c, &|c| c.bias = Bias::None), "bias: a trajectory GRU has two"),
    ] {
        let message = message(change);
        assert!(message.contains(words), "{message}");
    }
    let levels = RecurrentConfig {
        wiring: Wiring::Levels,
        ..RecurrentConfig::chain([CellConfig { input_stride: [2, 2], ..CellConfig::new(2, 4) }])
    };
    let error = Recurrent::<f32>::new(levels, 0).unwrap_err().to_string();
    assert!(error.contains("a level has the size of what it reads"), "{error}");
    let chain = RecurrentConfig::chain([CellConfig::new(2, 4), CellConfig::new(3, 4)]);
    let error = Recurrent::<f32>::new(chain, 0).unwrap_err().to_string();
    assert_eq!(error, "in_channels: stage 1 reads 3 channels, stage 0 gives 4");
}

#[test]
fn what_does_not_fit_a_network_is_an_error_with_its_numbers() {
    let network = Recurrent::<f64>::new(RecurrentConfig::chain([CellConfig::new(3, 4)]), 0).unwrap();
    let x = frames(&[2, 2, 3, 5, 6]);
    let error = |sequence: Sequence<'_, f64>| network.forward(sequence).unwrap_err().to_string();
    let wrong = frames(&[2, 2, 2, 5, 6]);
    assert!(error(Sequence::from(&wrong)).contains("[2, 2, 2, 5, 6] where [2, 2, 3, 5, 6]"));
    let flat = frames(&[2, 3]);
    assert!(error(Sequence::from(&flat)).contains("[T, N, C, H, W]"));
    let states = [frames(&[2, 4, 5, 7])];
    let given = Sequence { states: Some(&states), ..Sequence::from(&x) };
    assert!(error(given).contains("state 0 of cell 0: shape [2, 4, 5, 7]"));
    // Lengths are judged as those of a `ConvGru` are.
    let fused = ConvGru::<f64>::new(ConvGruConfig::new(3, &[4]), 0).unwrap();
    for lengths in [&[1][..], &[1, 3]] {
        let given = Sequence { lengths: Some(lengths), ..Sequence::from(&x) };
        assert_eq!(error(given), fused.forward(given).unwrap_err().to_string());
    }
    let given = Sequence { contexts: &states, ..Sequence::from(&x) };
    assert!(error(given).contains("contexts: 1 given where 0"));
    assert_eq!(error(given), fused.forward(given).unwrap_err().to_string());

    let mirrored =
        CellConfig { padding_mode: [PaddingMode::Reflect; 2], kernel_size: [5, 5], ..CellConfig::new(3, 4) };
    let network = Recurrent::<f64>::new(RecurrentConfig::chain([mirrored]), 0).unwrap();
    let small = frames(&[1, 1, 3, 2, 6]);
    let message = network.forward(&small).unwrap_err().to_string();
    assert!(message.contains("pads 2 rows on each side"), "{message}");

    let mut workspace = Workspace::default();
    let output = network.forward_train(&x, &mut workspace).unwrap();
    let mut gradients = network.parameters().zeros_like();
    let message = network.backward(&mut workspace, &of_outputs(&output.last), &mut gradients);
    let message = message.unwrap_err().to_string();
    assert!(message.contains("gradient 0 of outputs: shape [2, 4, 5, 6]"), "{message}");
}

#[test]
fn single_precision_stays_near_double_precision() {
    let x = frames(&[6, 1, 3, 12, 14]);
    for (name, config) in networks() {
        let double = Recurrent::<f64>::new(config.clone(), 4).unwrap();
        let named = double.parameters().named().iter().map(|(name, tensor)| (name.clone(), tensor.cast()));
        let single =
            Recurrent::<f32>::from_parameters(config, RecurrentParameters::new(named.collect())).unwrap();
        let (a, b) = (
            double.forward(&x).unwrap().outputs.swap_remove(0),
            single.forward(&x.cast::<f32>()).unwrap().outputs.swap_remove(0),
        );
        let worst =
            a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4, "{name}: {worst}");
    }
}

/// What is returned of all layers ends with the result of the network, and each of it takes a gradient of its own, as tensors and
/// state by state, with and without a memory budget.
#[test]
fn gradients_that_enter_state_by_state_are_those_of_tensors() {
    let x = frames(&[5, 2, 3, 6, 7]);
    let head = Stage::Convolution(ConvStageConfig { in_channels: 4, out_channels: 2, ..Default::default() });
    let mut between = RecurrentConfig::chain([CellConfig::new(3, 4)]);
    between.stages.push(head);
    let networks = networks().into_iter().chain([("head", between)]);
    for (name, config) in networks.filter(|(_, config)| config.cells().all(|cell| cell.zoneout == 0.0)) {
        let (cells, gives_state) = (config.cells().count(), !["residual", "head"].contains(&name));
        let mut network = Recurrent::<f64>::new(config, 5).unwrap();
        let mut workspace = Workspace::default();
        let all = network.forward_train(everything(&x), &mut workspace).unwrap();
        assert_eq!(all.outputs.len(), cells + usize::from(!gives_state), "{name}");
        assert_eq!(network.forward(&x).unwrap().outputs, all.outputs[all.outputs.len() - 1..], "{name}");
        let d: Vec<_> = all.outputs.iter().map(|y| frames(y.shape())).collect();
        let [mut whole, mut one_by_one] = [(); 2].map(|()| network.parameters().zeros_like());
        let of_tensors = network.backward(&mut workspace, &of_outputs(&d), &mut whole).unwrap();
        let bytes = workspace.bytes();
        for budget in [MemoryBudget::Unlimited, MemoryBudget::Bytes(bytes / 3)] {
            network.set_memory_budget(budget);
            one_by_one.zero();
            let sequence = Sequence { return_layers: ReturnLayers::None, ..everything(&x) };
            network.forward_train(sequence, &mut workspace).unwrap();
            let mut enter = |mut entry: StateGradient<'_, f64>| {
                let (layer, t) = (entry.layer(), entry.step());
                let mut state = Tensor::zeros(&entry.shape());
                entry.read_state(&mut state)?;
                assert_eq!(state, all.outputs[layer].index(t), "{name}, layer {layer}, step {t}");
                entry.add(&d[layer].index(t))
            };
            let of_states = network.backward(&mut workspace, &mut enter, &mut one_by_one).unwrap();
            let near = |a: &Tensor<f64>, b: &Tensor<f64>| {
                a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| (a - b).abs() < 1e-10 * b.abs().max(1.0))
            };
            assert!(near(&of_states.inputs[0], &of_tensors.inputs[0]), "{name}, {budget:?}");
            for ((tensor, one), (_, other)) in one_by_one.named().iter().zip(whole.named()) {
                assert!(near(one, other), "{name}, {budget:?}: {tensor}");
            }
            let none = OutputGradients { outputs: vec![None], last: Vec::new() };
            network.backward(&mut workspace, &none, &mut one_by_one).unwrap_err();
        }
    }
}

/// A stack that both engines compute is judged by one rule.
#[test]
fn both_engines_refuse_the_same_stacks() {
    let refused = |change: &dyn Fn(&mut ConvGruConfig)| {
        let mut stack = ConvGruConfig::new(2, &[4]);
        change(&mut stack);
        let composed = RecurrentConfig::from(&stack).validate();
        assert_eq!(composed.is_err(), stack.validate().is_err(), "{stack:?}");
        composed.is_err()
    };
    for slope in [-0.5, f64::NAN, 1e300] {
        assert!(refused(&|stack| stack.candidate_activation = Activation::LeakyRelu(slope)), "{slope}");
    }
    for slope in [0.0, 0.2, 1.5] {
        assert!(!refused(&|stack| stack.candidate_activation = Activation::LeakyRelu(slope)), "{slope}");
    }
    for (dilation, is_refused) in [([127, 1], false), ([128, 1], true), ([1, 256], true), ([1, 0], true)] {
        assert_eq!(refused(&|stack| stack.dilation = dilation), is_refused, "{dilation:?}");
        assert_eq!(refused(&|stack| stack.input_dilation = Some(dilation)), is_refused, "{dilation:?}");
    }
    for (size, is_refused) in [(255, false), (2, true), (0, true), (257, true)] {
        assert_eq!(refused(&|stack| stack.kernel_size = size.into()), is_refused, "{size}");
        assert_eq!(refused(&|stack| stack.input_kernel_size = Some(size.into())), is_refused, "{size}");
    }
    assert!(refused(&|stack| stack.hidden_channels = vec![0]));
    assert!(refused(&|stack| stack.gate_activation = Activation::Tanh));
    assert!(refused(&|stack| stack.in_channels = 1 << 20));
}
