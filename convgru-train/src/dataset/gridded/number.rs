//! Numbers of any type as `f64`.

use hdf5_reader::error::{Error, Result};
use hdf5_reader::{ByteOrder as StoredOrder, Datatype, H5Type};

use super::NumberType;
use crate::dataset::ByteOrder;

/// A number of a dataset, of whatever type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number(pub(super) f64);

impl H5Type for Number {
    fn hdf5_type() -> Datatype {
        Datatype::FloatingPoint { size: 8, byte_order: StoredOrder::LittleEndian }
    }

    fn from_bytes(bytes: &[u8], datatype: &Datatype) -> Result<Self> {
        decoded(bytes, datatype)
            .map(Self)
            .ok_or_else(|| Error::InvalidData(format!("no number of type {datatype:?}")))
    }

    fn element_size(datatype: &Datatype) -> usize {
        kind(datatype).map_or(0, NumberType::bytes)
    }

    fn decode_vec(raw: &[u8], datatype: &Datatype, count: usize) -> Option<Result<Vec<Self>>> {
        let (kind, order) = (kind(datatype)?, order(datatype)?);
        let enough = raw.len() / kind.bytes() >= count;
        enough.then(|| Ok(kind.numbers(order, raw).take(count).map(Self).collect()))
    }
}

/// How a type stores numbers; `None` if it is not of numbers that are read. Truth values are numbers, too.
pub(super) fn kind(datatype: &Datatype) -> Option<NumberType> {
    match datatype {
        Datatype::FixedPoint { size: size @ (1 | 2 | 4 | 8), signed, .. } => {
            Some(if *signed { NumberType::Signed(*size) } else { NumberType::Unsigned(*size) })
        }
        Datatype::FloatingPoint { size: size @ (2 | 4 | 8), .. } => Some(NumberType::Float(*size)),
        Datatype::Enum { base, .. } => match **base {
            Datatype::FixedPoint { .. } => kind(base),
            _ => None,
        },
        _ => None,
    }
}

/// The order of the bytes of a number; `None` as in [`kind`].
fn order(datatype: &Datatype) -> Option<ByteOrder> {
    match datatype {
        Datatype::FixedPoint { byte_order, .. } | Datatype::FloatingPoint { byte_order, .. } => {
            let is_big = *byte_order == StoredOrder::BigEndian;
            Some(if is_big { ByteOrder::Big } else { ByteOrder::Little })
        }
        Datatype::Enum { base, .. } => order(base),
        _ => None,
    }
}

/// The number at the beginning of some bytes; `None` if they are too few or their type is of no numbers.
pub(super) fn decoded(raw: &[u8], datatype: &Datatype) -> Option<f64> {
    kind(datatype)?.numbers(order(datatype)?, raw).next()
}
