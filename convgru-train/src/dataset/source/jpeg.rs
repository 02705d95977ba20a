//! JPEG images: baseline and progressive, of grey levels or colours in eight bits.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use jpeg_decoder::{Decoder, PixelFormat};

use super::image::{Image, check_image};
use crate::dataset::caught::caught;
use crate::error::{Error, Result};
use crate::input;

/// Bytes of a pixel of an image that is being decoded: coefficients of three channels, samples, colours, and these in sixteen bits.
pub(super) const DECODED_BYTES: usize = 6 + 3 + 3 + 6;
/// The tag of EXIF that says how the camera was held.
const ORIENTATION: u16 = 0x0112;

/// A JPEG whose header was read.
pub(super) struct Opened {
    decoder: Decoder<BufReader<File>>,
    /// As it is stored.
    stored: [usize; 2],
    pub(super) is_grey: bool,
    orientation: Orientation,
}

impl Opened {
    /// Width and height, once it is turned as EXIF says.
    pub(super) fn size(&self) -> [usize; 2] {
        let [width, height] = self.stored;
        if self.orientation.swaps_sides() { [height, width] } else { self.stored }
    }
}

/// Opens a JPEG and reads its header.
///
/// # Errors
/// [`Error::Io`] if it cannot be read; [`Error::Format`] if it is damaged, larger than is read, or of CMYK or twelve bits.
pub(super) fn opened(path: &Path) -> Result<Opened> {
    let file = input::open(path).map_err(Error::io("read", path))?;
    let mut decoder = Decoder::new(BufReader::new(file));
    caught(path, || decoder.read_info().map_err(|error| failed(path, error)))?;
    let refuse = |reason: String| Error::Format { path: path.into(), reason };
    let Some(info) = decoder.info() else { return Err(refuse("damaged JPEG: it has no header".into())) };
    check_image(path, info.width.into(), info.height.into())?;
    let is_grey = match info.pixel_format {
        PixelFormat::L8 => true,
        PixelFormat::RGB24 => false,
        PixelFormat::CMYK32 => {
            return Err(refuse(
                "is a JPEG of the inks cyan, magenta, yellow and black (CMYK), but grey levels and colours are read; save it as RGB".into(),
            ));
        }
        PixelFormat::L16 => {
            return Err(refuse(
                "is a JPEG of more than 8 bits a sample; save it as PNG, which has 16".into(),
            ));
        }
    };
    let orientation = match decoder.exif_data() {
        Some(exif) => orientation(exif).ok_or_else(|| {
            refuse("has an orientation in its EXIF data that cannot be read; save the picture without EXIF, turned as it is meant".into())
        })?,
        None => Orientation(1),
    };
    let stored = [usize::from(info.width), usize::from(info.height)];
    decoder.set_max_decoding_buffer_size(4 * stored[0] * stored[1]);
    Ok(Opened { decoder, stored, is_grey, orientation })
}

/// Decodes an image, turned as its EXIF data say.
///
/// # Errors
/// [`Error::Io`] or [`Error::Format`] if it is damaged or ends early.
pub(super) fn image(path: &Path, mut opened: Opened) -> Result<Image> {
    let bytes = caught(path, || opened.decoder.decode().map_err(|error| failed(path, error)))?;
    let [width, height] = opened.stored;
    let channels = if opened.is_grey { 1 } else { 3 };
    if bytes.len() != width * height * channels {
        let reason = format!(
            "damaged JPEG: {} bytes of {width} x {height} pixels with {channels} channels; fetch it again",
            bytes.len()
        );
        return Err(Error::Format { path: path.into(), reason });
    }
    let [turned_width, turned_height] = opened.size();
    let mut rgb = Vec::new();
    input::reserve(&mut rgb, width * height * 3).map_err(Error::io("read", path))?;
    for row in 0..turned_height {
        for column in 0..turned_width {
            let at = opened.orientation.stored(opened.stored, [row, column]) * channels;
            let colour = |channel: usize| u16::from(bytes[at + channel.min(channels - 1)]) * 257;
            rgb.extend([0, 1, 2].map(colour));
        }
    }
    Ok(Image { width: turned_width, height: turned_height, rgb })
}

fn failed(path: &Path, error: jpeg_decoder::Error) -> Error {
    let reason = match &error {
        jpeg_decoder::Error::Unsupported(what) => {
            format!("is a JPEG that is not read ({what:?}); save it as a baseline JPEG of 8 bits, or as PNG")
        }
        _ => format!("damaged JPEG: {error}; fetch it again"),
    };
    input::failed(path, &error, || reason)
}

/// How an image is turned and mirrored, as EXIF counts it: 1 as it is, 3 upside down, 6 by a quarter clockwise, 8 anticlockwise, even
/// numbers of 2 to 8 and odd ones of 5 and 7 mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Orientation(u16);

impl Orientation {
    fn swaps_sides(self) -> bool {
        self.0 >= 5
    }

    /// The pixel of the stored image, of a width and height, that is shown at a row and column.
    fn stored(self, [width, height]: [usize; 2], [row, column]: [usize; 2]) -> usize {
        let (right, bottom) = (width - 1, height - 1);
        let [y, x] = match self.0 {
            2 => [row, right - column],
            3 => [bottom - row, right - column],
            4 => [bottom - row, column],
            5 => [column, row],
            6 => [bottom - column, row],
            7 => [bottom - column, right - row],
            8 => [column, right - row],
            _ => [row, column],
        };
        y * width + x
    }
}

/// The orientation in EXIF data, 1 where they tell none; `None` if they are damaged before it is found.
fn orientation(exif: &[u8]) -> Option<Orientation> {
    let is_little = match exif.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let two = |at: usize| {
        let bytes: [u8; 2] = exif.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let four = |at: usize| {
        let bytes: [u8; 4] = exif.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let begin = four(4)? as usize;
    for entry in 0..usize::from(two(begin)?) {
        let at = begin.checked_add(2 + 12 * entry)?;
        if two(at)? == ORIENTATION {
            // A short number lies in the first two bytes of the value.
            return two(at + 8).filter(|number| (1..=8).contains(number)).map(Orientation);
        }
    }
    Some(Orientation(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orientations_are_found_in_either_order_of_bytes() {
        let little =
            b"II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x01\0\0\0\0\0\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0";
        assert_eq!(orientation(little), Some(Orientation(6)));
        assert_eq!(orientation(big), Some(Orientation(8)));
        assert_eq!(orientation(b"II*\0\x08\0\0\0\0\0"), Some(Orientation(1)));
        for cut in 0..little.len() - 2 {
            assert_eq!(orientation(&little[..cut]), None, "{cut}");
        }
        let mut wrong = big.to_vec();
        wrong[19] = 9;
        assert_eq!(orientation(&wrong), None);
    }
}
