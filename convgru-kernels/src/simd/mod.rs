//! Vectors of numbers, one implementation for each instruction set.
//!
//! Kernels are written once over [`Simd`] and compiled for each instruction set by
//! [`Dispatch`](dispatch::Dispatch). What they call must be inlined into them.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod dispatch;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
mod portable;
mod vector;
mod vectorised;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
pub(crate) use portable::Portable;
pub(crate) use vector::{Kernel, Simd, TileKernel};

/// The list of instruction sets besides the portable one: processor, type, name. For each processor, the slowest comes
/// first. Expands to a call of the macro `$apply` with the list.
macro_rules! instruction_sets {
    ($apply:ident) => {
        $apply! {
            "x86_64" => Avx2(crate::simd::avx2::Avx2), "avx2";
            "x86_64" => Avx512(crate::simd::avx512::Avx512), "avx512";
            "aarch64" => Neon(crate::simd::neon::Neon), "neon";
        }
    };
}
pub(crate) use instruction_sets;
