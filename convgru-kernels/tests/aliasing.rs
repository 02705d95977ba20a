//! A small call of every entry of the kernels, by every algorithm: what a checker of aliasing, of uninitialised memory
//! and of races runs (docs/unsafe.md), and the same bits on one thread and on three.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use convgru_kernels::activation::{hard_sigmoid_in_place, sigmoid_in_place, tanh_in_place};
use convgru_kernels::conv::{self, Algorithm, ConvShape, PackedWeights, Padding, Tile, WriteMode};
use convgru_kernels::gates::{
    self, Activations, CandidateActivation, CandidateBackward, CellWeights, FirstStep, GATES, GateActivation,
    InputPart, ResetAfterBackward, ResetAfterStep, ResetBackward, Step,
};
use convgru_kernels::{Extent, FeatureMaps, Scalar, Scratchpad};

/// Rows and columns of images: a checker is a thousand times slower.
const SIDES: [usize; 2] = if cfg!(miri) { [3, 2] } else { [7, 6] };

/// Numbers without a pattern a mistake could hide behind.
fn numbers<T: Scalar>(len: usize, seed: usize) -> Vec<T> {
    let number = |i: usize| ((i + seed * 7919).wrapping_mul(2_654_435_761) >> 7) % 401;
    (0..len).map(|i| T::from_f64(number(i) as f64 / 200.0 - 1.0)).collect()
}

fn maps<T: Scalar>(extent: Extent, sections: usize, halo: usize, seed: usize) -> FeatureMaps<T> {
    let mut maps = FeatureMaps::sectioned(extent, sections, [halo; 2]).unwrap();
    maps.as_mut().read_nchw(&numbers(extent.len(), seed)).unwrap();
    maps
}

/// What calls have computed, in their order.
#[derive(Default)]
struct Seen(Vec<u64>);

impl Seen {
    fn maps<T: Scalar>(&mut self, maps: &FeatureMaps<T>) {
        let mut values = vec![T::ZERO; maps.extent().len()];
        maps.as_ref().write_nchw(&mut values).unwrap();
        self.values(&values);
    }

    fn values<T: Scalar>(&mut self, values: &[T]) {
        self.0.extend(values.iter().map(|value| value.to_f64().to_bits()));
    }
}

fn convolutions<T: Scalar>(seen: &mut Seen) {
    let tile = |index: usize| Algorithm::Winograd(Tile::ALL[index]);
    let strided = ConvShape { stride: [2, 1], ..ConvShape::same(2, 3, [3, 2]) };
    let apart = ConvShape { dilation: [1, 2], padding: Padding::symmetric(3, 2), ..strided };
    let mut cases = vec![
        (ConvShape { out_sections: 3, ..ConvShape::same(17, 6, [3, 1]) }, Algorithm::Direct),
        (ConvShape { stride: [1, 1], ..apart }, Algorithm::Direct),
        (ConvShape::same(2, 2, [3, 1]), Algorithm::Patches),
        (strided, Algorithm::Patches),
        (apart, Algorithm::Patches),
    ];
    if T::WINOGRAD {
        cases.push((ConvShape { out_sections: 2, ..ConvShape::same(3, 4, [3, 3]) }, tile(0)));
        cases.push((ConvShape::same(2, 17, [3, 3]), tile(1)));
        cases.push((
            ConvShape { padding: Padding::symmetric(1, 3), ..ConvShape::same(2, 1, [5, 5]) },
            tile(2),
        ));
        cases.push((ConvShape::same(1, 2, [5, 5]), tile(2)));
        cases.push((ConvShape::same(17, 2, [3, 3]), Algorithm::WinogradByPanel(Tile::ALL[0])));
    }
    for (shape, algorithm) in cases {
        let input = Extent { batch: 2, channels: shape.in_channels, height: SIDES[0], width: SIDES[1] };
        let output = shape.output_extent(input).unwrap();
        let weights = numbers::<T>(shape.weight_len(), 1);
        let bias = numbers::<T>(shape.out_channels, 2);
        let modes = [(0, WriteMode::Add), (4, WriteMode::Overwrite)];
        for (halo, mode) in modes.into_iter().take(if cfg!(miri) { 1 } else { 2 }) {
            let mut scratch = Scratchpad::new();
            let bias = (mode == WriteMode::Add).then_some(&bias[..]);
            let packed = PackedWeights::with_algorithm(shape, &weights, scratch.isa(), algorithm);
            let packed = packed.unwrap().with_bias(bias).unwrap();
            let (mut x, mut y) = (maps::<T>(input, 1, halo, 3), maps::<T>(output, shape.out_sections, 1, 4));
            let mut d_weights = weights.clone();
            let d = (x.as_ref(), y.as_ref());
            conv::weight_gradient_by(algorithm, &shape, d.0, d.1, &mut d_weights, &mut scratch).unwrap();
            seen.values(&d_weights);
            conv::forward(&packed, x.as_ref(), y.as_mut(), mode, &mut scratch).unwrap();
            seen.maps(&y);
            let (addend, slope) = (y.clone(), T::from_f64(0.25));
            let addend = Some(addend.as_ref());
            conv::forward_rectified(&packed, x.as_ref(), addend, y.as_mut(), slope, &mut scratch).unwrap();
            seen.maps(&y);
            conv::input_gradient(&packed, y.as_ref(), x.as_mut(), mode, &mut scratch).unwrap();
            seen.maps(&x);
            let mut d_bias = numbers::<T>(shape.out_channels, 5);
            conv::bias_gradient(y.images(1..2), &mut d_bias).unwrap();
            seen.values(&d_bias);
        }
    }
}

/// Weights of a cell of eight channels.
struct Weights<T> {
    shapes: [ConvShape; 3],
    numbers: [Vec<T>; 3],
    biases: [Vec<T>; 3],
}

impl<T: Scalar> Weights<T> {
    fn new(hidden: usize) -> Self {
        let shape = |inputs: usize, gates: usize| ConvShape {
            out_sections: gates,
            precision: conv::Precision::Fast,
            ..ConvShape::same(inputs, gates * hidden, [3, 3])
        };
        let shapes = [shape(8, GATES), shape(hidden, 2), shape(hidden, 1)];
        let numbers_of = |index: usize| numbers(shapes[index].weight_len(), index);
        let biases = shapes.map(|shape| numbers(shape.out_channels, 9));
        Self { shapes, numbers: [0, 1, 2].map(numbers_of), biases }
    }

    fn packed(&self) -> [PackedWeights<'_, T>; 3] {
        [0, 1, 2].map(|index| {
            let packed = PackedWeights::new(self.shapes[index], &self.numbers[index]).unwrap();
            packed.with_bias(Some(&self.biases[index])).unwrap()
        })
    }
}

fn passes<T: Scalar>(hidden: usize, activations: Activations, seen: &mut Seen) {
    let weights = Weights::<T>::new(hidden);
    let [of_input, of_gates, of_candidate] = &weights.packed();
    let cell =
        CellWeights { input: of_input, update_and_reset: of_gates, candidate: of_candidate, activations };
    let extent = Extent { batch: 1, channels: hidden, height: SIDES[0], width: SIDES[1] };
    let x = maps::<T>(extent.with_channels(8), 1, 1, 1);
    let gates_of = |seed| maps::<T>(extent.with_channels(GATES * hidden), GATES, 0, seed);
    let state_of = |seed| maps::<T>(extent, 1, 1, seed);
    let (h, mut scratch) = (state_of(2), Scratchpad::new());
    for (input, keep_gates) in [
        (InputPart::InGates, true),
        (InputPart::Maps(x.as_ref()), true),
        (InputPart::Maps(x.as_ref()), false),
    ] {
        let (mut gates, mut rh, mut next) = (gates_of(3), state_of(4), state_of(5));
        let first =
            FirstStep { weights: cell, input, gates: gates.as_mut(), keep_gates, next: next.as_mut() };
        gates::first_step(first, &mut scratch).unwrap();
        seen.maps(&next);
        let (hidden, reset_hidden, next_state) = (h.as_ref(), rh.as_mut(), next.as_mut());
        let mut gates = gates_of(3);
        let step = Step {
            weights: cell,
            input,
            gates: gates.as_mut(),
            keep_gates,
            hidden,
            reset_hidden,
            next: next_state,
        };
        gates::step(step, &mut scratch).unwrap();
        seen.maps(&next);
        seen.maps(&rh);
    }
    // The way back, and the cell whose reset gate comes later.
    let (gates, mut d_hidden, mut d_gates, mut rh) = (gates_of(6), state_of(7), gates_of(8), state_of(9));
    for hidden in [None, Some(h.as_ref())] {
        let (d_hidden, d_gates) = (d_hidden.as_mut(), d_gates.as_mut());
        let pass = CandidateBackward { gates: gates.as_ref(), hidden, d_hidden, d_gates, activations };
        gates::candidate_backward(pass, scratch.isa()).unwrap();
    }
    gates::reset_hidden(gates.as_ref(), h.as_ref(), rh.as_mut(), scratch.isa()).unwrap();
    let pass = ResetBackward {
        weights: of_candidate,
        gates: gates.as_ref(),
        hidden: h.as_ref(),
        d_hidden: d_hidden.as_mut(),
        d_gates: d_gates.as_mut(),
        activations,
    };
    gates::reset_backward(pass, &mut scratch).unwrap();
    for hidden in [None, Some(h.as_ref())] {
        let (mut gates, mut memory, mut next) = (gates_of(1), state_of(2), state_of(3));
        let step = ResetAfterStep {
            update_and_reset: of_gates,
            candidate: of_candidate,
            gates: gates.as_mut(),
            hidden,
            memory: memory.as_mut(),
            next: next.as_mut(),
            activations,
        };
        gates::step_reset_after(step, &mut scratch).unwrap();
        let (d_gates, d_memory) = (d_gates.as_mut(), next.as_mut());
        let pass = ResetAfterBackward {
            gates: gates.as_ref(),
            memory: memory.as_ref(),
            d_gates,
            d_memory,
            activations,
        };
        gates::reset_after_backward(pass, scratch.isa()).unwrap();
        seen.maps(&gates);
        seen.maps(&next);
    }
    for maps in [d_hidden, d_gates, rh] {
        seen.maps(&maps);
    }
}

fn moves<T: Scalar>(seen: &mut Seen) {
    let extent = Extent { batch: 3, channels: 6, height: 4, width: 6 };
    let mut all = maps::<T>(extent, 2, 1, 1);
    let other = maps::<T>(extent, 2, 0, 2);
    all.as_mut().add(other.as_ref()).unwrap();
    all.as_mut().add_nchw(&numbers(extent.len(), 3)).unwrap();
    all.as_mut().leaky_relu(T::from_f64(0.5));
    all.as_mut().leaky_relu_backward(other.as_ref(), T::from_f64(0.5)).unwrap();
    let (before, mut after) = all.split_at(1);
    after.reborrow().into_images(1..2).copy_from(before).unwrap();
    after.into_sections(1..2).set_zero();
    let mut deep =
        FeatureMaps::sectioned(Extent { channels: 4 * 3, height: 2, width: 3, ..extent }, 4, [0, 1]).unwrap();
    let mut flat = maps::<T>(extent.with_channels(3), 1, 0, 4);
    deep.as_mut().space_to_depth(flat.as_ref(), 2).unwrap();
    flat.as_mut().depth_to_space(deep.as_ref(), 2).unwrap();
    for maps in [all.clone(), deep, flat] {
        seen.maps(&maps);
    }
    let mut values = numbers::<T>(37, 5);
    sigmoid_in_place(&mut values);
    tanh_in_place(&mut values);
    hard_sigmoid_in_place(&mut values);
    seen.values(&values);
}

/// The same bits on one thread and on three. With `RAYON_NUM_THREADS=1` the thread of the caller is the only one,
/// and no queue of rayon is there that a checker would have to accept too.
fn same_bits(calls: fn(&mut Seen)) {
    let run = |pool: &rayon::ThreadPool| {
        let mut seen = Seen::default();
        pool.install(|| calls(&mut seen));
        seen.0
    };
    let on_caller =
        || run(&rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap());
    // A thread is in one pool in its life.
    let one = std::thread::scope(|scope| scope.spawn(on_caller).join().unwrap());
    if std::env::var("RAYON_NUM_THREADS").is_ok_and(|threads| threads == "1") {
        return;
    }
    assert_eq!(run(&rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap()), one);
}

#[test]
fn maps_are_moved() {
    same_bits(|seen| {
        moves::<f32>(seen);
        moves::<f64>(seen);
    });
}

#[test]
fn convolutions_by_every_algorithm() {
    same_bits(|seen| {
        convolutions::<f32>(seen);
        convolutions::<f64>(seen);
    });
}

#[test]
fn passes_of_direct_convolutions() {
    same_bits(|seen| {
        passes::<f32>(2, Activations::default(), seen);
        passes::<f64>(2, Activations::default(), seen);
    });
}

#[test]
fn passes_in_tiles() {
    // `Fast` is in tiles from eight channels on.
    assert!(matches!(Algorithm::of::<f32>(&Weights::<f32>::new(8).shapes[2]), Algorithm::Winograd(_)));
    same_bits(|seen| {
        let candidate = CandidateActivation::LeakyRelu(0.25);
        passes::<f32>(8, Activations { gate: GateActivation::HardSigmoid, candidate }, seen);
    });
}
