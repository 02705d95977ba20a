//! Numbers of any type as `f64`.

use hdf5_reader::error::{Error, Result};
use hdf5_reader::{ByteOrder, Datatype, H5Type};

use super::NumberType;

/// A number of a dataset, of whatever type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number(pub(super) f64);

impl H5Type for Number {
    fn hdf5_type() -> Datatype {
        Datatype::FloatingPoint { size: 8, byte_order: ByteOrder::LittleEndian }
    }

    fn from_bytes(bytes: &[u8], datatype: &Datatype) -> Result<Self> {
        decoded(bytes, datatype)
            .map(Self)
            .ok_or_else(|| Error::InvalidData(format!("no number of type {datatype:?}")))
    }

    fn element_size(datatype: &Datatype) -> usize {
        kind(datatype).map_or(0, |kind| usize::from(bytes(kind)))
    }

    fn decode_vec(raw: &[u8], datatype: &Datatype, count: usize) -> Option<Result<Vec<Self>>> {
        let size = Self::element_size(datatype);
        if size == 0 || raw.len() / size < count {
            return None;
        }
        let numbers: Option<Vec<Self>> =
            raw.chunks_exact(size).take(count).map(|raw| decoded(raw, datatype).map(Self)).collect();
        numbers.map(Ok)
    }
}

/// How a type stores numbers; `None` if it is not of numbers that are read. Truth values are numbers, too.
pub(super) fn kind(datatype: &Datatype) -> Option<NumberType> {
    match datatype {
        Datatype::FixedPoint { size: size @ (1 | 2 | 4 | 8), signed, .. } => {
            Some(if *signed { NumberType::Signed(*size) } else { NumberType::Unsigned(*size) })
        }
        Datatype::FloatingPoint { size: size @ (4 | 8), .. } => Some(NumberType::Float(*size)),
        Datatype::Enum { base, .. } => match **base {
            Datatype::FixedPoint { .. } => kind(base),
            _ => None,
        },
        _ => None,
    }
}

/// Bytes of a number.
pub(super) fn bytes(kind: NumberType) -> u8 {
    match kind {
        NumberType::Unsigned(bytes) | NumberType::Signed(bytes) | NumberType::Float(bytes) => bytes,
    }
}

/// The number at the beginning of some bytes; `None` if they are too few or their type is of no numbers.
pub(super) fn decoded(raw: &[u8], datatype: &Datatype) -> Option<f64> {
    let order = match datatype {
        Datatype::FixedPoint { byte_order, .. } | Datatype::FloatingPoint { byte_order, .. } => *byte_order,
        Datatype::Enum { base, .. } => match **base {
            Datatype::FixedPoint { .. } => return decoded(raw, base),
            _ => return None,
        },
        _ => return None,
    };
    Some(match kind(datatype)? {
        NumberType::Unsigned(1) => f64::from(*raw.first()?),
        NumberType::Signed(1) => f64::from(*raw.first()? as i8),
        NumberType::Unsigned(2) => f64::from(u16::from_le_bytes(little(raw, order)?)),
        NumberType::Signed(2) => f64::from(i16::from_le_bytes(little(raw, order)?)),
        NumberType::Unsigned(4) => f64::from(u32::from_le_bytes(little(raw, order)?)),
        NumberType::Signed(4) => f64::from(i32::from_le_bytes(little(raw, order)?)),
        NumberType::Unsigned(_) => u64::from_le_bytes(little(raw, order)?) as f64,
        NumberType::Signed(_) => i64::from_le_bytes(little(raw, order)?) as f64,
        NumberType::Float(4) => f64::from(f32::from_le_bytes(little(raw, order)?)),
        NumberType::Float(_) => f64::from_le_bytes(little(raw, order)?),
    })
}

/// The first bytes with the least significant one first.
fn little<const N: usize>(raw: &[u8], order: ByteOrder) -> Option<[u8; N]> {
    let mut bytes = *raw.first_chunk()?;
    if order == ByteOrder::BigEndian {
        bytes.reverse();
    }
    Some(bytes)
}
