//! Codecs from bytes to bytes.

use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

use super::blosc;
use crate::dataset::gzip::read_at_most;

/// Windows of zstd that are read whatever the size of a chunk: the windows of its level 19.
const USUAL_WINDOW: u64 = 1 << 23;
/// Bytes of a checksum.
pub(in super::super) const CHECKSUM: usize = 4;

/// A codec from bytes to bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ByteStep {
    /// Bytes of numbers of a size: all first bytes, then all second ones, and so on.
    Shuffle(usize),
    Gzip,
    Zlib,
    Zstd,
    /// A block of LZ4 behind the number of its bytes.
    Lz4,
    Blosc,
    /// A checksum behind the bytes.
    Crc32c,
}

impl ByteStep {
    /// The bytes that went in, at most `most`.
    ///
    /// # Errors
    /// Why there are none, as the end of a sentence about the chunk.
    pub(super) fn unpacked(&self, packed: Vec<u8>, most: usize) -> Result<Vec<u8>, String> {
        match self {
            Self::Shuffle(size) => Ok(unshuffled(&packed, *size)),
            Self::Gzip => all("gzip", MultiGzDecoder::new(&packed[..]), most),
            Self::Zlib => all("zlib", ZlibDecoder::new(&packed[..]), most),
            Self::Zstd => zstd(&packed, most),
            Self::Lz4 => lz4(&packed, most),
            Self::Blosc => blosc::unpacked(&packed, most),
            Self::Crc32c => checked(packed),
        }
    }
}

/// All that a decoder gives.
fn all(name: &str, decoder: impl Read, most: usize) -> Result<Vec<u8>, String> {
    let unpacked = read_at_most(decoder, most.saturating_add(1))
        .map_err(|error| format!("is no intact {name} ({error})"))?;
    match unpacked.len() <= most {
        true => Ok(unpacked),
        false => Err(format!("unpacks to more than {most} bytes by {name}")),
    }
}

/// The content of frames of zstd, one after the other.
pub(super) fn zstd(packed: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    let mut rest = packed;
    while !rest.is_empty() {
        let window = USUAL_WINDOW.max(most as u64);
        let damaged = |error: &dyn std::fmt::Display| format!("is no intact zstd ({error})");
        let mut frame =
            StreamingDecoder::new_with_max_window_size(&mut rest, window).map_err(|error| damaged(&error))?;
        unpacked.extend(all("zstd", &mut frame, most - unpacked.len())?);
        let frame = frame.into_frame_decoder();
        let (told, found) = (frame.get_checksum_from_data(), frame.get_calculated_checksum());
        if told.is_some() && told != found {
            return Err(damaged(&format!("its checksum is {told:08x?}, but its content has {found:08x?}")));
        }
    }
    Ok(unpacked)
}

fn lz4(packed: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let (length, block) = packed.split_first_chunk().ok_or("is no intact lz4 (it has fewer than 4 bytes)")?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > most {
        return Err(format!("unpacks to {length} bytes by lz4, but at most {most} are possible"));
    }
    let mut unpacked = vec![0; length];
    lz4_block(block, &mut unpacked)?;
    Ok(unpacked)
}

/// Fills `unpacked` with the content of a block of LZ4.
pub(super) fn lz4_block(block: &[u8], unpacked: &mut [u8]) -> Result<(), String> {
    match lz4_flex::block::decompress_into(block, unpacked) {
        Ok(length) if length == unpacked.len() => Ok(()),
        Ok(length) => Err(format!("is no intact lz4 (it has {length} bytes of {})", unpacked.len())),
        Err(error) => Err(format!("is no intact lz4 ({error})")),
    }
}

/// The bytes before a checksum that is theirs.
pub(in super::super) fn checked(mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let (_, told) = bytes.split_last_chunk::<CHECKSUM>().ok_or("ends before its checksum crc32c")?;
    let told = u32::from_le_bytes(*told);
    bytes.truncate(bytes.len() - CHECKSUM);
    match crc32c::crc32c(&bytes) {
        found if found == told => Ok(bytes),
        found => Err(format!("has the checksum crc32c {found:08x}, but {told:08x} was written")),
    }
}

/// Numbers of `size` bytes whose bytes were shuffled; what is no whole number at the end was not.
pub(super) fn unshuffled(shuffled: &[u8], size: usize) -> Vec<u8> {
    let count = shuffled.len() / size.max(1);
    if size < 2 || count < 2 {
        return shuffled.to_vec();
    }
    let mut bytes = vec![0; shuffled.len()];
    let (whole, rest) = shuffled.split_at(count * size);
    for (at, plane) in whole.chunks_exact(count).enumerate() {
        for (number, &byte) in bytes.chunks_exact_mut(size).zip(plane) {
            number[at] = byte;
        }
    }
    bytes[count * size..].copy_from_slice(rest);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_put_together_again() {
        assert_eq!(unshuffled(&[1, 4, 2, 5, 3, 6, 7], 3), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(unshuffled(&[1, 2, 3], 1), [1, 2, 3]);
    }

    #[test]
    fn no_more_comes_out_than_a_chunk_may_have() {
        use std::io::Write;
        let zeros = vec![0; 1 << 20];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&zeros).unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(ByteStep::Gzip.unpacked(gzip.clone(), 1 << 20).unwrap(), zeros);
        assert!(ByteStep::Gzip.unpacked(gzip, 1000).unwrap_err().contains("more than 1000 bytes"));
        // A frame of zstd with one block: a byte that is repeated a hundred thousand times.
        let mut zstd = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x58];
        zstd.extend_from_slice(&((100_000u32 << 3) | 3).to_le_bytes()[..3]);
        zstd.push(7);
        assert_eq!(ByteStep::Zstd.unpacked(zstd.clone(), 100_000).unwrap(), vec![7; 100_000]);
        assert!(ByteStep::Zstd.unpacked(zstd, 99_999).unwrap_err().contains("more than 99999 bytes"));
        // A window of 2 GiB.
        let wide = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0];
        assert!(ByteStep::Zstd.unpacked(wide, 1000).unwrap_err().contains("zstd"));
        assert!(ByteStep::Lz4.unpacked(vec![0xff; 8], 1000).unwrap_err().contains("4294967295 bytes"));
    }

    #[test]
    fn checksums_are_compared() {
        let mut bytes = b"123456789".to_vec();
        bytes.extend(0xe306_9283_u32.to_le_bytes());
        assert_eq!(ByteStep::Crc32c.unpacked(bytes.clone(), 99).unwrap(), b"123456789");
        bytes[0] ^= 1;
        assert!(ByteStep::Crc32c.unpacked(bytes, 99).unwrap_err().contains("e3069283"));
        assert!(ByteStep::Crc32c.unpacked(vec![1, 2, 3], 99).is_err());
    }
}
