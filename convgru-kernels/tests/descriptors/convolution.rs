//! Convolutions, their gradients and their weights.

use convgru_kernels::conv::{self, Algorithm, ConvShape, PackedWeights, Padding, Precision, Tile, WriteMode};
use convgru_kernels::{Extent, Isa, Scalar, Scratchpad, reference};
use proptest::prelude::*;

use crate::Tally;
use crate::described::{Change, Described, assert_close, changes, numbers, values};

#[derive(Debug, Clone)]
pub(crate) struct Case {
    shape: ConvShape,
    /// Another than the shape asks for, where it is none of all there are.
    algorithm: usize,
    input: Described,
    output: Described,
    /// Numbers of weights and bias beyond those that are needed.
    extra: [isize; 2],
    isas: [usize; 2],
    add: bool,
    pub(crate) double: bool,
    /// Whether the descriptors are as they fit together.
    fits: bool,
}

/// Algorithms that are asked for beside those of the shape.
const ALGORITHMS: [Algorithm; 10] = [
    Algorithm::Patches,
    Algorithm::Direct,
    Algorithm::Winograd(Tile::ALL[0]),
    Algorithm::Winograd(Tile::ALL[1]),
    Algorithm::Winograd(Tile::ALL[2]),
    Algorithm::WinogradByPanel(Tile::ALL[0]),
    Algorithm::WinogradByPanel(Tile { output: 7, kernel: 3 }),
    Algorithm::Winograd(Tile { output: 2, kernel: 5 }),
    Algorithm::Winograd(Tile { output: 7, kernel: 3 }),
    Algorithm::Winograd(Tile { output: usize::MAX, kernel: usize::MAX }),
];

/// Numbers of a shape that can be replaced.
const PLACES: usize = 13;

fn change(shape: &mut ConvShape, (place, value): Change) {
    let ConvShape { in_channels, out_channels, kernel: [a, b], stride: [c, d], dilation: [e, f], .. } = shape;
    let Padding { top, bottom, left, right } = &mut shape.padding;
    let sections = &mut shape.out_sections;
    *[in_channels, out_channels, a, b, c, d, e, f, top, bottom, left, right, sections][place] = value;
}

fn shapes() -> impl Strategy<Value = ConvShape> {
    let channels = || prop_oneof![3 => 1usize..=4, 1 => 8usize..=9, 1 => 15usize..=18];
    let kernel = prop_oneof![3 => Just([3, 3]), 1 => Just([5, 5]), 2 => prop::array::uniform2(1usize..=4)];
    let near = |ones: u32| prop_oneof![ones => Just([1, 1]), 1 => prop::array::uniform2(1usize..=3)];
    (
        channels(),
        channels(),
        1usize..=3,
        kernel,
        near(3),
        near(3),
        any::<[bool; 3]>(),
        prop::array::uniform4(0usize..=3),
    )
        .prop_map(
            |(
                inputs,
                outputs,
                sections,
                kernel,
                stride,
                dilation,
                [same, fast, none],
                [top, bottom, left, right],
            )| {
                let padding =
                    if same { Padding::same(kernel, dilation) } else { Padding { top, bottom, left, right } };
                let precision = if fast { Precision::Fast } else { Precision::Exact };
                // Now and then nothing but a bias.
                let inputs = if none && inputs == 3 { 0 } else { inputs };
                let same = ConvShape::same(inputs, sections * outputs, kernel);
                ConvShape { stride, dilation, padding, precision, out_sections: sections, ..same }
            },
        )
}

pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let size = || prop_oneof![8 => 1usize..=9, 1 => 20usize..=28];
    let extras = prop_oneof![6 => Just([0, 0]), 1 => prop::array::uniform2(-2isize..=2)];
    let flaws = (changes(PLACES), changes(2 * Described::PLACES), extras, 0usize..3 * ALGORITHMS.len());
    let maps = (1usize..=2, size(), size(), 0usize..=3, 0usize..=3);
    (shapes(), maps, flaws, prop::array::uniform2(0usize..3), any::<[bool; 4]>()).prop_map(
        |(
            mut shape,
            (batch, height, width, x_halo, y_halo),
            flaws,
            isas,
            [flawed, with_shape, add, double],
        )| {
            let (of_shape, of_maps, extra, algorithm) = flaws;
            let (extra, algorithm) = if flawed { (extra, algorithm) } else { ([0, 0], usize::MAX) };
            let mut fits = extra == [0, 0] && algorithm >= ALGORITHMS.len();
            if flawed && with_shape {
                fits &= of_shape.is_empty();
                of_shape.into_iter().for_each(|flaw| change(&mut shape, flaw));
            }
            let extent = Extent { batch, channels: shape.in_channels, height, width };
            let of_output = shape.output_extent(extent);
            fits &= of_output.is_ok();
            let mut input = Described::new(extent, 1, x_halo);
            let output = of_output.unwrap_or(Extent { channels: shape.out_channels, ..extent });
            let mut output = Described::new(output, shape.out_sections, y_halo);
            if flawed {
                fits &= of_maps.is_empty();
                for (place, value) in of_maps {
                    let maps = if place < Described::PLACES { &mut input } else { &mut output };
                    maps.change((place % Described::PLACES, value));
                }
            }
            Case { shape, algorithm, input, output, extra, isas, add, double, fits }
        },
    )
}

/// The instruction set of a number, of those of this processor.
pub(crate) fn isa(index: usize) -> Isa {
    let all = Isa::all();
    all[index % all.len()]
}

/// Some more or fewer numbers than are needed, or few where nobody could give as many.
fn given<T: Scalar>(needed: usize, extra: isize, seed: usize) -> Vec<T> {
    numbers(needed.saturating_add_signed(extra).min(1 << 18), seed)
}

pub(crate) fn attempt<T: Scalar>(case: &Case, tally: &Tally) {
    let Case { shape, input, output, extra, .. } = case;
    let algorithm = *ALGORITHMS.get(case.algorithm).unwrap_or(&Algorithm::of::<T>(shape));
    let weights: Vec<T> = given(shape.weight_len(), extra[0], 1);
    let packed = PackedWeights::with_algorithm(*shape, &weights, isa(case.isas[0]), algorithm);
    let ok = tally.count("PackedWeights", &packed);
    assert!(ok || !case.fits, "{:?}", packed.err());
    let bias: Vec<T> = given(shape.out_channels, extra[1], 2);
    let packed = packed.and_then(|packed| packed.with_bias(case.add.then_some(&bias)));
    tally.count("PackedWeights::with_bias", &packed);
    let (Some(x), Some(y)) = (input.maps::<T>(3, tally), output.maps::<T>(4, tally)) else { return };
    let mut scratch = Scratchpad::with_isa(isa(case.isas[1]));
    let mode = if case.add { WriteMode::Add } else { WriteMode::Overwrite };
    let keep = if case.add { 1.0 } else { 0.0 };
    // Sums of small whole numbers are exact but in tiles.
    let error =
        if matches!(algorithm, Algorithm::Winograd(_) | Algorithm::WinogradByPanel(_)) { 1e-4 } else { 0.0 };
    let wide = |values: &[T]| values.iter().map(|value| value.to_f64()).collect::<Vec<_>>();
    let (x_values, y_values, w_values) = (values(&x), values(&y), wide(&weights));
    if let Ok(packed) = &packed {
        let mut out = y.clone();
        let result = conv::forward(packed, x.as_ref(), out.as_mut(), mode, &mut scratch);
        let mut exact = y_values.clone();
        if tally.count("conv::forward", &result) {
            exact.iter_mut().for_each(|y| *y *= keep);
            reference::convolution(shape, x.extent(), &x_values, &w_values, &mut exact).unwrap();
            if case.add {
                reference::add_bias(y.extent(), &wide(&bias), &mut exact).unwrap();
            }
        }
        assert!(result.is_ok() || !case.fits, "{result:?}");
        assert_close(&values(&out), &exact, error, "output");

        let mut out = y.clone();
        let addend = case.add.then_some(y.as_ref());
        let slope = T::from_f64(0.5);
        let result = conv::forward_rectified(packed, x.as_ref(), addend, out.as_mut(), slope, &mut scratch);
        if tally.count("conv::forward_rectified", &result) {
            exact.iter_mut().for_each(|y| *y *= if *y < 0.0 { 0.5 } else { 1.0 });
        }
        assert!(result.is_ok() || !case.fits, "{result:?}");
        assert_close(&values(&out), &exact, error, "output of the rectifier");

        let mut out = x.clone();
        let result = conv::input_gradient(packed, y.as_ref(), out.as_mut(), mode, &mut scratch);
        let mut exact = x_values.clone();
        if tally.count("conv::input_gradient", &result) {
            exact.iter_mut().for_each(|x| *x *= keep);
            reference::convolution_input_gradient(shape, x.extent(), &w_values, &y_values, &mut exact)
                .unwrap();
        }
        assert!(result.is_ok() || !case.fits, "{result:?}");
        assert_close(&values(&out), &exact, error, "gradient of the input");

        let only = packed.clone().into_forward_only().unwrap();
        let [mut forward, mut again] = [y.clone(), y.clone()];
        let result = conv::forward(packed, x.as_ref(), forward.as_mut(), mode, &mut scratch);
        assert_eq!(result, conv::forward(&only, x.as_ref(), again.as_mut(), mode, &mut scratch));
        assert_eq!(values(&again), values(&forward), "weights for the forward pass only");
        let mut out = x.clone();
        let result = conv::input_gradient(&only, y.as_ref(), out.as_mut(), mode, &mut scratch);
        assert!(result.is_err() || x.extent().is_empty(), "{:?}", x.extent());
        assert_eq!(values(&out), x_values, "a refused gradient writes nothing");
    }
    let mut out = weights.clone();
    let by = (case.algorithm < ALGORITHMS.len()).then_some(algorithm);
    let result = match by {
        Some(by) => conv::weight_gradient_by(by, shape, x.as_ref(), y.as_ref(), &mut out, &mut scratch),
        None => conv::weight_gradient(shape, x.as_ref(), y.as_ref(), &mut out, &mut scratch),
    };
    let mut exact = w_values;
    if tally.count("conv::weight_gradient", &result) {
        reference::convolution_weight_gradient(shape, x.extent(), &x_values, &y_values, &mut exact).unwrap();
    }
    assert!(result.is_ok() || !case.fits, "{result:?}");
    assert_close(&wide(&out), &exact, error, "gradient of the weights");

    let mut out = bias.clone();
    let result = conv::bias_gradient(y.as_ref(), &mut out);
    let mut exact = wide(&bias);
    if tally.count("conv::bias_gradient", &result) {
        reference::bias_gradient(y.extent(), &y_values, &mut exact).unwrap();
    }
    assert_close(&wide(&out), &exact, 0.0, "gradient of the bias");
}
