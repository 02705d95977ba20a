//! The envelope around a checkpoint: what makes damage visible before anything
//! is decoded.
//!
//! ```text
//! offset  bytes  what
//! 0       8      magic "CGRUCKPT"
//! 8       4      version, little-endian
//! 12      8      length of the payload, little-endian
//! 20      32     blake3 of the version and the payload
//! 52      length payload
//! ```
//!
//! The payload is decoded only after its length and hash have been verified,
//! because most single bit flips in it would decode without an error.

/// The first bytes of every checkpoint.
pub const MAGIC: [u8; 8] = *b"CGRUCKPT";
/// The version of envelope and record that this build writes.
pub const VERSION: u32 = 6;
/// The oldest version that this build reads.
pub const OLDEST_VERSION: u32 = 3;
/// The oldest version whose records begin with the time at which they were saved.
const OLDEST_WITH_TIME: u32 = 4;
const HEADER: usize = 8 + 4 + 8 + 32;

/// What is wrong with the bytes of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file does not begin as a checkpoint does.
    #[error("not a checkpoint: the file begins with {found:02x?}, a checkpoint with \"CGRUCKPT\"")]
    Magic {
        /// The first bytes, at most eight.
        found: Vec<u8>,
    },
    /// The file is of another version of this program.
    #[error("checkpoint of version {found}, but this program reads versions {OLDEST_VERSION} to {VERSION}{}", advice(*is_intact))]
    Version {
        /// The version in the file.
        found: u32,
        /// Whether the content matches its hash, so that this is the version and not damage.
        is_intact: bool,
    },
    /// The file ends early.
    #[error("truncated: {got} bytes of {expected}")]
    Truncated {
        /// Length the file should have, in bytes.
        expected: u64,
        /// Length it has, in bytes.
        got: u64,
    },
    /// The file goes on after its end.
    #[error("{got} bytes where the header says {expected}")]
    TooLong {
        /// Length the file should have, in bytes.
        expected: u64,
        /// Length it has, in bytes.
        got: u64,
    },
    /// The content is not what was written.
    #[error("damaged: the content does not match its blake3 hash")]
    Hash,
    /// The content was written as it is, but is no record this program knows.
    #[error("the record cannot be decoded: {reason}")]
    Record {
        /// What the decoder says.
        reason: String,
    },
}

/// Wraps a payload.
pub(super) fn seal(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    bytes.extend_from_slice(digest(VERSION, payload).as_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The version and the payload of an envelope, verified.
///
/// # Errors
/// A [`Fault`] other than [`Fault::Record`].
pub(super) fn open(bytes: &[u8]) -> Result<(u32, &[u8]), Fault> {
    let begins = bytes.len().min(MAGIC.len());
    if bytes[..begins] != MAGIC[..begins] || bytes.is_empty() {
        return Err(Fault::Magic { found: bytes[..begins].to_vec() });
    }
    let got = bytes.len() as u64;
    let Some((header, payload)) = bytes.split_at_checked(HEADER) else {
        return Err(Fault::Truncated { expected: HEADER as u64, got });
    };
    let version = u32::from_le_bytes(array(&header[8..12]));
    let length = u64::from_le_bytes(array(&header[12..20]));
    let expected = length.saturating_add(HEADER as u64);
    match got.cmp(&expected) {
        std::cmp::Ordering::Less => return Err(Fault::Truncated { expected, got }),
        std::cmp::Ordering::Greater => return Err(Fault::TooLong { expected, got }),
        std::cmp::Ordering::Equal => {}
    }
    let is_intact = digest(version, payload) == blake3::Hash::from_bytes(array(&header[20..52]));
    if !(OLDEST_VERSION..=VERSION).contains(&version) {
        return Err(Fault::Version { found: version, is_intact: is_intact && version > VERSION });
    }
    if !is_intact {
        return Err(Fault::Hash);
    }
    Ok((version, payload))
}

/// What to do about a file of another version.
fn advice(is_intact: bool) -> &'static str {
    if is_intact { "; use the program that wrote it" } else { ", and its content does not match its hash" }
}

/// The beginning of the payload in the beginning of a file that looks like a record that begins with its time.
pub(super) fn glance(bytes: &[u8]) -> Option<&[u8]> {
    let (header, payload) = bytes.split_at_checked(HEADER)?;
    let version = u32::from_le_bytes(array(&header[8..12]));
    (header[..8] == MAGIC && (OLDEST_WITH_TIME..=VERSION).contains(&version)).then_some(payload)
}

/// The hash in the header. With the version in it, a flipped bit makes no record of one version
/// into that of another.
fn digest(version: u32, payload: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&version.to_le_bytes());
    hasher.update(payload).finalize()
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the ranges above have the length of their numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens() {
        for payload in [&b""[..], b"x", b"some longer payload"] {
            assert_eq!(open(&seal(payload)).unwrap(), (VERSION, payload));
        }
    }

    #[test]
    fn every_single_bit_flip_is_refused() {
        let sealed = seal(b"the payload");
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn faults_are_told_apart() {
        let sealed = seal(b"the payload");
        let broken = |at: usize| {
            let mut bytes = sealed.clone();
            bytes[at] ^= 1;
            open(&bytes).unwrap_err()
        };
        assert!(matches!(broken(0), Fault::Magic { .. }));
        assert_eq!(broken(9), Fault::Version { found: VERSION ^ 256, is_intact: false });
        let hash = digest(9, b"the payload");
        let later =
            [&sealed[..8], &9u32.to_le_bytes(), &sealed[12..20], hash.as_bytes(), b"the payload"].concat();
        assert_eq!(open(&later).unwrap_err(), Fault::Version { found: 9, is_intact: true });
        assert_eq!(broken(20), Fault::Hash);
        assert_eq!(broken(52), Fault::Hash);
        assert_eq!(broken(19), Fault::Truncated { expected: (1 << 56) + 63, got: 63 });
        let mut long = sealed.clone();
        long.push(0);
        assert_eq!(open(&long).unwrap_err(), Fault::TooLong { expected: 63, got: 64 });
        for length in 1..sealed.len() {
            let fault = open(&sealed[..length]).unwrap_err();
            assert!(matches!(fault, Fault::Truncated { .. }), "length {length}: {fault}");
        }
        assert_eq!(open(&[]).unwrap_err(), Fault::Magic { found: vec![] });
    }
}
