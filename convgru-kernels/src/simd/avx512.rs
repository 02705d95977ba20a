//! AVX-512: the foundation, and DQ for the sign bits.

use std::arch::x86_64::*;

use super::vector::{Kernel, Simd, TileKernel};
use super::vectorised::Vectorised;
use super::x86::x86;

x86! {
    /// Vectors of 64 bytes.
    Avx512 {
        detect: ["avx512f", "avx512dq"],
        enable: "avx512f,avx512dq",
        tile: [rows: 14, columns: 2, block: 1],
    }

    f32 {
        vector: __m512,
        lanes: 16,
        load: _mm512_loadu_ps,
        store: _mm512_storeu_ps,
        splat: _mm512_set1_ps,
        add: _mm512_add_ps,
        sub: _mm512_sub_ps,
        mul: _mm512_mul_ps,
        div: _mm512_div_ps,
        mul_add: _mm512_fmadd_ps,
        min: _mm512_min_ps,
        and: _mm512_and_ps,
        and_not: _mm512_andnot_ps,
        or: _mm512_or_ps,
        where_negative: |x, a, b| _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, _mm512_setzero_ps()), b, a),
        integer: i32,
        to_integer: _mm512_castps_si512,
        from_integer: _mm512_castsi512_ps,
        splat_integer: _mm512_set1_epi32,
        add_integer: _mm512_add_epi32,
        shift_left: _mm512_slli_epi32,
        mantissa: 23,
    }

    f64 {
        vector: __m512d,
        lanes: 8,
        load: _mm512_loadu_pd,
        store: _mm512_storeu_pd,
        splat: _mm512_set1_pd,
        add: _mm512_add_pd,
        sub: _mm512_sub_pd,
        mul: _mm512_mul_pd,
        div: _mm512_div_pd,
        mul_add: _mm512_fmadd_pd,
        min: _mm512_min_pd,
        and: _mm512_and_pd,
        and_not: _mm512_andnot_pd,
        or: _mm512_or_pd,
        where_negative: |x, a, b| _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_LT_OQ>(x, _mm512_setzero_pd()), b, a),
        integer: i64,
        to_integer: _mm512_castpd_si512,
        from_integer: _mm512_castsi512_pd,
        splat_integer: _mm512_set1_epi64,
        add_integer: _mm512_add_epi64,
        shift_left: _mm512_slli_epi64,
        mantissa: 52,
    }
}
