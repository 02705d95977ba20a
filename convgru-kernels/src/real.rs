//! The numbers that kernels compute with. Nothing here knows a kernel.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{AddAssign, DivAssign, MulAssign, SubAssign};

use crate::gemm::Gemm;
use crate::reference::number::Number;
use crate::simd::dispatch::Dispatch;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// The arithmetic of `f32` and `f64`, on numbers and on vectors of any instruction set.
///
/// Kernels are generic over this trait; the calls of a kernel are over [`Scalar`](crate::Scalar), which adds the
/// kernels themselves. The trait is sealed.
pub trait Real:
    Number
    + sealed::Sealed
    + Gemm
    + Dispatch
    + Send
    + Sync
    + Default
    + PartialOrd
    + Debug
    + Display
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
{
    /// The additive identity.
    const ZERO: Self;
    /// The multiplicative identity.
    const ONE: Self;
    /// Distance from 1 to the next larger number.
    const EPSILON: Self;
    /// Whether convolutions may use Winograd's minimal filtering.
    const WINOGRAD: bool;
    /// The Rust name of the type, for error messages and file headers.
    const NAME: &'static str;

    /// Square root.
    fn sqrt(self) -> Self;
    /// The larger of two numbers; a NaN loses against a number.
    fn max(self, other: Self) -> Self;
    /// The smaller of two numbers; a NaN loses against a number.
    fn min(self, other: Self) -> Self;
    /// Whether the number is neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// The same number in `f64` (exact for both types).
    fn to_f64(self) -> f64;
    /// The nearest number of this type.
    fn from_f32(value: f32) -> Self;
}

macro_rules! real {
    ($type:ident, winograd: $winograd:literal) => {
        impl Real for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const EPSILON: Self = $type::EPSILON;
            const WINOGRAD: bool = $winograd;
            const NAME: &'static str = stringify!($type);

            #[inline(always)]
            fn sqrt(self) -> Self {
                $type::sqrt(self)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                $type::max(self, other)
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                $type::min(self, other)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $type::is_finite(self)
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn from_f32(value: f32) -> Self {
                $type::from(value)
            }
        }
    };
}

real!(f32, winograd: true);
real!(f64, winograd: false);
