//! AVX-512: the foundation, and DQ for the sign bits.
//!
//! Unsafe: A value of the type is made only where the processor has the instructions; loads and stores have the
//! contract of the trait.

use std::arch::x86_64::*;

use super::vector::{Kernel, Simd};
use super::vectorised::Vectorised;

/// Vectors of 64 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// The proof that the processor has AVX-512 F and DQ, where it has them.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq")).then_some(Self(()))
    }

    /// Runs a kernel compiled for the instruction set.
    #[inline(always)]
    pub(crate) fn vectorize<T, K: Kernel<T>>(self, kernel: K) -> K::Output
    where
        Self: Simd<T>,
    {
        // No closure: what is called must be inlined into the function with the instructions.
        #[target_feature(enable = "avx512f,avx512dq")]
        fn inner<T, K: Kernel<T>>(simd: Avx512, kernel: K) -> K::Output
        where
            Avx512: Simd<T>,
        {
            kernel.run::<Avx512, 14, 2, 1>(simd)
        }
        // SAFETY: a value of this type is made only after detecting the instructions.
        unsafe { inner(self, kernel) }
    }
}

macro_rules! avx512 {
    ($type:ident, $vector:ident, $lanes:literal, $loadu:ident, $storeu:ident, $set1:ident, $add:ident, $sub:ident,
     $mul:ident, $div:ident, $fmadd:ident, $min:ident, $and:ident, $andnot:ident, $or:ident, $blendv:ident, $cmp:ident,
     $to_int:ident, $from_int:ident, $set1_int:ident, $int:ident, $add_int:ident, $shift:ident, $mantissa:literal) => {
        impl Simd<$type> for Avx512 {
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
                unsafe { $blendv($cmp::<_CMP_LT_OQ>(x, $set1(0.0)), b, a) }
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

avx512!(
    f32,
    __m512,
    16,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_fmadd_ps,
    _mm512_min_ps,
    _mm512_and_ps,
    _mm512_andnot_ps,
    _mm512_or_ps,
    _mm512_mask_blend_ps,
    _mm512_cmp_ps_mask,
    _mm512_castps_si512,
    _mm512_castsi512_ps,
    _mm512_set1_epi32,
    i32,
    _mm512_add_epi32,
    _mm512_slli_epi32,
    23
);
avx512!(
    f64,
    __m512d,
    8,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_set1_pd,
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_div_pd,
    _mm512_fmadd_pd,
    _mm512_min_pd,
    _mm512_and_pd,
    _mm512_andnot_pd,
    _mm512_or_pd,
    _mm512_mask_blend_pd,
    _mm512_cmp_pd_mask,
    _mm512_castpd_si512,
    _mm512_castsi512_pd,
    _mm512_set1_epi64,
    i64,
    _mm512_add_epi64,
    _mm512_slli_epi64,
    52
);
