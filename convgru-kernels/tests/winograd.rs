//! Winograd's minimal filtering against the reference, every tile on every instruction set.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use convgru_kernels::conv::{self, Algorithm, ConvShape, PackedWeights, Precision, Tile, WriteMode};
use convgru_kernels::gates::{self, Activations, CellWeights, GATES, InputPart, Step};
use convgru_kernels::{Extent, FeatureMaps, Isa, Scratchpad, reference};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// Largest relative error in the 2-norm of a single convolution: about twice the worst that
/// `worst_errors_of_many_draws` prints. Of few numbers the norm scatters.
fn bound(tile: Tile) -> f64 {
    if tile.transformed() == 6 { 2e-5 } else { 4e-5 }
}

#[derive(Debug, Clone, Copy)]
struct Case {
    tile: Tile,
    shape: ConvShape,
    extent: Extent,
    halo: usize,
}

fn cases() -> impl Strategy<Value = Case> {
    let channels = || prop_oneof![1usize..=5, 15usize..=18, 30usize..=35];
    (0..Tile::ALL.len(), channels(), channels(), 1usize..=2, 1usize..=15, 1usize..=15, 0usize..=3, 1..=2usize)
        .prop_map(|(tile, inputs, outputs, batch, height, width, halo, sections)| {
            let tile = Tile::ALL[tile];
            let shape = ConvShape {
                precision: Precision::Fast,
                out_sections: sections,
                ..ConvShape::same(inputs, sections * outputs, [tile.kernel; 2])
            };
            Case { tile, shape, extent: Extent { batch, channels: inputs, height, width }, halo }
        })
}

/// Numbers in [-1, 1] that look random and are the same in every run.
fn noise(len: usize, seed: usize) -> Vec<f32> {
    (0..len)
        .map(|i| (((i + seed * 1_000_003).wrapping_mul(2_654_435_761) >> 7) % 20_001) as f32 / 10_000.0 - 1.0)
        .collect()
}

fn maps(extent: Extent, sections: usize, halo: usize, values: &[f32]) -> FeatureMaps<f32> {
    let mut maps = FeatureMaps::sectioned(extent, sections, [halo, halo]).unwrap();
    maps.as_mut().read_nchw(values).unwrap();
    maps
}

fn nchw(maps: &FeatureMaps<f32>) -> Vec<f32> {
    let mut values = vec![0.0; maps.extent().len()];
    maps.as_ref().write_nchw(&mut values).unwrap();
    values
}

/// Output, input gradient and weight gradient, from NaN-filled memory.
fn kernels(case: &Case, isa: Isa, data: &[Vec<f32>; 3]) -> [Vec<f32>; 3] {
    kernels_by(Algorithm::Winograd(case.tile), case, isa, data)
}

fn kernels_by(algorithm: Algorithm, case: &Case, isa: Isa, data: &[Vec<f32>; 3]) -> [Vec<f32>; 3] {
    let [x, w, dy] = data;
    let out = case.extent.with_channels(case.shape.out_channels);
    let sections = case.shape.out_sections;
    let weights = PackedWeights::with_algorithm(case.shape, w, isa, algorithm).unwrap();
    let input = maps(case.extent, 1, case.halo, x);
    let d_output = maps(out, sections, case.halo, dy);
    let mut output = maps(out, sections, 0, &vec![f32::NAN; out.len()]);
    let mut d_input = maps(case.extent, 1, 1, &vec![f32::NAN; case.extent.len()]);
    let mut d_weights = vec![0.0; w.len()];
    let mut scratch = Scratchpad::with_isa(isa);
    let mode = WriteMode::Overwrite;
    conv::forward(&weights, input.as_ref(), output.as_mut(), mode, &mut scratch).unwrap();
    conv::input_gradient(&weights, d_output.as_ref(), d_input.as_mut(), mode, &mut scratch).unwrap();
    let (x, dy) = (input.as_ref(), d_output.as_ref());
    conv::weight_gradient_by(algorithm, &case.shape, x, dy, &mut d_weights, &mut scratch).unwrap();
    [nchw(&output), nchw(&d_input), d_weights]
}

fn data(case: &Case) -> [Vec<f32>; 3] {
    let out = case.extent.with_channels(case.shape.out_channels);
    [noise(case.extent.len(), 1), noise(case.shape.weight_len(), 2), noise(out.len(), 3)]
}

fn expected(case: &Case, data: &[Vec<f32>; 3]) -> [Vec<f64>; 3] {
    let [x, w, dy] = [0, 1, 2].map(|i| data[i].iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
    let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
    reference::convolution(&case.shape, case.extent, &x, &w, &mut y).unwrap();
    reference::convolution_input_gradient(&case.shape, case.extent, &w, &dy, &mut dx).unwrap();
    reference::convolution_weight_gradient(&case.shape, case.extent, &x, &dy, &mut dw).unwrap();
    [y, dx, dw]
}

/// The error in the 2-norm, relative to the result. Where a small result cancels it is relative to
/// what random signs leave of `terms` products: the norm of their absolute sums over `sqrt(terms)`.
fn relative_error(got: &[f32], exact: &[f64], sizes: &[f64], terms: usize) -> f64 {
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let errors: Vec<f64> = got.iter().zip(exact).map(|(&g, e)| f64::from(g) - e).collect();
    norm(&errors) / norm(exact).max(norm(sizes) / (terms as f64).sqrt())
}

const WHAT: [&str; 3] = ["output", "input gradient", "weight gradient"];

/// The relative errors of output, input gradient and weight gradient on an instruction set.
fn errors(case: &Case, isa: Isa) -> [f64; 3] {
    let data = data(case);
    let exact = expected(case, &data);
    let sizes = expected(case, &data.clone().map(|values| values.iter().map(|v| v.abs()).collect()));
    let taps = case.shape.taps();
    let pixels = case.extent.batch * case.extent.pixels();
    let terms = [case.extent.channels * taps, case.shape.out_channels * taps, pixels];
    let got = kernels(case, isa, &data);
    [0, 1, 2].map(|i| relative_error(&got[i], &exact[i], &sizes[i], terms[i]))
}

fn agrees(case: &Case) -> Result<(), TestCaseError> {
    for isa in Isa::all() {
        for (error, what) in errors(case, isa).into_iter().zip(WHAT) {
            prop_assert!(error < bound(case.tile), "{what} on {isa}: relative error {error:e}");
        }
    }
    Ok(())
}

/// When weights are transformed changes no bit, nor does the number of threads.
fn bits_do_not_depend_on_when_weights_are_transformed(case: &Case) -> Result<(), TestCaseError> {
    let data = data(case);
    for isa in Isa::all() {
        let at_once = kernels(case, isa, &data);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let by_panel =
                pool.install(|| kernels_by(Algorithm::WinogradByPanel(case.tile), case, isa, &data));
            for ((at_once, by_panel), what) in at_once.iter().zip(by_panel).zip(WHAT) {
                let same = at_once.iter().zip(&by_panel).all(|(a, b)| a.to_bits() == b.to_bits());
                prop_assert!(same, "{what} on {isa}, {threads} threads");
            }
        }
    }
    Ok(())
}

/// The figures of docs/numerics.md, printed.
#[test]
#[ignore = "eight thousand drawn cases: minutes"]
fn worst_errors_of_many_draws() {
    let isa = Isa::current();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut worst = Tile::ALL.map(|_| [0.0f64; 3]);
    for _ in 0..8000 {
        let case = cases().new_tree(&mut runner).unwrap().current();
        let tile = Tile::ALL.iter().position(|&tile| tile == case.tile).unwrap();
        for (worst, error) in worst[tile].iter_mut().zip(errors(&case, isa)) {
            *worst = worst.max(error);
        }
    }
    for (tile, worst) in Tile::ALL.into_iter().zip(worst) {
        for (error, what) in worst.into_iter().zip(WHAT) {
            println!("{} on {isa}, {what}: {error:.1e}", Algorithm::Winograd(tile));
            assert!(error < bound(tile));
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
    #![proptest_config(ProptestConfig::with_cases(drawn(192)))]

    #[test]
    fn each_tile_agrees_with_the_reference(case in cases()) {
        agrees(&case)?;
        bits_do_not_depend_on_when_weights_are_transformed(&case)?;
    }
}

/// Sizes at which images are cut into several items and tiles into several chunks.
fn large_cases() -> Vec<Case> {
    let case = |tile: usize, inputs, outputs, [batch, height, width]: [usize; 3]| {
        let tile = Tile::ALL[tile];
        let shape =
            ConvShape { precision: Precision::Fast, ..ConvShape::same(inputs, outputs, [tile.kernel; 2]) };
        Case { tile, shape, extent: Extent { batch, channels: inputs, height, width }, halo: 2 }
    };
    vec![
        case(0, 70, 50, [3, 37, 41]),
        case(1, 33, 96, [2, 50, 29]),
        // Each half of the tiles has sums of its own.
        case(0, 20, 33, [3, 77, 72]),
        // Sums of all its weights are not held at a time.
        case(1, 112, 176, [1, 37, 29]),
        // Sums of one panel are more than a cache holds.
        case(0, 528, 20, [1, 9, 13]),
        case(2, 20, 33, [2, 24, 40]),
        case(2, 64, 17, [1, 45, 52]),
    ]
}

#[test]
fn large_images_agree_with_the_reference() {
    for case in large_cases() {
        agrees(&case).unwrap();
        bits_do_not_depend_on_when_weights_are_transformed(&case).unwrap();
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    for case in large_cases() {
        let data = data(&case);
        for isa in Isa::all() {
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    kernels(&case, isa, &data).map(|v| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
                })
            };
            let one = run(1);
            for threads in [2, 3, 8] {
                assert!(run(threads) == one, "{threads} threads on {isa}, {case:?}");
            }
        }
    }
}

#[test]
fn f64_and_exact_convolutions_never_use_it() {
    let fast = ConvShape { precision: Precision::Fast, ..ConvShape::same(64, 64, [3, 3]) };
    assert!(matches!(Algorithm::of::<f32>(&fast), Algorithm::Winograd(_)));
    assert_eq!(Algorithm::of::<f64>(&fast), Algorithm::Direct);
    // Transformed weights of 1024 channels would take 150 MB, and transformed weights of 256 channels a sixteenth.
    let wide = |channels| ConvShape { in_channels: channels, out_channels: channels, ..fast };
    assert_eq!(Algorithm::of::<f32>(&wide(1024)), Algorithm::WinogradByPanel(Tile::ALL[0]));
    assert!(matches!(Algorithm::of::<f32>(&wide(256)), Algorithm::Winograd(_)));
    assert_eq!(Algorithm::of::<f32>(&ConvShape::same(64, 64, [3, 3])), Algorithm::Direct);
    assert_eq!(Algorithm::of::<f32>(&ConvShape { stride: [2, 1], ..fast }), Algorithm::Patches);
}

/// The state after a step whose convolutions of input and state are added up.
fn step_by(algorithm: fn(Tile) -> Algorithm, isa: Isa) -> Vec<u32> {
    let (inputs, hidden) = (40, 24);
    let shape = |inputs: usize, gates: usize| ConvShape {
        out_sections: gates,
        precision: Precision::Fast,
        ..ConvShape::same(inputs, gates * hidden, [3, 3])
    };
    let shapes = [shape(inputs, 3), shape(hidden, 2), shape(hidden, 1)];
    let weights = [0, 1, 2].map(|i| noise(shapes[i].weight_len(), i));
    let bias = noise(3 * hidden, 3);
    let pack = |i: usize| {
        PackedWeights::with_algorithm(shapes[i], &weights[i], isa, algorithm(Tile::ALL[0])).unwrap()
    };
    let (input, update_and_reset, candidate) = (pack(0).with_bias(Some(&bias)).unwrap(), pack(1), pack(2));
    let state = Extent { batch: 2, channels: hidden, height: 27, width: 10 };
    let read = state.with_channels(inputs);
    let (x, h) = (maps(read, 1, 1, &noise(read.len(), 4)), maps(state, 1, 1, &noise(state.len(), 5)));
    let gates_extent = state.with_channels(GATES * hidden);
    let mut kept = maps(gates_extent, GATES, 0, &vec![f32::NAN; gates_extent.len()]);
    let [mut reset_hidden, mut next] = [(); 2].map(|()| maps(state, 1, 1, &vec![f32::NAN; state.len()]));
    let activations = Activations::default();
    let step = Step {
        weights: CellWeights {
            input: &input,
            update_and_reset: &update_and_reset,
            candidate: &candidate,
            activations,
        },
        input: InputPart::Maps(x.as_ref()),
        gates: kept.as_mut(),
        keep_gates: true,
        hidden: h.as_ref(),
        reset_hidden: reset_hidden.as_mut(),
        next: next.as_mut(),
    };
    gates::step(step, &mut Scratchpad::with_isa(isa)).unwrap();
    nchw(&next).into_iter().chain(nchw(&kept)).map(f32::to_bits).collect()
}

#[test]
fn a_step_has_the_same_bits_whenever_weights_are_transformed() {
    for isa in Isa::all() {
        assert!(step_by(Algorithm::Winograd, isa) == step_by(Algorithm::WinogradByPanel, isa), "{isa}");
    }
}
