//! From an instruction set to the kernels that are compiled for it.

use super::instruction_sets;
use super::portable::Portable;
use super::vector::{Kernel, TileKernel};
use super::vectorised::Vectorised;
use crate::isa::{Isa, Level};

/// Rows of sums of the portable kernels, by the number of registers.
const PORTABLE_ROWS: usize = if cfg!(target_arch = "aarch64") { 4 } else { 2 };

/// A number type with vectors on every instruction set.
#[expect(private_interfaces, private_bounds, reason = "the trait is a part of a sealed one")]
pub trait Dispatch: Vectorised {
    /// Runs a kernel compiled for an instruction set.
    #[doc(hidden)]
    fn dispatch<K: Kernel<Self>>(isa: Isa, kernel: K) -> K::Output;

    /// Runs a kernel that holds a tile of sums in the registers of an instruction set.
    #[doc(hidden)]
    fn dispatch_tile<K: TileKernel<Self>>(isa: Isa, kernel: K) -> K::Output;
}

macro_rules! dispatch {
    ($($arch:literal => $level:ident($token:path), $name:literal;)*) => {
        dispatch!(f32: $($arch => $level;)*);
        dispatch!(f64: $($arch => $level;)*);
    };
    ($type:ident: $($arch:literal => $level:ident;)*) => {
        #[expect(private_interfaces, private_bounds, reason = "the trait is a part of a sealed one")]
        impl Dispatch for $type {
            #[inline(always)]
            fn dispatch<K: Kernel<Self>>(isa: Isa, kernel: K) -> K::Output {
                match isa.level() {
                    Level::Portable => kernel.run(Portable),
                    $(#[cfg(target_arch = $arch)] Level::$level(token) => token.run(kernel),)*
                }
            }

            #[inline(always)]
            fn dispatch_tile<K: TileKernel<Self>>(isa: Isa, kernel: K) -> K::Output {
                match isa.level() {
                    Level::Portable => kernel.run::<_, PORTABLE_ROWS, 4, 4>(Portable),
                    $(#[cfg(target_arch = $arch)] Level::$level(token) => token.run_tile(kernel),)*
                }
            }
        }
    };
}

instruction_sets!(dispatch);
