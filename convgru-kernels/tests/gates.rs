//! The fused passes of a cell against the reference formulas, on every instruction set.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use convgru_kernels::conv::{ConvShape, PackedWeights};
use convgru_kernels::gates::{self, Candidate, CandidateBackward, GATES, ResetBackward, UpdateAndReset};
use convgru_kernels::{Extent, FeatureMaps, Isa, Scratchpad, reference};

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

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
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

/// The weights of a cell's two hidden convolutions.
struct Weights {
    shapes: [ConvShape; 2],
    plain: [Vec<f64>; 2],
}

impl Weights {
    fn packed(&self, isa: Isa) -> [PackedWeights<'_, f64>; 2] {
        [0, 1].map(|i| PackedWeights::with_isa(self.shapes[i], &self.plain[i], isa).unwrap())
    }
}

fn weights(channels: usize) -> Weights {
    let shapes = [2, 1].map(|gates| ConvShape {
        out_sections: gates,
        ..ConvShape::same(channels, gates * channels, [3, 3])
    });
    let plain = [0, 1].map(|i| {
        noise(shapes[i].weight_len(), 11 + i).iter().map(|w| w / 10.0 / channels as f64).collect::<Vec<_>>()
    });
    Weights { shapes, plain }
}

#[test]
fn forward_and_backward_follow_the_equations() {
    for (extent, isa) in extents().into_iter().flat_map(|e| Isa::all().into_iter().map(move |isa| (e, isa))) {
        let gate_extent = extent.with_channels(GATES * extent.channels);
        let (raw, h) = (noise(gate_extent.len(), 1), noise(extent.len(), 2));
        let dh_in = noise(extent.len(), 3);
        let weights = weights(extent.channels);
        let packed = weights.packed(isa);
        let mut scratch = Scratchpad::with_isa(isa);
        let mut gates_maps = maps(gate_extent, GATES, &raw);
        let hidden = maps(extent, 1, &h);
        let nan = |extent: Extent, sections| maps(extent, sections, &vec![f64::NAN; extent.len()]);
        let (mut product, mut next) = (nan(extent, 1), nan(extent, 1));
        let first = UpdateAndReset {
            weights: &packed[0],
            gates: gates_maps.as_mut(),
            hidden: hidden.as_ref(),
            reset_hidden: product.as_mut(),
        };
        gates::update_and_reset(first, &mut scratch).unwrap();
        let second = Candidate {
            weights: &packed[1],
            gates: gates_maps.as_mut(),
            hidden: hidden.as_ref(),
            reset_hidden: product.as_ref(),
            next: next.as_mut(),
        };
        gates::candidate(second, &mut scratch).unwrap();
        let mut again = nan(extent, 1);
        gates::reset_hidden(gates_maps.as_ref(), hidden.as_ref(), again.as_mut(), isa).unwrap();

        let mut d_hidden = maps(extent, 1, &dh_in);
        let mut d_gates = nan(gate_extent, GATES);
        let first = CandidateBackward {
            gates: gates_maps.as_ref(),
            hidden: Some(hidden.as_ref()),
            d_hidden: d_hidden.as_mut(),
            d_gates: d_gates.as_mut(),
        };
        gates::candidate_backward(first, isa).unwrap();
        let second = ResetBackward {
            weights: &packed[1],
            gates: gates_maps.as_ref(),
            hidden: hidden.as_ref(),
            d_hidden: d_hidden.as_mut(),
            d_gates: d_gates.as_mut(),
        };
        gates::reset_backward(second, &mut scratch).unwrap();

        let [gates, next, product, again, dh, a] =
            [&gates_maps, &next, &product, &again, &d_hidden, &d_gates].map(nchw);
        let close = |got: f64, exact: f64| {
            assert!((got - exact).abs() <= 1e-14 * (1.0 + exact.abs()), "{extent:?} on {isa}: {got} {exact}");
        };
        let mut sums = vec![0.0; 2 * extent.len()];
        reference::convolution(&weights.shapes[0], extent, &h, &weights.plain[0], &mut sums).unwrap();
        let two = 2 * extent.image_len();
        let places: Vec<_> = gate_places(extent).collect();
        let mut rh = vec![0.0; extent.len()];
        for &(i, [zi, ri, _]) in &places {
            let at = i / extent.image_len() * two + i % extent.image_len();
            close(gates[zi], sigmoid(raw[zi] + sums[at]));
            close(gates[ri], sigmoid(raw[ri] + sums[at + extent.image_len()]));
            rh[i] = gates[ri] * h[i];
            close(product[i], rh[i]);
            close(again[i], rh[i]);
        }
        let mut sums = vec![0.0; extent.len()];
        reference::convolution(&weights.shapes[1], extent, &rh, &weights.plain[1], &mut sums).unwrap();
        let mut a_n = vec![0.0; extent.len()];
        for &(i, [zi, _, ni]) in &places {
            let (z, n) = (gates[zi], (raw[ni] + sums[i]).tanh());
            close(gates[ni], n);
            close(next[i], (1.0 - z) * h[i] + z * n);
            a_n[i] = dh_in[i] * z * (1.0 - n * n);
            close(a[ni], a_n[i]);
            close(a[zi], dh_in[i] * (n - h[i]) * z * (1.0 - z));
        }
        let mut d_product = vec![0.0; extent.len()];
        let shape = &weights.shapes[1];
        reference::convolution_input_gradient(shape, extent, &weights.plain[1], &a_n, &mut d_product)
            .unwrap();
        for &(i, [zi, ri, _]) in &places {
            let (z, r) = (gates[zi], gates[ri]);
            close(a[ri], d_product[i] * h[i] * r * (1.0 - r));
            close(dh[i], dh_in[i] * (1.0 - z) + d_product[i] * r);
        }
    }
}

#[test]
fn a_zero_state_is_the_same_as_no_state() {
    for (extent, isa) in extents().into_iter().flat_map(|e| Isa::all().into_iter().map(move |isa| (e, isa))) {
        let gate_extent = extent.with_channels(GATES * extent.channels);
        let raw = noise(gate_extent.len(), 1);
        let zero = maps(extent, 1, &vec![0.0; extent.len()]);
        let weights = weights(extent.channels);
        let packed = weights.packed(isa);
        let mut scratch = Scratchpad::with_isa(isa);
        let mut run = |with_state: bool| {
            let mut gates_maps = maps(gate_extent, GATES, &raw);
            let (mut next, mut product) = (zero.clone(), zero.clone());
            if with_state {
                let first = UpdateAndReset {
                    weights: &packed[0],
                    gates: gates_maps.as_mut(),
                    hidden: zero.as_ref(),
                    reset_hidden: product.as_mut(),
                };
                gates::update_and_reset(first, &mut scratch).unwrap();
                let second = Candidate {
                    weights: &packed[1],
                    gates: gates_maps.as_mut(),
                    hidden: zero.as_ref(),
                    reset_hidden: product.as_ref(),
                    next: next.as_mut(),
                };
                gates::candidate(second, &mut scratch).unwrap();
            } else {
                gates::first_step(gates_maps.as_mut(), next.as_mut(), isa).unwrap();
            }
            let mut d_hidden = maps(extent, 1, &noise(extent.len(), 5));
            let mut d_gates = maps(gate_extent, GATES, &vec![0.0; gate_extent.len()]);
            let back = CandidateBackward {
                gates: gates_maps.as_ref(),
                hidden: with_state.then(|| zero.as_ref()),
                d_hidden: d_hidden.as_mut(),
                d_gates: d_gates.as_mut(),
            };
            gates::candidate_backward(back, isa).unwrap();
            [nchw(&next), nchw(&d_hidden), nchw(&d_gates)]
        };
        assert_eq!(run(true), run(false), "{extent:?} on {isa}");
    }
}

#[test]
fn extents_that_do_not_fit_are_refused() {
    let extent = Extent { batch: 1, channels: 2, height: 3, width: 3 };
    let mut hidden = FeatureMaps::<f64>::zeros(extent).unwrap();
    let mut gates_maps = FeatureMaps::zeros(extent.with_channels(5)).unwrap();
    let isa = Isa::current();
    let error = gates::first_step(gates_maps.as_mut(), hidden.as_mut(), isa).unwrap_err();
    assert_eq!(error.to_string(), "gates: [N, C, H, W] is [1, 5, 3, 3] where [1, 6, 3, 3] is needed");
    let other = weights(3);
    let other_packed = other.packed(isa);
    let mut gates_maps = FeatureMaps::sectioned(extent.with_channels(6), GATES, [0, 0]).unwrap();
    let mut product = hidden.clone();
    let arguments = UpdateAndReset {
        weights: &other_packed[0],
        gates: gates_maps.as_mut(),
        hidden: hidden.as_ref(),
        reset_hidden: product.as_mut(),
    };
    assert!(gates::update_and_reset(arguments, &mut Scratchpad::new()).is_err());
}
