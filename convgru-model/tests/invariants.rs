//! The invariants of ARCHITECTURE.md that speak of whole networks.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;

use convgru_model::layer::{
    Activation, Conv2d, Conv2dConfig, PixelShuffle, PixelUnshuffle, Resample, ResampleMethod,
};
use convgru_model::{
    ConvGru, ConvGruConfig, EncoderForecasterConfig, Error, Feedback, Forecaster, MemoryBudget, Output,
    OutputActivation, OutputGradients, Parameters, PredictionGradient, ResetGate, ReturnLayers, Sequence,
    StateGradient, TeacherForcing, Tensor, Workspace,
};
use fixtures::{bits_of as bits, everything, fill_biases, noise, of_outputs, pool};

fn network() -> ConvGru<f32> {
    network_with(ResetGate::Before)
}

fn network_with(reset: ResetGate) -> ConvGru<f32> {
    three_layers(&ConvGruConfig { reset, ..ConvGruConfig::new(1, &[1]) })
}

/// A network of three layers with the options of a configuration.
fn three_layers(options: &ConvGruConfig) -> ConvGru<f32> {
    let (in_channels, hidden_channels) = (3, vec![6, 5, 4]);
    let config =
        ConvGruConfig { in_channels, hidden_channels, kernel_size: [3, 5, 1].into(), ..options.clone() };
    let mut network = ConvGru::new(config, 7).unwrap();
    fill_biases(network.parameters_mut());
    network
}

/// Options of every kind: where the reset gate acts, the functions of gates and candidate, the distances of taps.
fn kinds() -> Vec<ConvGruConfig> {
    use Activation::{HardSigmoid, LeakyRelu, Relu, Sigmoid, Tanh};
    let functions = [(Sigmoid, Tanh), (Sigmoid, Relu), (HardSigmoid, LeakyRelu(0.2))];
    let distances = [([1, 1], None), ([2, 3], None), ([2, 1], Some([1, 1]))];
    let mut kinds = Vec::new();
    for reset in [ResetGate::Before, ResetGate::After] {
        for (gate_activation, candidate_activation) in functions {
            for (dilation, input_dilation) in distances {
                let options = ConvGruConfig::new(1, &[1]);
                kinds.push(ConvGruConfig {
                    reset,
                    gate_activation,
                    candidate_activation,
                    dilation,
                    input_dilation,
                    ..options
                });
            }
        }
    }
    kinds
}

/// What tells a kind from the others.
fn name(kind: &ConvGruConfig) -> String {
    let ConvGruConfig { reset, gate_activation, candidate_activation, dilation, input_dilation, .. } = kind;
    format!("reset {reset}, {gate_activation}, {candidate_activation}, {dilation:?}, {input_dilation:?}")
}

#[test]
fn streaming_equals_the_sequence_bit_for_bit() {
    let sizes = [([7, 9], 5), ([1, 1], 3), ([40, 70], 4)];
    for (([height, width], steps), kind) in
        sizes.into_iter().flat_map(|size| kinds().into_iter().map(move |kind| (size, kind)))
    {
        let (network, kind) = (three_layers(&kind), name(&kind));
        let input = noise(&[steps, 2, 3, height, width], 1);
        let sequence = network.forward(everything(&input)).unwrap();
        let trained = network.forward_train(everything(&input), &mut Workspace::default()).unwrap();
        let mut stream = network.prepare().unwrap().stream(2, height, width).unwrap();
        let mut states: Option<Vec<Tensor<f32>>> = None;
        for t in 0..steps {
            let frame = input.index(t);
            let top = bits(stream.step(&frame).unwrap());
            let stepped = network.step(&frame, states.as_deref()).unwrap();
            for (layer, state) in stepped.iter().enumerate() {
                let expected = bits(&sequence.outputs[layer].index(t));
                assert_eq!(bits(state), expected, "{kind}, step, layer {layer}, t {t}");
                assert_eq!(
                    bits(&stream.states().unwrap()[layer]),
                    expected,
                    "{kind}, stream, layer {layer}, t {t}"
                );
                assert_eq!(
                    bits(&trained.outputs[layer].index(t)),
                    expected,
                    "{kind}, training, layer {layer}, t {t}"
                );
            }
            assert_eq!(top, bits(&stepped[2]));
            states = Some(stepped);
        }
        for (last, state) in sequence.last.iter().zip(states.unwrap()) {
            assert_eq!(bits(last), bits(&state));
        }
    }
}

/// A network that only goes on from its states, as a forecaster without feedback.
#[test]
fn a_network_without_inputs_runs_in_every_way() {
    let mut network = ConvGru::<f32>::new(ConvGruConfig::new(0, &[4, 9]), 3).unwrap();
    fill_biases(network.parameters_mut());
    let input = Tensor::zeros(&[3, 2, 0, 6, 11]);
    let sequence = network.forward(&input).unwrap().outputs.remove(0);
    let trained = network.forward_train(&input, &mut Workspace::default()).unwrap();
    assert_eq!(bits(&sequence), bits(&trained.outputs[0]));
    let mut stream = network.prepare().unwrap().stream(2, 6, 11).unwrap();
    for t in 0..3 {
        assert_eq!(bits(stream.step(&input.index(t)).unwrap()), bits(&sequence.index(t)), "step {t}");
    }
    assert!(sequence.as_slice().iter().any(|&v| v != 0.0));
}

/// Images so large that the convolutions of input and state are added up.
#[test]
fn streaming_and_training_equal_the_sequence_of_large_images() {
    expect_streams_of_large_images(ConvGruConfig::new(9, &[8, 10]));
    // Taps at other distances over the input, so that its convolution is not added up.
    let hard = ConvGruConfig {
        dilation: [3, 2],
        gate_activation: Activation::HardSigmoid,
        candidate_activation: Activation::Relu,
        ..ConvGruConfig::new(3, &[8])
    };
    expect_streams_of_large_images(ConvGruConfig { input_dilation: Some([1, 1]), ..hard.clone() });
    expect_streams_of_large_images(hard);
}

fn expect_streams_of_large_images(config: ConvGruConfig) {
    let inputs = config.in_channels;
    let network = ConvGru::<f32>::new(config, 3).unwrap();
    let (steps, height, width) = (3, 421, 417);
    let input = noise(&[steps, 1, inputs, height, width], 1);
    let run = |threads: usize| pool(threads).install(|| network.forward(&input).unwrap().outputs.remove(0));
    let sequence = run(1);
    assert_eq!(bits(&sequence), bits(&run(3)), "3 threads");
    let trained = network.forward_train(&input, &mut Workspace::default()).unwrap();
    assert_eq!(bits(&sequence), bits(&trained.outputs[0]), "training");
    let mut stream = network.prepare().unwrap().stream(1, height, width).unwrap();
    for t in 0..steps {
        assert_eq!(bits(stream.step(&input.index(t)).unwrap()), bits(&sequence.index(t)), "step {t}");
    }
}

#[test]
fn a_result_can_be_filled_again_by_sequences_of_any_shape() {
    let network = network();
    let mut prepared = network.prepare().unwrap();
    let mut result = Output::default();
    for ([steps, height], return_layers) in [
        ([4, 6], ReturnLayers::All),
        ([4, 6], ReturnLayers::All),
        ([2, 6], ReturnLayers::Top),
        ([2, 9], ReturnLayers::Top),
    ] {
        let input = noise(&[steps, 2, 3, height, 7], height);
        let sequence = Sequence { return_layers, ..Sequence::from(&input) };
        prepared.forward(sequence, &mut result).unwrap();
        assert_eq!(result, network.forward(sequence).unwrap());
    }
}

#[test]
fn a_stream_can_be_set_back_and_go_on_from_states() {
    let network = network();
    let frames = noise(&[3, 1, 3, 8, 6], 1);
    let mut stream = network.prepare().unwrap().stream(1, 8, 6).unwrap();
    let first = bits(stream.step(&frames.index(0)).unwrap());
    let states = stream.states().unwrap();
    let second = bits(stream.step(&frames.index(1)).unwrap());
    stream.set_states(&states).unwrap();
    assert_eq!(bits(stream.output()), first);
    assert_eq!(bits(stream.step(&frames.index(1)).unwrap()), second);
    stream.reset();
    assert!(stream.states().unwrap().iter().all(|state| state.as_slice().iter().all(|&v| v == 0.0)));
    assert_eq!(bits(stream.step(&frames.index(0)).unwrap()), first);
    // A refused frame leaves the states as they were.
    assert!(stream.step(&noise(&[1, 3, 6, 8], 1)).is_err());
    assert_eq!(bits(stream.step(&frames.index(1)).unwrap()), second);
}

#[test]
fn samples_of_a_batch_do_not_see_each_other() {
    let network = network();
    let input = noise(&[4, 3, 3, 9, 5], 1);
    let all = network.forward(&input).unwrap();
    for n in 0..3 {
        let alone = Tensor::from_vec(
            &[4, 1, 3, 9, 5],
            (0..4).flat_map(|t| input.index(t).slice(n).to_vec()).collect(),
        )
        .unwrap();
        let result = network.forward(&alone).unwrap();
        for t in 0..4 {
            assert_eq!(result.outputs[0].slice(t), all.outputs[0].index(t).slice(n), "sample {n}, step {t}");
        }
    }
}

#[test]
fn a_zero_state_is_the_same_as_no_state() {
    kinds().iter().for_each(|kind| expect_zero_to_be_none(&three_layers(kind)));
}

fn expect_zero_to_be_none(network: &ConvGru<f32>) {
    let input = noise(&[3, 2, 3, 6, 7], 1);
    let zeros: Vec<_> = [6, 5, 4].map(|c| Tensor::zeros(&[2, c, 6, 7])).to_vec();
    let none = network.forward(everything(&input)).unwrap();
    let some = network.forward(Sequence { states: Some(&zeros), ..everything(&input) }).unwrap();
    for (a, b) in none.outputs.iter().zip(&some.outputs) {
        for (a, b) in a.as_slice().iter().zip(b.as_slice()) {
            assert!((a - b).abs() <= 1e-6);
        }
    }
    // Its gradient is there where the state was.
    let backward = |states: Option<&[Tensor<f32>]>| {
        let mut workspace = Workspace::default();
        let sequence = Sequence { states, ..everything(&input) };
        let output = network.forward_train(sequence, &mut workspace).unwrap();
        let mut gradients = network.parameters().zeros_like();
        network.backward(&mut workspace, &of_outputs(&output.outputs), &mut gradients).unwrap()
    };
    assert!(backward(None).states.is_empty());
    assert_eq!(backward(Some(&zeros)).states[1].shape(), [2, 5, 6, 7]);
}

fn forecaster(feedback: Feedback) -> Forecaster<f32> {
    let config = EncoderForecasterConfig {
        patch: 2,
        hidden_channels: vec![5, 6],
        feedback,
        output_activation: OutputActivation::Sigmoid,
        ..Default::default()
    };
    Forecaster::new(config, 5).unwrap()
}

#[test]
fn prediction_and_training_forward_give_the_same_bits() {
    for feedback in [Feedback::Predictions, Feedback::Unconditioned] {
        let network = forecaster(feedback);
        let input = noise(&[4, 2, 1, 10, 14], 1);
        let trained = network.forward_train(&input, 3, None, &mut Workspace::default()).unwrap();
        assert_eq!(bits(&network.forward(&input, 3).unwrap()), bits(&trained.output), "{feedback:?}");
    }
}

#[test]
fn weights_of_another_reset_gate_are_refused_with_both_named() {
    let network = network_with(ResetGate::After);
    let config = ConvGruConfig { reset: ResetGate::Before, ..network.config().clone() };
    let error = ConvGru::from_parameters(config, network.parameters().clone()).unwrap_err().to_string();
    assert!(error.contains("acts after the convolution") && error.contains("acts before it"), "{error}");
}

#[test]
fn the_bits_of_training_do_not_depend_on_the_number_of_threads() {
    let network = forecaster(Feedback::Predictions);
    let input = noise(&[4, 3, 1, 24, 32], 1);
    let target = noise(&[3, 3, 1, 24, 32], 2);
    let run = |threads: usize| {
        pool(threads).install(|| {
            let teacher = TeacherForcing { frames: &target, forced: &[false, true, false] };
            let mut workspace = Workspace::default();
            let sequence = Sequence { input_gradient: true, ..Sequence::from(&input) };
            let prediction = network.forward_train(sequence, 3, Some(teacher), &mut workspace).unwrap();
            let mut gradients = network.parameters().zeros_like();
            let loss = PredictionGradient::Output(prediction.output);
            let back = network.backward(&mut workspace, loss, &mut gradients).unwrap();
            let mut all = bits(&back.inputs[0]);
            gradients.for_each(&mut |_, tensor| all.extend(bits(tensor)));
            all
        })
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

#[test]
fn the_bits_of_every_kind_of_cell_do_not_depend_on_the_number_of_threads() {
    for kind in kinds() {
        let (in_channels, hidden_channels) = (9, vec![24, 17]);
        let (kernel_size, input_kernel_size) = ([3, 5].into(), Some([5, 1].into()));
        let name = name(&kind);
        let config = ConvGruConfig { in_channels, hidden_channels, kernel_size, input_kernel_size, ..kind };
        let network = ConvGru::<f32>::new(config, 5).unwrap();
        let input = noise(&[3, 2, 9, 40, 46], 1);
        let run = |threads: usize| {
            pool(threads).install(|| {
                let mut workspace = Workspace::default();
                let output = network.forward_train(everything(&input), &mut workspace).unwrap();
                let d_outputs = of_outputs(&output.outputs);
                let mut gradients = network.parameters().zeros_like();
                let back = network.backward(&mut workspace, &d_outputs, &mut gradients).unwrap();
                let mut all = bits(&back.inputs[0]);
                all.extend(output.outputs.iter().flat_map(bits));
                gradients.for_each(&mut |_, tensor| all.extend(bits(tensor)));
                all
            })
        };
        let one = run(1);
        for threads in [2, 3, 8] {
            assert!(run(threads) == one, "{name}, {threads} threads");
        }
    }
}

#[test]
fn gradients_are_added_to_what_is_there() {
    let network = network();
    let input = noise(&[2, 1, 3, 5, 6], 1);
    let mut workspace = Workspace::default();
    let output = network.forward_train(everything(&input), &mut workspace).unwrap();
    let mut run = |gradients: &mut _| {
        network.backward(&mut workspace, &of_outputs(&output.outputs), gradients).unwrap();
    };
    let mut once = network.parameters().zeros_like();
    run(&mut once);
    let mut twice = once.clone();
    run(&mut twice);
    let (once, twice) = (once.to_named(), twice.to_named());
    for ((name, a), (_, b)) in once.iter().zip(&twice) {
        assert!(a.as_slice().iter().any(|&v| v != 0.0), "{name} has no gradient at all");
        for (a, b) in a.as_slice().iter().zip(b.as_slice()) {
            assert!((2.0 * a - b).abs() <= 1e-5 * (1.0 + a.abs()), "{name}");
        }
    }
}

#[test]
fn every_parameter_is_used_and_named_once() {
    for feedback in [Feedback::Predictions, Feedback::Unconditioned] {
        let network = forecaster(feedback);
        let input = noise(&[3, 2, 1, 8, 8], 1);
        let mut workspace = Workspace::default();
        let prediction = network.forward_train(&input, 2, None, &mut workspace).unwrap();
        let mut gradients = network.parameters().zeros_like();
        let gradient = PredictionGradient::Output(prediction.output.clone());
        network.backward(&mut workspace, gradient, &mut gradients).unwrap();
        let named = gradients.to_named();
        let mut names: Vec<&String> = named.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), named.len());
        for (name, tensor) in &named {
            let empty = feedback == Feedback::Unconditioned && name == "forecaster.layers.0.input_weights";
            assert_eq!(tensor.as_slice().iter().all(|&v| v == 0.0), empty, "{name}");
        }
    }
}

#[test]
fn bad_input_is_an_error_with_the_numbers_in_it() {
    let network = network();
    let message = |result: Result<(), Error>| result.unwrap_err().to_string();
    let x = |shape: &[usize]| Tensor::<f32>::zeros(shape);
    assert_eq!(
        message(network.step(&x(&[1, 4, 5, 5]), None).map(drop)),
        "input: shape [1, 4, 5, 5] where [N >= 1, 3, H >= 1, W >= 1] is needed"
    );
    assert!(message(network.step(&x(&[3, 5, 5]), None).map(drop)).contains("[N, C, H, W]"));
    assert!(message(network.forward(&x(&[0, 1, 3, 5, 5])).map(drop)).contains("T >= 1"));
    let states = [x(&[1, 6, 5, 5])];
    assert_eq!(
        message(network.step(&x(&[1, 3, 5, 5]), Some(&states)).map(drop)),
        "states: 1 given where 3 are needed"
    );
    let states = [x(&[1, 6, 5, 5]), x(&[1, 5, 5, 4]), x(&[1, 4, 5, 5])];
    assert!(message(network.step(&x(&[1, 3, 5, 5]), Some(&states)).map(drop)).contains("state of layer 1"));

    let network = forecaster(Feedback::Predictions);
    let frames = x(&[2, 1, 1, 7, 8]);
    assert!(message(network.forward(&frames, 2).map(drop)).contains("a multiple of 2"));
    assert!(message(network.forward(&x(&[2, 1, 1, 8, 8]), 0).map(drop)).contains("frames to predict"));
    let teacher = TeacherForcing { frames: &x(&[3, 1, 1, 8, 8]), forced: &[true, true] };
    let frames = x(&[2, 1, 1, 8, 8]);
    assert!(
        message(network.forward_train(&frames, 2, Some(teacher), &mut Workspace::default()).map(drop))
            .contains("teacher forcing")
    );

    assert!(
        message(PixelShuffle { factor: 2 }.forward(&x(&[1, 6, 2, 2])).map(drop)).contains("a multiple of 4")
    );
    assert!(
        message(PixelUnshuffle { factor: 0 }.forward(&x(&[1, 6, 2, 2])).map(drop)).contains("multiple of 0")
    );
    let resample = Resample { method: ResampleMethod::Nearest, size: [0, 3] };
    assert!(message(resample.forward(&x(&[1, 1, 2, 2])).map(drop)).contains("[0, 3]"));
}

#[test]
fn gradients_and_workspaces_of_another_network_are_refused() {
    let config = |hidden: &[usize]| EncoderForecasterConfig {
        patch: 2,
        hidden_channels: hidden.to_vec(),
        ..Default::default()
    };
    let make = |hidden: &[usize]| Forecaster::<f32>::new(config(hidden), 1).unwrap();
    let (network, shallow, wide) = (make(&[5, 6]), make(&[5]), make(&[5, 7]));
    let input = noise(&[2, 1, 1, 8, 8], 1);
    let run = |forward: &Forecaster<f32>, gradients: &Forecaster<f32>| {
        let mut workspace = Workspace::default();
        let prediction = forward.forward_train(&input, 2, None, &mut workspace).unwrap();
        let mut gradients = gradients.parameters().zeros_like();
        network
            .backward(&mut workspace, PredictionGradient::Output(prediction.output.clone()), &mut gradients)
            .map(drop)
    };
    run(&network, &network).unwrap();
    let message = |result: Result<(), Error>| result.unwrap_err().to_string();
    assert_eq!(
        message(run(&network, &shallow)),
        "gradient of encoder.layers.1.input_weights: shape [] where [18, 5, 3, 3] is needed"
    );
    assert!(message(run(&network, &wide)).contains("[21, 5, 3, 3] where [18, 5, 3, 3] is needed"));
    assert!(message(run(&shallow, &network)).contains("another network made it"));
    assert!(message(run(&wide, &network)).contains("another network made it"));

    let layer = Conv2d::<f32>::new(Conv2dConfig::new(2, 3, [1, 1]), 1).unwrap();
    let mut gradients = layer.parameters().zeros_like();
    gradients.bias = None;
    let (x, dy) = (Tensor::zeros(&[1, 2, 4, 4]), Tensor::zeros(&[1, 3, 4, 4]));
    let error = layer.backward(&x, &dy, &mut gradients).unwrap_err().to_string();
    assert_eq!(error, "gradient of bias: shape [] where [3] is needed");
    let error = Activation::LeakyRelu(-0.5).backward(&x, &x).unwrap_err().to_string();
    assert!(error.contains("-0.5"), "{error}");
}

#[test]
fn gates_computed_anew_give_the_same_bits() {
    kinds().into_iter().for_each(expect_the_same_bits_anew);
}

fn expect_the_same_bits_anew(kind: ConvGruConfig) {
    let config = ConvGruConfig { in_channels: 2, hidden_channels: vec![32, 8], ..kind };
    let mut network = ConvGru::<f32>::new(config, 5).unwrap();
    // Large enough for a block to be one step.
    let frames = Tensor::from_fn(&[3, 4, 2, 64, 64], |i| (i % 17) as f32 / 9.0 - 1.0);
    let mut run = |budget: MemoryBudget| {
        network.set_memory_budget(budget);
        let mut workspace = Workspace::default();
        let states = network.forward_train(everything(&frames), &mut workspace).unwrap();
        let mut gradients = network.parameters().zeros_like();
        let back = network.backward(&mut workspace, &of_outputs(&states.outputs), &mut gradients).unwrap();
        (states.outputs, back, gradients)
    };
    let kept = run(MemoryBudget::Unlimited);
    let recomputed = run(MemoryBudget::Bytes(1 << 20));
    assert!(
        kept == recomputed,
        "{}: gates that were kept and recomputed gates differ",
        name(network.config())
    );
}

#[test]
fn states_and_gradients_one_step_at_a_time_give_the_bits_of_whole_sequences() {
    let network = network();
    let frames = noise(&[5, 2, 3, 9, 7], 1);
    let initial: Vec<_> = [6, 5, 4].map(|c| noise(&[2, c, 9, 7], c)).to_vec();
    let d_outputs: Vec<_> = [6, 5, 4].map(|c| noise(&[5, 2, c, 9, 7], 10 + c)).to_vec();
    let d_last = noise(&[2, 5, 9, 7], 20);

    let sequence = Sequence { states: Some(&initial), ..everything(&frames) };
    let mut workspace = Workspace::default();
    let states = network.forward_train(sequence, &mut workspace).unwrap();
    let gradients = || network.parameters().zeros_like();
    let (mut of_sequences, mut of_steps) = (gradients(), gradients());
    let whole = OutputGradients {
        outputs: d_outputs.iter().map(Some).collect(),
        last: vec![None, Some(&d_last), None],
    };
    let a = network.backward(&mut workspace, &whole, &mut of_sequences).unwrap();

    let mut workspace = Workspace::default();
    let sequence = Sequence { return_layers: ReturnLayers::None, ..sequence };
    let output = network.forward_train(sequence, &mut workspace).unwrap();
    assert!(output.outputs.is_empty() && output.last == states.last);
    let mut met = Vec::new();
    let mut enter = |mut entry: StateGradient<'_, f32>| {
        let (layer, t) = (entry.layer(), entry.step());
        let mut state = Tensor::zeros(&entry.shape());
        entry.read_state(&mut state)?;
        assert_eq!(bits(&state), bits(&states.outputs[layer].index(t)), "layer {layer}, step {t}");
        if layer == 1 && t == 4 {
            entry.add(&d_last)?;
        }
        entry.add(&d_outputs[layer].index(t))?;
        met.push((layer, t));
        Ok(())
    };
    let b = network.backward(&mut workspace, &mut enter, &mut of_steps).unwrap();
    assert_eq!(bits(&a.inputs[0]), bits(&b.inputs[0]));
    assert!(a.states == b.states && of_sequences == of_steps);
    for layer in 0..3 {
        let steps: Vec<_> = met.iter().filter(|(of, _)| *of == layer).map(|(_, t)| *t).collect();
        assert_eq!(steps, [4, 3, 2, 1, 0]);
    }

    let mut small = Tensor::zeros(&[2, 6, 9, 6]);
    let mut read = |entry: StateGradient<'_, f32>| entry.read_state(&mut small);
    let error = network.backward(&mut workspace, &mut read, &mut of_steps).unwrap_err().to_string();
    assert_eq!(error, "tensor for the state: shape [2, 6, 9, 6] where [2, 4, 9, 7] is needed");
    let mut enter = |mut entry: StateGradient<'_, f32>| entry.add(&small);
    let error = network.backward(&mut workspace, &mut enter, &mut of_steps).unwrap_err();
    assert!(error.to_string().starts_with("gradient of the state: shape [2, 6, 9, 6]"), "{error}");
}
