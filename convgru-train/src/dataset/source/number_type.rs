//! How numbers are stored.

/// The type of the numbers of an array, with its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberType {
    /// Whole numbers of 0 or more.
    Unsigned(u8),
    /// Whole numbers.
    Signed(u8),
    /// Floating-point numbers.
    Float(u8),
}

impl NumberType {
    /// The numbers that the values 0 and 1 stand for unless a configuration says it: 0 to 255 and 0 to 65535 of whole numbers of one and
    /// two bytes without a sign, 0 to 1 of all others.
    pub(crate) fn natural_range(self) -> [f64; 2] {
        match self {
            Self::Unsigned(1) => [0.0, 255.0],
            Self::Unsigned(2) => [0.0, 65535.0],
            _ => [0.0, 1.0],
        }
    }
}

impl std::fmt::Display for NumberType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, bytes) = match self {
            Self::Unsigned(bytes) => ("uint", bytes),
            Self::Signed(bytes) => ("int", bytes),
            Self::Float(bytes) => ("float", bytes),
        };
        write!(f, "{name}{}", u32::from(*bytes) * 8)
    }
}
