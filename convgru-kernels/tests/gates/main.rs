//! The fused passes of a cell against the reference formulas, on every instruction set.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kinds;
mod reset_after;

use convgru_kernels::conv::{self, ConvShape, PackedWeights, Padding, Precision, WriteMode};
use convgru_kernels::gates::{
    self, Activations, CandidateBackward, CellWeights, FirstStep, GATES, InputPart, ResetBackward, Step,
};
use convgru_kernels::{Extent, FeatureMaps, Isa, Scratchpad, reference};

use kinds::Kind;

fn noise(len: usize, seed: usize) -> Vec<f64> {
    (0..len).map(|i| (((i + seed * 7919) * 2_654_435_761) % 4001) as f64 / 1000.0 - 2.0).collect()
}

fn maps(extent: Extent, sections: usize, values: &[f64]) -> FeatureMaps<f64> {
    let mut maps = FeatureMaps::sectioned(extent, sections, [1, 1]).unwrap();
    maps.as_mut().read_nchw(values).unwrap();
    maps
}

fn nchw(maps: &FeatureMaps<f64>) -> Vec<f64> {
    let mut values = vec![0.0; maps.extent().len()];
    maps.as_ref().write_nchw(&mut values).unwrap();
    values
}

/// Extents with channels around the edges of blocks and rows of all lengths.
fn extents() -> Vec<Extent> {
    [(1, 1, 1, 1), (3, 2, 5, 7), (2, 8, 16, 16), (1, 9, 3, 29), (2, 17, 4, 5)]
        .map(|(batch, channels, height, width)| Extent { batch, channels, height, width })
        .to_vec()
}

/// For each state element, where its three gates lie.
fn gate_places(extent: Extent) -> impl Iterator<Item = (usize, [usize; 3])> {
    let len = extent.image_len();
    (0..extent.len()).map(move |i| {
        let (image, rest) = (i / len, i % len);
        (i, [0, 1, 2].map(|gate| image * GATES * len + gate * len + rest))
    })
}

/// The weights of a cell's convolutions: of the input, of update and reset gate, of the candidate.
struct Weights {
    shapes: [ConvShape; 3],
    plain: [Vec<f64>; 3],
    bias: Vec<f64>,
}

impl Weights {
    fn packed(&self, isa: Isa) -> [PackedWeights<'_, f64>; 3] {
        [0, 1, 2].map(|i| {
            let packed = PackedWeights::with_isa(self.shapes[i], &self.plain[i], isa).unwrap();
            packed.with_bias((i == 0).then_some(&self.bias)).unwrap()
        })
    }
}

fn cell<'a>(
    [input, update_and_reset, candidate]: &'a [PackedWeights<'a, f64>; 3],
    activations: Activations,
) -> CellWeights<'a, f64> {
    CellWeights { input, update_and_reset, candidate, activations }
}

/// A convolution of 3x3 for some gates, its taps some pixels apart.
fn dilated(inputs: usize, channels: usize, gates: usize, dilation: [usize; 2]) -> ConvShape {
    ConvShape {
        out_sections: gates,
        dilation,
        padding: Padding::same([3, 3], dilation),
        ..ConvShape::same(inputs, gates * channels, [3, 3])
    }
}

fn weights(kind: Kind, inputs: usize, channels: usize) -> Weights {
    let shapes = [
        dilated(inputs, channels, GATES, kind.input_dilation),
        dilated(channels, channels, 2, kind.dilation),
        dilated(channels, channels, 1, kind.dilation),
    ];
    let plain = [0, 1, 2].map(|i| {
        noise(shapes[i].weight_len(), 11 + i).iter().map(|w| w / 10.0 / channels as f64).collect::<Vec<_>>()
    });
    // Some gates are out of the range in which a hard sigmoid moves.
    let bias = noise(GATES * channels, 17).iter().map(|b| 2.0 * b).collect();
    Weights { shapes, plain, bias }
}

/// `W*x + b` by the reference.
fn input_part(weights: &Weights, input: Extent, x: &[f64]) -> Vec<f64> {
    let out = input.with_channels(weights.shapes[0].out_channels);
    let mut sums = vec![0.0; out.len()];
    reference::convolution(&weights.shapes[0], input, x, &weights.plain[0], &mut sums).unwrap();
    let pixels = out.pixels();
    sums.iter().enumerate().map(|(i, sum)| sum + weights.bias[i / pixels % out.channels]).collect()
}

#[test]
fn forward_and_backward_follow_the_equations() {
    let cases = extents().into_iter().flat_map(|e| Isa::all().into_iter().map(move |isa| (e, isa)));
    let ways = |case: (Extent, Isa)| {
        let inputs = case.0.channels + 3;
        let inputs = [(false, inputs), (true, inputs), (true, 0)];
        inputs.into_iter().flat_map(move |way| Kind::all().into_iter().map(move |kind| (case, way, kind)))
    };
    for ((extent, isa), (joint, inputs), kind) in cases.flat_map(ways) {
        let gate_extent = extent.with_channels(GATES * extent.channels);
        let input_extent = extent.with_channels(inputs);
        let weights = weights(kind, input_extent.channels, extent.channels);
        let f = kind.activations;
        let packed = weights.packed(isa);
        let (x, h) = (noise(input_extent.len(), 1), noise(extent.len(), 2));
        let raw = input_part(&weights, input_extent, &x);
        let dh_in = noise(extent.len(), 3);
        let mut scratch = Scratchpad::with_isa(isa);
        let input = maps(input_extent, 1, &x);
        let hidden = maps(extent, 1, &h);
        let nan = |extent: Extent, sections| maps(extent, sections, &vec![f64::NAN; extent.len()]);
        let (mut product, mut next) = (nan(extent, 1), nan(extent, 1));
        let mut gates_maps = if joint { nan(gate_extent, GATES) } else { maps(gate_extent, GATES, &raw) };
        let step = Step {
            weights: cell(&packed, f),
            input: if joint { InputPart::Maps(input.as_ref()) } else { InputPart::InGates },
            gates: gates_maps.as_mut(),
            keep_gates: true,
            hidden: hidden.as_ref(),
            reset_hidden: product.as_mut(),
            next: next.as_mut(),
        };
        gates::step(step, &mut scratch).unwrap();
        let mut again = nan(extent, 1);
        gates::reset_hidden(gates_maps.as_ref(), hidden.as_ref(), again.as_mut(), isa).unwrap();

        let mut d_hidden = maps(extent, 1, &dh_in);
        let mut d_gates = nan(gate_extent, GATES);
        let first = CandidateBackward {
            gates: gates_maps.as_ref(),
            hidden: Some(hidden.as_ref()),
            d_hidden: d_hidden.as_mut(),
            d_gates: d_gates.as_mut(),
            activations: f,
        };
        gates::candidate_backward(first, isa).unwrap();
        let second = ResetBackward {
            weights: &packed[2],
            gates: gates_maps.as_ref(),
            hidden: hidden.as_ref(),
            d_hidden: d_hidden.as_mut(),
            d_gates: d_gates.as_mut(),
            activations: f,
        };
        gates::reset_backward(second, &mut scratch).unwrap();

        let [gates, next, product, again, dh, a] =
            [&gates_maps, &next, &product, &again, &d_hidden, &d_gates].map(nchw);
        let close = |got: f64, exact: f64| {
            assert!(
                (got - exact).abs() <= 1e-14 * (1.0 + exact.abs()),
                "{extent:?}, {kind:?} on {isa}: {got} {exact}"
            );
        };
        let mut sums = vec![0.0; 2 * extent.len()];
        reference::convolution(&weights.shapes[1], extent, &h, &weights.plain[1], &mut sums).unwrap();
        let two = 2 * extent.image_len();
        let places: Vec<_> = gate_places(extent).collect();
        let mut rh = vec![0.0; extent.len()];
        for &(i, [zi, ri, _]) in &places {
            let at = i / extent.image_len() * two + i % extent.image_len();
            close(gates[zi], f.gate_at(raw[zi] + sums[at]));
            close(gates[ri], f.gate_at(raw[ri] + sums[at + extent.image_len()]));
            rh[i] = gates[ri] * h[i];
            close(product[i], rh[i]);
            close(again[i], rh[i]);
        }
        let mut sums = vec![0.0; extent.len()];
        reference::convolution(&weights.shapes[2], extent, &rh, &weights.plain[2], &mut sums).unwrap();
        let mut a_n = vec![0.0; extent.len()];
        for &(i, [zi, _, ni]) in &places {
            // Values tell the derivatives, and sums that round otherwise may be on the other side of a kink.
            let (z, n) = (gates[zi], gates[ni]);
            close(n, f.candidate_at(raw[ni] + sums[i]));
            let gradients = reference::blend_backward(f, dh_in[i], [z, n, h[i]]);
            close(next[i], (1.0 - z) * h[i] + z * n);
            a_n[i] = gradients.d_candidate;
            close(a[ni], a_n[i]);
            close(a[zi], gradients.d_update);
        }
        let mut d_product = vec![0.0; extent.len()];
        let shape = &weights.shapes[2];
        reference::convolution_input_gradient(shape, extent, &weights.plain[2], &a_n, &mut d_product)
            .unwrap();
        for &(i, [zi, ri, _]) in &places {
            let (z, r) = (gates[zi], gates[ri]);
            let gradients = reference::gates_backward(f, d_product[i], r, h[i]);
            close(a[ri], gradients.d_reset);
            close(dh[i], dh_in[i] * (1.0 - z) + gradients.d_hidden_state);
        }
    }
}

#[test]
fn a_zero_state_is_the_same_as_no_state() {
    let cases = extents().into_iter().flat_map(|e| Isa::all().into_iter().map(move |isa| (e, isa)));
    let kinds = |case: ((Extent, Isa), usize)| Kind::all().into_iter().map(move |kind| (case, kind));
    for (((extent, isa), inputs), kind) in cases.flat_map(|case| [(case, 2), (case, 0)]).flat_map(kinds) {
        let gate_extent = extent.with_channels(GATES * extent.channels);
        let zero = maps(extent, 1, &vec![0.0; extent.len()]);
        let weights = weights(kind, inputs, extent.channels);
        let packed = weights.packed(isa);
        let input_extent = extent.with_channels(inputs);
        let input = maps(input_extent, 1, &noise(input_extent.len(), 1));
        let mut scratch = Scratchpad::with_isa(isa);
        let mut run = |with_state: bool, joint: bool, keep_gates: bool| {
            let mut gates_maps = maps(gate_extent, GATES, &vec![f64::NAN; gate_extent.len()]);
            let part = if joint { InputPart::Maps(input.as_ref()) } else { InputPart::InGates };
            if !joint {
                let (x, gates, mode) = (input.as_ref(), gates_maps.as_mut(), WriteMode::Overwrite);
                conv::forward(&packed[0], x, gates, mode, &mut scratch).unwrap();
            }
            let (mut next, mut product) = (zero.clone(), zero.clone());
            if with_state {
                let step = Step {
                    weights: cell(&packed, kind.activations),
                    input: part,
                    gates: gates_maps.as_mut(),
                    keep_gates,
                    hidden: zero.as_ref(),
                    reset_hidden: product.as_mut(),
                    next: next.as_mut(),
                };
                gates::step(step, &mut scratch).unwrap();
            } else {
                let step = FirstStep {
                    weights: cell(&packed, kind.activations),
                    input: part,
                    gates: gates_maps.as_mut(),
                    keep_gates,
                    next: next.as_mut(),
                };
                gates::first_step(step, &mut scratch).unwrap();
            }
            let mut d_hidden = maps(extent, 1, &noise(extent.len(), 5));
            let mut d_gates = maps(gate_extent, GATES, &vec![0.0; gate_extent.len()]);
            let back = CandidateBackward {
                gates: gates_maps.as_ref(),
                hidden: with_state.then(|| zero.as_ref()),
                d_hidden: d_hidden.as_mut(),
                d_gates: d_gates.as_mut(),
                activations: kind.activations,
            };
            gates::candidate_backward(back, isa).unwrap();
            [nchw(&next), nchw(&d_hidden), nchw(&d_gates)]
        };
        let expected = run(true, false, true);
        for (with_state, joint) in [(true, false), (false, false), (true, true), (false, true)] {
            let what =
                format!("{extent:?}, {inputs} inputs, {kind:?} on {isa}, state {with_state}, joint {joint}");
            assert_eq!(run(with_state, joint, true), expected, "{what}");
            assert_eq!(run(with_state, joint, false)[0], expected[0], "{what}, gates not kept");
        }
    }
}

#[test]
fn extents_that_do_not_fit_are_refused() {
    let extent = Extent { batch: 1, channels: 2, height: 3, width: 3 };
    let mut hidden = FeatureMaps::<f64>::zeros(extent).unwrap();
    let mut gates_maps = FeatureMaps::zeros(extent.with_channels(5)).unwrap();
    let other = weights(Kind::PLAIN, 2, 3);
    let packed = other.packed(Isa::current());
    let step = FirstStep {
        weights: cell(&packed, Kind::PLAIN.activations),
        input: InputPart::InGates,
        gates: gates_maps.as_mut(),
        keep_gates: true,
        next: hidden.as_mut(),
    };
    let error = gates::first_step(step, &mut Scratchpad::new()).unwrap_err();
    assert_eq!(error.to_string(), "gates: [N, C, H, W] is [1, 5, 3, 3] where [1, 6, 3, 3] is needed");
    let mut gates_maps = FeatureMaps::sectioned(extent.with_channels(6), GATES, [0, 0]).unwrap();
    let (mut product, mut next) = (hidden.clone(), hidden.clone());
    let step = Step {
        weights: cell(&packed, Kind::PLAIN.activations),
        input: InputPart::InGates,
        gates: gates_maps.as_mut(),
        keep_gates: true,
        hidden: hidden.as_ref(),
        reset_hidden: product.as_mut(),
        next: next.as_mut(),
    };
    assert!(gates::step(step, &mut Scratchpad::new()).is_err());
}

/// Rows and columns of a kernel, and the distance of its taps.
type Taps = (usize, [usize; 2]);

/// The convolutions of a cell of 8 channels in `f32`, by tiles where they are fast.
fn fast_weights(
    values: &[f32],
    inputs: usize,
    (kernel, dilation): Taps,
    isa: Isa,
) -> [PackedWeights<'_, f32>; 3] {
    [(inputs, GATES), (8, 2), (8, 1)].map(|(inputs, gates)| {
        let same = ConvShape::same(inputs, gates * 8, [kernel; 2]);
        let padding = Padding::same([kernel; 2], dilation);
        let out_sections = gates;
        let shape = ConvShape { dilation, padding, out_sections, precision: Precision::Fast, ..same };
        PackedWeights::with_isa(shape, &values[..shape.weight_len()], isa).unwrap()
    })
}

/// Random images from one on, of many that are the same in every call.
fn images(extent: Extent, seed: usize, first: usize) -> FeatureMaps<f32> {
    let skip = first * extent.image_len();
    let values: Vec<f32> = noise(extent.len() + skip, seed)[skip..].iter().map(|&x| x as f32).collect();
    let mut maps = FeatureMaps::with_halo(extent, [3, 3]).unwrap();
    maps.as_mut().read_nchw(&values).unwrap();
    maps
}

/// The states after a step that keeps no gates, with the input given or its part in the gates.
fn next_states(
    packed: &[PackedWeights<'_, f32>; 3],
    input: &FeatureMaps<f32>,
    hidden: &FeatureMaps<f32>,
    given: bool,
) -> Vec<f32> {
    let extent = hidden.extent();
    let mut scratch = Scratchpad::with_isa(packed[0].isa());
    let gate_extent = extent.with_channels(GATES * extent.channels);
    let mut gates_maps = FeatureMaps::sectioned(gate_extent, GATES, [0, 0]).unwrap();
    if !given {
        let (x, gates) = (input.as_ref(), gates_maps.as_mut());
        conv::forward(&packed[0], x, gates, WriteMode::Overwrite, &mut scratch).unwrap();
    }
    let mut product = FeatureMaps::with_halo(extent, [3, 3]).unwrap();
    let mut next = FeatureMaps::zeros(extent).unwrap();
    let step = Step {
        weights: CellWeights {
            input: &packed[0],
            update_and_reset: &packed[1],
            candidate: &packed[2],
            activations: Activations::default(),
        },
        input: if given { InputPart::Maps(input.as_ref()) } else { InputPart::InGates },
        gates: gates_maps.as_mut(),
        keep_gates: false,
        hidden: hidden.as_ref(),
        reset_hidden: product.as_mut(),
        next: next.as_mut(),
    };
    gates::step(step, &mut scratch).unwrap();
    let mut states = vec![0.0; extent.len()];
    next.as_ref().write_nchw(&mut states).unwrap();
    states
}

fn fast_values() -> Vec<f32> {
    noise(24 * 9 * 49, 3).iter().map(|&w| w as f32 / 40.0).collect()
}

#[test]
fn bands_of_rows_do_not_change_the_bits() {
    // Of eight images a band has 12 rows with the input and 24 without, of one it has all.
    let values = fast_values();
    // Taps that are far apart keep the second convolution further behind.
    let near = [1, 1];
    let cases = [
        ((3, near), true, 14),
        ((5, near), true, 14),
        ((3, near), false, 26),
        ((3, [2, 3]), true, 40),
        ((3, [14, 1]), true, 90),
        ((3, [5, 2]), false, 75),
        ((5, [13, 1]), true, 60),
    ];
    for ((taps, given, height), isa) in
        cases.into_iter().flat_map(|case| Isa::all().into_iter().map(move |isa| (case, isa)))
    {
        let all = Extent { batch: 8, channels: 8, height, width: 131 };
        let packed = fast_weights(&values, 9, taps, isa);
        let run = |which: std::ops::Range<usize>| {
            let extent = all.with_batch(which.len());
            let (x, h) = (images(extent.with_channels(9), 1, which.start), images(extent, 2, which.start));
            next_states(&packed, &x, &h, given)
        };
        let last = &run(0..8)[7 * all.image_len()..];
        assert!(last == run(7..8), "{taps:?} on {isa}, input given: {given}");
    }
}

#[test]
fn an_input_that_is_convolved_otherwise_is_convolved_first() {
    // One channel is too few for tiles, which the state's convolutions use; of a kernel of another size
    // tiles are others, and so are the taps of a direct convolution, which may also be at other distances.
    let extent = Extent { batch: 2, channels: 8, height: 9, width: 14 };
    let values = fast_values();
    for isa in Isa::all() {
        let near = |(channels, of_input, of_state)| (channels, (of_input, [1, 1]), (of_state, [1, 1]));
        let sizes = [(1, 3, 3), (9, 5, 3), (9, 3, 5), (9, 1, 3), (9, 3, 1), (9, 1, 7)].map(near);
        let distances = [
            (9, (3, [1, 1]), (3, [2, 2])),
            (9, (3, [2, 2]), (3, [1, 1])),
            (9, (3, [2, 1]), (3, [1, 2])),
            (9, (7, [1, 3]), (7, [3, 1])),
        ];
        for (channels, of_input, of_state) in sizes.into_iter().chain(distances) {
            let [input, _, _] = fast_weights(&values, channels, of_input, isa);
            let [_, first, second] = fast_weights(&values, channels, of_state, isa);
            let packed = [input, first, second];
            let (x, h) = (images(extent.with_channels(channels), 1, 0), images(extent, 2, 0));
            assert!(
                next_states(&packed, &x, &h, true) == next_states(&packed, &x, &h, false),
                "{of_input:?} over the input, {of_state:?} over the state on {isa}"
            );
        }
    }
}

#[test]
fn convolutions_are_added_up_of_large_images_and_where_all_are_computed_alike() {
    let values = fast_values();
    let large = Extent { batch: 1, channels: 8, height: 512, width: 512 };
    // The last image that is too small and the first that is not: 3 x 8 x 1024 x 171 numbers are 2^22 and a few.
    let edges = [(170, false), (171, true)];
    let near = (3, [1, 1]);
    for isa in Isa::all() {
        let exact = [(9, GATES), (8, 2), (8, 1)].map(|(inputs, gates)| dilated(inputs, 8, gates, [1, 1]));
        let exact =
            exact.map(|shape| PackedWeights::with_isa(shape, &values[..shape.weight_len()], isa).unwrap());
        let fast = fast_weights(&values, 9, near, isa);
        let joined = |packed: [&PackedWeights<'_, f32>; 3], state| {
            let [input, update_and_reset, candidate] = packed;
            let activations = Activations::default();
            gates::joins_input(CellWeights { input, update_and_reset, candidate, activations }, state)
        };
        let of = |packed: &[PackedWeights<'_, f32>; 3]| joined([&packed[0], &packed[1], &packed[2]], large);
        for mix in 0..8_usize {
            let packed = [0, 1, 2].map(|i| if (mix >> i) & 1 == 0 { &exact[i] } else { &fast[i] });
            assert_eq!(joined(packed, large), [0, 7].contains(&mix), "mix {mix} on {isa}");
        }
        for (width, expected) in edges {
            let state = Extent { height: 1024, width, ..large };
            assert_eq!(joined([&fast[0], &fast[1], &fast[2]], state), expected, "{width} columns on {isa}");
        }
        // Kernels of another size, taps of another distance, an input that has nothing to add.
        let [wide, apart, none] = [(9, (5, [1, 1])), (9, (3, [2, 1])), (0, near)]
            .map(|(inputs, taps)| fast_weights(&values, inputs, taps, isa));
        assert!(of(&wide) && of(&apart) && !of(&none), "{isa}");
        for other in [&wide, &apart] {
            assert!(!joined([&other[0], &fast[1], &fast[2]], large), "{isa}");
            assert!(!joined([&fast[0], &fast[1], &other[2]], large), "{isa}");
        }
    }
    if let [one, other, ..] = Isa::all()[..] {
        let [first, second] = [one, other].map(|isa| fast_weights(&values, 9, near, isa));
        for i in 0..3 {
            let packed = [0, 1, 2].map(|j| if i == j { &first[j] } else { &second[j] });
            let [input, update_and_reset, candidate] = packed;
            let activations = Activations::default();
            let cell = CellWeights { input, update_and_reset, candidate, activations };
            assert!(
                !gates::joins_input(cell, large),
                "convolution {i} is packed for {one}, others for {other}"
            );
        }
    }
}
