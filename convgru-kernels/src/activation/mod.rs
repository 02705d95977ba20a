//! Sigmoid and hyperbolic tangent, written so that compilers turn them into vectors.
//!
//! Both rest on one function, `e^x - 1` for `x >= 0`, without branches or tables:
//! `x = k ln 2 + r` with `|r| <= ln 2 / 2`, then `e^x - 1 = 2^k p(r) + (2^k - 1)` where
//! `p(r)` is the Taylor polynomial of `e^r - 1`, long enough that its remainder lies
//! below the rounding of the type. The error stays small near zero, where tanh needs it.
//!
//! The bounds in units in the last place (ULP) are checked over samples in every test
//! run and over all `f32` in an ignored test.

mod exponential;

pub use exponential::Vectorised;

use crate::isa::Isa;
use crate::parallel::{Disjoint, for_each_range};
use crate::scalar::Scalar;

/// Elements an item of work applies an activation to.
const CHUNK: usize = 16 * 1024;

/// Largest error of [`sigmoid`] in units in the last place, for inputs above -87 (`f32`)
/// or -708 (`f64`); below, the result is a number between 0 and 2e-38 (`f32`) or 4e-308 (`f64`).
pub const SIGMOID_ULP: f64 = 4.0;

/// Largest error of [`tanh`] in units in the last place, for every input.
pub const TANH_ULP: f64 = 4.0;

/// The logistic sigmoid `1 / (1 + e^-x)`, error at most [`SIGMOID_ULP`]. NaN stays NaN.
#[inline(always)]
pub fn sigmoid<T: Scalar>(x: T) -> T {
    // With e = e^-|x|: 1 / (1 + e) for x >= 0 and e / (1 + e) below.
    let magnitude = x.abs();
    let magnitude = if magnitude > T::EXP_LIMIT { T::EXP_LIMIT } else { magnitude };
    let e = T::exp_of_negative(magnitude);
    let numerator = if x < T::ZERO { e } else { T::ONE };
    numerator / (T::ONE + e)
}

/// The hyperbolic tangent, error at most [`TANH_ULP`]. NaN stays NaN.
#[inline(always)]
pub fn tanh<T: Scalar>(x: T) -> T {
    // (e^2|x| - 1) / (e^2|x| + 1), with the sign of x; 1 where it rounds to 1.
    let magnitude = x.abs();
    let magnitude = if magnitude > T::TANH_LIMIT { T::TANH_LIMIT } else { magnitude };
    let e = T::exp_minus_one(magnitude + magnitude);
    (e / (e + T::from_f64(2.0))).with_sign_of(x)
}

/// Applies [`sigmoid`] to every element.
pub fn sigmoid_in_place<T: Scalar>(values: &mut [T]) {
    apply(values, sigmoid);
}

/// Applies [`tanh`] to every element.
pub fn tanh_in_place<T: Scalar>(values: &mut [T]) {
    apply(values, tanh);
}

fn apply<T: Scalar>(values: &mut [T], function: impl Fn(T) -> T + Copy + Sync) {
    let isa = Isa::detect();
    let len = values.len();
    let parts = Disjoint::new(values);
    for_each_range(len, CHUNK, |range| {
        // SAFETY: ranges do not overlap.
        let part = unsafe { parts.part(range) };
        isa.run(|| {
            for value in part {
                *value = function(*value);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Distance between a result and the true value in units in the last place of `f32`.
    fn ulp32(got: f32, exact: f64) -> f64 {
        let nearest = exact as f32;
        let unit = f64::from(f32::from_bits(nearest.abs().to_bits() + 1)) - f64::from(nearest.abs());
        (f64::from(got) - exact).abs() / unit
    }

    fn sigmoid64(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    /// The worst errors of sigmoid and tanh over every `step`-th `f32`.
    fn worst(step: usize) -> [f64; 2] {
        let mut worst = [0.0f64; 2];
        for bits in (0..=u32::MAX).step_by(step) {
            let x = f32::from_bits(bits);
            if x.is_nan() {
                continue;
            }
            if x > -87.0 {
                worst[0] = worst[0].max(ulp32(sigmoid(x), sigmoid64(f64::from(x))));
            }
            worst[1] = worst[1].max(ulp32(tanh(x), f64::from(x).tanh()));
        }
        worst
    }

    #[test]
    fn errors_of_f32_stay_within_the_stated_bounds() {
        let [sigmoid, tanh] = worst(4099);
        assert!(sigmoid <= SIGMOID_ULP, "sigmoid {sigmoid}");
        assert!(tanh <= TANH_ULP, "tanh {tanh}");
    }

    #[test]
    #[ignore = "every f32: about four minutes"]
    fn errors_of_every_f32_stay_within_the_stated_bounds() {
        let [sigmoid, tanh] = worst(1);
        eprintln!("worst over all f32: sigmoid {sigmoid:.3} ULP, tanh {tanh:.3} ULP");
        assert!(sigmoid <= SIGMOID_ULP && tanh <= TANH_ULP);
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

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let inputs: Vec<f32> = (0..4096).map(|i| (i as f32 - 2048.0) / 100.0).collect();
        let scalar: Vec<u32> = inputs.iter().map(|&x| tanh(sigmoid(x)).to_bits()).collect();
        for isa in Isa::all() {
            let mut values = inputs.clone();
            isa.run(|| values.iter_mut().for_each(|x| *x = tanh(sigmoid(*x))));
            let bits: Vec<u32> = values.iter().map(|x| x.to_bits()).collect();
            assert_eq!(bits, scalar, "{isa:?}");
        }
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
}
