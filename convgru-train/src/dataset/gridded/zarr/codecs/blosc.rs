//! Buffers of the format of Blosc, version 1: blocks that are compressed one by one, their bytes or bits shuffled before.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::unpack::{lz4_block, unshuffled, zstd};

/// Bytes of the header.
const HEADER: usize = 16;
/// The most bytes of a number for which the bytes of each place are compressed alone.
const MOST_SPLITS: usize = 16;
/// The fewest bytes of a part that is compressed alone.
const SMALLEST_SPLIT: usize = 128;

/// What the header says.
struct Header {
    flags: u8,
    /// Bytes of a number.
    size: usize,
    /// Bytes of all numbers, of a block, and of the buffer.
    length: usize,
    block: usize,
    packed: usize,
}

impl Header {
    fn of(packed: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(*packed.get(at..)?.first_chunk()?) as usize);
        let (flags, size) = (*packed.get(2)?, usize::from(*packed.get(3)?));
        Some(Self { flags, size, length: word(4)?, block: word(8)?, packed: word(12)? })
    }

    fn is_set(&self, bit: u8) -> bool {
        self.flags >> bit & 1 == 1
    }

    /// Parts of a block that are compressed alone.
    fn splits(&self, block: usize) -> usize {
        let is_split = !self.is_set(4)
            && (1..=MOST_SPLITS).contains(&self.size)
            && self.block / self.size >= SMALLEST_SPLIT
            && block == self.block;
        if is_split { self.size } else { 1 }
    }
}

/// The bytes of a buffer, at most `most`.
///
/// # Errors
/// Why there are none, as the end of a sentence about the chunk.
pub(super) fn unpacked(packed: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let damaged = |reason: &str| format!("is no intact blosc ({reason})");
    let header = Header::of(packed).ok_or_else(|| damaged("it ends within its header"))?;
    if header.length > most {
        return Err(format!("unpacks to {} bytes by blosc, but at most {most} are possible", header.length));
    }
    if header.packed != packed.len() {
        return Err(damaged(&format!(
            "it has {} bytes, but its header says {}",
            packed.len(),
            header.packed
        )));
    }
    if header.is_set(1) {
        let plain = packed.get(HEADER..HEADER + header.length);
        return plain.map(<[u8]>::to_vec).ok_or_else(|| damaged("it ends early"));
    }
    if header.length > 0 && header.block == 0 {
        return Err(damaged("its blocks have 0 bytes"));
    }
    let mut made = Vec::with_capacity(header.length);
    let count = header.length.div_ceil(header.block.max(1));
    for at in 0..count {
        let start =
            word(packed, HEADER + 4 * at).ok_or_else(|| damaged("it ends within the places of blocks"))?;
        let length = header.block.min(header.length - at * header.block);
        let block = block(&header, packed.get(start..).unwrap_or_default(), length)?;
        made.extend(match (header.is_set(0), header.is_set(2)) {
            (true, _) => unshuffled(&block, header.size),
            (false, true) => bits_unshuffled(&block, header.size),
            (false, false) => block,
        });
    }
    Ok(made)
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize)
}

/// A block of so many bytes, still shuffled.
fn block(header: &Header, mut rest: &[u8], length: usize) -> Result<Vec<u8>, String> {
    let splits = header.splits(length);
    let mut made = vec![0; length];
    for part in made.chunks_exact_mut((length / splits).max(1)).take(splits) {
        let packed = word(rest, 0).and_then(|length| rest.get(4..4 + length));
        let packed = packed.ok_or("is no intact blosc (it ends within a block)")?;
        rest = &rest[4 + packed.len()..];
        if packed.len() == part.len() {
            part.copy_from_slice(packed);
            continue;
        }
        match header.flags >> 5 {
            0 => blosclz(packed, part)?,
            1 => lz4_block(packed, part)?,
            3 => ZlibDecoder::new(packed)
                .read_exact(part)
                .map_err(|error| format!("is no intact zlib in blosc ({error})"))?,
            4 => {
                let unpacked = zstd(packed, part.len())?;
                if unpacked.len() != part.len() {
                    return Err(format!(
                        "has a block of {} bytes in blosc, but {} are needed",
                        unpacked.len(),
                        part.len()
                    ));
                }
                part.copy_from_slice(&unpacked);
            }
            2 => {
                return Err(
                    "is packed by snappy in blosc, but blosclz, lz4, lz4hc, zlib and zstd are read".into()
                );
            }
            other => return Err(format!("is packed by the unknown compressor {other} of blosc")),
        }
    }
    Ok(made)
}

/// Fills `into` with what BloscLZ packed: runs of bytes as they are, and copies of bytes before.
fn blosclz(packed: &[u8], into: &mut [u8]) -> Result<(), String> {
    /// Distances that take two bytes more.
    const FAR: usize = 8191;
    let damaged = || "is no intact blosclz".to_owned();
    let mut input = packed.iter().copied();
    let mut next = || input.next().map(usize::from);
    let mut at = 0;
    let mut control = next().ok_or_else(damaged)? & 31;
    loop {
        if control >= 32 {
            let mut length = (control >> 5) - 1;
            let mut distance = (control & 31) << 8;
            if length == 6 {
                loop {
                    let more = next().ok_or_else(damaged)?;
                    length += more;
                    if more != 255 {
                        break;
                    }
                }
            }
            let low = next().ok_or_else(damaged)?;
            distance += low;
            if low == 255 && distance == FAR {
                distance = FAR + (next().ok_or_else(damaged)? << 8) + next().ok_or_else(damaged)?;
            }
            let (length, distance) = (length + 3, distance + 1);
            if distance > at || at + length > into.len() {
                return Err(damaged());
            }
            for place in at..at + length {
                into[place] = into[place - distance];
            }
            at += length;
        } else {
            for _ in 0..=control {
                let byte = next().ok_or_else(damaged)?;
                *into.get_mut(at).ok_or_else(damaged)? = byte as u8;
                at += 1;
            }
        }
        match next() {
            Some(byte) => control = byte,
            None if at == into.len() => return Ok(()),
            None => return Err(damaged()),
        }
    }
}

/// Numbers of `size` bytes whose bits were shuffled: the first bits of all, then the second ones, and so on. Blosc leaves blocks as they are
/// whose count of numbers is no multiple of 8.
fn bits_unshuffled(shuffled: &[u8], size: usize) -> Vec<u8> {
    let count = shuffled.len() / size.max(1);
    if size == 0 || !count.is_multiple_of(8) || count == 0 {
        return shuffled.to_vec();
    }
    let mut bytes = vec![0; shuffled.len()];
    let (whole, rest) = shuffled.split_at(count * size);
    for (bit, plane) in whole.chunks_exact(count / 8).enumerate() {
        for (numbers, &eight) in bytes.chunks_exact_mut(8 * size).zip(plane) {
            for number in 0..8 {
                numbers[number * size + bit / 8] |= (eight >> number & 1) << (bit % 8);
            }
        }
    }
    bytes[count * size..].copy_from_slice(rest);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), honest: bool) {
            if honest && bytes.len() >= HEADER {
                // What a header says about itself and the number of bytes goes through the first checks.
                let length = bytes.len() as u32;
                bytes[12..16].copy_from_slice(&length.to_le_bytes());
                bytes[4..8].copy_from_slice(&(length * 2).to_le_bytes());
                bytes[8..12].copy_from_slice(&(length / 2).to_le_bytes());
            }
            prop_assert!(unpacked(&bytes, 1000).map_or(0, |made| made.len()) <= 1000);
        }
    }

    #[test]
    fn bits_are_put_together_again() {
        // Eight numbers of two bytes: bit 0 of the number 1 and bit 9 of the number 3.
        let mut shuffled = [0; 16];
        shuffled[0] = 1 << 1;
        shuffled[9] = 1 << 3;
        let mut numbers = [0; 16];
        (numbers[2], numbers[7]) = (1, 2);
        assert_eq!(bits_unshuffled(&shuffled, 2), numbers);
        assert_eq!(bits_unshuffled(&shuffled[..14], 2), shuffled[..14]);
    }

    #[test]
    fn other_compressors_are_named() {
        let mut snappy =
            vec![2, 1, 0x50, 1, 8, 0, 0, 0, 8, 0, 0, 0, 28, 0, 0, 0, 20, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4];
        assert!(unpacked(&snappy, 100).unwrap_err().contains("snappy"));
        snappy[2] = 0xf0;
        assert!(unpacked(&snappy, 100).unwrap_err().contains("compressor 7"));
        snappy.pop();
        assert!(unpacked(&snappy, 100).unwrap_err().contains("27 bytes, but its header says 28"));
        assert!(unpacked(&snappy, 7).unwrap_err().contains("8 bytes by blosc"));
    }
}
