//! AVX2 with fused multiplication and addition.

use std::arch::x86_64::*;

use super::vector::{Kernel, Simd, TileKernel};
use super::vectorised::Vectorised;
use super::x86::x86;

x86! {
    /// Vectors of 32 bytes.
    Avx2 {
        detect: ["avx2", "fma"],
        enable: "avx2,fma",
        tile: [rows: 6, columns: 2, block: 2],
    }

    f32 {
        vector: __m256,
        lanes: 8,
        load: _mm256_loadu_ps,
        store: _mm256_storeu_ps,
        splat: _mm256_set1_ps,
        add: _mm256_add_ps,
        sub: _mm256_sub_ps,
        mul: _mm256_mul_ps,
        div: _mm256_div_ps,
        mul_add: _mm256_fmadd_ps,
        min: _mm256_min_ps,
        and: _mm256_and_ps,
        and_not: _mm256_andnot_ps,
        or: _mm256_or_ps,
        where_negative: |x, a, b| _mm256_blendv_ps(b, a, _mm256_cmp_ps::<_CMP_LT_OQ>(x, _mm256_setzero_ps())),
        integer: i32,
        to_integer: _mm256_castps_si256,
        from_integer: _mm256_castsi256_ps,
        splat_integer: _mm256_set1_epi32,
        add_integer: _mm256_add_epi32,
        shift_left: _mm256_slli_epi32,
        mantissa: 23,
    }

    f64 {
        vector: __m256d,
        lanes: 4,
        load: _mm256_loadu_pd,
        store: _mm256_storeu_pd,
        splat: _mm256_set1_pd,
        add: _mm256_add_pd,
        sub: _mm256_sub_pd,
        mul: _mm256_mul_pd,
        div: _mm256_div_pd,
        mul_add: _mm256_fmadd_pd,
        min: _mm256_min_pd,
        and: _mm256_and_pd,
        and_not: _mm256_andnot_pd,
        or: _mm256_or_pd,
        where_negative: |x, a, b| _mm256_blendv_pd(b, a, _mm256_cmp_pd::<_CMP_LT_OQ>(x, _mm256_setzero_pd())),
        integer: i64,
        to_integer: _mm256_castpd_si256,
        from_integer: _mm256_castsi256_pd,
        splat_integer: _mm256_set1_epi64x,
        add_integer: _mm256_add_epi64,
        shift_left: _mm256_slli_epi64,
        mantissa: 52,
    }
}
