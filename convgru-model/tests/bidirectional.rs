//! The invariants of two stacks that read a sequence from both ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;

use convgru_model::{
    BidirectionalConvGru, BidirectionalConvGruConfig, ConvGru, ConvGruConfig, ConvGruParameters, Directions,
    MemoryBudget, Merge, Output, OutputGradients, Parameters, ResetGate, ReturnLayers, Sequence,
    StateGradient, Tensor, Workspace,
};
use fixtures::{bits, everything, fill_biases, noise, pool};

const STEPS: usize = 5;
const HIDDEN: [usize; 2] = [6, 4];
/// Of a batch of four.
const LENGTHS: [usize; 4] = [5, 2, 0, 3];
const SIZE: [usize; 2] = [7, 9];

fn network(merge: Merge, reset: ResetGate) -> BidirectionalConvGru<f32> {
    let stack = ConvGruConfig { kernel_size: [3, 5].into(), reset, ..ConvGruConfig::new(3, &HIDDEN) };
    let mut network = BidirectionalConvGru::new(BidirectionalConvGruConfig { stack, merge }, 7).unwrap();
    fill_biases(network.parameters_mut());
    network
}

fn frames(lengths: &[usize]) -> Tensor<f32> {
    noise(&[STEPS, lengths.len(), 3, SIZE[0], SIZE[1]], 1)
}

/// Frames of one sample in the order of `steps`, `[steps, 1, ...]`.
fn in_order(input: &Tensor<f32>, n: usize, steps: impl ExactSizeIterator<Item = usize>) -> Tensor<f32> {
    let count = steps.len();
    let numbers = steps.flat_map(|t| input.index(t).slice(n).to_vec()).collect();
    Tensor::from_vec(&[&[count, 1], &input.shape()[2..]].concat(), numbers).unwrap()
}

/// Codebases that return the last element of a reversed sequence return the state that has seen one frame.
#[test]
fn the_last_state_of_the_backward_direction_is_that_at_the_first_frame() {
    let network = network(Merge::Concatenate, ResetGate::Before);
    let input = frames(&[STEPS]);
    let states = network.forward(&input).unwrap();
    let backward_half = |t: usize| bits(&states.outputs[0].index(t).as_slice()[4 * SIZE[0] * SIZE[1]..]);
    let forward_half = |t: usize| bits(&states.outputs[0].index(t).as_slice()[..4 * SIZE[0] * SIZE[1]]);
    assert_eq!(bits(states.last[3].as_slice()), backward_half(0));
    assert_ne!(bits(states.last[3].as_slice()), backward_half(STEPS - 1));
    assert_eq!(bits(states.last[1].as_slice()), forward_half(STEPS - 1));
    // With no steps returned it is the same.
    let last =
        network.forward(Sequence { return_layers: ReturnLayers::None, ..Sequence::from(&input) }).unwrap();
    assert!(last.outputs.is_empty() && last.last == states.last);
    // It has seen every frame: the last one as well.
    let mut other = input.clone();
    other.slice_mut(STEPS - 1)[0] += 1.0;
    let changed = network.forward(&other).unwrap();
    assert_ne!(changed.last[3], states.last[3]);
}

#[test]
fn each_direction_is_a_stack_over_the_frames_in_its_order() {
    for (merge, reset) in [(Merge::Concatenate, ResetGate::Before), (Merge::Sum, ResetGate::After)] {
        let network = network(merge, reset);
        let input = frames(&LENGTHS);
        let initial: Vec<Tensor<f32>> = [HIDDEN, HIDDEN]
            .concat()
            .iter()
            .enumerate()
            .map(|(i, &hidden)| noise(&[4, hidden, SIZE[0], SIZE[1]], 10 + i))
            .collect();
        let sequence = Sequence { states: Some(&initial), lengths: Some(&LENGTHS), ..everything(&input) };
        let whole = network.forward(sequence).unwrap();
        assert!(network.forward_train(sequence, &mut Workspace::default()).unwrap() == whole);

        let config = &network.config().stack;
        let stack = |parameters: &convgru_model::ConvGruParameters<f32>| {
            ConvGru::from_parameters(config.clone(), parameters.clone()).unwrap()
        };
        let stacks = [stack(&network.parameters().forward), stack(&network.parameters().backward)];
        for (n, &length) in LENGTHS.iter().enumerate().filter(|(_, length)| **length > 0) {
            let of_sample = |states: &[Tensor<f32>]| -> Vec<Tensor<f32>> {
                let one = |state: &Tensor<f32>| {
                    Tensor::from_vec(&[&[1], &state.shape()[1..]].concat(), state.slice(n).to_vec()).unwrap()
                };
                states.iter().map(one).collect()
            };
            let (first, second) = (of_sample(&initial[..2]), of_sample(&initial[2..]));
            let frames = [in_order(&input, n, 0..length), in_order(&input, n, (0..length).rev())];
            let forward = Sequence { states: Some(&first), ..everything(&frames[0]) };
            let backward = Sequence { states: Some(&second), ..everything(&frames[1]) };
            let forward = stacks[0].forward(forward).unwrap();
            let backward = stacks[1].forward(backward).unwrap();
            for layer in 0..2 {
                for t in 0..STEPS {
                    // Past the end, the last states of both.
                    let [f, b] = if t < length { [t, length - 1 - t] } else { [length - 1; 2] };
                    let (f, b) = (forward.outputs[layer].index(f), backward.outputs[layer].index(b));
                    let expected: Vec<f32> = match merge {
                        Merge::Concatenate => [f.as_slice(), b.as_slice()].concat(),
                        Merge::Sum => f.as_slice().iter().zip(b.as_slice()).map(|(a, b)| a + b).collect(),
                    };
                    let got = whole.outputs[layer].index(t);
                    assert_eq!(bits(got.slice(n)), bits(&expected), "{merge:?}, sample {n}, t {t}");
                }
                assert_eq!(bits(whole.last[layer].slice(n)), bits(forward.last[layer].as_slice()));
                assert_eq!(bits(whole.last[2 + layer].slice(n)), bits(backward.last[layer].as_slice()));
            }
        }
    }
}

type Passes = (Output<f32>, Tensor<f32>, Directions<ConvGruParameters<f32>>);

fn run(network: &BidirectionalConvGru<f32>, sequence: Sequence<'_, f32>) -> Passes {
    let mut workspace = Workspace::default();
    let sequence = Sequence { input_gradient: true, ..sequence };
    let states = network.forward_train(sequence, &mut workspace).unwrap();
    let d_outputs = OutputGradients {
        outputs: states.outputs.iter().map(Some).collect(),
        last: states.last.iter().map(Some).collect(),
    };
    let mut gradients = network.parameters().zeros_like();
    let mut back = network.backward(&mut workspace, &d_outputs, &mut gradients).unwrap();
    (states, back.inputs.remove(0), gradients)
}

fn all_bits((states, d_input, gradients): &Passes) -> Vec<u64> {
    let tensors = states.outputs.iter().chain(&states.last);
    let mut all: Vec<u64> = tensors.chain([d_input]).flat_map(|tensor| bits(tensor.as_slice())).collect();
    gradients.for_each(&mut |_, tensor| all.extend(bits(tensor.as_slice())));
    all
}

#[test]
fn the_bits_depend_on_neither_threads_nor_padding() {
    for (merge, reset) in [(Merge::Concatenate, ResetGate::Before), (Merge::Sum, ResetGate::After)] {
        let network = network(merge, reset);
        let mut input = frames(&LENGTHS);
        let on = |network: &BidirectionalConvGru<f32>, input: &Tensor<f32>, threads: usize| {
            let sequence = Sequence { lengths: Some(&LENGTHS), ..everything(input) };
            all_bits(&pool(threads).install(|| run(network, sequence)))
        };
        let one = on(&network, &input, 1);
        for threads in [2, 3, 8] {
            assert!(on(&network, &input, threads) == one, "{merge:?}, {threads} threads");
        }
        let len = input.index(0).slice(0).len();
        for (n, &length) in LENGTHS.iter().enumerate() {
            for t in length..STEPS {
                input.slice_mut(t)[n * len..(n + 1) * len].fill(f32::NAN);
            }
        }
        assert!(on(&network, &input, 2) == one, "{merge:?}, padding");
    }
}

#[test]
fn gates_computed_anew_give_the_same_bits() {
    let config = BidirectionalConvGruConfig::new(ConvGruConfig::new(2, &[8]));
    let mut network = BidirectionalConvGru::new(config, 7).unwrap();
    // Large enough for a block to be one step.
    let input = noise(&[3, 2, 2, 128, 128], 1);
    let sequence = Sequence { lengths: Some(&[3, 2]), ..Sequence::from(&input) };
    let kept = all_bits(&run(&network, sequence));
    network.set_memory_budget(MemoryBudget::Bytes(1 << 20));
    assert!(all_bits(&run(&network, sequence)) == kept);
}

#[test]
fn memory_of_a_training_step_serves_the_next() {
    let network = network(Merge::Sum, ResetGate::Before);
    let input = frames(&LENGTHS);
    let mut workspace = Workspace::default();
    for lengths in [None, Some(&LENGTHS[..]), None] {
        let sequence = Sequence { lengths, ..Sequence::from(&input) };
        assert!(
            network.forward_train(sequence, &mut workspace).unwrap() == network.forward(sequence).unwrap()
        );
    }
}

#[test]
fn both_directions_have_weights_of_their_own_with_names_of_their_own() {
    let network = network(Merge::Sum, ResetGate::After);
    let named = network.parameters().to_named();
    let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[0], "forward.layers.0.input_weights");
    assert_eq!(names[8], "backward.layers.0.input_weights");
    assert_eq!(names.len(), 16);
    assert_ne!(named[0].1, named[8].1);
    let (_, _, gradients) = run(&network, everything(&frames(&[5])));
    gradients.for_each(&mut |name, tensor| assert!(tensor.as_slice().iter().any(|&v| v != 0.0), "{name}"));
}

#[test]
fn what_does_not_fit_is_refused_with_the_numbers() {
    let network = network(Merge::Concatenate, ResetGate::Before);
    let input = frames(&[5, 5]);
    let states: Vec<Tensor<f32>> = HIDDEN.map(|hidden| noise(&[2, hidden, 7, 9], 1)).to_vec();
    let message = |sequence: Sequence<'_, f32>| {
        let error = network.forward(sequence).unwrap_err().to_string();
        let trained = network.forward_train(sequence, &mut Workspace::default());
        assert_eq!(trained.unwrap_err().to_string(), error);
        error
    };
    let all = everything(&input);
    assert_eq!(
        message(Sequence { states: Some(&states), ..all }),
        "initial states of both directions: 2 given where 4 are needed"
    );
    assert_eq!(
        message(Sequence { lengths: Some(&[5, 6]), ..all }),
        "length of sample 1: 6 given where 0 to 5 is possible"
    );
    assert!(message(Sequence::from(&noise(&[2, 3], 1))).contains("[T, N, C, H, W]"));
    assert!(message(Sequence::from(&noise(&[2, 1, 4, 5, 5], 1))).contains("[2, 1, 4, 5, 5]"));

    let mut workspace = Workspace::default();
    let output = network.forward_train(all, &mut workspace).unwrap();
    let mut gradients = network.parameters().zeros_like();
    let half = noise(&[5, 2, 4, 7, 9], 1);
    let d_outputs = OutputGradients { outputs: vec![None, Some(&half)], ..Default::default() };
    let error = network.backward(&mut workspace, &d_outputs, &mut gradients).unwrap_err().to_string();
    assert_eq!(error, "gradient 1 of outputs: shape [5, 2, 4, 7, 9] where [5, 2, 8, 7, 9] is needed");
    let last = vec![None, None, None, Some(&half)];
    let error =
        network.backward(&mut workspace, &OutputGradients { outputs: Vec::new(), last }, &mut gradients);
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("gradient 3 of last states: shape [5, 2, 4, 7, 9] where [2, 4, 7, 9]"),
        "{error}"
    );
    for (outputs, last) in [(1, 4), (3, 4), (2, 2), (2, 5)] {
        let d_outputs = OutputGradients { outputs: vec![None; outputs], last: vec![None; last] };
        network.backward(&mut workspace, &d_outputs, &mut gradients).unwrap_err();
    }
    // A refusal of one direction adds nothing to the other.
    gradients.backward.layers.pop();
    let d_outputs = OutputGradients { outputs: vec![None, Some(&output.outputs[1])], ..Default::default() };
    assert!(network.backward(&mut workspace, &d_outputs, &mut gradients).is_err());
    gradients.for_each(&mut |name, tensor| assert!(tensor.as_slice().iter().all(|&v| v == 0.0), "{name}"));

    let mut weights = network.parameters().clone();
    weights.backward.layers[1].bias = None;
    let error = BidirectionalConvGru::from_parameters(network.config().clone(), weights).unwrap_err();
    assert_eq!(error.to_string(), "backward.layers.1.bias: shape [] where [12] is needed");
}

/// A loss that meets merged states one after the other has the gradients of tensors of all of them.
#[test]
fn gradients_that_enter_state_by_state_are_those_of_tensors() {
    for (merge, return_layers) in [(Merge::Concatenate, ReturnLayers::All), (Merge::Sum, ReturnLayers::None)]
    {
        let network = network(merge, ResetGate::Before);
        let input = frames(&LENGTHS);
        let sequence = Sequence { lengths: Some(&LENGTHS), ..everything(&input) };
        let mut workspace = Workspace::default();
        let states = network.forward_train(sequence, &mut workspace).unwrap();
        let d_outputs: Vec<Tensor<f32>> = states.outputs.iter().map(|y| noise(y.shape(), 5)).collect();
        let [mut whole, mut one_by_one] = [(); 2].map(|()| network.parameters().zeros_like());
        let of_tensors =
            network.backward(&mut workspace, &fixtures::of_outputs(&d_outputs), &mut whole).unwrap();
        network.forward_train(Sequence { return_layers, ..sequence }, &mut workspace).unwrap();
        let mut met = Vec::new();
        let mut enter = |mut entry: StateGradient<'_, f32>| {
            let (layer, t) = (entry.layer(), entry.step());
            let mut state = Tensor::zeros(&entry.shape());
            entry.read_state(&mut state)?;
            assert_eq!(state, states.outputs[layer].index(t), "layer {layer}, step {t}");
            met.push((layer, t));
            entry.add(&d_outputs[layer].index(t))
        };
        let of_states = network.backward(&mut workspace, &mut enter, &mut one_by_one).unwrap();
        assert_eq!(met.len(), 2 * STEPS);
        assert!(of_tensors == of_states && whole == one_by_one, "{merge:?}");
    }
}
