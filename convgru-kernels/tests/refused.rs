//! Calls that once wrote where they should not, crashed, waited for ever or did nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use convgru_kernels::conv::{self, Algorithm, ConvShape, PackedWeights, Padding, Precision, Tile, WriteMode};
use convgru_kernels::gates::{
    self, Activations, CandidateBackward, CellWeights, GATES, InputPart, ResetAfterStep, ResetBackward, Step,
};
use convgru_kernels::{Error, Extent, FeatureMaps, Isa, Scratchpad};

const EXTENT: Extent = Extent { batch: 1, channels: 1, height: 64, width: 64 };

fn ones(extent: Extent, sections: usize) -> FeatureMaps<f32> {
    let mut maps = FeatureMaps::sectioned(extent, sections, [1, 1]).unwrap();
    maps.as_mut().read_nchw(&vec![1.0; extent.len()]).unwrap();
    maps
}

fn nchw(maps: &FeatureMaps<f32>) -> Vec<f32> {
    let mut values = vec![0.0; maps.extent().len()];
    maps.as_ref().write_nchw(&mut values).unwrap();
    values
}

#[test]
fn an_addend_or_a_slope_that_does_not_fit_is_refused() {
    let shape = ConvShape::same(1, 6, [3, 3]);
    let values = vec![1.0; shape.weight_len()];
    let weights = PackedWeights::new(shape, &values).unwrap();
    let (x, of_output) = (ones(EXTENT, 1), EXTENT.with_channels(6));
    let mut scratch = Scratchpad::new();
    let mut refused = |addend: FeatureMaps<f32>, says: &str| {
        let mut y = ones(of_output, 1);
        let addend = Some(addend.as_ref());
        let result = conv::forward_rectified(&weights, x.as_ref(), addend, y.as_mut(), 0.5, &mut scratch);
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with(says), "{error}");
        assert!(nchw(&y).iter().all(|&y| y == 1.0));
    };
    refused(ones(of_output, 3), "addend of the convolution: 6 channels in 3 sections where 1 are needed");
    refused(ones(EXTENT, 1), "addend of the convolution: [N, C, H, W] is [1, 1, 64, 64]");
    for slope in [-0.5, f32::NAN, f32::INFINITY] {
        let mut y = ones(of_output, 1);
        let result = conv::forward_rectified(&weights, x.as_ref(), None, y.as_mut(), slope, &mut scratch);
        assert!(matches!(result, Err(Error::Slope { .. })), "{result:?}");
        assert!(nchw(&y).iter().all(|&y| y == 1.0));
    }
}

#[test]
fn weights_for_the_forward_pass_only_have_the_same_bits_and_refuse_gradients() {
    let by_patches = ConvShape { stride: [2, 2], ..ConvShape::same(3, 9, [3, 3]) };
    for shape in [ConvShape::same(3, 9, [3, 3]), ConvShape::same(16, 16, [3, 3]), by_patches] {
        let input = ones(EXTENT.with_channels(shape.in_channels), 1);
        let extent = shape.output_extent(input.extent()).unwrap();
        let weights: Vec<f32> = (0..shape.weight_len()).map(|i| (i % 13) as f32 - 6.0).collect();
        let forward = |packed: &PackedWeights<'_, f32>| {
            let (mut output, scratch) = (FeatureMaps::zeros(extent).unwrap(), &mut Scratchpad::new());
            let mode = WriteMode::Overwrite;
            conv::forward(packed, input.as_ref(), output.as_mut(), mode, scratch).unwrap();
            nchw(&output)
        };
        let packed = PackedWeights::new(shape, &weights).unwrap();
        let expected = forward(&packed);
        let mut packed = packed.into_forward_only().unwrap().into_forward_only().unwrap();
        packed.release();
        drop(weights);
        assert_eq!(forward(&packed), expected);
        let (d_output, mut d_input) = (ones(extent, 1), FeatureMaps::zeros(input.extent()).unwrap());
        let (d_input, mode) = (d_input.as_mut(), WriteMode::Overwrite);
        let scratch = &mut Scratchpad::new();
        let refused = conv::input_gradient(&packed, d_output.as_ref(), d_input, mode, scratch);
        assert_eq!(
            refused,
            Err(Error::ForwardOnly { convolution: [shape.out_channels, shape.in_channels, 3, 3] })
        );
    }
}

#[test]
fn maps_in_other_sections_than_the_convolution_has_are_refused() {
    let shape = ConvShape { out_sections: 2, ..ConvShape::same(1, 6, [3, 3]) };
    let values = vec![1.0; shape.weight_len()];
    let weights = PackedWeights::new(shape, &values).unwrap();
    let (x, dy) = (ones(EXTENT, 1), ones(EXTENT.with_channels(6), 1));
    let mut scratch = Scratchpad::new();
    let says = "6 channels in 1 sections where 2 are needed";
    let mut dx = ones(EXTENT, 1);
    let error = conv::input_gradient(&weights, dy.as_ref(), dx.as_mut(), WriteMode::Overwrite, &mut scratch)
        .unwrap_err();
    assert!(error.to_string().contains(says), "{error}");
    assert!(nchw(&dx).iter().all(|&x| x == 1.0));
    let mut dw = values.clone();
    let error = conv::weight_gradient(&shape, x.as_ref(), dy.as_ref(), &mut dw, &mut scratch).unwrap_err();
    assert!(error.to_string().contains(says) && dw == values, "{error}");
    let mut y = dy.clone();
    let error =
        conv::forward(&weights, x.as_ref(), y.as_mut(), WriteMode::Overwrite, &mut scratch).unwrap_err();
    assert!(error.to_string().contains(says), "{error}");
    assert!(nchw(&y).iter().all(|&y| y == 1.0));
    let error = y.as_mut().copy_from(ones(EXTENT.with_channels(6), 3).as_ref()).unwrap_err();
    assert!(matches!(error, Error::Sections { expected: 1, got: 3, channels: 6, .. }), "{error}");
    for sections in [0, 4] {
        let error = FeatureMaps::<f32>::sectioned(EXTENT.with_channels(6), sections, [0, 0]).unwrap_err();
        assert!(matches!(error, Error::Division { channels: 6, .. }), "{error}");
    }
}

#[test]
fn gradients_of_gates_in_one_section_are_refused() {
    let state = EXTENT.with_channels(2);
    let gates_maps = ones(state.with_channels(6), GATES);
    let (mut dh, mut da) = (ones(state, 1), ones(state.with_channels(6), 1));
    let arguments = CandidateBackward {
        gates: gates_maps.as_ref(),
        hidden: None,
        d_hidden: dh.as_mut(),
        d_gates: da.as_mut(),
        activations: Activations::default(),
    };
    let error = gates::candidate_backward(arguments, Isa::current()).unwrap_err();
    let says = "gradient of the gates: 6 channels in 1 sections where 3 are needed";
    assert!(error.to_string().starts_with(says), "{error}");
    assert!(nchw(&dh).iter().chain(&nchw(&da)).all(|&x| x == 1.0));
}

#[test]
fn sizes_that_wrap_are_refused() {
    let wraps =
        ConvShape { dilation: [1 << 57, 1], padding: Padding::default(), ..ConvShape::same(1, 1, [129, 1]) };
    let weights = vec![1.0f32; 129];
    assert!(matches!(PackedWeights::new(wraps, &weights), Err(Error::Geometry { field: "dilation", .. })));
    let extent = Extent { height: 5, width: 5, ..EXTENT };
    let (x, dy, mut dw) = (ones(extent, 1), ones(extent, 1), weights.clone());
    let mut scratch = Scratchpad::new();
    let error = conv::weight_gradient(&wraps, x.as_ref(), dy.as_ref(), &mut dw, &mut scratch).unwrap_err();
    assert!(error.to_string().contains("144115188075855872") && dw == weights, "{error}");
    for padding in [
        Padding { top: usize::MAX, bottom: 3, left: 1, right: 1 },
        Padding { top: 1 << 63, bottom: (1 << 63) + 2, left: 1, right: 1 },
        Padding::same([1 << 33, 3], [1 << 31, 1]),
    ] {
        let shape = ConvShape { padding, ..ConvShape::same(1, 1, [3, 3]) };
        let error = PackedWeights::new(shape, &weights[..9]).unwrap_err();
        assert!(matches!(error, Error::Geometry { .. }), "{error}");
    }
    for shape in [ConvShape::same(0, 1 << 62, [3, 3]), ConvShape::same(1 << 40, 1 << 40, [3, 3])] {
        assert!(matches!(PackedWeights::<f32>::new(shape, &[]), Err(Error::Overflow { .. })));
    }
    for extent in [
        Extent { height: usize::MAX / 2, width: 0, ..EXTENT },
        Extent { batch: 0, channels: usize::MAX, ..EXTENT },
    ] {
        assert!(matches!(FeatureMaps::<f32>::zeros(extent), Err(Error::Overflow { .. })), "{extent:?}");
    }
    let much = Extent { batch: 1, channels: 16, height: 1 << 22, width: 1 << 22 };
    let error = FeatureMaps::<f32>::zeros(much).unwrap_err();
    assert_eq!(error, Error::Memory { what: "feature maps", bytes: 1 << 50 });
}

#[test]
fn a_kernel_that_reaches_far_over_small_images_needs_little_memory() {
    // Taps a million pixels apart: of same padding all but the middle one see zeros.
    let dilation = [1 << 20, 1 << 20];
    let shape =
        ConvShape { dilation, padding: Padding::same([3, 3], dilation), ..ConvShape::same(1, 1, [3, 3]) };
    let extent = Extent { height: 8, width: 8, ..EXTENT };
    let values: Vec<f32> = (0..9).map(|tap| tap as f32).collect();
    let (x, mut y) = (ones(extent, 1), ones(extent, 1));
    let (mut scratch, mut dw) = (Scratchpad::new(), vec![0.0; 9]);
    let weights = PackedWeights::new(shape, &values).unwrap();
    conv::forward(&weights, x.as_ref(), y.as_mut(), WriteMode::Overwrite, &mut scratch).unwrap();
    assert!(nchw(&y).iter().all(|&y| y == 4.0));
    conv::input_gradient(&weights, x.as_ref(), y.as_mut(), WriteMode::Overwrite, &mut scratch).unwrap();
    assert!(nchw(&y).iter().all(|&y| y == 4.0));
    conv::weight_gradient(&shape, x.as_ref(), x.as_ref(), &mut dw, &mut scratch).unwrap();
    assert_eq!(dw, [0.0, 0.0, 0.0, 0.0, 64.0, 0.0, 0.0, 0.0, 0.0]);
    let direct = PackedWeights::with_algorithm(shape, &values, Isa::current(), Algorithm::Direct);
    assert!(matches!(direct, Err(Error::Algorithm { .. })));
}

#[test]
fn algorithms_that_cannot_are_refused() {
    let (five, three) = (ConvShape::same(1, 1, [5, 5]), ConvShape::same(1, 1, [3, 3]));
    let strided = ConvShape { stride: [2, 2], ..three };
    let odd = Algorithm::Winograd(Tile { output: 7, kernel: 3 });
    for (algorithm, shape) in
        [(Algorithm::Winograd(Tile::ALL[0]), five), (Algorithm::Direct, strided), (odd, three)]
    {
        let values = vec![0.0f32; shape.weight_len()];
        let error = PackedWeights::with_algorithm(shape, &values, Isa::current(), algorithm).unwrap_err();
        assert!(matches!(error, Error::Algorithm { .. }), "{error}");
        let (x, mut dw) = (ones(EXTENT, 1), values.clone());
        let (x, scratch) = (x.as_ref(), &mut Scratchpad::new());
        let error = conv::weight_gradient_by(algorithm, &shape, x, x, &mut dw, scratch).unwrap_err();
        assert!(matches!(error, Error::Algorithm { what: "gradient of the weights", .. }), "{error}");
    }
    let tile = Algorithm::Winograd(Tile::ALL[0]);
    assert!(PackedWeights::with_algorithm(three, &[0.0f64; 9], Isa::current(), tile).is_err());
}

/// The convolutions of a cell of one channel for the input, update and reset gate, and the candidate.
fn cell_shapes() -> [ConvShape; 3] {
    [GATES, 2, 1].map(|gates| ConvShape { out_sections: gates, ..ConvShape::same(8, 8 * gates, [3, 3]) })
}

#[test]
fn steps_by_patches_are_refused_instead_of_doing_nothing() {
    let state = Extent { channels: 8, height: 6, width: 7, ..EXTENT };
    let values = vec![0.01f32; 3 * 8 * 8 * 9];
    let [of_input, of_gates, of_candidate] = cell_shapes().map(|shape| {
        let values = &values[..shape.weight_len()];
        PackedWeights::with_algorithm(shape, values, Isa::current(), Algorithm::Patches).unwrap()
    });
    let weights = CellWeights {
        input: &of_input,
        update_and_reset: &of_gates,
        candidate: &of_candidate,
        activations: Activations::default(),
    };
    let hidden = ones(state, 1);
    let [mut product, mut next, mut gates_maps] =
        [ones(state, 1), ones(state, 1), ones(state.with_channels(24), GATES)];
    let mut scratch = Scratchpad::new();
    let refused = |result: convgru_kernels::Result<()>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Algorithm { algorithm: Algorithm::Patches, .. }), "{error}");
    };
    refused(gates::step(
        Step {
            weights,
            input: InputPart::InGates,
            gates: gates_maps.as_mut(),
            keep_gates: true,
            hidden: hidden.as_ref(),
            reset_hidden: product.as_mut(),
            next: next.as_mut(),
        },
        &mut scratch,
    ));
    let gates_now = gates_maps.clone();
    refused(gates::reset_backward(
        ResetBackward {
            weights: &of_candidate,
            gates: gates_now.as_ref(),
            hidden: hidden.as_ref(),
            d_hidden: next.as_mut(),
            d_gates: gates_maps.as_mut(),
            activations: weights.activations,
        },
        &mut scratch,
    ));
    refused(gates::step_reset_after(
        ResetAfterStep {
            update_and_reset: &of_gates,
            candidate: &of_candidate,
            gates: gates_maps.as_mut(),
            hidden: Some(hidden.as_ref()),
            memory: product.as_mut(),
            next: next.as_mut(),
            activations: weights.activations,
        },
        &mut scratch,
    ));
    assert!([&next, &product, &gates_maps].map(nchw).concat().iter().all(|&x| x == 1.0));
}

#[test]
fn weights_for_several_instruction_sets_make_a_step_that_is_right() {
    let state = Extent { channels: 8, height: 9, width: 14, ..EXTENT };
    let values: Vec<f32> = (0..3 * 8 * 8 * 9).map(|i| (i * 37 % 101) as f32 * 1e-3 - 0.05).collect();
    let step = |isas: [Isa; 3]| {
        let shapes = cell_shapes().map(|shape| ConvShape { precision: Precision::Fast, ..shape });
        let packed = [0, 1, 2].map(|index| {
            let weights = &values[..shapes[index].weight_len()];
            PackedWeights::with_isa(shapes[index], weights, isas[index]).unwrap()
        });
        let [input, update_and_reset, candidate] = packed.each_ref();
        let weights = CellWeights { input, update_and_reset, candidate, activations: Activations::default() };
        let (x, hidden) = (ones(state, 1), ones(state, 1));
        let [mut product, mut next, mut gates_maps] =
            [ones(state, 1), ones(state, 1), ones(state.with_channels(24), GATES)];
        let arguments = Step {
            weights,
            input: InputPart::Maps(x.as_ref()),
            gates: gates_maps.as_mut(),
            keep_gates: true,
            hidden: hidden.as_ref(),
            reset_hidden: product.as_mut(),
            next: next.as_mut(),
        };
        gates::step(arguments, &mut Scratchpad::new()).unwrap();
        nchw(&next)
    };
    let all = Isa::all();
    let one = step([all[0]; 3]);
    for &a in &all {
        for &b in &all {
            let mixed = step([a, b, all[0]]);
            assert!(mixed.iter().zip(&one).all(|(x, y)| (x - y).abs() < 1e-4), "{a} and {b}");
        }
    }
}

#[test]
fn weights_that_many_tasks_share_are_packed_without_waiting_for_themselves() {
    // A thread that waits for its share of the packing takes up other tasks, which need the same weights.
    let (done, waits) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if waits.recv_timeout(Duration::from_secs(300)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("tasks that share weights wait for each other");
            std::process::abort();
        }
    });
    let shape = ConvShape { precision: Precision::Fast, ..ConvShape::same(64, 512, [3, 3]) };
    let values: Vec<f32> = (0..shape.weight_len()).map(|i| (i % 7) as f32 - 3.0).collect();
    let extent = Extent { channels: 64, height: 2, width: 2, ..EXTENT };
    let x = ones(extent, 1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let outputs = Mutex::new(Vec::new());
    for _ in 0..10 {
        let weights = PackedWeights::new(shape, &values).unwrap();
        // Tasks that begin outside of the pool, where a thread that waits finds them.
        pool.in_place_scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|_| {
                    let mut y = FeatureMaps::zeros(extent.with_channels(512)).unwrap();
                    let mut scratch = Scratchpad::new();
                    conv::forward(&weights, x.as_ref(), y.as_mut(), WriteMode::Overwrite, &mut scratch)
                        .unwrap();
                    outputs.lock().unwrap().push(nchw(&y));
                });
            }
        });
    }
    let outputs = outputs.into_inner().unwrap();
    assert_eq!(outputs.len(), 160);
    assert!(outputs.iter().all(|output| *output == outputs[0]));
    done.send(()).unwrap();
    watchdog.join().unwrap();
}
