//! How HDF5 stores numbers to the bit: the library tells the size of a number and the order of its bytes alone.

use hdf5_reader::Dataset;

use super::NumberType;

/// Properties of floating-point numbers: where the exponent begins and its bits, the same of the mantissa, and the bias.
type Layout = (u8, u8, u8, u8, u32);
/// The layouts of IEEE 754, by bytes.
const IEEE: [(u32, Layout); 3] =
    [(2, (10, 5, 0, 10, 15)), (4, (23, 8, 0, 23, 127)), (8, (52, 11, 0, 52, 1023))];

/// The bits of a whole number that hold its value, where they are not all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BitField {
    offset: u32,
    precision: u32,
    is_signed: bool,
}

impl BitField {
    /// The value of a stored number, which was read as if all of its bits were the value.
    pub(super) fn value(self, stored: f64) -> f64 {
        // A number of at most four bytes: its bits are the bits of the value modulo 2^64.
        let bits = (stored as i64 as u64) >> self.offset & ((1 << self.precision) - 1);
        let is_negative = self.is_signed && bits >> (self.precision - 1) == 1;
        let value = if is_negative { bits as i64 - (1 << self.precision) } else { bits as i64 };
        value as f64
    }
}

/// The bits that hold the value of a dataset's numbers; `None` where all do.
///
/// # Errors
/// How they are stored, where that is not read, as the end of a sentence about the dataset.
pub(super) fn bit_field(dataset: &Dataset, kind: NumberType) -> Result<Option<BitField>, String> {
    let message = dataset.raw_datatype().map_err(|error| format!("has a type that is not read ({error})"))?;
    of_message(&message, kind)
}

/// As [`bit_field`], of the message with the type: a byte of class and version, three of flags, the size, and properties.
fn of_message(message: &[u8], kind: NumberType) -> Result<Option<BitField>, String> {
    const DAMAGED: &str = "has a type whose description is damaged";
    let word = |at: usize| message.get(at..at + 2).map(|two| u32::from(two[0]) | u32::from(two[1]) << 8);
    let long = |at: usize| Some(word(at)? | word(at + 2)? << 16);
    let class = message.first().ok_or(DAMAGED)? & 15;
    let flags = message.get(1).ok_or(DAMAGED)?;
    let (size, offset, precision) = match (long(4), word(8), word(10)) {
        (Some(size), Some(offset), Some(precision)) => (size, offset, precision),
        _ => return Err(DAMAGED.into()),
    };
    match class {
        0 if offset == 0 && precision == 8 * size => Ok(None),
        0 if precision == 0 || offset + precision > 8 * size => Err(DAMAGED.into()),
        0 if size <= 4 => {
            Ok(Some(BitField { offset, precision, is_signed: matches!(kind, NumberType::Signed(_)) }))
        }
        0 => Err(format!("stores whole numbers in {precision} bits of {size} bytes, which is not read")),
        1 => {
            let layout = (|| {
                let byte = |at: usize| message.get(at).copied();
                Some((byte(12)?, byte(13)?, byte(14)?, byte(15)?, long(16)?))
            })();
            let is_vax = flags >> 6 & 1 == 1;
            let implies_a_bit = flags >> 4 & 3 == 2;
            let is_ieee = IEEE.iter().any(|(own, ieee)| *own == size && layout == Some(*ieee));
            match is_ieee && !is_vax && implies_a_bit && offset == 0 && precision == 8 * size {
                true => Ok(None),
                false => Err(format!(
                    "stores floating-point numbers of {size} bytes in another form than IEEE 754 (such as bfloat16), which is not read"
                )),
            }
        }
        // Truth values and other names of whole numbers: the type of these follows.
        8 => of_message(&message[8..], kind),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(class: u8, flags: u8, size: u8, properties: &[u8]) -> Vec<u8> {
        [&[0x10 | class, flags, 0x1f, 0, size, 0, 0, 0], properties].concat()
    }

    #[test]
    fn whole_numbers_in_some_of_their_bits_are_read() {
        let read = |size, offset, precision, kind| {
            of_message(&message(0, 0, size, &[offset, 0, precision, 0]), kind)
        };
        assert_eq!(read(2, 0, 16, NumberType::Unsigned(2)).unwrap(), None);
        let twelve = read(2, 3, 12, NumberType::Signed(2)).unwrap().unwrap();
        for (stored, value) in
            [(5 << 3, 5.0), (0x7ff << 3 | 7, 2047.0), (0xfff << 3, -1.0), (0x800 << 3, -2048.0)]
        {
            assert_eq!(twelve.value(f64::from(stored as u16 as i16)), value, "{stored}");
        }
        let unsigned = read(4, 4, 24, NumberType::Unsigned(4)).unwrap().unwrap();
        assert_eq!(unsigned.value(f64::from(0xffff_fff7_u32)), f64::from(0xff_ffff));
        assert!(read(8, 0, 40, NumberType::Unsigned(8)).unwrap_err().contains("40 bits of 8 bytes"));
        assert!(read(2, 8, 12, NumberType::Unsigned(2)).is_err());
        assert!(of_message(&[0x10, 0], NumberType::Unsigned(1)).is_err());
    }

    #[test]
    fn floating_point_numbers_of_other_forms_are_refused() {
        let float = |flags, size, properties: [u8; 12]| {
            of_message(&message(1, flags, size, &properties), NumberType::Float(size))
        };
        let half = [0, 0, 16, 0, 10, 5, 0, 10, 15, 0, 0, 0];
        let bfloat = [0, 0, 16, 0, 7, 8, 0, 7, 127, 0, 0, 0];
        let single = [0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0];
        assert_eq!(float(0x20, 2, half), Ok(None));
        assert_eq!(float(0x21, 4, single), Ok(None));
        for (flags, size, form) in
            [(0x20, 2, bfloat), (0x61, 4, single), (0x00, 4, single), (0x20, 8, single)]
        {
            assert!(float(flags, size, form).unwrap_err().contains("IEEE 754"));
        }
    }
}
