//! The invariants of two stacks that read a sequence from both ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use convgru_model::{
    BidirectionalConvGru, BidirectionalConvGruConfig, BidirectionalConvGruParameters, BidirectionalOutput,
    BidirectionalOutputGradients, ConvGru, ConvGruConfig, Directions, InputGradient, MemoryBudget, Merge,
    Outputs, Parameters, ResetGate, Sequence, Tensor,
};

const STEPS: usize = 5;
const HIDDEN: [usize; 2] = [6, 4];
/// Of a batch of four.
const LENGTHS: [usize; 4] = [5, 2, 0, 3];
const SIZE: [usize; 2] = [7, 9];

fn noise(shape: &[usize], seed: usize) -> Tensor<f32> {
    Tensor::from_fn(shape, |i| (((i + seed * 7919) * 2_654_435_761) % 2001) as f32 / 1000.0 - 1.0)
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|v| v.to_bits()).collect()
}

fn network(merge: Merge, reset: ResetGate) -> BidirectionalConvGru<f32> {
    let stack = ConvGruConfig { kernel_size: [3, 5].into(), reset, ..ConvGruConfig::new(3, &HIDDEN) };
    let mut network = BidirectionalConvGru::new(BidirectionalConvGruConfig { stack, merge }, 7).unwrap();
    let mut seed = 0;
    network.parameters_mut().for_each_mut(&mut |name, tensor| {
        if name.ends_with("bias") {
            seed += 1;
            *tensor = noise(tensor.shape(), seed);
        }
    });
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
    let states = network.forward(Sequence::new(&input)).unwrap();
    let backward_half = |t: usize| bits(&states.outputs[0].index(t).as_slice()[4 * SIZE[0] * SIZE[1]..]);
    let forward_half = |t: usize| bits(&states.outputs[0].index(t).as_slice()[..4 * SIZE[0] * SIZE[1]]);
    assert_eq!(bits(states.last.backward[1].as_slice()), backward_half(0));
    assert_ne!(bits(states.last.backward[1].as_slice()), backward_half(STEPS - 1));
    assert_eq!(bits(states.last.forward[1].as_slice()), forward_half(STEPS - 1));
    // With no steps returned it is the same.
    let last = network.forward(Sequence { outputs: Outputs::None, ..Sequence::new(&input) }).unwrap();
    assert!(last.outputs.is_empty() && last.last == states.last);
    // It has seen every frame: the last one as well.
    let mut other = input.clone();
    other.slice_mut(STEPS - 1)[0] += 1.0;
    let changed = network.forward(Sequence::new(&other)).unwrap();
    assert_ne!(changed.last.backward[1], states.last.backward[1]);
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
        let sequence = Sequence {
            states: Some(&initial),
            lengths: Some(&LENGTHS),
            outputs: Outputs::AllLayers,
            ..Sequence::new(&input)
        };
        let whole = network.forward(sequence).unwrap();
        let (trained, _) = network.forward_train(sequence).unwrap();
        assert!(trained.outputs == whole.outputs && trained.last == whole.last);

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
            let forward =
                stacks[0].forward(&in_order(&input, n, 0..length), Some(&first), Outputs::AllLayers).unwrap();
            let backward = stacks[1]
                .forward(&in_order(&input, n, (0..length).rev()), Some(&second), Outputs::AllLayers)
                .unwrap();
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
                assert_eq!(bits(whole.last.forward[layer].slice(n)), bits(forward.last[layer].as_slice()));
                assert_eq!(bits(whole.last.backward[layer].slice(n)), bits(backward.last[layer].as_slice()));
            }
        }
    }
}

type Passes = (BidirectionalOutput<f32>, Tensor<f32>, BidirectionalConvGruParameters<f32>);

fn run(network: &BidirectionalConvGru<f32>, sequence: Sequence<'_, f32>) -> Passes {
    let (states, mut workspace) = network.forward_train(sequence).unwrap();
    let d_outputs = BidirectionalOutputGradients {
        outputs: states.outputs.iter().map(Some).collect(),
        last: Directions {
            forward: states.last.forward.iter().map(Some).collect(),
            backward: states.last.backward.iter().map(Some).collect(),
        },
    };
    let mut gradients = network.parameters().zeros_like();
    let back = network.backward(&mut workspace, &d_outputs, InputGradient::Compute, &mut gradients).unwrap();
    (states, back.d_input.unwrap(), gradients)
}

fn all_bits((states, d_input, gradients): &Passes) -> Vec<u32> {
    let tensors = states.outputs.iter().chain(&states.last.forward).chain(&states.last.backward);
    let mut all: Vec<u32> = tensors.chain([d_input]).flat_map(|tensor| bits(tensor.as_slice())).collect();
    gradients.for_each(&mut |_, tensor| all.extend(bits(tensor.as_slice())));
    all
}

#[test]
fn the_bits_depend_on_neither_threads_nor_padding() {
    for (merge, reset) in [(Merge::Concatenate, ResetGate::Before), (Merge::Sum, ResetGate::After)] {
        let network = network(merge, reset);
        let mut input = frames(&LENGTHS);
        let on = |network: &BidirectionalConvGru<f32>, input: &Tensor<f32>, threads: usize| {
            let sequence =
                Sequence { lengths: Some(&LENGTHS), outputs: Outputs::AllLayers, ..Sequence::new(input) };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            all_bits(&pool.install(|| run(network, sequence)))
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
    let sequence = Sequence { lengths: Some(&[3, 2]), ..Sequence::new(&input) };
    let kept = all_bits(&run(&network, sequence));
    network.set_memory_budget(MemoryBudget::Bytes(1 << 20));
    assert!(all_bits(&run(&network, sequence)) == kept);
}

#[test]
fn memory_of_a_training_step_serves_the_next() {
    let network = network(Merge::Sum, ResetGate::Before);
    let input = frames(&LENGTHS);
    let mut workspace = None;
    for lengths in [None, Some(&LENGTHS[..]), None] {
        let sequence = Sequence { lengths, ..Sequence::new(&input) };
        let kept = network.forward_train_into(sequence, &mut workspace).unwrap();
        let anew = network.forward(sequence).unwrap();
        assert!(kept.outputs == anew.outputs && kept.last == anew.last);
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
    let (_, _, gradients) =
        run(&network, Sequence { outputs: Outputs::AllLayers, ..Sequence::new(&frames(&[5])) });
    gradients.for_each(&mut |name, tensor| assert!(tensor.as_slice().iter().any(|&v| v != 0.0), "{name}"));
}

#[test]
fn what_does_not_fit_is_refused_with_the_numbers() {
    let network = network(Merge::Concatenate, ResetGate::Before);
    let input = frames(&[5, 5]);
    let states: Vec<Tensor<f32>> = HIDDEN.map(|hidden| noise(&[2, hidden, 7, 9], 1)).to_vec();
    let message = |sequence: Sequence<'_, f32>| {
        let error = network.forward(sequence).unwrap_err().to_string();
        assert_eq!(network.forward_train(sequence).unwrap_err().to_string(), error);
        error
    };
    let all = Sequence::new(&input);
    assert_eq!(
        message(Sequence { states: Some(&states), ..all }),
        "initial states of both directions: 2 given where 4 are needed"
    );
    assert_eq!(
        message(Sequence { lengths: Some(&[5, 6]), ..all }),
        "length of sample 1: 6 given where 0 to 5 is possible"
    );
    assert!(message(Sequence::new(&noise(&[2, 3], 1))).contains("[T, N, C, H, W]"));
    assert!(message(Sequence::new(&noise(&[2, 1, 4, 5, 5], 1))).contains("[2, 1, 4, 5, 5]"));

    let (output, mut workspace) = network.forward_train(all).unwrap();
    let mut gradients = network.parameters().zeros_like();
    let half = noise(&[5, 2, 4, 7, 9], 1);
    let none = Directions { forward: vec![None; 2], backward: vec![None; 2] };
    let d_outputs = BidirectionalOutputGradients { outputs: vec![None, Some(&half)], last: none.clone() };
    let error = network
        .backward(&mut workspace, &d_outputs, InputGradient::Skip, &mut gradients)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "gradient of the outputs of layer 1: shape [5, 2, 4, 7, 9] where [5, 2, 8, 7, 9] is needed"
    );
    let last = Directions { backward: vec![None, Some(&half)], ..none.clone() };
    let d_outputs = BidirectionalOutputGradients { outputs: vec![None, None], last };
    let error =
        network.backward(&mut workspace, &d_outputs, InputGradient::Skip, &mut gradients).unwrap_err();
    assert!(error.to_string().starts_with("gradient of the last state of layer 1 of the backward direction"));
    // A refusal of one direction adds nothing to the other.
    gradients.backward.layers.pop();
    let d_outputs =
        BidirectionalOutputGradients { outputs: vec![None, Some(&output.outputs[0])], last: none };
    assert!(network.backward(&mut workspace, &d_outputs, InputGradient::Skip, &mut gradients).is_err());
    gradients.for_each(&mut |name, tensor| assert!(tensor.as_slice().iter().all(|&v| v == 0.0), "{name}"));

    let mut weights = network.parameters().clone();
    weights.backward.layers[1].bias = None;
    let error = BidirectionalConvGru::from_parameters(network.config().clone(), weights).unwrap_err();
    assert_eq!(error.to_string(), "backward.layers.1.bias: shape [] where [12] is needed");
}
