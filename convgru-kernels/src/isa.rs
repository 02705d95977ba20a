//! The instruction sets that kernels are compiled for.

use std::fmt;
use std::sync::OnceLock;

use crate::simd::instruction_sets;

/// The variable of the environment that restricts the instruction set.
pub const ISA_VARIABLE: &str = "CONVGRU_ISA";

/// An instruction set of this processor. Values other than the portable one exist only
/// where the processor has the instructions.
///
/// ```
/// use convgru_kernels::Isa;
///
/// println!("kernels run on {}", Isa::current());
/// assert!(Isa::all().iter().any(|isa| isa.name() == "portable"));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Isa(Level);

macro_rules! levels {
    ($($arch:literal => $level:ident($token:path), $name:literal;)*) => {
        /// An instruction set with the proof that the processor has it.
        #[derive(Debug, Clone, Copy)]
        pub(crate) enum Level {
            Portable,
            $(#[cfg(target_arch = $arch)] $level($token),)*
        }

        impl Level {
            /// The names of all instruction sets, also of other processors.
            const NAMES: &'static [&'static str] = &["portable", $($name),*];

            /// The instruction sets of this processor, the slowest first.
            fn detect() -> Vec<Self> {
                let found: &[Option<Self>] = &[
                    Some(Self::Portable),
                    $(#[cfg(target_arch = $arch)] <$token>::detect().map(Self::$level),)*
                ];
                found.iter().flatten().copied().collect()
            }

            fn name(self) -> &'static str {
                match self {
                    Self::Portable => "portable",
                    $(#[cfg(target_arch = $arch)] Self::$level(_) => $name,)*
                }
            }
        }
    };
}

instruction_sets!(levels);

/// A value of [`ISA_VARIABLE`] that names no instruction set of this processor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{ISA_VARIABLE}={given} names no instruction set of this processor; it has {}", available.join(", "))]
pub struct UnknownIsa {
    /// What the variable says.
    pub given: String,
    /// The names that are possible on this machine.
    pub available: Vec<&'static str>,
}

impl Isa {
    /// The names of all instruction sets there are kernels for, the portable one first.
    pub const NAMES: &'static [&'static str] = Level::NAMES;

    /// The instruction set that kernels run on: the best of this processor, or the one
    /// [`ISA_VARIABLE`] names. A name that is none is ignored here; see
    /// [`from_environment`](Self::from_environment).
    pub fn current() -> Self {
        static CURRENT: OnceLock<Isa> = OnceLock::new();
        *CURRENT.get_or_init(|| Self::from_environment().unwrap_or_else(|_| Self::best()))
    }

    /// The instruction set that [`ISA_VARIABLE`] names, or the best one where it is not set.
    ///
    /// # Errors
    /// [`UnknownIsa`] if it names none of this processor.
    pub fn from_environment() -> Result<Self, UnknownIsa> {
        match std::env::var_os(ISA_VARIABLE) {
            Some(name) if !name.is_empty() => Self::named(&name.to_string_lossy()),
            _ => Ok(Self::best()),
        }
    }

    /// The instruction set of a name.
    ///
    /// # Errors
    /// [`UnknownIsa`] if this processor has none of the name.
    pub fn named(name: &str) -> Result<Self, UnknownIsa> {
        let all = Self::all();
        all.iter().copied().find(|isa| isa.name() == name).ok_or_else(|| UnknownIsa {
            given: name.to_owned(),
            available: all.iter().map(|isa| isa.name()).collect(),
        })
    }

    /// Every instruction set of this processor, the portable one first.
    pub fn all() -> Vec<Self> {
        Level::detect().into_iter().map(Self).collect()
    }

    /// The name, one of [`NAMES`](Self::NAMES).
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    fn best() -> Self {
        *Self::all().last().expect("the portable form is always there")
    }

    pub(crate) fn level(self) -> Level {
        self.0
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_list_and_lead_back() {
        for isa in Isa::all() {
            assert!(Isa::NAMES.contains(&isa.name()));
            assert_eq!(Isa::named(isa.name()).unwrap().name(), isa.name());
        }
        let error = Isa::named("sse9").unwrap_err();
        assert!(error.to_string().starts_with("CONVGRU_ISA=sse9 names no instruction set"), "{error}");
    }
}
