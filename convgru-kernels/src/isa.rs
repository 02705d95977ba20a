//! The instruction sets that elementwise loops are compiled for.
//!
//! A loop is written once and compiled for each instruction set; which of the
//! compiled forms runs is decided by what the processor has. No form contracts
//! products and sums, so all of them give the same bits.

use std::sync::OnceLock;

/// An instruction set. Values other than `Portable` exist only where the
/// processor has the instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Isa(Level);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// The best instruction set of this processor.
    pub(crate) fn detect() -> Self {
        static DETECTED: OnceLock<Isa> = OnceLock::new();
        *DETECTED.get_or_init(|| *Self::all().last().expect("the portable form is always there"))
    }

    /// Every instruction set of this processor, the portable one first.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self(Level::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                all.push(Self(Level::Avx2));
            }
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                all.push(Self(Level::Avx512));
            }
        }
        all
    }

    /// Runs a loop compiled for this instruction set. The closure and all it calls
    /// must be inlined for that to have an effect.
    #[inline(always)]
    pub(crate) fn run<R>(self, body: impl FnOnce() -> R) -> R {
        match self.0 {
            Level::Portable => body(),
            // SAFETY: `all` makes this value only after detecting AVX2.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2(body) },
            // SAFETY: `all` makes this value only after detecting AVX-512 F and DQ.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512(body) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<R>(body: impl FnOnce() -> R) -> R {
    body()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
fn avx512<R>(body: impl FnOnce() -> R) -> R {
    body()
}
