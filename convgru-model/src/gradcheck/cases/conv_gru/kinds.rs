//! Other functions of gates and candidate, and kernels with gaps.

use proptest::prelude::*;

use super::{Drawn, Form};
use crate::config::ResetGate;
use crate::gradcheck::Case;
use crate::gradcheck::draw;
use crate::layer::Activation;

/// Pairs of functions of gates and candidate with a kink in at least one of them.
const PAIRS: [(&str, Activation, Activation); 5] = [
    ("relu", Activation::Sigmoid, Activation::Relu),
    ("leaky relu", Activation::Sigmoid, Activation::LeakyRelu(0.2)),
    ("hard sigmoid", Activation::HardSigmoid, Activation::Tanh),
    ("hard sigmoid, relu", Activation::HardSigmoid, Activation::Relu),
    ("hard sigmoid, leaky relu", Activation::HardSigmoid, Activation::LeakyRelu(1.5)),
];

/// Distances of taps of kernels over states, and over inputs where they are others.
type Distances = ([usize; 2], Option<[usize; 2]>);

/// Taps some pixels apart in both, in the first alone, in the second alone.
const DILATIONS: [(&str, Distances); 3] = [
    ("dilation", ([2, 3], None)),
    ("dilation over states", ([2, 1], Some([1, 1]))),
    ("dilation over inputs", ([1, 1], Some([1, 2]))),
];

/// The cases of every kind, each the given one otherwise.
pub(super) fn cases(case: Drawn) -> Vec<Case> {
    let one_layer = || prop::collection::vec((1usize..=2, draw::odd_kernel()), 1);
    let two_layers = || prop::collection::vec((1usize..=2, draw::odd_kernel()), 2);
    let small = || prop::sample::select(vec![[1, 3], [3, 1]]);
    let two_small_layers = move || prop::collection::vec((1usize..=2, small()), 2);
    let size = draw::image_size;
    let mut cases = Vec::new();
    for (of_reset, reset) in [("", ResetGate::Before), (", reset after", ResetGate::After)] {
        let case = Drawn { reset, ..case };
        for (name, gate, candidate) in PAIRS {
            let case = Drawn { gate, candidate, ..case };
            let none = Drawn { given: false, ..case };
            cases.push(case.of(&format!("cell, {name}{of_reset}"), one_layer(), size()));
            cases.push(none.of(&format!("cell from no state, {name}{of_reset}"), one_layer(), size()));
            let sequence = Drawn { form: Form::Everything, ..case };
            cases.push(sequence.of(&format!("sequence, {name}{of_reset}"), two_small_layers(), size()));
        }
        for (name, (dilation, input_dilation)) in DILATIONS {
            let case = Drawn { dilation, input_dilation, ..case };
            let sequence = Drawn { form: Form::Everything, ..case };
            let none = Drawn { given: false, ..sequence };
            cases.push(case.of(&format!("cell, {name}{of_reset}"), one_layer(), size()));
            cases.push(sequence.of(&format!("sequence, {name}{of_reset}"), two_layers(), size()));
            cases.push(none.of(&format!("sequence from no states, {name}{of_reset}"), two_layers(), size()));
        }
        // All at once, as the cells of HKO-7 with other gates.
        let all = Drawn {
            gate: Activation::HardSigmoid,
            candidate: Activation::LeakyRelu(0.2),
            dilation: [2, 2],
            input_dilation: Some([1, 1]),
            input_kernel: Some([3, 1]),
            form: Form::Everything,
            given: false,
            ..case
        };
        cases.push(all.of(&format!("sequence, every option{of_reset}"), two_small_layers(), size()));
        let no_input = Drawn { input: false, given: true, ..all };
        cases.push(no_input.of(
            &format!("sequence without input, every option{of_reset}"),
            two_small_layers(),
            size(),
        ));
    }
    cases
}
