//! The filter LZF of h5py: runs of bytes that were seen before.
//!
//! The format is LibLZF's (Marc Lehmann, <http://oldhome.schmorp.de/marc/liblzf.html>). A byte below 32 announces that many plain bytes
//! and one more. Any other byte is a copy of earlier bytes: its upper three bits are the length less 2, or 7 where a byte with the rest of
//! the length follows; its lower five bits and the next byte are the distance less 1.

/// The number of the filter in HDF5.
pub(super) const LZF: u16 = 32000;

/// Unpacks bytes.
///
/// # Errors
/// What is wrong with them, or that they give more than `most` bytes.
pub(super) fn unpacked(packed: &[u8], most: usize) -> Result<Vec<u8>, String> {
    const ENDS: &str = "it ends within a run";
    let mut out: Vec<u8> = Vec::new();
    let mut rest = packed;
    while let Some((&control, after)) = rest.split_first() {
        rest = after;
        let control = usize::from(control);
        let added = match control {
            0..32 => control + 1,
            _ => {
                let mut length = control >> 5;
                if length == 7 {
                    let (&more, after) = rest.split_first().ok_or(ENDS)?;
                    (length, rest) = (length + usize::from(more), after);
                }
                length + 2
            }
        };
        if out.len() + added > most {
            return Err(format!("it gives more than {most} bytes"));
        }
        if control < 32 {
            let (plain, after) = rest.split_at_checked(added).ok_or(ENDS)?;
            out.extend_from_slice(plain);
            rest = after;
        } else {
            let (&low, after) = rest.split_first().ok_or(ENDS)?;
            rest = after;
            let distance = ((control & 31) << 8 | usize::from(low)) + 1;
            let from = out.len().checked_sub(distance).ok_or("it refers to bytes before its beginning")?;
            // A copy may overlap what it makes.
            (from..from + added).for_each(|at| out.push(out[at]));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_bytes_and_copies_are_unpacked() {
        // "abc", then six bytes from three before, then a long run of the last byte, then "d".
        let packed = [2, b'a', b'b', b'c', 4 << 5, 2, 7 << 5, 20, 0, 0, b'd'];
        let expected = format!("abcabcabc{}d", "c".repeat(29));
        assert_eq!(unpacked(&packed, 39).unwrap(), expected.as_bytes());
        assert!(unpacked(&[], 0).unwrap().is_empty());
        for (bytes, words) in [
            (&packed[..], "more than 38"),
            (&packed[..3], "ends within"),
            (&packed[..5], "ends within"),
            (&[7 << 5][..], "ends within"),
            (&[1 << 5, 0][..], "before its beginning"),
        ] {
            assert!(unpacked(bytes, 38).unwrap_err().contains(words), "{bytes:?}");
        }
    }
}
