//! The convolution and its gradients against the reference, over drawn shapes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use convgru_kernels::conv::{self, ConvShape, PackedWeights, Padding, WriteMode};
use convgru_kernels::{Extent, FeatureMaps, Isa, Scalar, Scratchpad, reference};
use proptest::prelude::*;

/// A convolution with data for it, small integers where `integers` is set.
#[derive(Debug, Clone)]
struct Case {
    shape: ConvShape,
    extent: Extent,
}

/// A few channels, or as many as are around the edges of blocks and panels.
fn channels(least: usize) -> impl Strategy<Value = usize> {
    prop_oneof![3 => least..=5, 1 => 7usize..=9, 1 => 15usize..=18, 1 => 31usize..=33]
}

fn cases() -> impl Strategy<Value = Case> {
    let pair = |range: std::ops::RangeInclusive<usize>| prop::array::uniform2(range);
    (
        (channels(0), channels(1), 1usize..=3),
        pair(1..=5),
        pair(1..=3),
        pair(1..=3),
        prop::array::uniform4(0usize..=3),
        pair(1..=12),
    )
        .prop_filter_map(
            "the kernel fits",
            |((cin, cout, n), kernel, stride, dilation, padding, [h, w])| {
                let [top, bottom, left, right] = padding;
                let shape = ConvShape {
                    in_channels: cin,
                    out_channels: cout,
                    kernel,
                    stride,
                    dilation,
                    padding: Padding { top, bottom, left, right },
                    ..ConvShape::same(cin, cout, kernel)
                };
                shape.output_size([h, w]).ok()?;
                Some(Case { shape, extent: Extent { batch: n, channels: cin, height: h, width: w } })
            },
        )
}

/// Numbers in [-1, 1] that look random and are the same in every run.
fn noise<T: Scalar>(len: usize, seed: usize) -> Vec<T> {
    (0..len)
        .map(|i| {
            let x = ((i + seed * 1_000_003).wrapping_mul(2_654_435_761) >> 7) % 20_001;
            T::from_f64(x as f64 / 10_000.0 - 1.0)
        })
        .collect()
}

fn nchw<T: Scalar>(maps: &FeatureMaps<T>) -> Vec<T> {
    let mut values = vec![T::ZERO; maps.extent().len()];
    maps.as_ref().write_nchw(&mut values).unwrap();
    values
}

/// Output, input gradient and weight gradient by the kernels of an instruction set, from
/// NaN-filled memory.
fn kernels<T: Scalar>(case: &Case, isa: Isa, x: &[T], w: &[T], dy: &[T]) -> [Vec<T>; 3] {
    let out = case.shape.output_extent(case.extent).unwrap();
    let weights = PackedWeights::with_isa(case.shape, w, isa).unwrap();
    let input = FeatureMaps::from_nchw(case.extent, x).unwrap();
    let d_output = FeatureMaps::from_nchw(out, dy).unwrap();
    let nan =
        |extent: Extent| FeatureMaps::from_nchw(extent, &vec![T::from_f64(f64::NAN); extent.len()]).unwrap();
    let (mut output, mut d_input) = (nan(out), nan(case.extent));
    let mut d_weights = vec![T::ZERO; w.len()];
    let mut scratch = Scratchpad::with_isa(isa);
    let mode = WriteMode::Overwrite;
    conv::forward(&weights, input.as_ref(), output.as_mut(), mode, &mut scratch).unwrap();
    conv::input_gradient(&weights, d_output.as_ref(), d_input.as_mut(), mode, &mut scratch).unwrap();
    conv::weight_gradient(&case.shape, input.as_ref(), d_output.as_ref(), &mut d_weights, &mut scratch)
        .unwrap();
    [nchw(&output), nchw(&d_input), d_weights]
}

/// The same three by the reference, in `f64`.
fn expected(case: &Case, x: &[f64], w: &[f64], dy: &[f64]) -> [Vec<f64>; 3] {
    let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
    reference::convolution(&case.shape, case.extent, x, w, &mut y).unwrap();
    reference::convolution_input_gradient(&case.shape, case.extent, w, dy, &mut dx).unwrap();
    reference::convolution_weight_gradient(&case.shape, case.extent, x, dy, &mut dw).unwrap();
    [y, dx, dw]
}

fn lengths(case: &Case) -> [usize; 3] {
    let out = case.shape.output_extent(case.extent).unwrap();
    [case.extent.len(), case.shape.weight_len(), out.len()]
}

/// Every number agrees within `(4 + sqrt(terms)) * epsilon * sizes`, where `sizes` is the sum of the
/// absolute products: the probabilistic bound of Higham and Mary (2019) with room to spare.
fn assert_close<T: Scalar>(got: &[T], expected: &[f64], sizes: &[f64], terms: usize, what: &str) {
    for (i, ((g, e), size)) in got.iter().zip(expected).zip(sizes).enumerate() {
        let bound = (4.0 + (terms as f64).sqrt()) * T::EPSILON.to_f64() * size;
        assert!((g.to_f64() - e).abs() <= bound, "{what}[{i}]: {g} instead of {e}, bound {bound:e}");
    }
}

fn agrees_with_the_reference<T: Scalar>(case: &Case) {
    let [x_len, w_len, y_len] = lengths(case);
    let (x, w, dy) = (noise::<T>(x_len, 1), noise::<T>(w_len, 2), noise::<T>(y_len, 3));
    let wide = |v: &[T]| v.iter().map(|v| v.to_f64()).collect::<Vec<_>>();
    let size = |v: &[T]| v.iter().map(|v| v.to_f64().abs()).collect::<Vec<_>>();
    let exact = expected(case, &wide(&x), &wide(&w), &wide(&dy));
    let sizes = expected(case, &size(&x), &size(&w), &size(&dy));
    let taps = case.shape.taps();
    let terms = [case.shape.reduction(), case.shape.out_channels * taps, y_len / case.shape.out_channels];
    for isa in Isa::all() {
        let got = kernels(case, isa, &x, &w, &dy);
        for (i, what) in ["output", "input gradient", "weight gradient"].into_iter().enumerate() {
            assert_close(&got[i], &exact[i], &sizes[i], terms[i], &format!("{what} on {isa}"));
        }
    }
}

/// Cases to draw: fewer where `PROPTEST_CASES` says so, for slow processors.
fn drawn(cases: u32) -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .map_or(cases, |few: u32| few.min(cases))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(drawn(256)))]

    #[test]
    fn f64_agrees_with_the_reference(case in cases()) {
        agrees_with_the_reference::<f64>(&case);
    }

    #[test]
    fn f32_agrees_with_the_reference(case in cases()) {
        agrees_with_the_reference::<f32>(&case);
    }

    #[test]
    fn integers_are_exact(case in cases()) {
        let [x_len, w_len, y_len] = lengths(&case);
        let whole = |len: usize, seed: usize| -> Vec<f64> {
            noise::<f64>(len, seed).into_iter().map(|v| (v * 4.0).round()).collect()
        };
        let (x, w, dy) = (whole(x_len, 1), whole(w_len, 2), whole(y_len, 3));
        let narrow = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<_>>();
        let exact = expected(&case, &x, &w, &dy);
        for isa in Isa::all() {
            let got = kernels(&case, isa, &narrow(&x), &narrow(&w), &narrow(&dy));
            for (got, exact) in got.iter().zip(&exact) {
                prop_assert_eq!(got, &narrow(exact));
            }
        }
    }

    #[test]
    fn gradients_are_adjoint_to_the_forward_pass(case in cases()) {
        let [x_len, w_len, y_len] = lengths(&case);
        let (x, w, dy) = (noise::<f64>(x_len, 1), noise::<f64>(w_len, 2), noise::<f64>(y_len, 3));
        let [y, dx, dw] = kernels(&case, Isa::current(), &x, &w, &dy);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let size = dot(&y, &y).sqrt() * dot(&dy, &dy).sqrt() + 1.0;
        prop_assert!((dot(&y, &dy) - dot(&x, &dx)).abs() <= 1e-12 * size);
        prop_assert!((dot(&y, &dy) - dot(&w, &dw)).abs() <= 1e-12 * size);
    }
}

/// Sizes at which an image is cut into several parts, and several images are at work.
fn large_cases() -> Vec<Case> {
    let case = |shape, batch, height, width| {
        let ConvShape { in_channels, .. } = shape;
        Case { shape, extent: Extent { batch, channels: in_channels, height, width } }
    };
    let strided = ConvShape { stride: [2, 2], ..ConvShape::same(20, 33, [3, 3]) };
    let dilated = ConvShape {
        dilation: [2, 2],
        padding: Padding::same([3, 3], [2, 2]),
        ..ConvShape::same(43, 32, [3, 3])
    };
    vec![
        case(ConvShape::same(64, 96, [3, 3]), 1, 37, 41),
        case(ConvShape::same(64, 17, [1, 1]), 2, 70, 50),
        case(ConvShape::same(3, 8, [5, 5]), 9, 33, 65),
        case(ConvShape::same(1, 1, [7, 1]), 1, 300, 200),
        case(strided, 3, 45, 31),
        case(dilated, 2, 28, 40),
    ]
}

#[test]
fn large_images_agree_with_the_reference() {
    for case in large_cases() {
        agrees_with_the_reference::<f64>(&case);
        agrees_with_the_reference::<f32>(&case);
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    for case in large_cases() {
        let [x_len, w_len, y_len] = lengths(&case);
        let (x, w, dy) = (noise::<f32>(x_len, 1), noise::<f32>(w_len, 2), noise::<f32>(y_len, 3));
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                kernels(&case, Isa::current(), &x, &w, &dy)
                    .map(|v| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
            })
        };
        let one = run(1);
        for threads in [2, 3, 8] {
            assert_eq!(run(threads), one, "{threads} threads, {case:?}");
        }
    }
}

#[test]
fn adding_starts_from_what_is_there_and_views_leave_their_neighbours_alone() {
    let shape = ConvShape::same(2, 3, [3, 1]);
    let extent = Extent { batch: 4, channels: 2, height: 5, width: 4 };
    let (x, w) = (noise::<f64>(extent.len(), 1), noise::<f64>(shape.weight_len(), 2));
    let input = FeatureMaps::from_nchw(extent, &x).unwrap();
    let weights = PackedWeights::new(shape, &w).unwrap();
    // The second of three sections of images 1..3 of 4; everything else is a canary.
    let whole = extent.with_channels(9);
    let mut target = FeatureMaps::sectioned(whole, 3, [1, 0]).unwrap();
    target.as_mut().read_nchw(&vec![7.0; whole.len()]).unwrap();
    let view = target.images_mut(1..3).into_sections(1..2);
    conv::forward(&weights, input.images(1..3), view, WriteMode::Add, &mut Scratchpad::new()).unwrap();
    let mut exact = vec![7.0; 2 * 3 * 20];
    reference::convolution(&shape, extent.with_batch(2), &x[40..120], &w, &mut exact).unwrap();
    for (i, value) in nchw(&target).into_iter().enumerate() {
        let (image, channel, pixel) = (i / 180, i % 180 / 20, i % 20);
        if (1..3).contains(&image) && (3..6).contains(&channel) {
            let e = exact[((image - 1) * 3 + channel - 3) * 20 + pixel];
            assert!((value - e).abs() < 1e-14);
        } else {
            assert_eq!(value, 7.0, "image {image}, channel {channel}");
        }
    }
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let shape = ConvShape::same(2, 3, [3, 3]);
    assert!(PackedWeights::new(shape, &[0.0f32; 5]).is_err());
    let zeros = vec![0.0f32; shape.weight_len()];
    let weights = PackedWeights::new(shape, &zeros).unwrap();
    let extent = Extent { batch: 1, channels: 2, height: 4, width: 4 };
    let input = FeatureMaps::zeros(extent).unwrap();
    let mut wrong = FeatureMaps::zeros(extent).unwrap();
    let error =
        conv::forward(&weights, input.as_ref(), wrong.as_mut(), WriteMode::Overwrite, &mut Scratchpad::new())
            .unwrap_err();
    assert_eq!(
        error.to_string(),
        "output of the convolution: [N, C, H, W] is [1, 2, 4, 4] where [1, 3, 4, 4] is needed"
    );
}
