//! Vectors of numbers, one implementation for each instruction set.
//!
//! Kernels are written once over [`Simd`] and compiled for each instruction set by
//! [`Dispatch`](dispatch::Dispatch). What they call must be inlined into them.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod dispatch;
mod portable;
mod vector;
mod vectorised;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
pub(crate) use portable::Portable;
pub(crate) use vector::{Kernel, Simd, TileKernel};
