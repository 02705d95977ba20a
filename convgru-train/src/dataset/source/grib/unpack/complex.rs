//! Complex packing: groups of integers with a reference and a width each, and differences of them (templates 5.2 and 5.3).

use super::bits::Bits;
use super::{Scale, signed, word4};

/// Groups, as section 5 describes them.
struct Groups {
    count: usize,
    /// How missing points are marked: not, by one value, or by two.
    missing: u8,
    /// The smallest width, and the bits of what is added to it.
    width: u32,
    width_bits: u32,
    /// The smallest length, the unit and the bits of what is added to it, and the length of the last group.
    length: u64,
    unit: u64,
    length_bits: u32,
    last: u64,
}

impl Groups {
    fn of(section: &[u8]) -> Option<Self> {
        let byte = |at: usize| section.get(at).map(|&byte| u32::from(byte));
        Some(Self {
            count: word4(section, 31)? as usize,
            missing: *section.get(22)?,
            width: byte(35)?,
            width_bits: byte(36)?,
            length: u64::from(word4(section, 37)?),
            unit: u64::from(byte(41)?),
            last: u64::from(word4(section, 42)?),
            length_bits: byte(46)?,
        })
    }
}

/// The numbers, NaN where one is missing.
///
/// # Errors
/// Why there are none, as the end of a sentence about the message.
pub(super) fn numbers(section: &[u8], scale: Scale, data: &[u8], count: usize) -> Result<Vec<f64>, String> {
    let groups = Groups::of(section).ok_or("has a section 5 that is too short")?;
    if groups.missing > 2 {
        return Err(format!(
            "marks missing points by way {} (table 5.5), but 0 to 2 are read",
            groups.missing
        ));
    }
    if groups.count > count {
        return Err(format!("has {} groups of {count} numbers", groups.count));
    }
    let mut bits = Bits::new(data);
    let differences = match super::word2(section, 9) {
        Some(3) => Some(Differences::of(section, &mut bits)?),
        _ => None,
    };
    let integers = integers(&groups, scale.bits, &mut bits, count)?;
    let integers = match differences {
        Some(differences) => differences.summed(integers),
        None => integers,
    };
    let number = |integer: Option<i64>| integer.map_or(f64::NAN, |integer| scale.number(integer as f64));
    Ok(integers.into_iter().map(number).collect())
}

/// The integers of all groups, `None` for missing ones.
fn integers(
    groups: &Groups,
    bits_of_reference: u32,
    bits: &mut Bits<'_>,
    count: usize,
) -> Result<Vec<Option<i64>>, String> {
    let mut list = |width: u32| -> Result<Vec<u32>, String> {
        let list = (0..groups.count).map(|_| bits.take(width)).collect();
        bits.align();
        list
    };
    let references = list(bits_of_reference)?;
    let widths = list(groups.width_bits)?;
    let lengths = list(groups.length_bits)?;
    let mut integers = Vec::with_capacity(count);
    for (at, (&reference, &width)) in references.iter().zip(&widths).enumerate() {
        let is_last = at + 1 == groups.count;
        let length = if is_last { groups.last } else { groups.length + groups.unit * u64::from(lengths[at]) };
        if length > (count - integers.len()) as u64 {
            return Err(format!("has groups of more than {count} numbers"));
        }
        let width = width.saturating_add(groups.width);
        // The largest values of a width mark missing points: of the references, where a group has no values.
        let marked = if width == 0 { bits_of_reference } else { width };
        let highest = if marked >= 32 { u32::MAX } else { (1u32 << marked) - 1 };
        let is_missing = |value: u32| match groups.missing {
            0 => false,
            1 => value == highest,
            _ => value == highest || highest > 0 && value == highest - 1,
        };
        for _ in 0..length {
            integers.push(match width {
                0 => (!is_missing(reference)).then_some(i64::from(reference)),
                width => {
                    let value = bits.take(width)?;
                    (!is_missing(value)).then_some(i64::from(reference) + i64::from(value))
                }
            });
        }
    }
    match integers.len() == count {
        true => Ok(integers),
        false => Err(format!("has groups of {} numbers, but {count} are announced", integers.len())),
    }
}

/// Differences of neighbouring numbers, of the first or the second order.
struct Differences {
    /// The first numbers.
    first: Vec<i64>,
    /// The smallest difference, which is taken away from all.
    smallest: i64,
}

impl Differences {
    /// What lies before the groups.
    fn of(section: &[u8], bits: &mut Bits<'_>) -> Result<Self, String> {
        let (order, bytes) = match section.get(47..49) {
            Some(&[order, bytes]) => (order, u32::from(bytes)),
            _ => return Err("has a section 5 that is too short".into()),
        };
        if !matches!(order, 1 | 2) || !(1..=4).contains(&bytes) {
            return Err(format!(
                "has differences of order {order} in {bytes} bytes, but orders 1 and 2 in 1 to 4 bytes are read"
            ));
        }
        let mut next = || Ok::<i64, String>(i64::from(signed(bits.take(8 * bytes)?, 8 * bytes)));
        let first = (0..order).map(|_| next()).collect::<Result<Vec<i64>, String>>()?;
        Ok(Self { first, smallest: next()? })
    }

    /// The numbers that differences lead to; missing ones are passed over.
    fn summed(&self, mut integers: Vec<Option<i64>>) -> Vec<Option<i64>> {
        let (mut last, mut before) = (0i64, 0i64);
        for (at, integer) in integers.iter_mut().flatten().enumerate() {
            let own = match (self.first.get(at), self.first.len()) {
                (Some(&first), _) => first,
                (None, 1) => integer.wrapping_add(self.smallest).wrapping_add(last),
                (None, _) => {
                    let line = last.wrapping_mul(2).wrapping_sub(before);
                    integer.wrapping_add(self.smallest).wrapping_add(line)
                }
            };
            (before, last) = (last, own);
            *integer = own;
        }
        integers
    }
}
