//! AVX2 with fused multiplication and addition.
//!
//! Unsafe: A value of the type is made only where the processor has the instructions; loads and stores have the
//! contract of the trait.

use std::arch::x86_64::*;

use super::vector::{Kernel, Simd};
use super::vectorised::Vectorised;

/// Vectors of 32 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// The proof that the processor has AVX2 and FMA, where it has them.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    /// Runs a kernel compiled for the instruction set.
    #[inline(always)]
    pub(crate) fn vectorize<T, K: Kernel<T>>(self, kernel: K) -> K::Output
    where
        Self: Simd<T>,
    {
        // No closure: what is called must be inlined into the function with the instructions.
        #[target_feature(enable = "avx2,fma")]
        fn inner<T, K: Kernel<T>>(simd: Avx2, kernel: K) -> K::Output
        where
            Avx2: Simd<T>,
        {
            kernel.run::<Avx2, 6, 2, 2>(simd)
        }
        // SAFETY: a value of this type is made only after detecting the instructions.
        unsafe { inner(self, kernel) }
    }
}

macro_rules! avx2 {
    ($type:ident, $vector:ident, $lanes:literal, $loadu:ident, $storeu:ident, $set1:ident, $add:ident, $sub:ident,
     $mul:ident, $div:ident, $fmadd:ident, $min:ident, $and:ident, $andnot:ident, $or:ident, $blendv:ident, $cmp:ident,
     $to_int:ident, $from_int:ident, $set1_int:ident, $int:ident, $add_int:ident, $shift:ident, $mantissa:literal) => {
        impl Simd<$type> for Avx2 {
            type Vector = $vector;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn load(self, from: *const $type) -> Self::Vector {
                // SAFETY: the token proves the instructions, and by the contract the memory holds the lanes.
                unsafe { $loadu(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $type, a: Self::Vector) {
                // SAFETY: the token proves the instructions, and by the contract the memory holds the lanes.
                unsafe { $storeu(to, a) }
            }
            #[inline(always)]
            fn prefetch(self, from: *const $type) {
                // SAFETY: the token proves the instructions; a prefetch reads nothing.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
            }
            #[inline(always)]
            fn splat(self, x: $type) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $set1(x) }
            }
            #[inline(always)]
            fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $sub(a, b) }
            }
            #[inline(always)]
            fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $mul(a, b) }
            }
            #[inline(always)]
            fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $div(a, b) }
            }
            #[inline(always)]
            fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $fmadd(a, b, c) }
            }
            #[inline(always)]
            fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $min(a, b) }
            }
            #[inline(always)]
            fn abs(self, a: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $andnot($set1(-0.0), a) }
            }
            #[inline(always)]
            fn copy_sign(self, magnitude: Self::Vector, sign: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $or($andnot($set1(-0.0), magnitude), $and($set1(-0.0), sign)) }
            }
            #[inline(always)]
            fn where_negative(self, x: Self::Vector, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $blendv(b, a, $cmp::<_CMP_LT_OQ>(x, $set1(0.0))) }
            }
            #[inline(always)]
            fn power_of_two(self, rounded: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe {
                    let offset = $set1_int($type::EXPONENT_OFFSET as $int);
                    $from_int($shift::<$mantissa>($add_int($to_int(rounded), offset)))
                }
            }
        }
    };
}

avx2!(
    f32,
    __m256,
    8,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_fmadd_ps,
    _mm256_min_ps,
    _mm256_and_ps,
    _mm256_andnot_ps,
    _mm256_or_ps,
    _mm256_blendv_ps,
    _mm256_cmp_ps,
    _mm256_castps_si256,
    _mm256_castsi256_ps,
    _mm256_set1_epi32,
    i32,
    _mm256_add_epi32,
    _mm256_slli_epi32,
    23
);
avx2!(
    f64,
    __m256d,
    4,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_set1_pd,
    _mm256_add_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    _mm256_div_pd,
    _mm256_fmadd_pd,
    _mm256_min_pd,
    _mm256_and_pd,
    _mm256_andnot_pd,
    _mm256_or_pd,
    _mm256_blendv_pd,
    _mm256_cmp_pd,
    _mm256_castpd_si256,
    _mm256_castsi256_pd,
    _mm256_set1_epi64x,
    i64,
    _mm256_add_epi64,
    _mm256_slli_epi64,
    52
);
