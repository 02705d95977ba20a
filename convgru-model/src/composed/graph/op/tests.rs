//! What the networks of the gradient checks do not show: refusals, tensors of many chunks, gradients that are there before.

use convgru_kernels::conv::Precision;
use convgru_kernels::{Extent, FeatureMaps};

use super::*;
use crate::error::Error;

/// The gradients of all operands.
struct Gradients(Vec<Tensor<f64>>);

impl Sink<f64> for Gradients {
    fn wants(&self, _: usize) -> bool {
        true
    }

    fn gradient(&mut self, operand: usize) -> &mut Tensor<f64> {
        &mut self.0[operand]
    }

    fn weight_gradient(&mut self, _: &Convolution, _: [Extent; 2], _: FeatureMaps<f64>) -> Result<()> {
        unreachable!("the kernels of these tests are grouped")
    }
}

fn numbers(shape: &[usize], pace: f64) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| (i as f64 * pace).sin())
}

fn forward(op: &Op, values: &[&Tensor<f64>]) -> Result<Tensor<f64>> {
    op.forward(&Operands { values, packed: None })
}

/// The gradients of all operands, each added to `start`.
fn backward(op: &Op, values: &[&Tensor<f64>], d: &Tensor<f64>, start: f64) -> Vec<Tensor<f64>> {
    let operands = Operands { values, packed: None };
    let result = op.forward(&operands).unwrap();
    let mut gradients =
        Gradients(values.iter().map(|value| Tensor::from_fn(value.shape(), |_| start)).collect());
    op.backward(&operands, &result, d, &mut gradients).unwrap();
    gradients.0
}

/// Three chunks of numbers and a part of one.
const LARGE: [usize; 4] = [1, 2, 160, 180];

#[test]
fn every_number_of_a_large_tensor_is_computed() {
    assert!(LARGE.iter().product::<usize>() > 3 * pointwise::CHUNK);
    let [a, b, c, d] = [0.7, 0.3, 0.9, 0.2].map(|pace| numbers(&LARGE, pace));
    let tanh = Op::Activate(Activation::Tanh);
    let gate = Op::Gate(GateFunction::of(0..2, Activation::Tanh));
    // An operation with its operands, its value and its derivatives by each of them.
    type Formula = fn([f64; 3]) -> (f64, [f64; 3]);
    let cases: [(Op, usize, Formula); 5] = [
        (Op::Add, 2, |[a, b, _]| (a + b, [1.0, 1.0, 0.0])),
        (Op::Multiply, 2, |[a, b, _]| (a * b, [b, a, 0.0])),
        (Op::Blend, 3, |[z, n, h]| (h + z * (n - h), [n - h, z, 1.0 - z])),
        (tanh, 1, |[a, ..]| (a.tanh(), [1.0 - a.tanh().powi(2), 0.0, 0.0])),
        (gate, 2, |[a, b, _]| ((a + b).tanh(), [1.0 - (a + b).tanh().powi(2); 3])),
    ];
    for (op, operands, formula) in cases {
        let values = &[&a, &b, &c][..operands];
        let (result, gradients) = (forward(&op, values).unwrap(), backward(&op, values, &d, 0.5));
        for i in 0..a.len() {
            let (value, slopes) = formula([&a, &b, &c].map(|tensor| tensor.as_slice()[i]));
            assert!((result.as_slice()[i] - value).abs() < 1e-14, "{op:?} at {i}");
            for (gradient, slope) in gradients.iter().zip(slopes) {
                let expected = 0.5 + d.as_slice()[i] * slope;
                assert!((gradient.as_slice()[i] - expected).abs() < 1e-14, "{op:?} at {i}");
            }
        }
    }
}

/// What the definitions of the reference share with the code, by hand.
#[test]
fn lines_are_padded_as_each_mode_says() {
    let line = |mode: PaddingMode| (-3..7).map(|index| mode.source(index, 4)).collect::<Vec<_>>();
    let all = |places: [usize; 10]| places.map(Some).to_vec();
    let zeros = [None, None, None, Some(0), Some(1), Some(2), Some(3), None, None, None];
    assert_eq!(line(PaddingMode::Zeros), zeros);
    assert_eq!(line(PaddingMode::Replicate), all([0, 0, 0, 0, 1, 2, 3, 3, 3, 3]));
    assert_eq!(line(PaddingMode::Reflect), all([3, 2, 1, 0, 1, 2, 3, 2, 1, 0]));
    assert_eq!(line(PaddingMode::Circular), all([1, 2, 3, 0, 1, 2, 3, 0, 1, 2]));
}

#[test]
fn pooled_pixels_are_made_of_their_neighbours() {
    let of = |pooling: Pooling, pixel| pooling.sources([5, 6], pixel);
    assert_eq!(of(Pooling::Max2, [1, 2]), [16, 17, 22, 23]);
    assert_eq!(of(Pooling::Average3, [0, 0]), [0, 1, 6, 7]);
    assert_eq!(of(Pooling::Average3, [1, 1]), [7, 8, 9, 13, 14, 15, 19, 20, 21]);
    assert_eq!(of(Pooling::Average3, [2, 2]), [21, 22, 23, 27, 28, 29]);
}

#[test]
fn resized_lines_lie_corner_on_corner() {
    let between = |at, to, from| Resize::between(at, to, from);
    assert_eq!(between(0, 5, 3), [(0, 1.0), (1, 0.0)]);
    assert_eq!(between(1, 5, 3), [(0, 0.5), (1, 0.5)]);
    assert_eq!(between(4, 5, 3), [(2, 1.0), (2, 0.0)]);
    assert_eq!(between(1, 2, 3), [(2, 1.0), (2, 0.0)]);
    assert_eq!(between(0, 1, 3), [(0, 1.0), (1, 0.0)]);
    let [low, high] = between(2, 4, 3);
    assert!(low.0 == 1 && (low.1 - 2.0 / 3.0).abs() < 1e-15, "{low:?}");
    assert!(high.0 == 2 && (high.1 - 1.0 / 3.0).abs() < 1e-15, "{high:?}");
}

#[test]
fn grouped_kernels_reach_as_far_as_their_dilation() {
    let (x, kernel) = (numbers(&[1, 4, 9, 10], 0.7), numbers(&[6, 2, 3, 2], 0.9));
    let (dilation, padding) = ([2usize, 3usize], [2usize, 3usize]);
    let same = Convolution::same(kernel.shape(), Precision::Exact);
    let op = Op::Convolve(Convolution { groups: 2, dilation, padding, ..same });
    let y = forward(&op, &[&x, &kernel]).unwrap();
    assert_eq!(y.shape(), [1, 6, 9, 13]);
    let pixel = |channel: usize, row: usize, column: usize| {
        let (row, column) = (row.wrapping_sub(padding[0]), column.wrapping_sub(padding[1]));
        if row < 9 && column < 10 { x.as_slice()[(channel * 9 + row) * 10 + column] } else { 0.0 }
    };
    for (at, &value) in y.as_slice().iter().enumerate() {
        let (output, row, column) = (at / (9 * 13), at / 13 % 9, at % 13);
        let mut sum = 0.0;
        for (tap, weight) in kernel.as_slice()[output * 12..][..12].iter().enumerate() {
            let (input, u, v) = (output / 3 * 2 + tap / 6, tap / 2 % 3, tap % 2);
            sum += weight * pixel(input, row + u * dilation[0], column + v * dilation[1]);
        }
        assert!((value - sum).abs() < 1e-13, "{at}: {value} instead of {sum}");
    }
}

/// `d . f(x)` has the slopes that the backward pass gives, and they are added to what is there.
#[test]
fn gradients_are_slopes_and_are_added() {
    let flow = Tensor::from_fn(&[2, 2, 3, 4], |i| 0.4 + 0.3 * (i as f64 * 1.3).sin());
    let (x, half) = (numbers(&[2, 4, 3, 4], 0.7), numbers(&[2, 2, 3, 4], 0.9));
    let (four, other_four, pair) = (numbers(&[4], 1.1), numbers(&[4], 0.4), numbers(&[2, 4, 1, 1], 0.8));
    let number = Tensor::from_vec(&[1], vec![1.7]).unwrap();
    let (kernel, bias) = (numbers(&[4, 2, 3, 2], 0.6), numbers(&[2], 0.5));
    let both_columns = numbers(&[24], 0.9);
    let grouped = Convolution { groups: 2, ..Convolution::same(kernel.shape(), Precision::default()) };
    let some_rows = Convolution { rows: 2..4, groups: 2, ..grouped.clone() };
    let pad = Pad { size: [1, 2], modes: [PaddingMode::Reflect, PaddingMode::Circular] };
    let choice = vec![false, true];
    let (large, line) = (numbers(&[1, 1, 5, 7], 0.3), numbers(&[1, 1, 1, 2], 0.3));
    let cases: Vec<(Op, Vec<&Tensor<f64>>)> = vec![
        (Op::AddToPixels, vec![&x, &pair]),
        (Op::ScaleChannels, vec![&x, &four]),
        (Op::Channels(1..3), vec![&x]),
        (Op::JoinChannels, vec![&x, &half, &x]),
        (Op::Images(1..2), vec![&x]),
        (Op::JoinImages, vec![&half, &half]),
        (Op::Choose(choice), vec![&x, &x]),
        (Op::GroupNorm { groups: 2, epsilon: 1e-3 }, vec![&x, &four, &other_four]),
        (Op::MeanOfPixels, vec![&x]),
        (Op::Pool(Pooling::Max2), vec![&x]),
        (Op::Pool(Pooling::Average3), vec![&x]),
        (Op::Resize, vec![&x, &large]),
        (Op::Resize, vec![&x, &line]),
        (Op::Resize, vec![&line, &x]),
        (Op::Warp, vec![&x, &flow]),
        (Op::Pad(pad), vec![&x]),
        (Op::UnfoldDepth { depth: 2, kernel: 3 }, vec![&x]),
        (Op::SpectralNorm, vec![&kernel, &kernel, &four, &both_columns]),
        (Op::Divide, vec![&x, &number]),
        (Op::Convolve(grouped), vec![&x, &kernel]),
        (Op::Convolve(some_rows), vec![&x, &kernel, &bias]),
        (Op::Gate(GateFunction { first: 1..3, second: 0..2, activation: Activation::Tanh }), vec![&x, &half]),
    ];
    for (op, values) in cases {
        let d = Tensor::from_fn(forward(&op, &values).unwrap().shape(), |i| (i as f64 * 0.37).cos());
        let gradients = backward(&op, &values, &d, 0.25);
        let variables = match op {
            // The second operand only gives a size.
            Op::Resize => 1,
            // The vectors are constants.
            Op::SpectralNorm => 2,
            _ => values.len(),
        };
        for operand in 0..variables {
            for i in 0..values[operand].len() {
                let at = |by: f64| {
                    let mut moved = values[operand].clone();
                    moved.as_mut_slice()[i] += by;
                    let mut values = values.clone();
                    values[operand] = &moved;
                    let y = forward(&op, &values).unwrap();
                    y.as_slice().iter().zip(d.as_slice()).map(|(y, d)| y * d).sum::<f64>()
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                let given = gradients[operand].as_slice()[i] - 0.25;
                assert!((given - slope).abs() < 1e-8, "{op:?}, operand {operand} at {i}: {given}, {slope}");
            }
        }
    }
}

#[test]
fn operands_that_do_not_fit_are_refused() {
    let x = numbers(&[2, 4, 3, 4], 0.7);
    let [narrow, low, single] = [[2, 4, 3, 3], [2, 4, 2, 4], [1, 4, 3, 4]].map(|shape| numbers(&shape, 0.3));
    let [three, four] = [[3], [4]].map(|shape| numbers(&shape, 0.5));
    let (flat, empty) = (numbers(&[2, 4], 0.5), numbers(&[1, 1, 0, 4], 0.5));
    let norm = |groups: usize| Op::GroupNorm { groups, epsilon: 1e-5 };
    let gate = |first, second| Op::Gate(GateFunction { first, second, activation: Activation::Tanh });
    let unfold = |depth| Op::UnfoldDepth { depth, kernel: 3 };
    let pad = |mode, size| Op::Pad(Pad { size, modes: [mode; 2] });
    let kernel = numbers(&[2, 4, 1, 1], 0.5);
    let convolution =
        Op::Convolve(Convolution { groups: 2, ..Convolution::same(kernel.shape(), Precision::default()) });
    let (u, v) = (numbers(&[2], 0.5), numbers(&[8], 0.5));
    let cases: Vec<(Op, Vec<&Tensor<f64>>)> = vec![
        (Op::Add, vec![&x]),
        (Op::Add, vec![&x, &narrow]),
        (Op::Multiply, vec![&x, &low]),
        (Op::Blend, vec![&x, &narrow, &x]),
        (Op::Blend, vec![&x, &x, &narrow]),
        (Op::Activate(Activation::Tanh), vec![&x, &x]),
        (gate(3..5, 0..2), vec![&x]),
        (gate(0..2, 3..5), vec![&x, &x]),
        (gate(0..2, 0..1), vec![&x, &x]),
        (gate(0..2, 0..2), vec![&x, &single]),
        (gate(0..2, 0..2), vec![&x, &narrow]),
        (Op::AddToPixels, vec![&x, &four]),
        (Op::ScaleChannels, vec![&x, &three]),
        (Op::Channels(2..5), vec![&x]),
        (Op::Images(1..3), vec![&x]),
        (Op::JoinImages, vec![]),
        (Op::JoinImages, vec![&x, &narrow]),
        (Op::JoinChannels, vec![&x, &low]),
        (Op::JoinChannels, vec![&x, &single]),
        (Op::Choose(vec![true, false]), vec![&x, &narrow]),
        (Op::Choose(vec![true]), vec![&x, &x]),
        (norm(0), vec![&x, &four, &four]),
        (norm(3), vec![&x, &four, &four]),
        (norm(2), vec![&x, &three, &three]),
        (norm(2), vec![&x, &four, &three]),
        (Op::MeanOfPixels, vec![&flat]),
        (Op::Pool(Pooling::Max2), vec![&flat]),
        (Op::Resize, vec![&empty, &x]),
        (Op::Resize, vec![&x, &empty]),
        (Op::Resize, vec![&x, &flat]),
        (Op::Warp, vec![&x, &x]),
        (unfold(0), vec![&x]),
        (unfold(3), vec![&x]),
        (pad(PaddingMode::Reflect, [3, 0]), vec![&x]),
        (pad(PaddingMode::Reflect, [0, 4]), vec![&x]),
        (pad(PaddingMode::Circular, [4, 0]), vec![&x]),
        (pad(PaddingMode::Circular, [0, 5]), vec![&x]),
        (convolution.clone(), vec![&x, &kernel]),
        (Op::SpectralNorm, vec![&kernel, &kernel, &three, &v]),
        (Op::SpectralNorm, vec![&kernel, &kernel, &u, &u]),
        (Op::Divide, vec![&x, &three]),
    ];
    for (op, values) in cases {
        let error = forward(&op, &values).expect_err(&format!("{op:?}"));
        let is_of_shapes = matches!(
            error,
            Error::ShapeMismatch { .. }
                | Error::Count { .. }
                | Error::InvalidConfig { .. }
                | Error::Kernel(_)
        );
        assert!(is_of_shapes, "{op:?}: {error}");
    }
    // As far as it goes, a line can be mirrored or wrapped around.
    for op in [pad(PaddingMode::Reflect, [2, 3]), pad(PaddingMode::Circular, [3, 4])] {
        forward(&op, &[&x]).unwrap();
    }
}

#[test]
fn the_first_number_that_is_none_is_pooled() {
    let nan = f64::from_bits(f64::NAN.to_bits() | 5);
    for place in 0..4 {
        let mut x = Tensor::from_vec(&[1, 1, 2, 2], vec![1.0, 4.0, 3.0, 2.0]).unwrap();
        x.as_mut_slice()[place] = nan;
        let op = Op::Pool(Pooling::Max2);
        assert!(forward(&op, &[&x]).unwrap().as_slice()[0].is_nan());
        let d = Tensor::from_vec(&[1, 1, 1, 1], vec![1.0]).unwrap();
        assert_eq!(backward(&op, &[&x], &d, 0.0)[0].as_slice()[place], 1.0);
        // Of two, the first.
        x.fill(nan);
        assert_eq!(backward(&op, &[&x], &d, 0.0)[0].as_slice(), [1.0, 0.0, 0.0, 0.0]);
    }
    // Of equal ones, the first.
    let x = Tensor::from_vec(&[1, 1, 2, 2], vec![1.0, 4.0, 4.0, 2.0]).unwrap();
    let d = Tensor::from_vec(&[1, 1, 1, 1], vec![1.0]).unwrap();
    assert_eq!(backward(&Op::Pool(Pooling::Max2), &[&x], &d, 0.0)[0].as_slice(), [0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn a_movement_that_is_no_number_is_not_hidden() {
    let x = numbers(&[1, 2, 3, 4], 0.7);
    for component in 0..2 {
        let flow = Tensor::from_fn(&[1, 2, 3, 4], |i| if i == 12 * component + 5 { f64::NAN } else { 0.3 });
        let moved = forward(&Op::Warp, &[&x, &flow]).unwrap();
        for (i, value) in moved.as_slice().iter().enumerate() {
            assert_eq!(value.is_nan(), i % 12 == 5, "component {component} at {i}");
        }
    }
}
