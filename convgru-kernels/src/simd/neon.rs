//! NEON, the vectors of 64-bit ARM processors.
//!
//! Unsafe: A value of the type is made only where the processor has the instructions; loads and stores have the contract
//! of the trait.

use std::arch::aarch64::*;
use std::arch::asm;

use super::vector::{Kernel, Simd, TileKernel};
use super::vectorised::Vectorised;

/// Vectors of 16 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neon(());

impl Neon {
    /// The proof that the processor has the instructions, where it has them.
    pub(crate) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }

    /// Runs a kernel compiled for the instruction set.
    #[inline(always)]
    pub(super) fn run<T, K: Kernel<T>>(self, kernel: K) -> K::Output
    where
        Self: Simd<T>,
    {
        #[target_feature(enable = "neon")]
        fn compiled<T, K: Kernel<T>>(simd: Neon, kernel: K) -> K::Output
        where
            Neon: Simd<T>,
        {
            kernel.run(simd)
        }
        // SAFETY: a value of this type is made only after detecting the instructions.
        unsafe { compiled(self, kernel) }
    }

    /// Runs a kernel of tiles compiled for the instruction set: 24 of the 32 registers hold sums.
    #[inline(always)]
    pub(super) fn run_tile<T, K: TileKernel<T>>(self, kernel: K) -> K::Output
    where
        Self: Simd<T>,
    {
        #[target_feature(enable = "neon")]
        fn compiled<T, K: TileKernel<T>>(simd: Neon, kernel: K) -> K::Output
        where
            Neon: Simd<T>,
        {
            kernel.run::<_, 6, 4, 4>(simd)
        }
        // SAFETY: a value of this type is made only after detecting the instructions.
        unsafe { compiled(self, kernel) }
    }
}

/// The operations on one number type, by its intrinsics.
macro_rules! neon {
    ($type:ident {
        vector: $vector:ident,
        lanes: $lanes:literal,
        load: $load:ident,
        store: $store:ident,
        splat: $splat:ident,
        add: $add:ident,
        sub: $sub:ident,
        mul: $mul:ident,
        div: $div:ident,
        mul_add: $mul_add:ident,
        abs: $abs:ident,
        less: $less:ident,
        select: $select:ident,
        bits: $bits:ident,
        splat_bits: $splat_bits:ident,
        to_bits: $to_bits:ident,
        from_bits: $from_bits:ident,
        add_bits: $add_bits:ident,
        shift_left: $shift:ident,
        mantissa: $mantissa:literal,
    }) => {
        impl Simd<$type> for Neon {
            type Vector = $vector;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn load(self, from: *const $type) -> Self::Vector {
                // SAFETY: the token proves the instructions, and by the contract the memory holds the lanes.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $type, a: Self::Vector) {
                // SAFETY: the token proves the instructions, and by the contract the memory holds the lanes.
                unsafe { $store(to, a) }
            }
            #[inline(always)]
            fn prefetch(self, from: *const $type) {
                // SAFETY: a prefetch reads nothing and changes nothing.
                unsafe {
                    asm!("prfm pldl2keep, [{}]", in(reg) from, options(nostack, preserves_flags, readonly))
                }
            }
            #[inline(always)]
            fn splat(self, x: $type) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $splat(x) }
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
                unsafe { $mul_add(c, a, b) }
            }
            #[inline(always)]
            fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                // The instruction `fmin` would give a NaN for one in `a`.
                // SAFETY: the token proves the instructions.
                unsafe { $select($less(a, b), a, b) }
            }
            #[inline(always)]
            fn abs(self, a: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $abs(a) }
            }
            #[inline(always)]
            fn copy_sign(self, magnitude: Self::Vector, sign: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $select($splat_bits((-0.0 as $type).to_bits()), sign, magnitude) }
            }
            #[inline(always)]
            fn where_negative(self, x: Self::Vector, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $select($less(x, $splat(0.0)), a, b) }
            }
            #[inline(always)]
            fn power_of_two(self, rounded: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe {
                    let offset = $splat_bits($type::EXPONENT_OFFSET as $bits);
                    $from_bits($shift::<$mantissa>($add_bits($to_bits(rounded), offset)))
                }
            }
        }
    };
}

neon!(f32 {
    vector: float32x4_t,
    lanes: 4,
    load: vld1q_f32,
    store: vst1q_f32,
    splat: vdupq_n_f32,
    add: vaddq_f32,
    sub: vsubq_f32,
    mul: vmulq_f32,
    div: vdivq_f32,
    mul_add: vfmaq_f32,
    abs: vabsq_f32,
    less: vcltq_f32,
    select: vbslq_f32,
    bits: u32,
    splat_bits: vdupq_n_u32,
    to_bits: vreinterpretq_u32_f32,
    from_bits: vreinterpretq_f32_u32,
    add_bits: vaddq_u32,
    shift_left: vshlq_n_u32,
    mantissa: 23,
});

neon!(f64 {
    vector: float64x2_t,
    lanes: 2,
    load: vld1q_f64,
    store: vst1q_f64,
    splat: vdupq_n_f64,
    add: vaddq_f64,
    sub: vsubq_f64,
    mul: vmulq_f64,
    div: vdivq_f64,
    mul_add: vfmaq_f64,
    abs: vabsq_f64,
    less: vcltq_f64,
    select: vbslq_f64,
    bits: u64,
    splat_bits: vdupq_n_u64,
    to_bits: vreinterpretq_u64_f64,
    from_bits: vreinterpretq_f64_u64,
    add_bits: vaddq_u64,
    shift_left: vshlq_n_u64,
    mantissa: 52,
});
