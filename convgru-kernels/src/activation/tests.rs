//! Errors of the activations, their limits and their derivatives.

use super::apply::Apply;
use super::functions::{Function, HardSigmoid, LeakyRelu, Relu, Sigmoid, Tanh};
use super::*;
use crate::isa::Isa;
use crate::real::Real;
use crate::simd::dispatch::Dispatch;
use crate::simd::{Kernel, Simd};
use proptest::prelude::*;
use rayon::prelude::*;

/// Distance between a result and the true value in units in the last place of `f32`.
fn ulp32(got: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    let unit = f64::from(f32::from_bits(nearest.abs().to_bits() + 1)) - f64::from(nearest.abs());
    (f64::from(got) - exact).abs() / unit
}

fn sigmoid64(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The worst errors of sigmoid and tanh over every `step`-th `f32`, on one instruction set.
fn worst(isa: Isa, step: usize) -> [f64; 2] {
    const CHUNK: usize = 1 << 16;
    let count = (1usize << 32).div_ceil(step);
    let of_chunk = |start: usize| {
        let numbers = start..count.min(start + CHUNK);
        let inputs: Vec<f32> = numbers.map(|i| f32::from_bits((i * step) as u32)).collect();
        let (mut sigmoids, mut tanhs) = (inputs.clone(), inputs.clone());
        f32::dispatch(isa, Apply { values: &mut sigmoids, function: Sigmoid });
        f32::dispatch(isa, Apply { values: &mut tanhs, function: Tanh });
        let mut worst = [0.0f64; 2];
        for ((&x, sigmoid), tanh) in inputs.iter().zip(sigmoids).zip(tanhs) {
            if x.is_nan() {
                assert!(sigmoid.is_nan() && tanh.is_nan());
                continue;
            }
            if x > -87.0 {
                worst[0] = worst[0].max(ulp32(sigmoid, sigmoid64(f64::from(x))));
            }
            worst[1] = worst[1].max(ulp32(tanh, f64::from(x).tanh()));
        }
        worst
    };
    let chunks = (0..count.div_ceil(CHUNK)).into_par_iter().map(|chunk| of_chunk(chunk * CHUNK));
    chunks.reduce(|| [0.0; 2], |a, b| [a[0].max(b[0]), a[1].max(b[1])])
}

#[test]
fn errors_of_f32_stay_within_the_stated_bounds_on_every_instruction_set() {
    for isa in Isa::all() {
        let [sigmoid, tanh] = worst(isa, 4099);
        assert!(sigmoid <= SIGMOID_ULP, "{isa}: sigmoid {sigmoid}");
        assert!(tanh <= TANH_ULP, "{isa}: tanh {tanh}");
    }
}

#[test]
#[ignore = "every f32 on every instruction set: about five minutes"]
fn errors_of_every_f32_stay_within_the_stated_bounds() {
    for isa in Isa::all() {
        let [sigmoid, tanh] = worst(isa, 1);
        eprintln!("worst over all f32 on {isa}: sigmoid {sigmoid:.3} ULP, tanh {tanh:.3} ULP");
        assert!(sigmoid <= SIGMOID_ULP && tanh <= TANH_ULP);
    }
}

#[test]
fn limits_are_exact_and_nan_stays_nan() {
    assert_eq!(sigmoid(f32::INFINITY), 1.0);
    assert_eq!(sigmoid(0.0f32), 0.5);
    assert!(sigmoid(f32::NEG_INFINITY) < 2e-38);
    assert_eq!(tanh(f32::INFINITY), 1.0);
    assert_eq!(tanh(f32::NEG_INFINITY), -1.0);
    assert_eq!(tanh(0.0f32).to_bits(), 0);
    assert_eq!(tanh(-0.0f64).to_bits(), (-0.0f64).to_bits());
    assert!(sigmoid(f32::NAN).is_nan() && tanh(f64::NAN).is_nan());
}

/// The derivatives of a function where its values are some numbers.
struct Derivatives<'a, T, F> {
    values: &'a mut [T; 16],
    function: F,
}

impl<T: Real, F: Function<T>> Kernel<T> for Derivatives<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        for chunk in self.values.chunks_exact_mut(S::LANES) {
            let derivatives = self.function.back(s, s.splat(T::ONE), s.read(chunk));
            s.write(chunk, derivatives);
        }
    }
}

/// Points on both sides of every kink, and the ends.
const POINTS: [f64; 15] =
    [-1e30, -4.0, -3.0, -2.99, -1.5, -1e-3, -0.0, 0.0, 1e-3, 0.75, 2.99, 3.0, 4.0, 1e30, f64::INFINITY];

fn expect_pieces<T: Real>(isa: Isa, function: impl Function<T>, pieces: impl Fn(f64) -> [f64; 2]) {
    let mut values = [T::from_f64(f64::NAN); 16];
    values.iter_mut().zip(POINTS).for_each(|(value, x)| *value = T::from_f64(x));
    T::dispatch(isa, Apply { values: &mut values, function });
    let mut derivatives = values;
    T::dispatch(isa, Derivatives { values: &mut derivatives, function });
    for (i, x) in POINTS.into_iter().enumerate() {
        let [value, derivative] = pieces(T::from_f64(x).to_f64());
        for (got, exact) in [(values[i], value), (derivatives[i], derivative)] {
            let close = (got.to_f64() - exact).abs() <= 2.0 * T::EPSILON.to_f64() * exact.abs().max(0.5);
            assert!(got.to_f64() == exact || close, "{} on {isa}, {x}: {got} {exact}", T::NAME);
        }
    }
    assert!(values[15].to_f64().is_nan(), "NaN became {}", values[15]);
}

#[test]
fn functions_of_straight_pieces_meet_their_ends_exactly_on_every_instruction_set() {
    fn expect<T: Real>(isa: Isa) {
        let leaky = |slope: f64| move |x: f64| if x > 0.0 { [x, 1.0] } else { [slope * x, slope] };
        expect_pieces::<T>(isa, Relu, |x| if x > 0.0 { [x, 1.0] } else { [0.0, 0.0] });
        expect_pieces(isa, LeakyRelu::<T>::new(0.25), leaky(0.25));
        expect_pieces(isa, LeakyRelu::<T>::new(1.5), leaky(1.5));
        expect_pieces::<T>(isa, HardSigmoid, |x| match x {
            x if x <= -3.0 => [0.0, 0.0],
            x if x >= 3.0 => [1.0, 0.0],
            x => [x / 6.0 + 0.5, 1.0 / 6.0],
        });
    }
    for isa in Isa::all() {
        expect::<f32>(isa);
        expect::<f64>(isa);
    }
    let mut ends = [-3.0f32, 3.0];
    hard_sigmoid_in_place(&mut ends);
    assert_eq!(ends, [0.0, 1.0]);
}

proptest! {
    #[test]
    fn errors_of_f64_stay_within_the_stated_bounds(x in -700.0f64..700.0, small in -1e-3f64..1e-3) {
        for x in [x, x / 50.0, small] {
            for (got, exact, bound) in
                [(sigmoid(x), sigmoid64(x), SIGMOID_ULP), (tanh(x), x.tanh(), TANH_ULP)]
            {
                // The library's own values carry an error of about one more unit.
                let unit = exact.abs() * f64::EPSILON;
                prop_assert!((got - exact).abs() <= (bound + 2.0) * unit, "{x} {got} {exact}");
            }
        }
    }

    #[test]
    fn both_rise_up_to_their_error_and_stay_in_range(x in -30.0f32..30.0, step in 1e-3f32..1.0) {
        // Where the functions are flat, neighbours differ by less than the stated error.
        let error = |y: f32, ulp: f64| y.abs() * f32::EPSILON * ulp as f32;
        let (low, high) = (sigmoid(x), sigmoid(x + step));
        prop_assert!(low <= high + error(high, SIGMOID_ULP));
        let (low, high) = (tanh(x), tanh(x + step));
        prop_assert!(low <= high + error(high, TANH_ULP));
        prop_assert!((0.0..=1.0).contains(&sigmoid(x)) && (-1.0..=1.0).contains(&tanh(x)));
    }
}
