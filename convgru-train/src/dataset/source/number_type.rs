//! How numbers are stored.

use half::f16;

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    /// The least significant one.
    Little,
    /// The most significant one.
    Big,
}

/// The type of the numbers of an array, with its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberType {
    /// False or true, 0 or 1.
    Bool,
    /// Whole numbers of 0 or more.
    Unsigned(u8),
    /// Whole numbers.
    Signed(u8),
    /// Floating-point numbers.
    Float(u8),
}

impl NumberType {
    /// Bytes of a number.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Unsigned(bytes) | Self::Signed(bytes) | Self::Float(bytes) => usize::from(bytes),
        }
    }

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

impl NumberType {
    /// The numbers of some bytes; of whole numbers beyond 2^53 the nearest that `f64` has. Bytes at the end that are no whole number
    /// are left.
    pub(crate) fn numbers<'a>(self, order: ByteOrder, bytes: &'a [u8]) -> Box<dyn Iterator<Item = f64> + 'a> {
        match self {
            Self::Bool => Box::new(bytes.iter().map(|&byte| f64::from(u8::from(byte != 0)))),
            Self::Unsigned(1) => Box::new(bytes.iter().map(|&byte| f64::from(byte))),
            Self::Unsigned(2) => each(order, bytes, |two| f64::from(u16::from_le_bytes(two))),
            Self::Unsigned(4) => each(order, bytes, |four| f64::from(u32::from_le_bytes(four))),
            Self::Unsigned(_) => each(order, bytes, |eight| u64::from_le_bytes(eight) as f64),
            Self::Signed(1) => each(order, bytes, |byte| f64::from(i8::from_le_bytes(byte))),
            Self::Signed(2) => each(order, bytes, |two| f64::from(i16::from_le_bytes(two))),
            Self::Signed(4) => each(order, bytes, |four| f64::from(i32::from_le_bytes(four))),
            Self::Signed(_) => each(order, bytes, |eight| i64::from_le_bytes(eight) as f64),
            Self::Float(2) => each(order, bytes, |two| f16::from_le_bytes(two).to_f64()),
            Self::Float(4) => each(order, bytes, |four| f64::from(f32::from_le_bytes(four))),
            Self::Float(_) => each(order, bytes, f64::from_le_bytes),
        }
    }
}

/// The numbers of `N` bytes each, which `number` makes of them with the least significant one first.
fn each<'a, const N: usize>(
    order: ByteOrder,
    bytes: &'a [u8],
    number: fn([u8; N]) -> f64,
) -> Box<dyn Iterator<Item = f64> + 'a> {
    let numbers = bytes.as_chunks().0.iter();
    match order {
        ByteOrder::Little => Box::new(numbers.map(move |&bytes| number(bytes))),
        ByteOrder::Big => Box::new(numbers.map(move |&(mut bytes)| {
            bytes.reverse();
            number(bytes)
        })),
    }
}

impl std::fmt::Display for NumberType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, bytes) = match self {
            Self::Bool => return f.write_str("bool"),
            Self::Unsigned(bytes) => ("uint", bytes),
            Self::Signed(bytes) => ("int", bytes),
            Self::Float(bytes) => ("float", bytes),
        };
        write!(f, "{name}{}", u32::from(*bytes) * 8)
    }
}
