//! Samples of different lengths in one batch.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;

use convgru_model::{
    ConvGru, ConvGruConfig, ConvGruParameters, InputGradients, MemoryBudget, Output, OutputGradients,
    Parameters, ResetGate, Scalar, Sequence, Tensor, Workspace,
};
use fixtures::{bits, everything, fill_biases, noise, of_outputs, pool};

const STEPS: usize = 5;
/// Of a batch of four.
const LENGTHS: [usize; 4] = [5, 2, 0, 3];
const HIDDEN: [usize; 3] = [6, 5, 4];

fn network<T: Scalar>(reset: ResetGate) -> ConvGru<T> {
    let config = ConvGruConfig { kernel_size: [3, 5, 1].into(), reset, ..ConvGruConfig::new(3, &HIDDEN) };
    let mut network = ConvGru::new(config, 7).unwrap();
    fill_biases(network.parameters_mut());
    network
}

const KINDS: [(ResetGate, bool); 4] = [
    (ResetGate::Before, true),
    (ResetGate::Before, false),
    (ResetGate::After, true),
    (ResetGate::After, false),
];

/// Sample `n` of `[T, N, ...]`, its first `steps` steps, as `[steps, 1, ...]`.
fn alone<T: Scalar>(sequence: &Tensor<T>, n: usize, steps: usize) -> Tensor<T> {
    let [_, _, ref rest @ ..] = *sequence.shape() else { panic!("a sequence has two dimensions") };
    let numbers = (0..steps).flat_map(|t| sequence.index(t).slice(n).to_vec()).collect();
    Tensor::from_vec(&[&[steps, 1], rest].concat(), numbers).unwrap()
}

/// A batch with all its gradients of states.
struct Batch<T> {
    input: Tensor<T>,
    states: Option<Vec<Tensor<T>>>,
    lengths: Option<Vec<usize>>,
    d_outputs: Vec<Tensor<T>>,
    d_last: Vec<Tensor<T>>,
}

struct Passes<T> {
    output: Output<T>,
    back: InputGradients<T>,
    gradients: ConvGruParameters<T>,
}

impl<T: Scalar> Batch<T> {
    fn new(given: bool, [height, width]: [usize; 2]) -> Self {
        let of_layers = |shape: &dyn Fn(usize) -> Vec<usize>, seed: usize| {
            HIDDEN.iter().map(|&hidden| noise(&shape(hidden), seed + hidden)).collect::<Vec<_>>()
        };
        let (batch, state) = (LENGTHS.len(), |hidden| vec![LENGTHS.len(), hidden, height, width]);
        Self {
            input: noise(&[STEPS, batch, 3, height, width], 1),
            states: given.then(|| of_layers(&state, 10)),
            lengths: Some(LENGTHS.to_vec()),
            d_outputs: of_layers(&|hidden| vec![STEPS, batch, hidden, height, width], 20),
            d_last: of_layers(&state, 30),
        }
    }

    /// Sample `n` up to its end, the gradients of states past it added to that of the last.
    fn alone(&self, n: usize) -> Self {
        let steps = LENGTHS[n];
        let one = |tensors: &[Tensor<T>]| -> Vec<Tensor<T>> {
            let of = |tensor: &Tensor<T>| {
                let shape = [&[1], &tensor.shape()[1..]].concat();
                Tensor::from_vec(&shape, tensor.slice(n).to_vec()).unwrap()
            };
            tensors.iter().map(of).collect()
        };
        let mut d_last = one(&self.d_last);
        for (d_last, d_outputs) in d_last.iter_mut().zip(&self.d_outputs) {
            for t in (steps..STEPS).rev() {
                let d_output = Tensor::from_vec(d_last.shape(), d_outputs.index(t).slice(n).to_vec());
                d_last.add_assign(&d_output.unwrap()).unwrap();
            }
        }
        Self {
            input: alone(&self.input, n, steps),
            states: self.states.as_deref().map(one),
            lengths: None,
            d_outputs: self.d_outputs.iter().map(|d_output| alone(d_output, n, steps)).collect(),
            d_last,
        }
    }

    fn sequence(&self) -> Sequence<'_, T> {
        let (states, lengths) = (self.states.as_deref(), self.lengths.as_deref());
        Sequence { states, lengths, ..everything(&self.input) }
    }

    fn run(&self, network: &ConvGru<T>) -> Passes<T> {
        let mut workspace = Workspace::default();
        let output = network.forward_train(self.sequence(), &mut workspace).unwrap();
        let d_outputs = OutputGradients {
            outputs: self.d_outputs.iter().map(Some).collect(),
            last: self.d_last.iter().map(Some).collect(),
        };
        let mut gradients = network.parameters().zeros_like();
        let back = network.backward(&mut workspace, &d_outputs, &mut gradients).unwrap();
        Passes { output, back, gradients }
    }
}

impl<T: Scalar> Passes<T> {
    fn bits(&self) -> Vec<u64> {
        let Self { output, back, gradients } = self;
        let tensors = output.outputs.iter().chain(&output.last).chain(&back.inputs).chain(&back.states);
        let mut all: Vec<u64> = tensors.flat_map(|tensor| bits(tensor.as_slice())).collect();
        gradients.for_each(&mut |_, tensor| all.extend(bits(tensor.as_slice())));
        all
    }
}

#[test]
fn a_sample_of_a_batch_is_the_sample_alone_bit_for_bit() {
    for ((reset, given), size) in KINDS.into_iter().flat_map(|kind| [(kind, [7, 9]), (kind, [1, 14])]) {
        let (network, batch) = (network::<f32>(reset), Batch::new(given, size));
        let whole = batch.run(&network);
        for (n, &length) in LENGTHS.iter().enumerate() {
            let what = format!("reset {reset}, given {given}, sample {n}");
            let of_one = batch.alone(n);
            if length == 0 {
                for (layer, last) in whole.output.last.iter().enumerate() {
                    let expected = of_one.states.as_ref().map(|states| states[layer].as_slice().to_vec());
                    let expected = expected.unwrap_or_else(|| vec![0.0; last.slice(n).len()]);
                    assert_eq!(bits(last.slice(n)), bits(&expected), "{what}");
                }
                for (d_state, d_last) in whole.back.states.iter().zip(&of_one.d_last) {
                    assert_eq!(bits(d_state.slice(n)), bits(d_last.as_slice()), "{what}");
                }
                continue;
            }
            let single = of_one.run(&network);
            for layer in 0..HIDDEN.len() {
                let outputs = &whole.output.outputs[layer];
                assert_eq!(
                    bits(alone(outputs, n, length).as_slice()),
                    bits(single.output.outputs[layer].as_slice()),
                    "{what}, layer {layer}"
                );
                let last = bits(single.output.last[layer].as_slice());
                assert_eq!(bits(whole.output.last[layer].slice(n)), last, "{what}, layer {layer}");
                for t in length..STEPS {
                    assert_eq!(bits(outputs.index(t).slice(n)), last, "{what}, layer {layer}, t {t}");
                }
            }
            let (d_whole, d_single) = (&whole.back.inputs[0], &single.back.inputs[0]);
            assert_eq!(bits(alone(d_whole, n, length).as_slice()), bits(d_single.as_slice()), "{what}");
            for t in length..STEPS {
                assert!(d_whole.index(t).slice(n).iter().all(|&v| v == 0.0), "{what}, t {t}");
            }
            assert_eq!(!whole.back.states.is_empty(), given);
            for (a, b) in whole.back.states.iter().zip(&single.back.states) {
                assert_eq!(bits(a.slice(n)), bits(b.as_slice()), "{what}");
            }
        }
    }
}

#[test]
fn gradients_of_weights_are_the_sum_over_the_samples_alone() {
    for (reset, given) in KINDS {
        let (network, batch) = (network::<f64>(reset), Batch::new(given, [6, 5]));
        let whole = batch.run(&network).gradients.to_named();
        let mut sum = network.parameters().zeros_like();
        for n in (0..LENGTHS.len()).filter(|&n| LENGTHS[n] > 0) {
            let single = batch.alone(n).run(&network).gradients.to_named();
            let mut single = single.iter();
            sum.for_each_mut(&mut |_, tensor| tensor.add_assign(&single.next().unwrap().1).unwrap());
        }
        for ((name, a), (_, b)) in whole.iter().zip(&sum.to_named()) {
            let largest = b.as_slice().iter().fold(0.0f64, |m, v| m.max(v.abs()));
            assert!(largest > 0.0, "{name} has no gradient at all");
            for (a, b) in a.as_slice().iter().zip(b.as_slice()) {
                assert!((a - b).abs() <= 1e-12 * largest, "reset {reset}, given {given}, {name}: {a} {b}");
            }
        }
    }
}

#[test]
fn nothing_of_a_frame_past_an_end_reaches_anything() {
    for (reset, given) in KINDS {
        let (network, mut batch) = (network::<f32>(reset), Batch::new(given, [7, 9]));
        let clean = batch.run(&network).bits();
        let forward = |batch: &Batch<f32>| {
            let output = network.forward(batch.sequence()).unwrap();
            output.outputs.iter().chain(&output.last).flat_map(|t| bits(t.as_slice())).collect::<Vec<_>>()
        };
        let clean_forward = forward(&batch);
        for (n, &length) in LENGTHS.iter().enumerate() {
            let len = batch.input.index(0).slice(0).len();
            for t in length..STEPS {
                batch.input.slice_mut(t)[n * len..(n + 1) * len].fill(f32::NAN);
            }
        }
        assert!(batch.run(&network).bits() == clean, "reset {reset}, given {given}");
        assert!(forward(&batch) == clean_forward, "reset {reset}, given {given}");
        assert!(clean.iter().all(|&bits| f64::from_bits(bits).is_finite()));
    }
}

#[test]
fn lengths_of_all_steps_are_the_same_as_none() {
    for (reset, given) in KINDS {
        let (network, mut batch) = (network::<f32>(reset), Batch::new(given, [5, 6]));
        batch.lengths = Some(vec![STEPS; 4]);
        let all = batch.run(&network).bits();
        batch.lengths = None;
        assert!(batch.run(&network).bits() == all, "reset {reset}, given {given}");
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    for (reset, given) in KINDS {
        let (network, batch) = (network::<f32>(reset), Batch::new(given, [40, 46]));
        let run = |threads: usize| pool(threads).install(|| batch.run(&network).bits());
        let one = run(1);
        for threads in [2, 3, 8] {
            assert!(run(threads) == one, "reset {reset}, given {given}, {threads} threads");
        }
    }
}

/// Images so large that neither the gates of a sequence nor, with a budget, those of a training step are
/// in memory all at once, and blocks of steps begin between the ends of samples.
#[test]
fn blocks_of_steps_give_the_bits_of_the_whole() {
    for reset in [ResetGate::Before, ResetGate::After] {
        let config = ConvGruConfig { reset, ..ConvGruConfig::new(2, &[32, 8]) };
        let mut network = ConvGru::<f32>::new(config, 5).unwrap();
        let input = noise(&[STEPS, 4, 2, 64, 64], 1);
        let d_outputs = [32, 8].map(|hidden| noise(&[STEPS, 4, hidden, 64, 64], hidden));
        let sequence = Sequence { lengths: Some(&LENGTHS), ..everything(&input) };
        let mut run = |budget: MemoryBudget| {
            network.set_memory_budget(budget);
            let mut workspace = Workspace::default();
            let output = network.forward_train(sequence, &mut workspace).unwrap();
            let mut gradients = network.parameters().zeros_like();
            let back = network.backward(&mut workspace, &of_outputs(&d_outputs), &mut gradients).unwrap();
            Passes { output, back, gradients }
        };
        let (kept, recomputed) = (run(MemoryBudget::Unlimited), run(MemoryBudget::Bytes(1 << 20)));
        assert!(kept.bits() == recomputed.bits(), "gates that were kept and recomputed gates differ");
        assert!(network.forward(sequence).unwrap() == kept.output);
    }
}

/// Images so large that the convolutions of input and state are added up: each step reads its own frame.
#[test]
fn samples_of_large_images_end_as_those_of_small_ones() {
    let network = ConvGru::<f32>::new(ConvGruConfig::new(9, &[8]), 3).unwrap();
    let mut input = noise::<f32>(&[3, 2, 9, 421, 417], 1);
    let expected = network.forward(&alone(&input, 1, 1)).unwrap().last.remove(0);
    let len = input.index(0).slice(0).len();
    for t in 1..3 {
        input.slice_mut(t)[len..].fill(f32::NAN);
    }
    let sequence = Sequence { lengths: Some(&[3, 1]), ..Sequence::from(&input) };
    let trained = network.forward_train(sequence, &mut Workspace::default()).unwrap();
    for states in [network.forward(sequence).unwrap(), trained] {
        for state in [states.outputs[0].index(0), states.outputs[0].index(2), states.last[0].clone()] {
            assert_eq!(bits(state.slice(1)), bits(expected.as_slice()));
            assert!(state.as_slice().iter().all(|v| v.is_finite()));
        }
    }
}

#[test]
fn a_stream_whose_finished_samples_are_ignored_meets_the_same_states() {
    for reset in [ResetGate::Before, ResetGate::After] {
        let (network, batch) = (network::<f32>(reset), Batch::<f32>::new(false, [7, 9]));
        let sequence = network.forward(batch.sequence()).unwrap();
        let mut stream = network.prepare().unwrap().stream(4, 7, 9).unwrap();
        for t in 0..STEPS {
            stream.step(&batch.input.index(t)).unwrap();
            for (layer, state) in stream.states().unwrap().iter().enumerate() {
                for n in (0..4).filter(|&n| t < LENGTHS[n]) {
                    let expected = bits(sequence.outputs[layer].index(t).slice(n));
                    assert_eq!(bits(state.slice(n)), expected, "layer {layer}, t {t}, sample {n}");
                    if t + 1 == LENGTHS[n] {
                        assert_eq!(bits(sequence.last[layer].slice(n)), expected);
                    }
                }
            }
        }
    }
}

/// Memory of an earlier call must not keep its lengths.
#[test]
fn lengths_belong_to_one_call() {
    let (network, mut batch) = (network::<f32>(ResetGate::Before), Batch::<f32>::new(true, [5, 6]));
    let (mut workspace, mut prepared) = (Workspace::default(), network.prepare().unwrap());
    let mut result = Output::default();
    for lengths in [Some(LENGTHS.to_vec()), None, Some(vec![1, 5, 5, 2])] {
        batch.lengths = lengths;
        let expected = network.forward(batch.sequence()).unwrap();
        let trained = network.forward_train(batch.sequence(), &mut workspace).unwrap();
        prepared.forward(batch.sequence(), &mut result).unwrap();
        assert!(trained == expected && result == expected);
    }
}

#[test]
fn lengths_that_cannot_be_are_refused_with_the_numbers() {
    let network = network::<f32>(ResetGate::Before);
    let input = noise(&[2, 3, 3, 4, 4], 1);
    let message = |lengths: &[usize]| {
        let sequence = Sequence { lengths: Some(lengths), ..Sequence::from(&input) };
        let forward = network.forward(sequence).unwrap_err().to_string();
        let trained = network.forward_train(sequence, &mut Workspace::default()).unwrap_err().to_string();
        assert_eq!(forward, trained);
        forward
    };
    assert_eq!(message(&[1, 2]), "lengths: 2 given where 3 are needed");
    assert_eq!(message(&[1, 2, 3]), "length of sample 2: 3 given where 0 to 2 is possible");
}
