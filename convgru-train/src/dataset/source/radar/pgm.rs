//! Reader of binary PGM images (`P5`, 8 bits), plain or compressed by gzip, as the Finnish
//! Meteorological Institute publishes its radar composites.
//!
//! The format: `P5`, width, height and the largest grey level in decimal, separated by
//! white space and by lines that begin with `#`, one white space, and a byte for each
//! pixel, row by row.

use std::path::Path;

use crate::dataset::georeference::{Georeference, of_comments};
use crate::dataset::gzip::{Unpacked, fill, read_at_most};
use crate::dataset::timestamp::Timestamp;
use crate::read_budget::{ReadBudget, Working, bytes_of};
use crate::{Error, Result};

/// No side of an image may be longer.
const LONGEST_SIDE: usize = 1 << 14;
/// No image may have more pixels.
const MOST_PIXELS: usize = 1 << 26;
/// Bytes of the header, comments among them.
const LONGEST_HEADER: usize = 1 << 16;
/// Bytes of a pixel while it is read: its level, its rain rate, the mean of several, and their value.
const PIXEL_BYTES: usize = 1 + 4 + 4 + 4;

/// A grey image of 8 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dataset) struct Pgm {
    pub(in crate::dataset) height: usize,
    pub(in crate::dataset) width: usize,
    /// Grey levels, row by row.
    pub(in crate::dataset) pixels: Vec<u8>,
}

impl Pgm {
    /// Reads a file; what it takes is counted as working memory, with what rain rates of it take.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] unless it is exactly what its
    /// header announces, [`Error::Memory`] if that takes more than is allowed.
    pub(in crate::dataset) fn read(path: &Path, budget: &ReadBudget) -> Result<(Self, Working)> {
        let format = |reason| Error::Format { path: path.into(), reason };
        let mut source = Unpacked::open(path)?;
        let mut start =
            read_at_most(&mut source, LONGEST_HEADER).map_err(|error| source.failed(path, error))?;
        let header = Header::parse(&start).map_err(format)?;
        let needed = header.height * header.width;
        let working = budget.work(path, bytes_of(PIXEL_BYTES, &[needed]))?;
        // One byte more than needed shows what follows.
        let most = header.bytes + needed + 1;
        fill(&mut start, &mut source, most).map_err(|error| source.failed(path, error))?;
        let there = start.len().min(most) - header.bytes;
        if there != needed {
            let (state, there) = match there < needed {
                true => ("truncated", there.to_string()),
                false => ("followed by other data", "more".into()),
            };
            return Err(format(format!(
                "announces {} x {} pixels (width x height), which are {needed} bytes, but has {there} after its header; \
                 it is {state}",
                header.width, header.height
            )));
        }
        start.drain(..header.bytes);
        Ok((Self { height: header.height, width: header.width, pixels: start }, working))
    }
}

/// Height and width of an image, and where it lies by the comments of its header.
///
/// # Errors
/// As [`Pgm::read`].
pub(in crate::dataset) fn georeference(path: &Path) -> Result<([usize; 2], Georeference)> {
    let (text, Header { height, width, .. }) = header(path)?;
    let size = [height, width];
    Ok((size, of_comments(&text, size)))
}

/// The time in a line such as `# obstime 201609281445` among the comments of a file.
///
/// # Errors
/// As [`Pgm::read`].
pub(in crate::dataset) fn observed(path: &Path) -> Result<Option<Timestamp>> {
    let (text, _) = header(path)?;
    let line = text.lines().find(|line| line.starts_with('#') && line.contains("obstime"));
    Ok(line.and_then(Timestamp::in_text))
}

/// The header of a file, as text and as it is understood.
fn header(path: &Path) -> Result<(String, Header)> {
    let mut source = Unpacked::open(path)?;
    let bytes = read_at_most(&mut source, LONGEST_HEADER).map_err(|error| source.failed(path, error))?;
    let header = Header::parse(&bytes).map_err(|reason| Error::Format { path: path.into(), reason })?;
    Ok((String::from_utf8_lossy(&bytes[..header.bytes]).into_owned(), header))
}

/// Height and width of an image.
///
/// # Errors
/// As [`Pgm::read`].
pub(super) fn size(path: &Path) -> Result<[usize; 2]> {
    let (_, Header { height, width, .. }) = header(path)?;
    Ok([height, width])
}

struct Header {
    width: usize,
    height: usize,
    /// Its length.
    bytes: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let Some(rest) = bytes.strip_prefix(b"P5") else {
            return Err("is no binary PGM image: it does not begin with P5".into());
        };
        let mut at = bytes.len() - rest.len();
        let mut number = |what: &str| {
            let (value, end) = number_at(bytes, at).ok_or_else(|| {
                format!("has no {what} in the first {} bytes of its header", bytes.len().min(LONGEST_HEADER))
            })?;
            at = end;
            Ok::<usize, String>(value)
        };
        let [width, height, levels] = [number("width")?, number("height")?, number("largest grey level")?];
        if !(1..=LONGEST_SIDE).contains(&width)
            || !(1..=LONGEST_SIDE).contains(&height)
            || width * height > MOST_PIXELS
        {
            return Err(format!(
                "announces {width} x {height} pixels, but sides of 1 to {LONGEST_SIDE} and at most {MOST_PIXELS} pixels \
                 are possible"
            ));
        }
        if levels != 255 {
            return Err(format!("has grey levels up to {levels}, but images of 8 bits, up to 255, are read"));
        }
        match bytes.get(at) {
            Some(byte) if byte.is_ascii_whitespace() => Ok(Self { width, height, bytes: at + 1 }),
            _ => Err("has no white space between its header and its pixels".into()),
        }
    }
}

/// The number at a place after white space and comments, and the place behind it.
fn number_at(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    loop {
        match bytes.get(at)? {
            b'#' => at += bytes[at..].iter().position(|&byte| byte == b'\n')?,
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => break,
        }
        if at > LONGEST_HEADER {
            return None;
        }
    }
    let digits = bytes[at..].iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
    let text = std::str::from_utf8(&bytes[at..at + digits]).ok()?;
    Some((text.parse().ok()?, at + digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::fixtures::budget;
    use proptest::prelude::*;
    use std::io::Write;

    const SMALL: &[u8] =
        b"P5\n# obstime 201609281445\n# param CorrectedReflectivity\n3 2\n# more\n255\n\x00\x40\xff123";

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn parsed(bytes: &[u8]) -> std::result::Result<Pgm, String> {
        Pgm::read(file(bytes).path(), &budget()).map(|(image, _)| image).map_err(|error| error.to_string())
    }

    #[test]
    fn comments_lie_anywhere_in_the_header() {
        for bytes in [SMALL.to_vec(), gzip(SMALL)] {
            let file = file(&bytes);
            let image = Pgm::read(file.path(), &budget()).unwrap().0;
            assert_eq!((image.width, image.height), (3, 2));
            assert_eq!(image.pixels, *b"\x00\x40\xff123");
            assert_eq!(observed(file.path()).unwrap().unwrap().to_string(), "2016-09-28 14:45");
        }
        // A pixel that looks like white space belongs to the image.
        assert_eq!(parsed(b"P5 1 1 255\n\n").unwrap().pixels, b"\n");
    }

    #[test]
    fn what_is_no_image_is_named() {
        let reason = |bytes: &[u8]| parsed(bytes).unwrap_err();
        assert!(reason(b"P2 1 1 255\n0").contains("P5"));
        assert!(reason(b"P5 0 1 255\n").contains("0 x 1"));
        assert!(reason(b"P5 99999 99999 255\n").contains("99999 x 99999"));
        assert!(
            reason(b"P5 99999999999999999999 1 255\n").contains("largest")
                || reason(b"P5 99999999999999999999 1 255\n").contains("pixels")
        );
        assert!(reason(b"P5 1 1 65535\n\0\0").contains("65535"));
        assert!(reason(b"P5 2 2 255\nabc").contains("truncated"));
        assert!(reason(b"P5 2 2 255\nabcde").contains("followed"));
        assert!(reason(b"P5 # no end").contains("width"));
        let error = parsed(&gzip(SMALL)[..40]).unwrap_err();
        assert!(error.contains("gzip"), "{error}");
    }

    proptest! {
        #[test]
        fn no_file_is_a_panic(cut in 0usize..SMALL.len(), at in 0usize..SMALL.len(), byte: u8) {
            prop_assert!(parsed(&SMALL[..cut]).is_err());
            let mut changed = SMALL.to_vec();
            changed[at] = byte;
            let _ = parsed(&changed);
            let packed = gzip(SMALL);
            prop_assert!(parsed(&packed[..cut.min(packed.len() - 1)]).is_err());
            let _ = observed(file(&changed).path());
        }
    }
}
