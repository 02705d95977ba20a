//! The fused gate passes against the reference formulas, at sizes around every piece edge.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use convgru_kernels::gates::{self, CandidateBackward, GATES, ResetBackward};
use convgru_kernels::{Extent, FeatureMaps};

fn noise(len: usize, seed: usize) -> Vec<f64> {
    (0..len).map(|i| (((i + seed * 7919) * 2_654_435_761) % 4001) as f64 / 1000.0 - 2.0).collect()
}

fn nchw(maps: &FeatureMaps<f64>) -> Vec<f64> {
    let mut values = vec![0.0; maps.extent().len()];
    maps.as_ref().write_nchw(&mut values).unwrap();
    values
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Extents whose images are below, at and above the length of a piece.
fn extents() -> Vec<Extent> {
    [(1, 1, 1, 1), (3, 2, 5, 7), (2, 8, 16, 16), (1, 1, 23, 89), (2, 3, 25, 28)]
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

#[test]
fn forward_and_backward_follow_the_equations() {
    for extent in extents() {
        let gate_extent = extent.with_channels(GATES * extent.channels);
        let (raw, h) = (noise(gate_extent.len(), 1), noise(extent.len(), 2));
        let (dh_in, d_product) = (noise(extent.len(), 3), noise(extent.len(), 4));
        let mut maps = FeatureMaps::from_nchw(gate_extent, &raw).unwrap();
        let hidden = FeatureMaps::from_nchw(extent, &h).unwrap();
        let nan = |extent: Extent| FeatureMaps::from_nchw(extent, &vec![f64::NAN; extent.len()]).unwrap();
        let (mut product, mut next) = (nan(extent), nan(extent));
        gates::update_and_reset(maps.as_mut(), hidden.as_ref(), product.as_mut()).unwrap();
        gates::blend(maps.as_mut(), Some(hidden.as_ref()), next.as_mut()).unwrap();
        let mut again = nan(extent);
        gates::reset_hidden(maps.as_ref(), hidden.as_ref(), again.as_mut()).unwrap();

        let mut d_hidden = FeatureMaps::from_nchw(extent, &dh_in).unwrap();
        let mut d_gates = nan(gate_extent);
        gates::candidate_backward(CandidateBackward {
            gates: maps.as_ref(),
            hidden: Some(hidden.as_ref()),
            d_hidden: d_hidden.as_mut(),
            d_gates: d_gates.as_mut(),
        })
        .unwrap();
        let d_product_maps = FeatureMaps::from_nchw(extent, &d_product).unwrap();
        gates::reset_backward(ResetBackward {
            gates: maps.as_ref(),
            hidden: hidden.as_ref(),
            d_reset_hidden: d_product_maps.as_ref(),
            d_hidden: d_hidden.as_mut(),
            d_gates: d_gates.as_mut(),
        })
        .unwrap();

        let [gates, next, product, again, dh, a] =
            [&maps, &next, &product, &again, &d_hidden, &d_gates].map(nchw);
        let close =
            |got: f64, exact: f64| assert!((got - exact).abs() <= 4e-15 * (1.0 + exact.abs()), "{extent:?}");
        for (i, [zi, ri, ni]) in gate_places(extent) {
            let (z, r, n, h) = (sigmoid(raw[zi]), sigmoid(raw[ri]), raw[ni].tanh(), h[i]);
            close(gates[zi], z);
            close(gates[ri], r);
            close(gates[ni], n);
            close(product[i], r * h);
            close(again[i], r * h);
            close(next[i], (1.0 - z) * h + z * n);
            close(a[ni], dh_in[i] * z * (1.0 - n * n));
            close(a[zi], dh_in[i] * (n - h) * z * (1.0 - z));
            close(a[ri], d_product[i] * h * r * (1.0 - r));
            close(dh[i], dh_in[i] * (1.0 - z) + d_product[i] * r);
        }
    }
}

#[test]
fn a_zero_state_is_the_same_as_no_state() {
    for extent in extents() {
        let gate_extent = extent.with_channels(GATES * extent.channels);
        let raw = noise(gate_extent.len(), 1);
        let zero = FeatureMaps::zeros(extent).unwrap();
        let run = |with_state: bool| {
            let mut maps = FeatureMaps::from_nchw(gate_extent, &raw).unwrap();
            let (mut next, mut product) = (zero.clone(), zero.clone());
            let hidden = with_state.then(|| zero.as_ref());
            match hidden {
                Some(hidden) => gates::update_and_reset(maps.as_mut(), hidden, product.as_mut()).unwrap(),
                None => gates::update_only(maps.as_mut()).unwrap(),
            }
            gates::blend(maps.as_mut(), hidden, next.as_mut()).unwrap();
            let mut d_hidden = FeatureMaps::from_nchw(extent, &noise(extent.len(), 5)).unwrap();
            let mut d_gates = FeatureMaps::zeros(gate_extent).unwrap();
            gates::candidate_backward(CandidateBackward {
                gates: maps.as_ref(),
                hidden,
                d_hidden: d_hidden.as_mut(),
                d_gates: d_gates.as_mut(),
            })
            .unwrap();
            [nchw(&next), nchw(&d_hidden), nchw(&d_gates)]
        };
        assert_eq!(run(true), run(false), "{extent:?}");
    }
}

#[test]
fn extents_that_do_not_fit_are_refused() {
    let extent = Extent { batch: 1, channels: 2, height: 3, width: 3 };
    let hidden = FeatureMaps::<f32>::zeros(extent).unwrap();
    let mut gates = FeatureMaps::zeros(extent.with_channels(5)).unwrap();
    let mut product = hidden.clone();
    let error = gates::update_and_reset(gates.as_mut(), hidden.as_ref(), product.as_mut()).unwrap_err();
    assert_eq!(error.to_string(), "gates: [N, C, H, W] is [1, 5, 3, 3] where [1, 6, 3, 3] is needed");
    assert!(gates::update_only(gates.as_mut()).is_err());
}
