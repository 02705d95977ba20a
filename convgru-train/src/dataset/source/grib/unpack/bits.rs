//! Integers of any number of bits, one after the other, the most significant bit first.

/// Bytes whose bits are taken.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits that were taken.
    at: usize,
}

impl<'a> Bits<'a> {
    /// All bits of some bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next integer of so many bits, at most 32.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about the message.
    pub(super) fn take(&mut self, bits: u32) -> Result<u32, String> {
        if bits > 32 {
            return Err(format!("has integers of {bits} bits, but at most 32 are possible"));
        }
        let end = self.at + bits as usize;
        if end > 8 * self.bytes.len() {
            return Err(format!("ends after {} bytes, within its numbers; fetch it again", self.bytes.len()));
        }
        let mut taken = 0u64;
        let mut at = self.at;
        while at < end {
            let inside = at % 8;
            let count = (8 - inside).min(end - at);
            let byte = self.bytes[at / 8] << inside >> (8 - count);
            taken = taken << count | u64::from(byte);
            at += count;
        }
        self.at = end;
        Ok(taken as u32)
    }

    /// Goes on at the beginning of a byte.
    pub(super) fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_taken_across_bytes() {
        let mut bits = Bits::new(&[0b1010_0110, 0b1111_0000, 0xff, 0, 0, 0, 1]);
        assert_eq!([3, 0, 7].map(|count| bits.take(count).unwrap()), [0b101, 0, 0b001_1011]);
        bits.align();
        assert_eq!([1, 7, 32].map(|count| bits.take(count).unwrap()), [1, 127, 1]);
        assert!(bits.take(1).unwrap_err().contains("7 bytes"));
    }
}
