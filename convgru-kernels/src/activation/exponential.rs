//! The exponential function behind the activations.

use crate::real::Real;
use crate::simd::Simd;

/// `e^x - 1` for `0 <= x <= 2 TANH_LIMIT`.
#[inline(always)]
pub(super) fn exp_minus_one<T: Real, S: Simd<T>>(s: S, x: S::Vector) -> S::Vector {
    let (power, rest) = split(s, x);
    s.mul_add(power, rest, s.sub(power, s.splat(T::ONE)))
}

/// `e^-x` for `0 <= x <= EXP_LIMIT`.
#[inline(always)]
pub(super) fn exp_of_negative<T: Real, S: Simd<T>>(s: S, x: S::Vector) -> S::Vector {
    let (power, rest) = split(s, s.sub(s.splat(T::ZERO), x));
    s.mul_add(power, rest, power)
}

/// `(2^k, e^r - 1)` with `x = k ln 2 + r`, `|r| <= ln 2 / 2`.
#[inline(always)]
fn split<T: Real, S: Simd<T>>(s: S, x: S::Vector) -> (S::Vector, S::Vector) {
    let round = s.splat(T::ROUND);
    let rounded = s.mul_add(x, s.splat(T::LOG2_E), round);
    let k = s.sub(rounded, round);
    // The product with the first part of ln 2 is exact.
    let [high, low] = T::LN_2;
    let r = s.mul_add(k, s.splat(-low), s.mul_add(k, s.splat(-high), x));
    let mut sum = s.splat(T::EXPONENTIAL[0]);
    for &coefficient in &T::EXPONENTIAL[1..] {
        sum = s.mul_add(sum, r, s.splat(coefficient));
    }
    (s.power_of_two(rounded), s.mul(sum, r))
}
