//! Cells whose reset gate acts after the convolution of the state.

use convgru_kernels::conv::{self, ConvShape, PackedWeights, WriteMode};
use convgru_kernels::gates::{self, CandidateBackward, GATES, ResetAfterBackward, ResetAfterStep};
use convgru_kernels::{Extent, FeatureMaps, Isa, Scratchpad, reference};

use crate::kinds::Kind;
use crate::{dilated, extents, maps, nchw, noise};

fn expect_near(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= 1e-12, "{what}: {a} where {b} is right, element {i}");
    }
}

/// A cell: the convolutions of the state for update and reset gate and for the candidate, and its bias.
struct Cell {
    kind: Kind,
    extent: Extent,
    shapes: [ConvShape; 2],
    weights: [Vec<f64>; 2],
    bias: Vec<f64>,
}

impl Cell {
    fn new(kind: Kind, extent: Extent) -> Self {
        let channels = extent.channels;
        let shapes = [2, 1].map(|gates| dilated(channels, channels, gates, kind.dilation));
        let scale = 10.0 * channels as f64;
        let weights =
            [0, 1].map(|i| noise(shapes[i].weight_len(), 5 + i).iter().map(|w| w / scale).collect());
        Self { kind, extent, shapes, weights, bias: noise(channels, 9) }
    }

    /// Section `gate` of `[N, 3 hidden, H, W]`.
    fn section(&self, gates: &[f64], gate: usize) -> Vec<f64> {
        let len = self.extent.image_len();
        gates
            .chunks_exact(GATES * len)
            .flat_map(|image| &image[gate * len..(gate + 1) * len])
            .copied()
            .collect()
    }

    fn convolve(&self, which: usize, h: &[f64]) -> Vec<f64> {
        let out = self.extent.with_channels(self.shapes[which].out_channels);
        let mut sums = vec![0.0; out.len()];
        reference::convolution(&self.shapes[which], self.extent, h, &self.weights[which], &mut sums).unwrap();
        sums
    }

    /// `z`, `r`, `u`, `n`, `h'` by the equations.
    fn expected(&self, part: &[f64], h: &[f64]) -> [Vec<f64>; 5] {
        let f = self.kind.activations;
        let (len, pixels) = (self.extent.image_len(), self.extent.pixels());
        let both = self.convolve(0, h);
        let of_state = |gate: usize| -> Vec<f64> {
            both.chunks_exact(2 * len)
                .flat_map(|image| &image[gate * len..(gate + 1) * len])
                .copied()
                .collect()
        };
        let gate = |gate: usize| -> Vec<f64> {
            self.section(part, gate).iter().zip(of_state(gate)).map(|(a, b)| f.gate_at(a + b)).collect()
        };
        let (z, r) = (gate(0), gate(1));
        let bias = |i: usize| self.bias[i / pixels % self.extent.channels];
        let u: Vec<f64> = self.convolve(1, h).iter().enumerate().map(|(i, u)| u + bias(i)).collect();
        let a = self.section(part, 2);
        let n: Vec<f64> = (0..u.len()).map(|i| f.candidate_at(a[i] + r[i] * u[i])).collect();
        let next = (0..u.len()).map(|i| h[i] + z[i] * (n[i] - h[i])).collect();
        [z, r, u, n, next]
    }
}

#[test]
fn forward_and_backward_follow_the_equations() {
    let cases = extents().into_iter().flat_map(|extent| Isa::all().into_iter().map(move |isa| (extent, isa)));
    let kinds = |case: ((Extent, Isa), bool)| Kind::all().into_iter().map(move |kind| (case, kind));
    let cases = cases.flat_map(|case| [true, false].map(|given| (case, given)));
    for (((extent, isa), given), kind) in cases.flat_map(kinds) {
        let cell = Cell::new(kind, extent);
        let activations = kind.activations;
        let [two, one] =
            [0, 1].map(|i| PackedWeights::with_isa(cell.shapes[i], &cell.weights[i], isa).unwrap());
        let one = one.with_bias(Some(&cell.bias)).unwrap();
        let gate_extent = extent.with_channels(GATES * extent.channels);
        let part: Vec<f64> = noise(gate_extent.len(), 1).iter().map(|x| 2.0 * x).collect();
        let h = if given { noise(extent.len(), 2) } else { vec![0.0; extent.len()] };
        let hidden = maps(extent, 1, &h);
        let nan = |extent: Extent, sections| maps(extent, sections, &vec![f64::NAN; extent.len()]);
        let (mut memory, mut next) = (nan(extent, 1), nan(extent, 1));
        let mut gate_maps = maps(gate_extent, GATES, &part);
        let mut scratch = Scratchpad::with_isa(isa);
        let step = ResetAfterStep {
            update_and_reset: &two,
            candidate: &one,
            gates: gate_maps.as_mut(),
            hidden: given.then(|| hidden.as_ref()),
            memory: memory.as_mut(),
            next: next.as_mut(),
            activations,
        };
        gates::step_reset_after(step, &mut scratch).unwrap();
        let [z, r, u, n, expected] = cell.expected(&part, &h);
        let got = nchw(&gate_maps);
        for (gate, expected) in [&z, &r, &n].into_iter().enumerate() {
            expect_near(&format!("gate {gate} on {isa}"), &cell.section(&got, gate), expected);
        }
        expect_near("memory", &nchw(&memory), &u);
        expect_near("next state", &nchw(&next), &expected);

        let d_next = noise(extent.len(), 3);
        let mut d_hidden = maps(extent, 1, &d_next);
        let (mut d_gates, mut d_memory) = (nan(gate_extent, GATES), nan(extent, 1));
        let first = CandidateBackward {
            gates: gate_maps.as_ref(),
            hidden: given.then(|| hidden.as_ref()),
            d_hidden: d_hidden.as_mut(),
            d_gates: d_gates.as_mut(),
            activations,
        };
        gates::candidate_backward(first, isa).unwrap();
        let second = ResetAfterBackward {
            gates: gate_maps.as_ref(),
            memory: memory.as_ref(),
            d_gates: d_gates.as_mut(),
            d_memory: d_memory.as_mut(),
            activations,
        };
        gates::reset_after_backward(second, isa).unwrap();
        // Values tell the derivatives: those of the kernels, for sums near a kink round otherwise.
        let at = |gate: usize| cell.section(&got, gate);
        let (z, r, n) = (at(0), at(1), at(2));
        let blend = |i: usize| reference::blend_backward(activations, d_next[i], [z[i], n[i], h[i]]);
        let a_n: Vec<f64> = (0..u.len()).map(|i| blend(i).d_candidate).collect();
        let d_u: Vec<f64> = (0..u.len()).map(|i| a_n[i] * r[i]).collect();
        let of_gate = |i: usize| reference::gates_backward(activations, a_n[i], r[i], u[i]);
        let a_r: Vec<f64> = (0..u.len()).map(|i| of_gate(i).d_reset).collect();
        let got = nchw(&d_gates);
        expect_near("candidate", &cell.section(&got, 2), &a_n);
        expect_near("reset gate", &cell.section(&got, 1), &a_r);
        expect_near("gradient of the memory", &nchw(&d_memory), &d_u);
        // The halo is still zero: what follows is a convolution that reads it.
        let mut d_state = FeatureMaps::zeros(extent).unwrap();
        let (from, to) = (d_memory.as_ref(), d_state.as_mut());
        conv::input_gradient(&one, from, to, WriteMode::Overwrite, &mut scratch).unwrap();
        assert!(nchw(&d_state).iter().all(|x| x.is_finite()));
    }
}

#[test]
fn extents_that_do_not_fit_are_refused() {
    let extent = Extent { batch: 2, channels: 3, height: 4, width: 5 };
    let cell = Cell::new(Kind::PLAIN, extent);
    let [two, one] = [0, 1].map(|i| PackedWeights::new(cell.shapes[i], &cell.weights[i]).unwrap());
    let zeros = |extent: Extent| FeatureMaps::<f64>::zeros(extent).unwrap();
    let gate_extent = extent.with_channels(GATES * extent.channels);
    let refuse = |gates: Extent, hidden: Extent, memory: Extent, named: &str| {
        let mut gates = FeatureMaps::<f64>::sectioned(gates, GATES, [0, 0]).unwrap();
        let (hidden, mut memory, mut next) = (zeros(hidden), zeros(memory), zeros(extent));
        let step = ResetAfterStep {
            update_and_reset: &two,
            candidate: &one,
            gates: gates.as_mut(),
            hidden: Some(hidden.as_ref()),
            memory: memory.as_mut(),
            next: next.as_mut(),
            activations: Kind::PLAIN.activations,
        };
        let error = gates::step_reset_after(step, &mut Scratchpad::new()).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    };
    let other = Extent { width: 6, ..extent };
    refuse(Extent { width: 6, ..gate_extent }, extent, extent, "gates");
    refuse(gate_extent, other, extent, "hidden state");
    refuse(gate_extent, extent, other, "convolution of the state");
}
