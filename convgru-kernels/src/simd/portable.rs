//! Fixed-width lanes that a compiler turns into the vectors of any processor.
//!
//! Unsafe: Vectors are arrays of numbers, read and written where the contract of the trait has as many.

use super::vector::Simd;
use super::vectorised::Vectorised;

/// Vectors of 16 bytes, which every 64-bit processor has. Always available.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

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
                std::array::from_fn(|i| a[i] + b[i])
            }
            #[inline(always)]
            fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| a[i] - b[i])
            }
            #[inline(always)]
            fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| a[i] * b[i])
            }
            #[inline(always)]
            fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| a[i] / b[i])
            }
            #[inline(always)]
            fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
                // Where the target has no such instruction, `mul_add` would be a call into a library.
                if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
                    std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
                } else {
                    std::array::from_fn(|i| a[i] * b[i] + c[i])
                }
            }
            #[inline(always)]
            fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn abs(self, a: Self::Vector) -> Self::Vector {
                a.map($type::abs)
            }
            #[inline(always)]
            fn copy_sign(self, magnitude: Self::Vector, sign: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| magnitude[i].copysign(sign[i]))
            }
            #[inline(always)]
            fn where_negative(self, x: Self::Vector, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| if x[i] < 0.0 { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn power_of_two(self, rounded: Self::Vector) -> Self::Vector {
                rounded.map($type::power_of_two)
            }
        }
    };
}

portable!(f32, 4);
portable!(f64, 2);
