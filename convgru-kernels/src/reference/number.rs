//! The arithmetic the reference needs, so that it runs on dual numbers too.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// A real number, or something that can stand in for one.
///
/// The reference functions are generic over this trait alone: with `f64` they
/// give the values every kernel is compared with, with dual numbers they give
/// exact directional derivatives, against which every hand-written backward
/// pass is checked.
pub trait Number:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// The constant nearest to `value`.
    fn from_f64(value: f64) -> Self;
    /// The real part.
    fn value(self) -> f64;
    /// e to the power of the number.
    fn exp(self) -> Self;
    /// Natural logarithm of one plus the number.
    fn ln_1p(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Absolute value; its derivative at zero is taken to be zero.
    fn abs(self) -> Self;
    /// The logistic sigmoid `1 / (1 + e^-x)`, without overflow for any `x`.
    fn sigmoid(self) -> Self {
        let one = Self::from_f64(1.0);
        if self.value() >= 0.0 {
            one / (one + (-self).exp())
        } else {
            let e = self.exp();
            e / (one + e)
        }
    }
}

macro_rules! number {
    ($type:ident) => {
        impl Number for $type {
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn value(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $type::exp(self)
            }
            #[inline(always)]
            fn ln_1p(self) -> Self {
                $type::ln_1p(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                $type::tanh(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $type::abs(self)
            }
        }
    };
}

number!(f32);
number!(f64);
