//! Kinds of cells: their activations, and how far the taps of their kernels are apart.

use convgru_kernels::gates::{
    self, Activations, CandidateActivation, CandidateBackward, FirstStep, GATES, GateActivation, InputPart,
    ResetAfterBackward, ResetAfterStep, ResetBackward, Step,
};
use convgru_kernels::{Error, Extent, FeatureMaps, Isa, Scratchpad};

use crate::{cell, maps, weights};

/// What a cell is apart from channels and weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) activations: Activations,
    /// Of the kernels over states.
    pub(crate) dilation: [usize; 2],
    /// Of the kernels over inputs.
    pub(crate) input_dilation: [usize; 2],
}

impl Kind {
    pub(crate) const PLAIN: Self = Self::of(GateActivation::Sigmoid, CandidateActivation::Tanh);

    pub(crate) const fn of(gate: GateActivation, candidate: CandidateActivation) -> Self {
        Self { activations: Activations { gate, candidate }, dilation: [1, 1], input_dilation: [1, 1] }
    }

    /// Every pair of activations, and dilations of which some leave the image.
    pub(crate) fn all() -> Vec<Self> {
        let gates = [GateActivation::Sigmoid, GateActivation::HardSigmoid];
        let leaky = [0.2, 1.5].map(CandidateActivation::LeakyRelu);
        let candidates = [CandidateActivation::Tanh, CandidateActivation::Relu, leaky[0], leaky[1]];
        let mut kinds: Vec<_> =
            gates.iter().flat_map(|&gate| candidates.map(|candidate| Self::of(gate, candidate))).collect();
        for (i, (dilation, input_dilation)) in
            [([2, 2], [2, 2]), ([2, 3], [1, 1]), ([1, 1], [3, 1]), ([4, 1], [4, 1])].into_iter().enumerate()
        {
            kinds.push(Self { dilation, input_dilation, ..kinds[i] });
        }
        kinds
    }
}

#[test]
fn slopes_from_zero_on_are_taken() {
    for slope in [0.0, -0.0, 1e-300, 0.2, 1.5] {
        Activations { candidate: CandidateActivation::LeakyRelu(slope), ..Activations::default() }
            .validate()
            .unwrap();
    }
}

#[test]
fn slopes_that_values_do_not_tell_are_refused() {
    let extent = Extent { batch: 1, channels: 2, height: 3, width: 3 };
    let kind = Kind::PLAIN;
    let weights = weights(kind, 2, 2);
    let packed = weights.packed(Isa::current());
    let gate_extent = extent.with_channels(GATES * extent.channels);
    let zeros = |extent: Extent, sections| maps(extent, sections, &vec![0.0; extent.len()]);
    for slope in [-0.1, f64::NAN, f64::INFINITY] {
        let activations =
            Activations { candidate: CandidateActivation::LeakyRelu(slope), ..kind.activations };
        let (hidden, [mut a, mut b, mut c]) = (zeros(extent, 1), [0; 3].map(|_| zeros(extent, 1)));
        let (mut gates_maps, mut d_gates) = (zeros(gate_extent, GATES), zeros(gate_extent, GATES));
        let (weights, input) = (cell(&packed, activations), InputPart::InGates);
        let mut scratch = Scratchpad::new();
        let first =
            FirstStep { weights, input, gates: gates_maps.as_mut(), keep_gates: true, next: a.as_mut() };
        let mut results = vec![gates::first_step(first, &mut scratch)];
        let step = Step {
            weights,
            input,
            gates: gates_maps.as_mut(),
            keep_gates: true,
            hidden: hidden.as_ref(),
            reset_hidden: a.as_mut(),
            next: b.as_mut(),
        };
        results.push(gates::step(step, &mut scratch));
        let after = ResetAfterStep {
            update_and_reset: &packed[1],
            candidate: &packed[2],
            gates: gates_maps.as_mut(),
            hidden: Some(hidden.as_ref()),
            memory: a.as_mut(),
            next: b.as_mut(),
            activations,
        };
        results.push(gates::step_reset_after(after, &mut scratch));
        let back = CandidateBackward {
            gates: gates_maps.as_ref(),
            hidden: None,
            d_hidden: c.as_mut(),
            d_gates: d_gates.as_mut(),
            activations,
        };
        results.push(gates::candidate_backward(back, Isa::current()));
        let back = ResetBackward {
            weights: &packed[2],
            gates: gates_maps.as_ref(),
            hidden: hidden.as_ref(),
            d_hidden: c.as_mut(),
            d_gates: d_gates.as_mut(),
            activations,
        };
        results.push(gates::reset_backward(back, &mut scratch));
        let back = ResetAfterBackward {
            gates: gates_maps.as_ref(),
            memory: a.as_ref(),
            d_gates: d_gates.as_mut(),
            d_memory: b.as_mut(),
            activations,
        };
        results.push(gates::reset_after_backward(back, Isa::current()));
        for (call, result) in results.into_iter().enumerate() {
            let error = result.unwrap_err();
            assert!(matches!(error, Error::Slope { .. }), "call {call}: {error}");
            assert!(error.to_string().contains(&slope.to_string()), "{error}");
        }
        let untouched = |maps: &FeatureMaps<f64>| crate::nchw(maps).iter().all(|&x| x == 0.0);
        assert!([&a, &b, &c, &gates_maps, &d_gates].into_iter().all(untouched));
    }
}
