//! How sequences lie in memory, and sequences in parts.

mod fixtures;

use convgru_model::{
    ConvGru, ConvGruConfig, ConvGruParameters, OutputGradients, Parameters, ResetGate, Sequence, Tensor,
    Workspace,
};
use fixtures::{everything, noise};

const HIDDEN: [usize; 2] = [4, 3];

/// Other codebases read the batch from the wrong axis where it comes first: here as many steps as samples,
/// and as many channels, so that no shape tells them apart.
#[test]
fn batch_first_sequences_are_the_same_sequences() {
    let network = ConvGru::<f64>::new(ConvGruConfig::new(3, &HIDDEN), 5).unwrap();
    let batch_first = noise(&[3, 3, 3, 5, 6], 1);
    let input = batch_first.swap_steps_and_batch().unwrap();
    assert_ne!(input, batch_first);
    let states = network.forward(&input).unwrap();
    let outputs = states.outputs[0].swap_steps_and_batch().unwrap();
    for n in 0..3 {
        let steps: Vec<Tensor<f64>> = (0..3).map(|t| batch_first.index(n).index(t)).collect();
        let mut stream = network.prepare().unwrap().stream(1, 5, 6).unwrap();
        for (t, frame) in steps.into_iter().enumerate() {
            let state = stream.step(&frame.reshape(&[1, 3, 5, 6]).unwrap()).unwrap();
            assert_eq!(outputs.index(n).slice(t), state.as_slice(), "sample {n}, step {t}");
        }
        assert_eq!(outputs.index(n).slice(2), states.last[1].slice(n));
    }
    let error = Tensor::<f64>::zeros(&[4]).swap_steps_and_batch().unwrap_err().to_string();
    assert!(error.contains("[T, N, ...]") && error.contains("[4]"), "{error}");
}

/// Backpropagation through time that is cut into parts loses what goes over the cuts, and nothing else: the
/// gradient of the states that a part begins with is there, and with it the parts are the whole.
#[test]
fn parts_of_a_sequence_give_the_gradients_of_the_whole() {
    for (reset, given) in [(ResetGate::Before, true), (ResetGate::Before, false), (ResetGate::After, true)] {
        let network =
            ConvGru::<f64>::new(ConvGruConfig { reset, ..ConvGruConfig::new(2, &HIDDEN) }, 5).unwrap();
        let input = noise(&[5, 2, 2, 4, 5], 1);
        let states = given.then(|| HIDDEN.map(|hidden| noise(&[2, hidden, 4, 5], hidden)).to_vec());
        let d_outputs = HIDDEN.map(|hidden| noise(&[5, 2, hidden, 4, 5], 10 + hidden));
        let part = |tensor: &Tensor<f64>, from: usize, to: usize| {
            let numbers = (from..to).flat_map(|t| tensor.slice(t).to_vec()).collect();
            Tensor::from_vec(&[&[to - from], &tensor.shape()[1..]].concat(), numbers).unwrap()
        };
        let mut of_whole = network.parameters().zeros_like();
        let run = |range: [usize; 2],
                   states: Option<&[Tensor<f64>]>,
                   d_last: Option<&[Tensor<f64>]>,
                   gradients: &mut ConvGruParameters<f64>| {
            let d_outputs = d_outputs.each_ref().map(|d_output| part(d_output, range[0], range[1]));
            let d_outputs = OutputGradients {
                outputs: d_outputs.iter().map(Some).collect(),
                last: (0..2).map(|layer| d_last.map(|d_last| &d_last[layer])).collect(),
            };
            let mut workspace = Workspace::default();
            let frames = part(&input, range[0], range[1]);
            let sequence = Sequence { states, ..everything(&frames) };
            let output = network.forward_train(sequence, &mut workspace).unwrap();
            let back = network.backward(&mut workspace, &d_outputs, gradients).unwrap();
            (output.last, back)
        };
        let (last, whole) = run([0, 5], states.as_deref(), None, &mut of_whole);

        let mut of_parts = network.parameters().zeros_like();
        let (middle, _) = run([0, 2], states.as_deref(), None, &mut network.parameters().zeros_like());
        let (last_of_parts, second) = run([2, 5], Some(&middle), None, &mut of_parts);
        let d_middle = second.states;
        let (_, first) = run([0, 2], states.as_deref(), Some(&d_middle), &mut of_parts);

        assert_eq!(last, last_of_parts);
        let close = |a: &Tensor<f64>, b: &Tensor<f64>, what: &str| {
            assert_eq!(a.shape(), b.shape(), "{what}");
            let largest = a.as_slice().iter().fold(0.0f64, |m, v| m.max(v.abs()));
            assert!(largest > 0.0, "{what} is zero");
            for (a, b) in a.as_slice().iter().zip(b.as_slice()) {
                assert!((a - b).abs() <= 1e-12 * largest, "{what}: {a} {b}");
            }
        };
        for ((name, a), (_, b)) in of_whole.to_named().iter().zip(&of_parts.to_named()) {
            close(a, b, name);
        }
        assert_eq!(!whole.states.is_empty(), given);
        for (a, b) in whole.states.iter().zip(&first.states) {
            close(a, b, "gradient of an initial state");
        }
        let (d_input, d_first) = (&whole.inputs[0], &first.inputs[0]);
        close(&part(d_input, 0, 2), d_first, "gradient of the input");

        // A cut at the first step would take the gradient of the states it begins with: cut at step 2, the
        // second part has all of its own and the first lacks what came over the cut.
        let mut of_cut = network.parameters().zeros_like();
        let (_, cut) = run([0, 2], states.as_deref(), None, &mut of_cut);
        assert_ne!(&cut.inputs[0], d_first);
        for (a, b) in cut.states.iter().zip(&whole.states) {
            assert!(a.as_slice().iter().any(|&v| v != 0.0));
            assert_ne!(a, b);
        }
    }
}
