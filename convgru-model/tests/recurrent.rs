//! What holds of every cell of `recurrent`, whatever it computes.

use convgru_model::composed::{
    Bias, CellConfig, CellKind, Context, Edge, Frames, Normalization, Recurrent, RecurrentConfig,
    RecurrentOutput, RecurrentOutputGradients, RecurrentParameters, Wiring,
};
use convgru_model::layer::Activation;
use convgru_model::{
    ConvGru, ConvGruConfig, ConvGruParameters, InputGradient, MemoryBudget, Parameters, ResetGate, Tensor,
};

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
        ("wrapped", chain(CellConfig { edges: [Edge::Replicate, Edge::Circular], ..gru.clone() })),
        ("depthwise", chain(CellConfig { groups: 4, ..gru.clone() })),
        ("layer norm", chain(CellConfig { normalization: Normalization::Layer, ..gru.clone() })),
        ("spectral", chain(CellConfig { spectral_norm: true, ..gru.clone() })),
        ("global", chain(CellConfig { context: Context::Global, ..gru.clone() })),
        ("pairs", chain(CellConfig { second_kernel_size: Some([5, 1]), ..gru.clone() })),
        ("zoneout", chain(CellConfig { zoneout: 0.25, dropout: 0.25, ..gru.clone() })),
        ("lstm", chain(CellConfig { cell: CellKind::Lstm, peephole: true, ..gru.clone() })),
        ("traj gru", {
            let cell = CellConfig { cell: CellKind::TrajGru, reset: ResetGate::After, ..gru.clone() };
            chain(CellConfig { flow_channels: 4, flows: 2, ..cell })
        }),
        ("residual", RecurrentConfig { wiring: Wiring::Residual, ..chain(gru) }),
    ]
}

fn same_bits(a: &RecurrentOutput<f64>, b: &RecurrentOutput<f64>) -> bool {
    let bits = |output: &RecurrentOutput<f64>| -> Vec<u64> {
        let all = output.outputs.iter().chain(&output.last).chain([&output.top]);
        all.flat_map(|tensor| tensor.as_slice()).map(|x| x.to_bits()).collect()
    };
    bits(a) == bits(b)
}

#[test]
fn one_frame_at_a_time_gives_the_bits_of_the_sequence_and_of_training() {
    let x = frames(&[4, 2, 3, 6, 7]);
    for (name, config) in networks() {
        let network = Recurrent::<f64>::new(config, 5).unwrap();
        let sequence = network.forward(&Frames::new(&x)).unwrap();
        let (trained, _) = network.forward_train(&Frames::new(&x), None).unwrap();
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
        let together = network.forward(&Frames { lengths: Some(&lengths), ..Frames::new(&x) }).unwrap();
        for (sample, &len) in lengths.iter().enumerate() {
            let alone = (0..len).flat_map(|t| {
                let size = 3 * 5 * 6;
                x.slice(t)[sample * size..(sample + 1) * size].to_vec()
            });
            let alone = Tensor::from_vec(&[len, 1, 3, 5, 6], alone.collect()).unwrap();
            let alone = network.forward(&Frames::new(&alone)).unwrap();
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
            let (output, workspace) = network.forward_train(&Frames::new(&x), Some(3)).unwrap();
            let mut gradients = network.parameters().zeros_like();
            let d = RecurrentOutputGradients { top: Some(&output.top), ..Default::default() };
            let back = workspace.backward(&d, &mut gradients).unwrap();
            (output.top, gradients, back.d_inputs)
        };
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let expected = pool(1).install(run);
        for threads in [2, 3, 8] {
            assert!(pool(threads).install(run) == expected, "{name}: {threads} threads");
        }
    }
}

/// What a memory budget does not let a forward pass keep is computed anew, with the same results.
#[test]
fn a_memory_budget_changes_no_state_and_no_gradient_but_by_rounding() {
    let x = frames(&[7, 3, 3, 5, 6]);
    let lengths = [2, 7, 4];
    for (name, config) in networks() {
        let mut network = Recurrent::<f64>::new(config, 5).unwrap();
        let given = Frames { lengths: Some(&lengths), ..Frames::new(&x) };
        let run = |network: &Recurrent<f64>| {
            let (output, workspace) = network.forward_train(&given, Some(3)).unwrap();
            let mut gradients = network.parameters().zeros_like();
            let d = RecurrentOutputGradients {
                outputs: vec![Some(&output.outputs[0])],
                last: output.last.iter().map(Some).collect(),
                top: Some(&output.top),
            };
            let back = workspace.backward(&d, &mut gradients).unwrap();
            (workspace.bytes(), output, gradients, back.d_inputs)
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

        let states = std::slice::from_ref(&state);
        let (expected, mut workspace) = fused.forward_train(&x, Some(states)).unwrap();
        let given = Frames { states: Some(states), ..Frames::new(&x) };
        let (got, tape) = composed.forward_train(&given, None).unwrap();
        let near = |a: &Tensor<f64>, b: &Tensor<f64>| {
            a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| (a - b).abs() < 1e-12)
        };
        assert!(near(&got.outputs[0], &expected.outputs[0]));

        let d = convgru_model::ConvGruOutputGradients {
            outputs: vec![Some(&expected.outputs[0])],
            last: vec![None],
        };
        let mut d_fused: ConvGruParameters<f64> = fused.parameters().zeros_like();
        let back = fused.backward(&mut workspace, &d, InputGradient::Compute, &mut d_fused).unwrap();
        let mut d_composed = composed.parameters().zeros_like();
        let d = RecurrentOutputGradients { outputs: vec![Some(&expected.outputs[0])], ..Default::default() };
        let back_composed = tape.backward(&d, &mut d_composed).unwrap();
        assert!(near(&back_composed.d_inputs[0], &back.d_input.unwrap()));
        assert!(near(&back_composed.d_states.unwrap()[0], &back.d_initial.unwrap()[0]));
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
                let expected = network.forward(&Frames::new(&x)).unwrap().top;
                let got =
                    stack.forward(&x, None, convgru_model::Outputs::Top).unwrap().outputs.swap_remove(0);
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
    let cell = CellConfig { edges: [Edge::Replicate, Edge::Circular], ..CellConfig::new(2, 3) };
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
        let both = Frames { inputs: vec![x, x], ..Frames::new(x) };
        network.forward(&both).unwrap().top
    };
    let (straight, of_turned) = (turned(&run(&x)), run(&y));
    let pairs = straight.as_slice().iter().zip(of_turned.as_slice());
    assert!(pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) < 1e-14);

    let network = Recurrent::<f64>::new(stack(true), 3).unwrap();
    let line = frames(&[1, 1, 2, 1, columns]);
    let half = frames(&[1, 1, 2, 1, columns / 2]);
    network.forward(&Frames { inputs: vec![&line, &half], ..Frames::new(&line) }).unwrap_err();
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
    let train = |seed| network.forward_train(&Frames::new(&x), seed).unwrap().0.top;
    assert_eq!(train(Some(1)), train(Some(1)));
    assert_ne!(train(Some(1)), train(Some(2)));
    assert_eq!(train(None), network.forward(&Frames::new(&x)).unwrap().top);
    assert_ne!(train(None), train(Some(1)));
}

#[test]
fn configurations_survive_json_and_say_what_is_wrong() {
    for (name, config) in networks() {
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<RecurrentConfig>(&text).unwrap(), config, "{name}");
    }
    let traj = |cell: &mut CellConfig, change: &dyn Fn(&mut CellConfig)| {
        (cell.cell, cell.reset) = (CellKind::TrajGru, ResetGate::After);
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
            "[2, 3]: sizes must be odd",
        ),
        (&|c| c.groups = 3, "groups: 3 groups of 4 channels"),
        (&|c| c.dilation = [0, 1], "dilation: [0, 1] is not within 1"),
        (&|c| c.zoneout = 1.0, "zoneout: 1 is not within 0 and 1"),
        (&|c| c.peephole = true, "peephole: only an LSTM"),
        (&|c| c.cell = CellKind::TrajGru, "acts after the convolution"),
        (&|c| c.candidate_activation = Activation::LeakyRelu(-1.0), "a slope of -1"),
        (&|c| c.gate_activation = Activation::Tanh, "gates are sigmoid or hard-sigmoid"),
        (&|c| c.normalization = Normalization::Group { gates: 3, candidate: 1 }, "3 and 1 groups of 8 and 4"),
        (&|c| c.lower_channels = 2, "lower_channels: 2 of cell 0, which reads 0"),
        (&|c| c.hidden_channels = 0, "hidden_channels: 0"),
        (&|c| (c.bias, c.update_bias) = (Bias::One, f64::NAN), "update_bias: NaN"),
        (&|c| c.input_padding = Some([usize::MAX, 1]), "is more than 65025"),
        (&|c| c.lower_channels = usize::MAX, "lower_channels: 18446744073709551615 is more"),
        (&|c| (c.cell, c.reset) = (CellKind::Lstm, ResetGate::After), "reset: an LSTM has no reset gate"),
        (&|c| traj(c, &|c| c.flows = usize::MAX), "18446744073709551615 flows of 32 features"),
        (&|c| traj(c, &|c| c.flow_channels = 0), "5 flows of 0 features"),
        (&|c| traj(c, &|c| c.groups = 2), "groups: flows see all channels"),
        (&|c| traj(c, &|c| c.edges = [Edge::Circular; 2]), "edges: flows have the size"),
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
    let error = |frames: Frames<'_, f64>| network.forward(&frames).unwrap_err().to_string();
    let wrong = frames(&[2, 2, 2, 5, 6]);
    assert!(error(Frames::new(&wrong)).contains("[2, 2, 2, 5, 6] where [2, 2, 3, 5, 6]"));
    let flat = frames(&[2, 3]);
    assert!(error(Frames::new(&flat)).contains("[T, N, C, H, W]"));
    let states = [frames(&[2, 4, 5, 7])];
    let given = Frames { states: Some(&states), ..Frames::new(&x) };
    assert!(error(given).contains("state 0 of cell 0: shape [2, 4, 5, 7]"));
    assert!(error(Frames { lengths: Some(&[1]), ..Frames::new(&x) }).contains("lengths of samples: 1 given"));
    assert!(error(Frames { lengths: Some(&[1, 3]), ..Frames::new(&x) }).contains("3 steps of sample 1"));
    assert!(error(Frames { contexts: &states, ..Frames::new(&x) }).contains("contexts: 1 given where 0"));

    let mirrored = CellConfig { edges: [Edge::Reflect; 2], kernel_size: [5, 5], ..CellConfig::new(3, 4) };
    let network = Recurrent::<f64>::new(RecurrentConfig::chain([mirrored]), 0).unwrap();
    let small = frames(&[1, 1, 3, 2, 6]);
    let message = network.forward(&Frames::new(&small)).unwrap_err().to_string();
    assert!(message.contains("pads 2 rows on each side"), "{message}");

    let (output, workspace) = Recurrent::forward_train(&network, &Frames::new(&x), None).unwrap();
    let mut gradients = network.parameters().zeros_like();
    let d = RecurrentOutputGradients { top: Some(&output.last[0]), ..Default::default() };
    let message = workspace.backward(&d, &mut gradients).unwrap_err().to_string();
    assert!(message.contains("gradient of the top: shape [2, 4, 5, 6]"), "{message}");
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
            double.forward(&Frames::new(&x)).unwrap().top,
            single.forward(&Frames::new(&x.cast())).unwrap().top,
        );
        let worst =
            a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4, "{name}: {worst}");
    }
}
