//! The passes of a cell.

use convgru_kernels::conv::{Algorithm, ConvShape, PackedWeights, Padding, Precision};
use convgru_kernels::gates::{
    self, Activations, CandidateActivation, CandidateBackward, CellWeights, FirstStep, GATES, GateActivation,
    InputPart, ResetAfterBackward, ResetAfterStep, ResetBackward, Step,
};
use convgru_kernels::{Extent, FeatureMaps, Scalar, Scratchpad, reference};
use proptest::prelude::*;

use crate::Tally;
use crate::convolution::isa;
use crate::described::{Change, Described, assert_close, changes, numbers, values};

#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Of the input, of update and reset gate, of the candidate.
    shapes: [ConvShape; 3],
    /// Weights that are packed for patches.
    patches: [bool; 3],
    isas: [usize; 3],
    /// The input, the gates and their gradient, then states: before and after, two more for what is left.
    maps: [Described; 7],
    activations: Activations,
    joint: bool,
    keep_gates: bool,
    with_state: bool,
    pub(crate) double: bool,
    fits: bool,
}

/// Numbers of the shape of a convolution of a cell that can be replaced.
const PLACES: usize = 9;

fn change(shape: &mut ConvShape, (place, value): Change) {
    let ConvShape { in_channels, out_channels, kernel: [a, b], stride: [c, _], dilation: [d, e], .. } = shape;
    let (top, sections) = (&mut shape.padding.top, &mut shape.out_sections);
    *[in_channels, out_channels, a, b, c, d, e, top, sections][place] = value;
}

fn of_gates(
    inputs: usize,
    channels: usize,
    gates: usize,
    kernel: usize,
    dilation: usize,
    fast: bool,
) -> ConvShape {
    let dilation = [dilation; 2];
    ConvShape {
        dilation,
        padding: Padding::same([kernel; 2], dilation),
        out_sections: gates,
        precision: if fast { Precision::Fast } else { Precision::Exact },
        ..ConvShape::same(inputs, gates * channels, [kernel; 2])
    }
}

pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let channels = || prop_oneof![3 => 1usize..=3, 2 => 8usize..=9, 1 => 16usize..=17];
    let size = || prop_oneof![8 => 1usize..=8, 1 => 18usize..=26];
    let cell = (0usize..=4, channels(), 0usize..=2, 1usize..=2, any::<[bool; 2]>());
    let maps = (1usize..=2, size(), size(), prop::array::uniform7(0usize..=2));
    let isas = prop_oneof![3 => (0usize..3).prop_map(|one| [one; 3]), 1 => prop::array::uniform3(0usize..3)];
    let patches = prop_oneof![5 => Just([false; 3]), 1 => any::<[bool; 3]>()];
    let flaws = (changes(3 * PLACES), changes(7 * Described::PLACES), 0usize..4);
    let slope = prop_oneof![
        2 => Just(CandidateActivation::Tanh),
        1 => Just(CandidateActivation::Relu),
        1 => Just(CandidateActivation::LeakyRelu(0.25)),
        1 => prop_oneof![Just(-1.0), Just(f64::NAN), Just(f64::INFINITY), Just(1e39)].prop_map(CandidateActivation::LeakyRelu),
    ];
    (cell, maps, isas, patches, flaws, slope, any::<[bool; 6]>()).prop_map(
        |(
            (inputs, hidden, kernel, dilation, [alike, fast]),
            maps,
            isas,
            patches,
            flaws,
            candidate,
            flags,
        )| {
            let [flawed, joint, keep_gates, with_state, hard, double] = flags;
            let (of_shapes, of_maps, which) = flaws;
            let (patches, candidate) =
                if flawed { (patches, candidate) } else { ([false; 3], CandidateActivation::Tanh) };
            let (inputs, kernel) = (inputs * if fast { 4 } else { 1 }, 2 * kernel + 1);
            let of_input = if alike { (kernel, dilation) } else { (3, 1) };
            let mut shapes = [
                of_gates(inputs, hidden, GATES, of_input.0, of_input.1, fast),
                of_gates(hidden, hidden, 2, kernel, dilation, fast),
                of_gates(hidden, hidden, 1, kernel, dilation, fast),
            ];
            let (batch, height, width, halos) = maps;
            let state = Extent { batch, channels: hidden, height, width };
            let described = |index: usize| {
                let (channels, sections) = match index {
                    0 => (inputs, 1),
                    1 | 2 => (GATES * hidden, GATES),
                    _ => (hidden, 1),
                };
                Described::new(state.with_channels(channels), sections, halos[index])
            };
            let mut maps = [0, 1, 2, 3, 4, 5, 6].map(described);
            let mut fits = !flawed;
            if flawed && which == 0 {
                of_shapes.iter().for_each(|&(place, value)| {
                    change(&mut shapes[place / PLACES], (place % PLACES, value));
                });
            }
            if flawed && which > 0 {
                of_maps.iter().for_each(|&(place, value)| {
                    // What is far from every extent is seen with the maps alone.
                    maps[place / Described::PLACES].change((place % Described::PLACES, value));
                });
            }
            fits &= !patches.contains(&true);
            let gate = if hard { GateActivation::HardSigmoid } else { GateActivation::Sigmoid };
            let activations = Activations { gate, candidate };
            Case { shapes, patches, isas, maps, activations, joint, keep_gates, with_state, double, fits }
        },
    )
}

/// The maps of a case, with numbers in them.
struct Maps<T> {
    input: FeatureMaps<T>,
    gates: FeatureMaps<T>,
    d_gates: FeatureMaps<T>,
    states: [FeatureMaps<T>; 4],
}

pub(crate) fn attempt<T: Scalar>(case: &Case, tally: &Tally) {
    let weights: [Vec<T>; 3] = [0, 1, 2].map(|index| {
        let shape = &case.shapes[index];
        let scale = T::from_f64(1.0 / 32.0);
        numbers::<T>(shape.weight_len().min(1 << 18), index)
            .into_iter()
            .map(|weight| weight * scale)
            .collect()
    });
    let bias: Vec<T> = numbers(case.shapes[0].out_channels.min(1 << 18), 7);
    let packed = [0, 1, 2].map(|index| {
        let shape = case.shapes[index];
        let chosen = if case.patches[index] { Algorithm::Patches } else { Algorithm::of::<T>(&shape) };
        PackedWeights::with_algorithm(shape, &weights[index], isa(case.isas[index]), chosen)
    });
    let [Ok(of_input), Ok(update_and_reset), Ok(candidate)] = packed else {
        assert!(!case.fits);
        return;
    };
    let of_input = of_input.with_bias(Some(&bias)).unwrap();
    let described = case.maps.each_ref();
    let mut index = 0;
    let made = described.map(|maps| {
        index += 1;
        maps.maps::<T>(index, tally)
    });
    let [Some(input), Some(gates), Some(d_gates), Some(a), Some(b), Some(c), Some(d)] = made else { return };
    let maps = Maps { input, gates, d_gates, states: [a, b, c, d] };
    let activations = case.activations;
    let cell = CellWeights {
        input: &of_input,
        update_and_reset: &update_and_reset,
        candidate: &candidate,
        activations,
    };
    let _ = gates::joins_input(cell, case.maps[3].extent);
    step(case, &cell, &maps, [&weights[0], &weights[1], &weights[2]], &bias, tally);
    first_step(case, &cell, &maps, tally);
    reset_after(case, &cell, &maps, tally);
    backward(case, &cell, &maps, &weights[2], tally);
}

/// The error that a pass may have, relative to its largest number.
fn error<T: Scalar>() -> f64 {
    1e3 * T::EPSILON.to_f64()
}

/// For each number of a state where its three gates lie.
fn places(state: Extent) -> impl Iterator<Item = (usize, [usize; 3])> {
    let len = state.image_len();
    (0..state.len()).map(move |i| (i, [0, 1, 2].map(|gate| (i / len * GATES + gate) * len + i % len)))
}

fn wide<T: Scalar>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

/// A convolution by the reference, added to what is there.
fn add<T: Scalar>(shape: &ConvShape, extent: Extent, x: &[f64], weights: &[T], sums: &mut [f64]) {
    reference::convolution(shape, extent, x, &wide(weights), sums).unwrap();
}

fn step<T: Scalar>(
    case: &Case,
    cell: &CellWeights<'_, T>,
    maps: &Maps<T>,
    weights: [&[T]; 3],
    bias: &[T],
    tally: &Tally,
) {
    let Maps { input, gates, states: [hidden, before, next, _], .. } = maps;
    let (mut out, mut product, mut after) = (gates.clone(), before.clone(), next.clone());
    let arguments = Step {
        weights: *cell,
        input: if case.joint { InputPart::Maps(input.as_ref()) } else { InputPart::InGates },
        gates: out.as_mut(),
        keep_gates: case.keep_gates,
        hidden: hidden.as_ref(),
        reset_hidden: product.as_mut(),
        next: after.as_mut(),
    };
    let result = gates::step(arguments, &mut Scratchpad::with_isa(isa(case.isas[1])));
    assert!(result.is_ok() || !case.fits, "{result:?}");
    if !tally.count("gates::step", &result) {
        for (now, was) in [(&out, gates), (&product, before), (&after, next)] {
            assert_close(&values(now), &values(was), 0.0, "maps of a step that was refused");
        }
        return;
    }
    let (state, f) = (hidden.extent(), case.activations);
    let h = values(hidden);
    let mut raw = values(gates);
    if case.joint {
        raw.fill(0.0);
        add(&case.shapes[0], input.extent(), &values(input), weights[0], &mut raw);
        reference::add_bias(gates.extent(), &wide(bias), &mut raw).unwrap();
    }
    let mut sums = vec![0.0; 2 * state.len()];
    add(&case.shapes[1], state, &h, weights[1], &mut sums);
    let (len, mut exact) = (state.image_len(), raw.clone());
    let mut products = vec![0.0; h.len()];
    for (i, [zi, ri, _]) in places(state) {
        let at = i / len * 2 * len + i % len;
        let both = reference::gates_forward(f, raw[zi] + sums[at], raw[ri] + sums[at + len], h[i]);
        (exact[zi], exact[ri], products[i]) = (both.update_gate, both.reset_gate, both.reset_state);
    }
    assert_close(&values(&product), &products, error::<T>(), "reset gate times state");
    let (mut sums, mut states) = (vec![0.0; h.len()], vec![0.0; h.len()]);
    add(&case.shapes[2], state, &products, weights[2], &mut sums);
    for (i, [zi, _, ni]) in places(state) {
        let blend = reference::blend_forward(f, raw[ni] + sums[i], exact[zi], h[i]);
        (exact[ni], states[i]) = (blend.candidate, blend.hidden_state);
    }
    assert_close(&values(&after), &states, error::<T>(), "next state");
    if case.keep_gates {
        assert_close(&values(&out), &exact, error::<T>(), "gates");
    }
}

fn first_step<T: Scalar>(case: &Case, cell: &CellWeights<'_, T>, maps: &Maps<T>, tally: &Tally) {
    let Maps { input, gates, states: [_, _, next, _], .. } = maps;
    let (mut out, mut after) = (gates.clone(), next.clone());
    let arguments = FirstStep {
        weights: *cell,
        input: if case.joint { InputPart::Maps(input.as_ref()) } else { InputPart::InGates },
        gates: out.as_mut(),
        keep_gates: case.keep_gates,
        next: after.as_mut(),
    };
    let mut scratch = Scratchpad::with_isa(isa(case.isas[2]));
    let result = gates::first_step(arguments, &mut scratch);
    assert!(result.is_ok() || !case.fits, "{result:?}");
    if !tally.count("gates::first_step", &result) {
        assert_close(&values(&out), &values(gates), 0.0, "gates of a step that was refused");
        assert_close(&values(&after), &values(next), 0.0, "state of a step that was refused");
        return;
    }
    // A state of zeros gives the same, where its weights can be used.
    let mut zero = next.clone();
    zero.set_zero();
    let (mut with_state, mut product, mut expected) = (gates.clone(), zero.clone(), zero.clone());
    let arguments = Step {
        weights: *cell,
        input: if case.joint { InputPart::Maps(input.as_ref()) } else { InputPart::InGates },
        gates: with_state.as_mut(),
        keep_gates: true,
        hidden: zero.as_ref(),
        reset_hidden: product.as_mut(),
        next: expected.as_mut(),
    };
    if gates::step(arguments, &mut scratch).is_ok() {
        assert_close(&values(&after), &values(&expected), error::<T>(), "first state");
    }
}

fn reset_after<T: Scalar>(case: &Case, cell: &CellWeights<'_, T>, maps: &Maps<T>, tally: &Tally) {
    let Maps { gates, d_gates, states: [hidden, memory, next, d_memory], .. } = maps;
    let (mut out, mut u, mut after) = (gates.clone(), memory.clone(), next.clone());
    let arguments = ResetAfterStep {
        update_and_reset: cell.update_and_reset,
        candidate: cell.candidate,
        gates: out.as_mut(),
        hidden: case.with_state.then(|| hidden.as_ref()),
        memory: u.as_mut(),
        next: after.as_mut(),
        activations: case.activations,
    };
    let result = gates::step_reset_after(arguments, &mut Scratchpad::with_isa(isa(case.isas[0])));
    assert!(result.is_ok() || !case.fits, "{result:?}");
    let f = case.activations;
    if tally.count("gates::step_reset_after", &result) {
        // What the step left tells itself: u, the gates before it and the states.
        let (raw, now, u) = (values(gates), values(&out), values(&u));
        let h = if case.with_state { values(hidden) } else { vec![0.0; u.len()] };
        let mut exact = vec![0.0; u.len()];
        for (i, [zi, ri, ni]) in places(next.extent()) {
            let blend = reference::blend_forward(f, raw[ni] + now[ri] * u[i], now[zi], h[i]);
            assert!((blend.candidate - now[ni]).abs() <= error::<T>() * (1.0 + blend.candidate.abs()));
            exact[i] = blend.hidden_state;
        }
        assert_close(&values(&after), &exact, error::<T>(), "next state");
    } else {
        assert_close(&values(&out), &values(gates), 0.0, "gates of a step that was refused");
    }

    let (mut da, mut du) = (d_gates.clone(), d_memory.clone());
    let arguments = ResetAfterBackward {
        gates: gates.as_ref(),
        memory: memory.as_ref(),
        d_gates: da.as_mut(),
        d_memory: du.as_mut(),
        activations: f,
    };
    let result = gates::reset_after_backward(arguments, isa(case.isas[1]));
    assert!(result.is_ok() || !case.fits, "{result:?}");
    let (mut exact, mut exact_u) = (values(d_gates), values(d_memory));
    if tally.count("gates::reset_after_backward", &result) {
        let (gates, u) = (values(gates), values(memory));
        for (i, [_, ri, ni]) in places(memory.extent()) {
            exact_u[i] = exact[ni] * gates[ri];
            exact[ri] = exact[ni] * u[i] * f.gate_derivative(gates[ri]);
        }
    }
    assert_close(&values(&da), &exact, error::<T>(), "gradient of the reset gate");
    assert_close(&values(&du), &exact_u, error::<T>(), "gradient of the memory");
}

fn backward<T: Scalar>(case: &Case, cell: &CellWeights<'_, T>, maps: &Maps<T>, weights: &[T], tally: &Tally) {
    let Maps { gates, d_gates, states: [hidden, product, _, d_hidden], .. } = maps;
    let (f, of) = (case.activations, values(gates));
    let mut out = product.clone();
    let result = gates::reset_hidden(gates.as_ref(), hidden.as_ref(), out.as_mut(), isa(case.isas[2]));
    assert!(result.is_ok() || !case.fits, "{result:?}");
    let mut exact = values(product);
    if tally.count("gates::reset_hidden", &result) {
        let h = values(hidden);
        places(hidden.extent()).for_each(|(i, [_, ri, _])| exact[i] = of[ri] * h[i]);
    }
    assert_close(&values(&out), &exact, error::<T>(), "reset gate times state");

    let (mut da, mut dh) = (d_gates.clone(), d_hidden.clone());
    let arguments = CandidateBackward {
        gates: gates.as_ref(),
        hidden: case.with_state.then(|| hidden.as_ref()),
        d_hidden: dh.as_mut(),
        d_gates: da.as_mut(),
        activations: f,
    };
    let result = gates::candidate_backward(arguments, isa(case.isas[0]));
    assert!(result.is_ok() || !case.fits, "{result:?}");
    let (mut exact, mut exact_h) = (values(d_gates), values(d_hidden));
    if tally.count("gates::candidate_backward", &result) {
        let h = if case.with_state { values(hidden) } else { vec![0.0; exact_h.len()] };
        for (i, [zi, ri, ni]) in places(d_hidden.extent()) {
            let gradients = reference::blend_backward(f, exact_h[i], [of[zi], of[ni], h[i]]);
            (exact[ni], exact[zi]) = (gradients.d_candidate, gradients.d_update);
            exact_h[i] = gradients.d_hidden_state;
            if !case.with_state {
                exact[ri] = 0.0;
            }
        }
    }
    assert_close(&values(&da), &exact, error::<T>(), "gradient of gates");
    assert_close(&values(&dh), &exact_h, error::<T>(), "gradient of the state");

    let (mut da, mut dh) = (d_gates.clone(), d_hidden.clone());
    let arguments = ResetBackward {
        weights: cell.candidate,
        gates: gates.as_ref(),
        hidden: hidden.as_ref(),
        d_hidden: dh.as_mut(),
        d_gates: da.as_mut(),
        activations: f,
    };
    let result = gates::reset_backward(arguments, &mut Scratchpad::with_isa(isa(case.isas[2])));
    assert!(result.is_ok() || !case.fits, "{result:?}");
    let (mut exact, mut exact_h) = (values(d_gates), values(d_hidden));
    if tally.count("gates::reset_backward", &result) {
        let (state, h) = (hidden.extent(), values(hidden));
        let mut a_n = vec![0.0; h.len()];
        places(state).for_each(|(i, [_, _, ni])| a_n[i] = exact[ni]);
        let mut d = vec![0.0; h.len()];
        reference::convolution_input_gradient(&case.shapes[2], state, &wide(weights), &a_n, &mut d).unwrap();
        for (i, [_, ri, _]) in places(state) {
            let gradients = reference::gates_backward(f, d[i], of[ri], h[i]);
            exact[ri] = gradients.d_reset;
            exact_h[i] += gradients.d_hidden_state;
        }
    }
    assert_close(&values(&da), &exact, error::<T>(), "gradient of the reset gate");
    assert_close(&values(&dh), &exact_h, error::<T>(), "gradient of the state");
}
