//! Fixed-width lanes that a compiler turns into the vectors of any processor.
//!
//! Unsafe: Vectors are arrays of numbers, read and written where the contract of the trait has as many.

use super::vector::Simd;
use super::vectorised::Vectorised;

/// Vectors of 16 bytes, which every 64-bit processor has. Always available.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

/// A vector whose lane `i` is the expression. A loop, since `array::from_fn` stays a call for each lane where the
/// standard library is not optimised together with this crate.
macro_rules! each {
    ($type:ident, $lanes:literal, |$i:ident| $lane:expr) => {{
        let mut vector: [$type; $lanes] = [0.0; $lanes];
        let mut $i = 0;
        while $i < $lanes {
            vector[$i] = $lane;
            $i += 1;
        }
        vector
    }};
}

macro_rules! portable {
    ($type:ident, $lanes:literal) => {
        impl Simd<$type> for Portable {
            type Vector = [$type; $lanes];
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn load(self, from: *const $type) -> Self::Vector {
                // SAFETY: by the contract the memory holds the lanes; arrays have the alignment of their elements.
                unsafe { from.cast::<Self::Vector>().read() }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $type, a: Self::Vector) {
                // SAFETY: by the contract the memory holds the lanes; arrays have the alignment of their elements.
                unsafe { to.cast::<Self::Vector>().write(a) }
            }
            #[inline(always)]
            fn splat(self, x: $type) -> Self::Vector {
                [x; $lanes]
            }
            #[inline(always)]
            fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                each!($type, $lanes, |i| a[i] + b[i])
            }
            #[inline(always)]
            fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                each!($type, $lanes, |i| a[i] - b[i])
            }
            #[inline(always)]
            fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                each!($type, $lanes, |i| a[i] * b[i])
            }
            #[inline(always)]
            fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                each!($type, $lanes, |i| a[i] / b[i])
            }
            #[inline(always)]
            fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
                // Where the target has no such instruction, `mul_add` would be a call into a library.
                if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
                    each!($type, $lanes, |i| a[i].mul_add(b[i], c[i]))
                } else {
                    each!($type, $lanes, |i| a[i] * b[i] + c[i])
                }
            }
            #[inline(always)]
            fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                each!($type, $lanes, |i| if a[i] < b[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn abs(self, a: Self::Vector) -> Self::Vector {
                each!($type, $lanes, |i| a[i].abs())
            }
            #[inline(always)]
            fn copy_sign(self, magnitude: Self::Vector, sign: Self::Vector) -> Self::Vector {
                each!($type, $lanes, |i| magnitude[i].copysign(sign[i]))
            }
            #[inline(always)]
            fn where_negative(self, x: Self::Vector, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                each!($type, $lanes, |i| if x[i] < 0.0 { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn power_of_two(self, rounded: Self::Vector) -> Self::Vector {
                each!($type, $lanes, |i| <$type>::power_of_two(rounded[i]))
            }
        }
    };
}

portable!(f32, 4);
portable!(f64, 2);
