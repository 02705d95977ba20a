//! What sequences are used for.

/// What sequences are used for. The splits share no digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// Sequences the optimiser learns from.
    Train,
    /// Sequences that show during training how well it goes.
    Validation,
    /// Sequences for the final figures.
    Test,
}

impl Split {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The number that stands for the split in the keys of random streams.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Train => 0,
            Self::Validation => 1,
            Self::Test => 2,
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
